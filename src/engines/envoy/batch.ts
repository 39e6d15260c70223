// What one update makes of resources, by scope (the gateway whose Envoys get them): what is sent as it stands is left out.
import type { Resource, ResourceChanges } from '../stream/resource.ts';
import { order, type ResourceType } from './names.ts';

/** By scope; types in their order. */
export type ScopedChanges = ReadonlyMap<string, readonly ResourceChanges[]>;

export class Batch {
  readonly #sent: Map<string, string>;
  readonly #scopes = new Map<string, Map<ResourceType, { set: Map<string, Resource>; remove: Set<string> }>>();

  constructor(sent: Map<string, string>) {
    this.#sent = sent;
  }

  set(scope: string, type: ResourceType, resource: Resource): void {
    const key = `${scope} ${type} ${resource.name}`;
    const changes = this.#of(scope, type);
    changes.remove.delete(resource.name);
    if (this.#sent.get(key) === resource.version) return;
    this.#sent.set(key, resource.version);
    changes.set.set(resource.name, resource);
  }

  remove(scope: string, type: ResourceType, name: string): void {
    const changes = this.#of(scope, type);
    changes.set.delete(name);
    if (this.#sent.delete(`${scope} ${type} ${name}`)) changes.remove.add(name);
  }

  changes(): ScopedChanges {
    const scopes = new Map<string, readonly ResourceChanges[]>();
    for (const [scope, byType] of this.#scopes) {
      const list = order.flatMap((typeUrl) => {
        const { set, remove } = byType.get(typeUrl) ?? { set: new Map<string, Resource>(), remove: new Set<string>() };
        return set.size + remove.size === 0 ? [] : [{ typeUrl, set: [...set.values()], remove: [...remove] }];
      });
      if (list.length > 0) scopes.set(scope, list);
    }
    return scopes;
  }

  #of(scope: string, type: ResourceType): { set: Map<string, Resource>; remove: Set<string> } {
    let byType = this.#scopes.get(scope);
    if (byType === undefined) this.#scopes.set(scope, (byType = new Map()));
    let changes = byType.get(type);
    if (changes === undefined) byType.set(type, (changes = { set: new Map(), remove: new Set() }));
    return changes;
  }
}
