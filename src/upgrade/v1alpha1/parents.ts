// Which listeners a networking.x-k8s.io/v1alpha1 route belongs to: the Gateways choose it, and it says which Gateways may.
import type { HTTPRoute } from '../../api/generated/types.ts';
import { gatewayGroup } from '../../api/kinds.ts';
import type { KubeObject } from '../../api/objects.ts';
import { selects } from '../../routing/label-selector.ts';
import { list, record, text, texts, type UnknownRecord } from '../../support/untrusted.ts';
import type { Notes } from '../upgraded.ts';
import type { RouteBinding } from './gateway.ts';

type ParentRef = NonNullable<HTTPRoute['spec']['parentRefs']>[number];

export interface BindingContext {
  /** Of every v1alpha1 Gateway. */
  readonly bindings: readonly RouteBinding[];
  readonly namespaceLabels: (namespace: string) => Readonly<Record<string, string>>;
  /** The port of a Service that has just one; v1alpha1 let it be left out. */
  readonly onlyPort: (service: string) => number | undefined;
}

export interface ChosenParent {
  readonly parentRef: ParentRef;
  /** Of the listener; absent when the route names its parent itself. */
  readonly protocol?: string;
}

/** Both sides have to agree: the Gateway by its selector, the route by `gateways.allow`. */
export function chosenParents(
  object: KubeObject,
  kind: string,
  context: BindingContext,
  notes: Notes,
): readonly ChosenParent[] {
  const spec = record(object['spec']);
  const { namespace = '' } = object.metadata;
  const gateways = record(spec['gateways']);
  const written = text(gateways['allow']);
  const chosen = context.bindings.filter((binding) => binding.kind === kind && takes(binding, object, context));
  const allowed = chosen.filter((binding) => allows(binding, { written, gateways, namespace }));
  if (written === undefined && allowed.some((binding) => binding.namespace !== namespace)) {
    const message =
      'says nothing of the Gateways that it allows: served on every Gateway that selects it, where v1alpha1 at its end took only those of its own namespace';
    notes.say('spec.gateways', { code: 'CarriedOver', message });
  }
  if (allowed.length === 0) return namedParents(spec).map((parentRef) => ({ parentRef }));
  return allowed.map((binding) => ({
    parentRef: {
      group: gatewayGroup,
      kind: 'Gateway',
      namespace: binding.namespace,
      name: binding.gateway,
      sectionName: binding.listener,
    },
    protocol: binding.protocol,
  }));
}

/** This vintage has no parentRefs: they are there when somebody attached the route by hand (`run --attach`). */
function namedParents(spec: UnknownRecord): ParentRef[] {
  return list(spec['parentRefs']).flatMap((each) => {
    const { name, namespace } = record(each);
    if (typeof name !== 'string') return [];
    return [{ group: gatewayGroup, kind: 'Gateway', name, ...(typeof namespace === 'string' ? { namespace } : {}) }];
  });
}

function takes(binding: RouteBinding, object: KubeObject, context: BindingContext): boolean {
  const { namespace = '', labels } = object.metadata;
  if (binding.routes === undefined || !selects(binding.routes, texts(labels))) return false;
  if (binding.from === 'Same') return namespace === binding.namespace;
  if (binding.from === 'All') return true;
  return binding.namespaces !== undefined && selects(binding.namespaces, context.namespaceLabels(namespace));
}

/**
 * `allow` came late to this vintage, with SameNamespace as its default; examples published before it do not have it and
 * bind across namespaces, so its absence is read as All, and said.
 */
function allows(
  binding: RouteBinding,
  route: { readonly written: string | undefined; readonly gateways: UnknownRecord; readonly namespace: string },
): boolean {
  if (route.written === undefined || route.written === 'All') return true;
  if (route.written === 'FromList') {
    return list(route.gateways['gatewayRefs']).some(
      (ref) => record(ref)['name'] === binding.gateway && record(ref)['namespace'] === binding.namespace,
    );
  }
  return route.namespace === binding.namespace;
}
