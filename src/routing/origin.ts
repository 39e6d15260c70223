// Where a value came from: an object and a path to a field in it. The file and line belong to the sources, which find
// them from an Origin when something is printed, so that the model stays small.

export interface ObjectRef {
  /** API group; '' is the core group. */
  readonly group: string;
  readonly kind: string;
  /** '' for cluster-scoped objects. */
  readonly namespace: string;
  readonly name: string;
}

export interface Origin {
  readonly object: ObjectRef;
  /** As kubectl prints it: `spec.rules[1].backendRefs[0].name`; '' is the object itself. */
  readonly path: string;
}

/** `HTTPRoute shop/checkout`, `GatewayClass portolan`. */
export function nameOf(ref: ObjectRef): string {
  return `${ref.kind} ${ref.namespace === '' ? '' : `${ref.namespace}/`}${ref.name}`;
}

/** Unique over all kinds: `gateway.networking.k8s.io/HTTPRoute/shop/checkout`. */
export function refKey(ref: ObjectRef): string {
  return `${ref.group}/${ref.kind}/${ref.namespace}/${ref.name}`;
}

/** The same object, a field deeper: `at(origin, 'rules', 1, 'filters')`. */
export function at(origin: Origin, ...steps: readonly (string | number)[]): Origin {
  let path = origin.path;
  for (const step of steps) path += typeof step === 'number' ? `[${step}]` : path === '' ? step : `.${step}`;
  return { object: origin.object, path };
}
