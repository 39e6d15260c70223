// forwardTo of networking.x-k8s.io/v1alpha1 routes of every kind -> backendRefs.
import type { HTTPRoute } from '../../api/generated/types.ts';
import { list, portNumber, record, text, type UnknownRecord } from '../../support/untrusted.ts';
import type { Notes } from '../upgraded.ts';
import type { BindingContext } from './parents.ts';

type BackendRef = NonNullable<HTTPRoute['spec']['rules'][number]['backendRefs']>[number];
export type Target = Omit<BackendRef, 'filters'>;

export interface RouteScope {
  readonly notes: Notes;
  readonly context: BindingContext;
  readonly namespace: string;
}

/** A list; an early draft wrote an object with a list `backend` in it. */
export function forwardTargets(
  value: unknown,
  path: string,
  notes: Notes,
): { readonly targets: readonly unknown[]; readonly path: string } {
  if (value === undefined || Array.isArray(value)) return { targets: list(value), path };
  const { backend } = record(value);
  notes.say(path, {
    code: 'CarriedOver',
    message: 'an object with a list of backends is the form of an early draft; today it is a list backendRefs',
  });
  return {
    targets: Array.isArray(backend) ? list(backend) : backend === undefined ? [] : [backend],
    path: `${path}.backend`,
  };
}

/** Without its filters; undefined when it names nothing. */
export function upgradeTarget(target: UnknownRecord, from: string, scope: RouteScope): Target | undefined {
  const { notes } = scope;
  const ref = record(target['backendRef']);
  const name = text(target['serviceName']) ?? text(ref['name']) ?? text(target['name']);
  if (name === undefined) {
    notes.say(from, { code: 'NotCarriedOver', message: 'names no backend: serviceName or backendRef is required' });
    return undefined;
  }
  const group = text(ref['group']);
  const namespace = text(target['namespace']);
  const port = portNumber(target['port']) ?? scope.context.onlyPort(`${namespace ?? scope.namespace}/${name}`);
  const weight = typeof target['weight'] === 'number' ? target['weight'] : 1;
  return {
    group: group === undefined || group === 'core' ? '' : group,
    kind: text(ref['kind']) ?? 'Service',
    name,
    weight,
    ...(namespace === undefined ? {} : { namespace }),
    ...(port === undefined ? {} : { port }),
  };
}
