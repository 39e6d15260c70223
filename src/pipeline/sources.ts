// The raw tables: every object as it was written, by kind. A kind that some stage reads has a table of its own, keyed by
// namespace/name; the objects of all other kinds share one, keyed by refKey, where policies are found.
import type { KubeObject, ObjectMeta } from '../api/objects.ts';
import { groupOf } from '../api/objects.ts';
import { Source } from '../incremental/table.ts';
import type { Changes, Table } from '../incremental/table.ts';
import type { ObjectRef } from '../routing/origin.ts';
import { refKey } from '../routing/origin.ts';

/** What it takes to name an object. */
export interface Named {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: ObjectMeta;
}

export class Sources {
  readonly #tables = new Map<string, Source<KubeObject>>();
  /** Objects of kinds that no stage asked for, by refKey. */
  readonly others: Source<KubeObject> = new Source('others');

  /** The table of a kind. Asked for while the stages are built, so that the kind is known before its first object. */
  readonly of = (group: string, kind: string): Table<KubeObject> => {
    const id = `${group}/${kind}`;
    let table = this.#tables.get(id);
    if (table === undefined) this.#tables.set(id, (table = new Source(`raw ${id}`)));
    return table;
  };

  /** Whether it differs from what stood there. */
  apply(object: KubeObject, changes: Changes): boolean {
    const { table, key } = this.#placeOf(refOf(object));
    table.apply(key, object, changes);
    return table.get(key) === object;
  }

  delete(object: Named, changes: Changes): void {
    const { table, key } = this.#placeOf(refOf(object));
    table.delete(key, changes);
  }

  find(ref: ObjectRef): KubeObject | undefined {
    const { table, key } = this.place(ref);
    return table.get(key);
  }

  *objects(): Iterable<KubeObject> {
    for (const table of [...this.#tables.values(), this.others]) {
      for (const key of table.keys()) {
        const object = table.get(key);
        if (object !== undefined) yield object;
      }
    }
  }

  /** Where an object stands, or would stand. */
  place(ref: ObjectRef): { readonly table: Table<KubeObject>; readonly key: string } {
    return this.#placeOf(ref);
  }

  #placeOf(ref: ObjectRef): { readonly table: Source<KubeObject>; readonly key: string } {
    const table = this.#tables.get(`${ref.group}/${ref.kind}`);
    if (table === undefined) return { table: this.others, key: refKey(ref) };
    return { table, key: ref.namespace === '' ? ref.name : `${ref.namespace}/${ref.name}` };
  }
}

export function refOf(object: Named): ObjectRef {
  return {
    group: groupOf(object.apiVersion),
    kind: object.kind,
    namespace: object.metadata.namespace ?? '',
    name: object.metadata.name,
  };
}
