// The virtual hosts of a bind -> its RouteConfigurations. A route that changes makes Envoy build a whole configuration anew (measured:
// 40 ms of its main thread for 1,000 hosts), so that hosts are spread over many by a hash of their names; a script in front of the guard
// finds the one by the same hash (shard-filter.ts), and Envoy its configuration by the header that it sets (scoped routes). Patterns
// are in one of their own, which is asked for hosts that are nowhere else. A configuration without hosts is not sent at all, so that
// their number follows the hosts and never has to be changed while they serve. A host with many routes is spread over configurations of
// its own by the first elements of paths: in its place stands what is in all of them, and the guard goes on to the one.
// Who owns which host is decided here, since Envoy only knows domains, not listeners: a host belongs to the most specific listener,
// whatever routes others have for it.
import { HostTable } from '../../routing/match/frontends.ts';
import { isWildcard } from '../../routing/match/hostnames.ts';
import type { Frontend, PathMatch } from '../../routing/model.ts';
import type { Asked, Resource } from '../stream/resource.ts';
import { codec } from './encode.ts';
import { partName, partOf, sameSplit, type Split } from './host-entries.ts';
import type { HostRoutes } from './host-routes.ts';
import { messageOf, types } from './names.ts';
import { spread } from './spread.ts';
import { TableWriter } from './table-writer.ts';
import { WireWriter } from './wire.ts';

/**
 * Of hosts without a pattern, at most. Measured with 10,000 hosts: among 32 a change costs us 1.3 ms and Envoy's main thread 25, among
 * 1,024 it is 0.13 and 1.5, among 4,096 it is 0.08 and 1. With a table for each host Envoy takes 60 MiB more than that.
 */
export const SHARDS = 4096;
/** Of patterns. */
export const PATTERNS = 'patterns';

/** Name of the RouteConfiguration, and of what leads to it, which is the value of SHARD_HEADER. */
export function tableName(bind: string, shard: string): string {
  return `${bind}/${shard}`;
}

/** Which of them a hostname is in. The script reckons the same, octet by octet. */
export function shardOf(hostname: string): string {
  return shardName(shardNumber(hostname));
}

/** -1: that of patterns. */
function shardNumber(hostname: string): number {
  return hostname === '' || isWildcard(hostname) ? -1 : spread(hostname) % SHARDS;
}

function shardName(number: number): string {
  return number < 0 ? PATTERNS : String(number);
}

export interface Owner {
  readonly frontend: Frontend;
  readonly hosts: HostRoutes;
}

/** What changed of a bind. */
export interface TableChanges {
  /** RouteConfigurations. */
  readonly routes: readonly Resource[];
  /** What leads to those that are new. */
  readonly scopes: readonly Resource[];
  /** Names of both that are no more. */
  readonly gone: readonly string[];
}

/** Writes the hosts of a RouteConfiguration; undefined: there is none. */
type Contents = { readonly write: (table: TableWriter) => void } | undefined;

/** Hosts of one RouteConfiguration. */
class Shard {
  readonly name: string;
  /** By hostname: in this order. */
  readonly hosts = new Map<string, HostRoutes>();

  constructor(name: string) {
    this.name = name;
  }

  write(table: TableWriter): void {
    for (const [hostname, each] of this.hosts) each.write(table, hostname);
  }
}

export class RouteTables {
  readonly #bind: string;
  /** By number; none is empty. */
  readonly #shards = new Map<number, Shard>();
  /** Hosts that have tables of their own for parts of their paths. */
  readonly #splits = new Map<string, Split>();
  /** Names of tables that Envoy was told of. */
  readonly #known = new Set<string>();
  #owners = new HostTable<Owner>();

  constructor(bind: string) {
    this.#bind = bind;
  }

