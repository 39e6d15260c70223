// What is published for one gateway: its resources by type and name, counted by publications so that a stream can tell what
// came after it began to send.
import type { Resource, ResourceChanges } from './resource.ts';

export interface Stored {
  readonly resource: Resource;
  /** The publication that brought this version. */
  readonly since: number;
}

/** Names by type. */
export type ChangedNames = ReadonlyMap<string, ReadonlySet<string>>;

export class Published {
  /** Grows with the first publication, and with each that changed anything. */
  revision = 0;
  /** false: nothing was published yet, so nobody knows what there is. */
  known = false;
  readonly #types = new Map<string, Map<string, Stored>>();

  /** What really changed: another version, or a name that was there to be removed. */
  apply(changes: readonly ResourceChanges[]): ChangedNames {
    const next = this.revision + 1;
    const changed = new Map<string, Set<string>>();
    for (const { typeUrl, set, remove } of changes) {
      const rows = this.#rows(typeUrl);
      const names = changed.get(typeUrl) ?? new Set<string>();
      for (const name of remove) if (rows.delete(name)) names.add(name);
      for (const resource of set) {
        if (rows.get(resource.name)?.resource.version === resource.version) continue;
        rows.set(resource.name, { resource, since: next });
        names.add(resource.name);
      }
      if (names.size > 0) changed.set(typeUrl, names);
    }
    if (changed.size > 0 || !this.known) this.revision = next;
    this.known = true;
    return changed;
  }

  find(typeUrl: string, name: string): Stored | undefined {
    return this.#types.get(typeUrl)?.get(name);
  }

  all(typeUrl: string): ReadonlyMap<string, Stored> {
    return this.#types.get(typeUrl) ?? nothing;
  }

  get isEmpty(): boolean {
    return [...this.#types.values()].every((rows) => rows.size === 0);
  }

  #rows(typeUrl: string): Map<string, Stored> {
    let rows = this.#types.get(typeUrl);
    if (rows === undefined) this.#types.set(typeUrl, (rows = new Map()));
    return rows;
  }
}

const nothing: ReadonlyMap<string, Stored> = new Map();
