// An Ingress and the status of the Gateway that serves its class → its status: where it can be reached.
import type { ObjectRef } from '../routing/origin.ts';
import { list, record, text } from '../support/untrusted.ts';
import type { ObjectStatus } from './object-status.ts';

/** Undefined when the Gateway is not ours: then nobody is to write into the Ingress. */
export function ingressStatus(ref: ObjectRef, gateway: ObjectStatus | undefined): ObjectStatus | undefined {
  if (gateway === undefined) return undefined;
  const ingress = list(gateway.status['addresses']).flatMap((address) => {
    const { type, value } = record(address);
    const at = text(value) ?? '';
    return at === '' ? [] : [type === 'Hostname' ? { hostname: at } : { ip: at }];
  });
  return { ref, status: { loadBalancer: ingress.length === 0 ? {} : { ingress } } };
}