  /** Everything anew: the listeners of the bind changed. */
  rebuild(owners: readonly Owner[]): TableChanges {
    this.#owners = new HostTable();
    for (const owner of owners) {
      if (this.#owners.get(owner.frontend.hostname) === undefined) this.#owners.set(owner.frontend.hostname, owner);
    }
    this.#shards.clear();
    this.#splits.clear();
    const tables = new Map<string, Contents>();
    for (const name of this.#known) tables.set(name, undefined);
    for (const owner of this.#owners.values()) {
      owner.hosts.takeStale();
      for (const hostname of owner.hosts.hostnames()) this.#put(owner, hostname, 'all', tables);
    }
    return this.#changes(tables);
  }

  /** What changed in the routes of listeners that stay. */
  refresh(): TableChanges {
    const tables = new Map<string, Contents>();
    const owners = [...this.#owners.values()];
    for (const owner of owners) {
      const stale = owner.hosts.takeStale();
      if (stale === 'all') return this.rebuild(owners);
      for (const [hostname, paths] of stale) this.#put(owner, hostname, paths, tables);
    }
    return this.#changes(tables);
  }

  /** Names of all that there are. */
  names(): readonly string[] {
    return [...this.#known];
  }

  /** Notes the tables that the host is in. */
  #put(owner: Owner, hostname: string, stale: readonly PathMatch[] | 'all', tables: Map<string, Contents>): void {
    // A pattern is looked up like a host: what covers all of it.
    if (this.#owners.lookUp(hostname) !== owner) return;
    const key = shardNumber(hostname);
    const isThere = owner.hosts.has(hostname);
    const shard = this.#shards.get(key) ?? (isThere ? this.#newShard(key) : undefined);
    if (isThere) shard?.hosts.set(hostname, owner.hosts);
    else shard?.hosts.delete(hostname);
    if (shard !== undefined) tables.set(shard.name, shard.hosts.size > 0 ? shard : undefined);
    if (shard?.hosts.size === 0) this.#shards.delete(key);
    this.#putParts(owner, hostname, stale, tables);
  }

  #newShard(key: number): Shard {
    const shard = new Shard(tableName(this.#bind, shardName(key)));
    this.#shards.set(key, shard);
    return shard;
  }

  #putParts(
    { hosts }: Owner,
    hostname: string,
    stale: readonly PathMatch[] | 'all',
    tables: Map<string, Contents>,
  ): void {
    const before = this.#splits.get(hostname);
    const split = hosts.split(hostname);
    const isSame = sameSplit(before, split);
    // Another split has other names, so that what serves is whole until the host points to the new ones.
    if (before !== undefined && !isSame) {
      for (const part of everyPart(before)) tables.set(partName(this.#bind, hostname, before, part), undefined);
    }
    if (split === undefined) {
      if (before !== undefined) this.#splits.delete(hostname);
      return;
    }
    this.#splits.set(hostname, split);
    const changed = stale === 'all' || !isSame ? everyPart(split) : partsOf(stale, split);
    for (const part of changed) {
      const write = (table: TableWriter): void => hosts.writePart(table, hostname, split, part);
      tables.set(partName(this.#bind, hostname, split, part), { write });
    }
  }

  #changes(tables: ReadonlyMap<string, Contents>): TableChanges {
    const [routes, scopes, gone]: [Resource[], Resource[], string[]] = [[], [], []];
    const through = { typeUrl: types.listener, name: this.#bind };
    for (const [name, contents] of tables) {
      if (contents === undefined) {
        if (this.#known.delete(name)) gone.push(name);
        continue;
      }
      routes.push(writer.table(name, contents));
      if (this.#known.has(name)) continue;
      this.#known.add(name);
      scopes.push(scope(name, through));
    }
    return { routes, scopes, gone };
  }
}

function everyPart({ parts }: Split): readonly number[] {
  return Array.from({ length: parts }, (_, part) => part);
}

function partsOf(paths: readonly PathMatch[], split: Split): Iterable<number> {
  const parts = new Set<number>();
  for (const path of paths) {
    const part = partOf(path, split);
    if (part === 'general') return everyPart(split);
    parts.add(part);
  }
  return parts;
}

/** For one table after the other. */
const writer = new TableWriter();

const SCOPE = messageOf(types.scopes);
const scopeTags = {
  name: codec.tag(SCOPE, 'name'),
  table: codec.tag(SCOPE, 'route_configuration_name'),
  key: codec.tag(SCOPE, 'key'),
  fragment: codec.tag(`${SCOPE}.Key`, 'fragments'),
  text: codec.tag(`${SCOPE}.Key.Fragment`, 'string_key'),
};
const scopeWriter = new WireWriter();

/**
 * What leads from the header to the configuration. Of one name there never is another, so that it needs no version.
 * @param through the listener that leads to it
 */
function scope(name: string, through: NonNullable<Asked['through']>): Resource {
  scopeWriter.varint(scopeTags.name);
  scopeWriter.text(name);
  scopeWriter.varint(scopeTags.table);
  scopeWriter.text(name);
  scopeWriter.varint(scopeTags.key);
  const key = scopeWriter.open();
  scopeWriter.varint(scopeTags.fragment);
  const fragment = scopeWriter.open();
  scopeWriter.varint(scopeTags.text);
  scopeWriter.text(name);
  scopeWriter.close(fragment);
  scopeWriter.close(key);
  return { name, version: 'scope', bytes: scopeWriter.finish(), asks: [{ typeUrl: types.routes, name, through }] };
}
