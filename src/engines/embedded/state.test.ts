// Whatever the order of updates: the state of a worker that saw them one by one routes as that of a worker that starts with all
// of it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { MatchRequest } from '../../routing/match/conditions.ts';
import type { Entry, Rule } from '../../routing/model.ts';
import type { RowChanges, Update } from '../../routing/update.ts';
import { defaultLimits } from './options.ts';
import { Rows } from '../../routing/rows.ts';
import type { Client } from './sides.ts';
import { Thread } from './thread.ts';

const origin = { object: { group: '', kind: 'HTTPRoute', namespace: 'n', name: 'r' }, path: '' };
const hostnames = ['', 'a.example', '*.example'];
const paths = ['/', '/a', '/a/b'];
const bindKey = 'g:80/tcp';

const newThread = (): Thread =>
  new Thread({
    limits: defaultLimits,
    trustedHops: 0,
    requestIds: false,
    accessLog: '',
    shared: false,
    ticketKeys: new Uint8Array(48),
    sessionKeys: [new Uint8Array(32)],
    asksNames: false,
  });

/** A change of one thing, as numbers to be read by `changeOf`. */
const step = fc.record({
  kind: fc.constantFrom('endpoints', 'cluster', 'rule', 'frontend', 'bind', 'entry'),
  id: fc.nat(2),
  value: fc.nat(2),
  remove: fc.boolean(),
});
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

const rows = <T>(row: T, key: string, remove: boolean): RowChanges<T> =>
  remove ? { set: [], delete: [key] } : { set: [row], delete: [] };

function ruleOf(id: number, value: number): Rule {
  return {
    key: `g|HTTPRoute/n/r${id}|0`,
    protocol: 'http',
    filters: [],
    timeouts: { request: value },
    action: {
      kind: 'forward',
      backends: [{ weight: 1, target: { kind: 'cluster', cluster: `c${value}` }, filters: [], origin }],
    },
    origin,
  };
}

/** The entries that are in force, by host and rule: a host has each entry once. */
class World {
  readonly #entries = new Map<string, Entry>();
  #version = 0;

  changeOf({ kind, id, value, remove }: Step): Update {
    const version = ++this.#version;
    switch (kind) {
      case 'endpoints': {
        const key = `e${id}`;
        const endpoint = {
          id: 'x',
          address: '10.0.0.1',
          port: 1000 + value,
          ready: true,
          serving: true,
          terminating: false,
        };
        return { version, endpoints: rows({ key, endpoints: [endpoint] }, key, remove) };
      }
      case 'cluster': {
        const key = `c${id}`;
        const backend = { kind: 'Service', namespace: 'n', name: key, port: 80 };
        return { version, clusters: rows({ key, protocol: 'http1', endpoints: `e${value}`, backend }, key, remove) };
      }
      case 'rule':
        return { version, rules: rows(ruleOf(id, value), ruleOf(id, 0).key, remove) };
      case 'frontend': {
        const key = `f${id}`;
        const hostname = hostnames[id] as string;
        const frontend = {
          key,
          bind: bindKey,
          gateway: 'g',
          listener: key,
          protocol: 'HTTP',
          port: 80,
          hostname,
          publicPorts: {},
          origin,
        } as const;
        return { version, frontends: rows(frontend, key, remove) };
      }
      case 'bind': {
        const frontends = ['f0', 'f1', 'f2'].slice(0, value + 1);
        const bind = { key: bindKey, gateway: 'g', port: 80, transport: 'tcp', security: 'none', frontends } as const;
        return { version, binds: rows(bind, bindKey, remove) };
      }
      case 'entry':
        return this.#entryChange(version, id, value, remove);
      default:
        return kind satisfies never;
    }
  }

  #entryChange(version: number, id: number, value: number, remove: boolean): Update {
    const frontend = `f${value}`;
    const hostname = hostnames[value] as string;
    const key = `${frontend}|${hostname}`;
    const name = `${key}|${id}`;
    const before = this.#entries.get(name);
    const entry: Entry = {
      rule: ruleOf(id, 0).key,
      match: {
        protocol: 'http',
        path: { type: 'prefix', value: paths[(id + version) % 3] as string },
        headers: [],
        query: [],
      },
      rank: { hostname, created: '', route: `n/r${id}`, rule: 0, match: 0 },
    };
    if (remove) this.#entries.delete(name);
    else this.#entries.set(name, entry);
    const change = {
      key,
      frontend,
      hostname,
      removed: before === undefined ? [] : [before],
      inserted: remove ? [] : [entry],
    };
    return { version, virtualHosts: [change] };
  }
}

/** What each of some requests comes to. */
function behaviour(thread: Thread): unknown[] {
  const client = { bind: bindKey, scheme: 'http', serverName: undefined } as Client;
  return ['a.example', 'b.example', 'other'].flatMap((host) =>
    paths.map((path) => {
      const frontend = thread.state.frontendOf(client, host);
      if (typeof frontend === 'number') return frontend;
      const request: MatchRequest = {
        path,
        method: 'GET',
        grpc: false,
        header: () => undefined,
        query: () => undefined,
      };
      const entry = thread.state.match(frontend, host, request);
      const plan = entry?.slot.plan;
      const cluster = plan?.backends[0]?.cluster;
      return [
        frontend.row.key,
        entry?.rule,
        plan?.requestTimeout,
        cluster?.row?.key,
        cluster?.row?.endpoints,
        cluster?.row && cluster.endpoints.usable.map((each) => each.endpoint.port),
      ];
    }),
  );
}

/** By rule: the ports that its requests can go to; of the rows themselves, and as the state has them. */
function expectedPorts(update: Update): Record<string, number[]> {
  const ports: Record<string, number[]> = {};
  for (const rule of update.rules?.set ?? []) {
    const target = rule.action.kind === 'forward' ? rule.action.backends[0]?.target : undefined;
    const cluster = update.clusters?.set.find((row) => target?.kind === 'cluster' && row.key === target.cluster);
    const endpoints = update.endpoints?.set.find((row) => row.key === cluster?.endpoints)?.endpoints ?? [];
    ports[rule.key] = endpoints.map((each) => each.port);
  }
  return ports;
}

function endpointPorts(thread: Thread): Record<string, number[]> {
  const ports: Record<string, number[]> = {};
  for (const slot of thread.state.ruleSlots()) {
    const cluster = slot.plan?.backends[0]?.cluster;
    if (slot.plan === null) continue;
    ports[slot.key] =
      cluster?.row === undefined || cluster === null ? [] : cluster.endpoints.usable.map((each) => each.endpoint.port);
  }
  return ports;
}

test('incremental is the same as all at once', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const world = new World();
      const kept = new Rows();
      const incremental = newThread();
      // Everything is there at first, so that most steps change something that is in use.
      const first: Step[] = (['endpoints', 'cluster', 'rule', 'frontend', 'entry'] as const).flatMap((kind) =>
        [0, 1, 2].map((id) => ({ kind, id, value: id, remove: false })),
      );
      for (const each of [...first, { kind: 'bind', id: 0, value: 2, remove: false } as const, ...steps]) {
        const update = world.changeOf(each);
        kept.apply(update);
        incremental.state.apply(update);
      }
      const fresh = newThread();
      fresh.state.apply(kept.all());
      assert.deepEqual(behaviour(incremental), behaviour(fresh));
      for (const thread of [incremental, fresh]) assert.deepEqual(endpointPorts(thread), expectedPorts(kept.all()));
      for (const thread of [incremental, fresh]) thread.close();
    }),
    { numRuns: 150 },
  );
});
