// gateway.networking.k8s.io/v1alpha2 TLSRoute, TCPRoute and UDPRoute -> v1, which takes one rule and, of a TLSRoute, asks for
// hostnames.
import type { KubeObject } from '../api/objects.ts';
import { list, record } from '../support/untrusted.ts';
import type { Notes } from './upgraded.ts';

/** A stream meets no conditions, so that the first rule takes them all. */
export function firstRuleOnly(object: KubeObject, notes: Notes): KubeObject {
  const spec = record(object['spec']);
  const [first, ...others] = list(spec['rules']);
  others.forEach((_, index) => sayUnreached(notes, `spec.rules[${index + 1}]`));
  if (object.kind === 'TLSRoute' && list(spec['hostnames']).length === 0) {
    notes.say('spec', {
      code: 'CarriedOver',
      message: 'a TLSRoute names its hostnames today; without any it takes every server name that its listeners do',
    });
  }
  return others.length === 0 ? object : { ...object, spec: { ...spec, rules: [first] } };
}

export function sayUnreached(notes: Notes, path: string): void {
  notes.say(path, {
    code: 'NotCarriedOver',
    message: 'the first rule takes every connection, so that this one gets none; today a route has one rule',
  });
}
