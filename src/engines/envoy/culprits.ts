// What Envoy refused although nothing was found wrong with it -> the rows that are to blame, which are left out, and all the rest in
// force. A resource is made from many rows: all that nobody has acknowledged yet are held back, and let in again by halves. What is
// in force already stays so all the while.
import type { Update } from '../../routing/update.ts';
import type { PublishOutcome, Refusal } from '../stream/resource.ts';
import type { ScopedChanges } from './batch.ts';
import { equal } from '../../support/equal.ts';
import { types } from './names.ts';
import { codeOf, reasonIn } from './refusals.ts';
import { matchName, type RowName, suspectsIn } from './screening/suspects.ts';
import type { Translation } from './translation.ts';

/** For one refusal: then whoever is still held back is to blame. */
const MOST_TRIALS = 128;

const MOST_MENDED = 1000;
/** Names of rows that changed, of the last updates. */
const MOST_CHANGED = 2000;

/** Sends changes, and resolves with what became of them. */
export type Publish = (changes: ScopedChanges) => Promise<PublishOutcome>;

export class Culprits {
  readonly #translation: Translation;
  readonly #publish: Publish;
  /** Names of rows that nobody has acknowledged, by the update that brought them. */
  readonly #unproven = new Map<string, number>();
  #updates = 0;
  /** Names of rows, with the update that changed them last, in that order. */
  readonly #changed = new Map<string, number>();
  /** Of updates up to that one it is not known any more what they changed. */
  #forgotten = 0;
  /** Resources that were refused and then taken, by type and name: with all updates up to that one. */
  readonly #mended = new Map<string, number>();

  constructor(translation: Translation, publish: Publish) {
    this.#translation = translation;
    this.#publish = publish;
  }

