// What a proxy has of the model: rows by table and name with their versions, and what came since the last revision. Resources in,
// one Update per revision out.
import { compareEntries } from '../../../routing/match/precedence.ts';
import type { Entry } from '../../../routing/model.ts';
import type { RowChanges, Update, VirtualHostChange } from '../../../routing/update.ts';
import { equal } from '../../../support/equal.ts';
import { Undecodable } from '../rows/message.ts';
import type { HostEntries } from '../rows/rules.ts';
import { codecs, type TableCodec, type WireRows, type WireTable, wireTables } from '../rows/tables.ts';

export type RowTable = Exclude<WireTable, 'revision'>;

export const rowTables: readonly RowTable[] = wireTables.filter((table) => table !== 'revision');

export interface HeldRow {
  readonly version: string;
  readonly row: unknown;
}

/** From what was in force at the last revision to what is to be. */
interface Pending {
  readonly before: unknown;
  after: unknown;
}

export class HeldRows {
  readonly #tables = new Map<RowTable, Map<string, HeldRow>>(rowTables.map((table) => [table, new Map()]));
  readonly #pending = new Map<RowTable, Map<string, Pending>>(rowTables.map((table) => [table, new Map()]));

  /** By name. */
  rows(table: RowTable): ReadonlyMap<string, HeldRow> {
    return this.#tables.get(table) as Map<string, HeldRow>;
  }

  /** Throws Undecodable when this version cannot take it; what was held of that name then stays. */
  set(
    table: RowTable,
    name: string,
    { version, bytes }: { readonly version: string; readonly bytes: Uint8Array },
  ): void {
    const codec = codecs[table] as TableCodec<WireRows[RowTable]>;
    const row = codec.decode(bytes);
    if (codec.nameOf(row) !== name) throw new Undecodable('its name and its content disagree');
    this.put(table, name, { version, row });
  }

  put(table: RowTable, name: string, held: HeldRow): void {
    const rows = this.#tables.get(table) as Map<string, HeldRow>;
    this.#note(table, name, rows.get(name)?.row, held.row);
    rows.set(name, held);
  }

  remove(table: RowTable, name: string): void {
    const rows = this.#tables.get(table) as Map<string, HeldRow>;
    const held = rows.get(name);
    if (held === undefined) return;
    this.#note(table, name, held.row, undefined);
    rows.delete(name);
  }

  /** Nothing came since the last revision. */
  get isSettled(): boolean {
    return [...this.#pending.values()].every((pending) => pending.size === 0);
  }

  /** What changed since the last call, as one update without its version; undefined when nothing did. */
  commit(): Omit<Update, 'version'> | undefined {
    const changes: [string, unknown][] = [];
    for (const [table, pending] of this.#pending) {
      if (pending.size === 0) continue;
      if (table === 'hostEntries') changes.push(['virtualHosts', hostChanges([...pending.values()])]);
      else changes.push([table, rowChanges(pending)]);
      pending.clear();
    }
    return changes.length === 0 ? undefined : Object.fromEntries(changes);
  }

  #note(table: RowTable, name: string, before: unknown, after: unknown): void {
    const pending = this.#pending.get(table) as Map<string, Pending>;
    const noted = pending.get(name);
    if (noted === undefined) pending.set(name, { before, after });
    else if (noted.before === undefined && after === undefined) pending.delete(name);
    else noted.after = after;
  }
}

function rowChanges(pending: ReadonlyMap<string, Pending>): RowChanges<unknown> {
  const set: unknown[] = [];
  const gone: string[] = [];
  for (const [name, { after }] of pending) {
    if (after === undefined) gone.push(name);
    else set.push(after);
  }
  return { set, delete: gone };
}

function hostChanges(pending: readonly Pending[]): readonly VirtualHostChange[] {
  const changes = new Map<
    string,
    { readonly host: HostEntries; readonly removed: Entry[]; readonly inserted: Entry[] }
  >();
  for (const { before, after } of pending as readonly { before?: HostEntries; after?: HostEntries }[]) {
    const host = (after ?? before) as HostEntries;
    const key = `${host.frontend}|${host.hostname}`;
    let change = changes.get(key);
    if (change === undefined) changes.set(key, (change = { host, removed: [], inserted: [] }));
    const stays = (entry: Entry, others: HostEntries | undefined): boolean =>
      others?.entries.some((other) => equal(other, entry)) === true;
    change.removed.push(...(before?.entries ?? []).filter((entry) => !stays(entry, after)));
    change.inserted.push(...(after?.entries ?? []).filter((entry) => !stays(entry, before)));
  }
  return [...changes].map(([key, { host, removed, inserted }]) => ({
    key,
    frontend: host.frontend,
    hostname: host.hostname,
    removed: removed.sort(compareEntries),
    inserted: inserted.sort(compareEntries),
  }));
}
