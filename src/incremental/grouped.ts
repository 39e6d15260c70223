// Grouped: the rows of one or more tables split into members, gathered by group and kept sorted. One changed row touches
// only its own members, by binary search, and what was inserted and removed in a batch can be read as a delta: a group
// of 10,000 members costs a change of one member, not a sort.
import { equal } from '../support/equal.ts';
import { insertSorted, removeSorted } from '../support/sorted.ts';
import type { Changes, Stage, Table } from './table.ts';

/** What one batch did to a group. */
export interface Delta<Member> {
  readonly inserted: readonly Member[];
  readonly removed: readonly Member[];
}

export interface GroupedInput<Row, Member> {
  readonly table: Table<Row>;
  /** The members of a row, each with the group it belongs to. */
  readonly split: (row: Row, key: string) => Iterable<readonly [group: string, member: Member]>;
}

export class Grouped<Row, Member> implements Table<readonly Member[]>, Stage {
  readonly name: string;
  readonly #inputs: readonly GroupedInput<Row, Member>[];
  readonly #compare: (a: Member, b: Member) => number;
  readonly #rows = new Map<string, Member[]>();
  readonly #membersOf: Map<string, (readonly [group: string, member: Member])[]>[];
  #deltas = new Map<string, { inserted: Member[]; removed: Member[] }>();

  /** `compare` is a total order: members that compare as 0 are taken to be the same member. */
  constructor(name: string, inputs: readonly GroupedInput<Row, Member>[], compare: (a: Member, b: Member) => number) {
    this.name = name;
    this.#inputs = inputs;
    this.#compare = compare;
    this.#membersOf = inputs.map(() => new Map());
  }

  get size(): number {
    return this.#rows.size;
  }

  /** The members in order. The array lives: it is the same one, changed in place, from batch to batch. */
  get(group: string): readonly Member[] | undefined {
    return this.#rows.get(group);
  }

  keys(): Iterable<string> {
    return this.#rows.keys();
  }

  /** What the last batch that changed this table did to the group. */
  delta(group: string): Delta<Member> {
    return this.#deltas.get(group) ?? { inserted: [], removed: [] };
  }

  update(changes: Changes): void {
    this.#deltas = new Map();
    this.#inputs.forEach((input, index) => {
      const membersOf = this.#membersOf[index] as Map<string, (readonly [string, Member])[]>;
      for (const key of changes.of(input.table)) {
        const row = input.table.get(key);
        const before = membersOf.get(key) ?? [];
        const after = row === undefined ? [] : Array.from(input.split(row, key));
        this.#replace(before, after);
        if (after.length === 0) membersOf.delete(key);
        else membersOf.set(key, after);
      }
    });
    for (const [group, delta] of this.#deltas) {
      if (delta.inserted.length === 0 && delta.removed.length === 0) continue;
      if (this.#rows.get(group)?.length === 0) this.#rows.delete(group);
      changes.mark(this, group);
    }
  }

  #replace(before: readonly (readonly [string, Member])[], after: (readonly [string, Member])[]): void {
    const kept = new Set<number>();
    for (const old of before) {
      const same = after.findIndex(([group, member], at) => !kept.has(at) && group === old[0] && equal(member, old[1]));
      if (same >= 0) {
        kept.add(same);
        after[same] = old;
        continue;
      }
      const members = this.#rows.get(old[0]);
      if (members === undefined) continue;
      removeSorted(members, old[1], this.#compare);
      this.#delta(old[0]).removed.push(old[1]);
    }
    after.forEach(([group, member], at) => {
      if (kept.has(at)) return;
      let members = this.#rows.get(group);
      if (members === undefined) this.#rows.set(group, (members = []));
      insertSorted(members, member, this.#compare);
      this.#delta(group).inserted.push(member);
    });
  }

  #delta(group: string): { inserted: Member[]; removed: Member[] } {
    let delta = this.#deltas.get(group);
    if (delta === undefined) this.#deltas.set(group, (delta = { inserted: [], removed: [] }));
    return delta;
  }
}
