// What one update makes of resources, by scope (the gateway whose Envoys get them): what is sent as it stands is left out.
import type { Resource, ResourceChanges } from '../stream/resource.ts';
import { order, type ResourceType } from './names.ts';

/** By scope; types in their order. */
export type ScopedChanges = ReadonlyMap<string, readonly ResourceChanges[]>;

/** Versions by scope, type and name: what was sent last. Whoever keeps it begins with an empty one. */
export type Sent = Map<string, Map<ResourceType, Map<string, string>>>;

/** Of one scope and type. */
interface Changes {
  readonly sent: Map<string, string>;
  readonly set: Map<string, Resource>;
  readonly remove: Set<string>;
}

export class Batch {
  readonly #sent: Sent;
  readonly #scopes = new Map<string, Map<ResourceType, Changes>>();
  /** Most come one after the other of one type. */
  #last: { readonly scope: string; readonly type: ResourceType; readonly changes: Changes } | undefined;

  constructor(sent: Sent) {
    this.#sent = sent;
  }

  set(scope: string, type: ResourceType, resource: Resource): void {
    const { sent, set, remove } = this.#of(scope, type);
    remove.delete(resource.name);
    if (sent.get(resource.name) === resource.version) return;
    sent.set(resource.name, resource.version);
    set.set(resource.name, resource);
  }

  remove(scope: string, type: ResourceType, name: string): void {
    const { sent, set, remove } = this.#of(scope, type);
    set.delete(name);
    if (sent.delete(name)) remove.add(name);
  }

  changes(): ScopedChanges {
    const scopes = new Map<string, readonly ResourceChanges[]>();
    for (const [scope, byType] of this.#scopes) {
      const list: ResourceChanges[] = [];
      for (const typeUrl of order) {
        const changes = byType.get(typeUrl);
        if (changes === undefined) continue;
        const { sent, set, remove } = changes;
        if (set.size + remove.size > 0) list.push({ typeUrl, set: [...set.values()], remove: [...remove] });
        if (sent.size === 0) this.#sent.get(scope)?.delete(typeUrl);
      }
      if (this.#sent.get(scope)?.size === 0) this.#sent.delete(scope);
      if (list.length > 0) scopes.set(scope, list);
    }
    return scopes;
  }

  #of(scope: string, type: ResourceType): Changes {
    const last = this.#last;
    if (last !== undefined && last.type === type && last.scope === scope) return last.changes;
    const byType = valueAt(this.#scopes, scope, newMap<ResourceType, Changes>);
    const changes = valueAt(byType, type, (): Changes => {
      const sent = valueAt(this.#sent, scope, newMap<ResourceType, Map<string, string>>);
      return { sent: valueAt(sent, type, newMap<string, string>), set: new Map(), remove: new Set() };
    });
    this.#last = { scope, type, changes };
    return changes;
  }
}

function newMap<K, V>(): Map<K, V> {
  return new Map();
}

function valueAt<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let value = map.get(key);
  if (value === undefined) map.set(key, (value = make()));
  return value;
}
