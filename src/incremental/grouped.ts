// Grouped: the rows of one or more tables split into members, gathered by group and kept sorted. One changed row touches
// only its own members, by binary search, and what was inserted and removed in a batch can be read as a delta: a group
// of 10,000 members costs a change of one member, not a sort.
import { equal } from '../support/equal.ts';
import { compareText, insertSorted, removeSorted } from '../support/sorted.ts';
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

/** From how many changes of a group in one batch on it is sorted anew. */
const many = 32;

/** A member in its group; `kept` is only for the time of one replacement: neither removed nor inserted. */
interface Placed<Member> {
  readonly group: string;
  member: Member;
  kept: boolean;
}

export class Grouped<Row, Member> implements Table<readonly Member[]>, Stage {
  readonly name: string;
  readonly #inputs: readonly GroupedInput<Row, Member>[];
  readonly #compare: (a: Member, b: Member) => number;
  readonly #rows = new Map<string, Member[]>();
  readonly #membersOf: Map<string, Placed<Member>[]>[];
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
      const membersOf = this.#membersOf[index] as Map<string, Placed<Member>[]>;
      for (const key of changes.of(input.table)) {
        const row = input.table.get(key);
        const before = membersOf.get(key) ?? [];
        const after =
          row === undefined
            ? []
            : Array.from(input.split(row, key), ([group, member]) => ({ group, member, kept: false }));
        this.#replace(before, after);
        if (after.length === 0) membersOf.delete(key);
        // A list that grew has room for more than it will ever need.
        else membersOf.set(key, after.slice());
      }
    });
    for (const [group, delta] of this.#deltas) {
      if (delta.inserted.length === 0 && delta.removed.length === 0) continue;
      this.#change(group, delta);
      changes.mark(this, group);
    }
  }

  #replace(before: readonly Placed<Member>[], after: readonly Placed<Member>[]): void {
    if (before.length > 0 && after.length > 0) this.#keep(before, after);
    for (const old of before) if (!old.kept) this.#delta(old.group).removed.push(old.member);
    for (const placed of after) {
      if (placed.kept) placed.kept = false;
      else this.#delta(placed.group).inserted.push(placed.member);
    }
  }

  #change(group: string, { inserted, removed }: Delta<Member>): void {
    const members = this.#rows.get(group);
    if (members === undefined) {
      // Of a group that does not exist nothing can be removed.
      if (inserted.length > 0) this.#rows.set(group, inserted.toSorted(this.#compare));
      return;
    }
    if (inserted.length + removed.length > many) {
      // One sort is quicker than so many insertions; the array stays the same one.
      const left = removed.length === 0 ? [...members] : without(members, removed);
      const all = [...left, ...inserted].toSorted(this.#compare);
      members.length = 0;
      for (const member of all) members.push(member);
    } else {
      for (const member of removed) removeSorted(members, member, this.#compare);
      for (const member of inserted) insertSorted(members, member, this.#compare);
    }
    if (members.length === 0) this.#rows.delete(group);
  }

  /** Marks on both sides what did not change, by walking both in order: the work is that of sorting a row's own members. */
  #keep(before: readonly Placed<Member>[], after: readonly Placed<Member>[]): void {
    const inOrder = (a: Placed<Member>, b: Placed<Member>): number =>
      compareText(a.group, b.group) || this.#compare(a.member, b.member);
    const olds = before.toSorted(inOrder);
    const news = after.toSorted(inOrder);
    for (let i = 0, j = 0; i < olds.length && j < news.length;) {
      const old = olds[i] as Placed<Member>;
      const now = news[j] as Placed<Member>;
      const order = inOrder(old, now);
      if (order === 0 && equal(old.member, now.member)) {
        old.kept = true;
        now.kept = true;
        // The old one stands in the group.
        now.member = old.member;
      }
      if (order <= 0) i++;
      if (order >= 0) j++;
    }
  }

  #delta(group: string): { inserted: Member[]; removed: Member[] } {
    let delta = this.#deltas.get(group);
    if (delta === undefined) this.#deltas.set(group, (delta = { inserted: [], removed: [] }));
    return delta;
  }
}

/** Each removed member once: equal ones of other rows stay. */
function without<Member>(members: readonly Member[], removed: readonly Member[]): readonly Member[] {
  const gone = new Map<Member, number>();
  for (const member of removed) gone.set(member, (gone.get(member) ?? 0) + 1);
  return members.filter((member) => {
    const times = gone.get(member) ?? 0;
    if (times > 0) gone.set(member, times - 1);
    return times === 0;
  });
}