  /** An update is about to be translated and sent. Returns its number. */
  next({ rules, frontends, virtualHosts }: Update): number {
    const number = ++this.#updates;
    const { standing } = this.#translation;
    for (const row of rules?.set ?? []) {
      if (!equal(standing.rules.get(row.key), row)) this.#note(`rules ${row.key}`, number);
    }
    for (const row of frontends?.set ?? []) {
      if (!equal(standing.frontends.get(row.key), row)) this.#note(`frontends ${row.key}`, number);
    }
    for (const { removed, inserted } of virtualHosts ?? []) {
      const before = new Map(removed.map((entry) => [matchName(entry.rule, entry.rank.match), entry]));
      for (const entry of inserted) {
        const name = matchName(entry.rule, entry.rank.match);
        if (!equal(before.get(name), entry)) this.#note(`matches ${name}`, number);
      }
    }
    if (this.#changed.size > 2 * MOST_CHANGED) {
      // Everything, as at the start: it is not worth the while to keep that.
      this.#changed.clear();
      this.#forgotten = number;
    }
    for (const [name, update] of this.#changed) {
      if (this.#changed.size <= MOST_CHANGED) break;
      this.#changed.delete(name);
      this.#forgotten = update;
    }
    return number;
  }

  #note(name: string, number: number): void {
    this.#unproven.set(name, number);
    if (this.#changed.size > 2 * MOST_CHANGED) return;
    this.#changed.delete(name);
    this.#changed.set(name, number);
  }

  /** Names of all rows that changed after an update; undefined: nobody knows any more. */
  changedSince(update: number): ReadonlySet<string> | undefined {
    if (update < this.#forgotten) return undefined;
    return new Set([...this.#changed].flatMap(([name, number]) => (number > update ? [name] : [])));
  }

  /** Only these count as what nobody has acknowledged; undefined: all that stand. */
  suspect(names: ReadonlySet<string> | undefined): void {
    const { rules, frontends, hosts } = this.#translation.standing;
    this.#unproven.clear();
    const all = names ?? [
      ...[...rules.keys()].map((key) => `rules ${key}`),
      ...[...frontends.keys()].map((key) => `frontends ${key}`),
      ...[...hosts.values()].flatMap((host) => [...host.matches()].map((match) => `matches ${matchName(...match)}`)),
    ];
    for (const name of all) this.#unproven.set(name, this.#updates);
  }

  /**
   * What became of an update: what was refused is left out in its smallest parts. Nothing else may be translated before it resolves.
   * Ports that a node could not open are nobody's fault.
   */
  async judge(outcome: PublishOutcome, update: number): Promise<void> {
    const ours = refusalsOf(outcome);
    if (outcome.outcome === 'acknowledged' || (ours.length > 0 && (await this.find(ours, update)))) this.proved(update);
  }

  /** All of an update and of those before it is in force. */
  proved(update: number): void {
    for (const [name, number] of this.#unproven) if (number <= update) this.#unproven.delete(name);
  }

  /**
   * Resolves when everything is in force but what is to blame; with false when nobody could be found: Envoy goes on with what it had of
   * that resource.
   */
  async find(refusals: readonly Refusal[], update: number): Promise<boolean> {
    let all = true;
    const mended = this.#mended;
    if (mended.size > MOST_MENDED) mended.clear();
    const publish = async (changes: ScopedChanges): Promise<PublishOutcome> => {
      const outcome = await this.#publish(changes);
      for (const { typeUrl, set } of [...changes.values()].flat())
        for (const { name } of set) mended.set(`${typeUrl} ${name}`, this.#updates);
      const left = outcome.outcome === 'refused' ? outcome.refusals : [];
      for (const { typeUrl, names } of left) for (const name of names) mended.delete(`${typeUrl} ${name}`);
      return outcome;
    };
    for (const refusal of refusals) {
      // What one is to blame for others may be refused for, too: a listener for its certificate. And what was sent before it was
      // mended was refused once more.
      if (refusal.names.every((name) => (mended.get(`${refusal.typeUrl} ${name}`) ?? 0) >= update)) continue;
      const suspects = refusal.names.flatMap((name) => suspectsIn(this.#translation.standing, refusal.typeUrl, name));
      const search = new Search(this.#translation, publish, refusal);
      all = (await search.run(this.#groups(suspects))) && all;
    }
    return all;
  }

  /** Whom to suspect, one group after the other: only what is new, where a resource is made from many rows. */
  #groups(suspects: readonly RowName[]): readonly (readonly RowName[])[] {
    const isSuspect = (row: RowName): boolean => suspects.length === 1 || this.#unproven.has(nameOf(row));
    return [['rules'], ['matches'], ['frontends'], ['clusters', 'certificates', 'trustBundles']]
      .map((tables) => suspects.filter((row) => tables.includes(row.table) && isSuspect(row)))
      .filter((group) => group.length > 0);
  }
}

class Search {
  readonly #translation: Translation;
  readonly #publish: Publish;
  readonly #typeUrl: string;
  readonly #names: readonly string[];
  /** Rows that are held back, by name. */
  readonly #held = new Map<string, RowName>();
  /** Rows of which that changed since the last trial. */
  #stale: RowName[] = [];
  /** What Envoy said last. */
  #message: string;
  #trials = 0;
  /** Whether the resource was taken as it was sent last. */
  #taken = false;
  /** Nobody answers. */
  #isOver = false;

  constructor(translation: Translation, publish: Publish, { typeUrl, names, message }: Refusal) {
    this.#translation = translation;
    this.#publish = publish;
    this.#typeUrl = typeUrl;
    this.#names = names;
    this.#message = message;
  }

  /** Says whether somebody was found. */
  async run(groups: readonly (readonly RowName[])[]): Promise<boolean> {
    for (const [index, group] of groups.entries()) {
      this.#hold(group);
      const taken = await this.#isTaken();
      if (this.#isOver) break;
      if (!taken) continue;
      // Without those before it was refused. A rule that is to blame shows only once its matches are in force.
      await this.#divide(group);
      for (const other of groups.slice(0, index).toReversed()) {
        if (!(await this.#isGood(other))) await this.#divide(other);
      }
      break;
    }
    const found = this.#held.size === 0 && this.#trials > 0;
    // Nobody answers, or it is none of them.
    this.#release([...this.#held.values()]);
    await this.#isTaken();
    this.#translation.faults.settle();
    return found;
  }

  /** A group that is held back, and of which one at least is to blame. */
  async #divide(group: readonly RowName[]): Promise<void> {
    if (group.length === 1 || this.#trials >= MOST_TRIALS) {
      this.#blame(group);
      return;
    }
    const middle = group.length >> 1;
    const [first, second] = [group.slice(0, middle), group.slice(middle)];
    if (await this.#isGood(first)) {
      // Then it is not: all of them together were refused.
      await this.#divide(second);
      return;
    }
    await this.#divide(first);
    if (!(await this.#isGood(second))) await this.#divide(second);
  }

  /** Else the group is held back again. */
  async #isGood(group: readonly RowName[]): Promise<boolean> {
    if (this.#isOver) return true;
    this.#release(group);
    const taken = await this.#isTaken();
    if (!taken) this.#hold(group);
    return taken;
  }

  #blame(group: readonly RowName[]): void {
    if (this.#isOver) return;
    for (const row of group) {
      this.#held.delete(nameOf(row));
      this.#translation.faults.blame(row, this.#message);
    }
    this.#stale.push(...group);
  }

  #hold(group: readonly RowName[]): void {
    for (const row of group) {
      this.#held.set(nameOf(row), row);
      this.#translation.faults.hold(row, true);
    }
    this.#stale.push(...group);
  }

  #release(group: readonly RowName[]): void {
    for (const row of group) {
      this.#held.delete(nameOf(row));
      this.#translation.faults.hold(row, false);
    }
    this.#stale.push(...group);
  }

  /** Whether the resource is taken with the rows as they are now. */
  async #isTaken(): Promise<boolean> {
    this.#trials++;
    const changes = this.#translation.again(this.#stale);
    this.#stale = [];
    if (changes.size === 0) return this.#taken;
    const outcome = await this.#publish(changes);
    this.#isOver ||= outcome.outcome === 'unconnected' || outcome.outcome === 'timeout';
    const own = outcome.outcome === 'refused' ? outcome.refusals.find((refusal) => this.#isOwn(refusal)) : undefined;
    this.#message = own === undefined ? this.#message : reasonIn(own.message);
    // What is held back may show in other resources alone, and make no difference here.
    if (own !== undefined || this.#concerns(changes)) this.#taken = own === undefined;
    return this.#taken;
  }

  /** Endpoints are left out with their cluster, and stay as they are. */
  #concerns(changes: ScopedChanges): boolean {
    if (this.#typeUrl === types.endpoints) return true;
    return [...changes.values()].flat().some(({ typeUrl, set, remove }) => {
      const names = [...set.map(({ name }) => name), ...remove];
      return this.#isOwn({ typeUrl, names });
    });
  }

  #isOwn({ typeUrl, names }: Omit<Refusal, 'message'>): boolean {
    return typeUrl === this.#typeUrl && names.some((name) => this.#names.includes(name));
  }
}

/** Those of what is wrong with a resource, with the reason alone. */
export function refusalsOf(outcome: PublishOutcome): readonly Refusal[] {
  if (outcome.outcome !== 'refused') return [];
  return outcome.refusals
    .filter(({ message }) => codeOf(message) === undefined)
    .map((refusal) => ({ ...refusal, message: reasonIn(refusal.message) }));
}

function nameOf({ table, key }: RowName): string {
  return `${table} ${key}`;
}
