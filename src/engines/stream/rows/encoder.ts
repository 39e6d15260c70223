// The updates of one gateway -> changed resources of portolan.v1, each encoded once, and the revision that puts them in force. Entries
// of virtual hosts are grouped by rule, since a resource is what travels when anything in it changes.
import { hash } from 'node:crypto';
import { compareEntries } from '../../../routing/match/precedence.ts';
import type { Entry } from '../../../routing/model.ts';
import type { RowChanges, Update, VirtualHostChange } from '../../../routing/update.ts';
import type { Resource, ResourceChanges } from '../resource.ts';
import { codecs, type TableCodec } from './tables.ts';

type PlainTable = Exclude<keyof Update, 'version' | 'virtualHosts'>;

const plainTables: readonly PlainTable[] = [
  'endpoints',
  'certificates',
  'trustBundles',
  'clusters',
  'rules',
  'frontends',
  'binds',
  'placements',
];

/** Sums of digests stay exact below it. */
const DIGEST_SPACE = 2 ** 48;
const VERSION_LENGTH = 16;

export class Encoder {
  /** By the name of the resource: in no order. */
  readonly #entries = new Map<string, Entry[]>();
  /** Version by name and type, of everything but the revision. */
  readonly #versions = new Map<string, Map<string, string>>();
  #digest = 0;

  /** Of everything that stands; the same for the same rows, in whatever order they came. */
  get digest(): string {
    return this.#digest.toString(16).padStart(12, '0');
  }

  encode(update: Update): readonly ResourceChanges[] {
    const changes = plainTables.flatMap((table) => {
      const rows = update[table] as RowChanges<unknown> | undefined;
      return rows === undefined ? [] : this.#table(codecs[table] as TableCodec<unknown>, rows);
    });
    if (update.virtualHosts !== undefined)
      changes.push(this.#table(codecs.hostEntries, this.#regroup(update.virtualHosts)));
    const { typeUrl, nameOf, encode } = codecs.revision;
    const row = { digest: this.digest };
    return [...changes, { typeUrl, set: [resourceOf(nameOf(row), encode(row))], remove: [] }];
  }

  #table<T>({ typeUrl, nameOf, encode }: TableCodec<T>, rows: RowChanges<T>): ResourceChanges {
    const remove = rows.delete.filter((name) => this.#count(typeUrl, name, undefined));
    const set = rows.set
      .map((row) => resourceOf(nameOf(row), encode(row)))
      .filter(({ name, version }) => this.#count(typeUrl, name, version));
    return { typeUrl, set, remove };
  }

  /** Says whether this is another version than before. */
  #count(typeUrl: string, name: string, version: string | undefined): boolean {
    let versions = this.#versions.get(typeUrl);
    if (versions === undefined) this.#versions.set(typeUrl, (versions = new Map()));
    const before = versions.get(name);
    if (before === version) return false;
    const key = `${typeUrl} ${name}`;
    if (before !== undefined) this.#digest = (this.#digest + DIGEST_SPACE - numberOf(key, before)) % DIGEST_SPACE;
    if (version === undefined) versions.delete(name);
    else {
      this.#digest = (this.#digest + numberOf(key, version)) % DIGEST_SPACE;
      versions.set(name, version);
    }
    return true;
  }

  #regroup(changes: readonly VirtualHostChange[]): RowChanges<Parameters<typeof codecs.hostEntries.encode>[0]> {
    const touched = new Map<string, { readonly frontend: string; readonly hostname: string; readonly rule: string }>();
    for (const { frontend, hostname, removed, inserted } of changes) {
      const groupOf = ({ rule }: Entry): string => {
        const name = codecs.hostEntries.nameOf({ frontend, hostname, rule, entries: [] });
        touched.set(name, { frontend, hostname, rule });
        return name;
      };
      for (const entry of removed) {
        const name = groupOf(entry);
        this.#entries.set(
          name,
          (this.#entries.get(name) ?? []).filter((other) => !isSameEntry(other, entry)),
        );
      }
      for (const entry of inserted) {
        const name = groupOf(entry);
        const others = (this.#entries.get(name) ?? []).filter((other) => !isSameEntry(other, entry));
        this.#entries.set(name, [...others, entry]);
      }
    }
    const set = [];
    const gone = [];
    for (const [name, group] of touched) {
      const entries = this.#entries.get(name) ?? [];
      if (entries.length > 0) set.push({ ...group, entries: entries.toSorted(compareEntries) });
      else {
        this.#entries.delete(name);
        gone.push(name);
      }
    }
    return { set, delete: gone };
  }
}

/** Within one rule of one host. */
function isSameEntry({ rank: a }: Entry, { rank: b }: Entry): boolean {
  return a.match === b.match && a.hostname === b.hostname;
}

/** Versions are digests of the content, so that all replicas give the same row the same version. */
function resourceOf(name: string, bytes: Uint8Array): Resource {
  return { name, version: hash('sha256', bytes, 'base64url').slice(0, VERSION_LENGTH), bytes };
}

function numberOf(key: string, version: string): number {
  return Number.parseInt(hash('sha256', `${key} ${version}`, 'hex').slice(0, 12), 16);
}
