// The part of the Reflect metadata proposal that the dependency injection inside @peculiar/x509 insists on when it loads.
// To be imported before it.
const metadata = new WeakMap<object, Map<unknown, unknown>>();

function own(key: unknown, target: object): unknown {
  return metadata.get(target)?.get(key);
}

function inherited(key: unknown, target: object): unknown {
  for (let at: object | null = target; at !== null; at = Object.getPrototypeOf(at) as object | null) {
    const value = own(key, at);
    if (value !== undefined) return value;
  }
  return undefined;
}

function define(key: unknown, value: unknown, target: object): void {
  const entries = metadata.get(target);
  if (entries === undefined) metadata.set(target, new Map([[key, value]]));
  else entries.set(key, value);
}

if (!('getMetadata' in Reflect)) {
  Object.assign(Reflect, {
    getOwnMetadata: own,
    getMetadata: inherited,
    hasOwnMetadata: (key: unknown, target: object) => own(key, target) !== undefined,
    hasMetadata: (key: unknown, target: object) => inherited(key, target) !== undefined,
    defineMetadata: define,
    metadata: (key: unknown, value: unknown) => (target: object) => define(key, value, target),
  });
}
