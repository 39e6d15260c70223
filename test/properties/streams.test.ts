// Which TLSRoute takes a name, over Gateways with ListenerSets: the pipeline against a naive reading of the standard (Distinct Listeners,
// GEP-1713, hostname intersection and precedence), on generated objects, names and ages.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { KubeObject } from '../../src/api/objects.ts';
import { Pipeline } from '../../src/pipeline/pipeline.ts';
import { HostTable } from '../../src/routing/match/frontends.ts';
import type { Entry } from '../../src/routing/model.ts';
import { oracleListener } from '../oracle/oracle.ts';

const group = 'gateway.networking.k8s.io/v1';
const hostnames = ['example.com', '*.example.com', 'a.example.com', '*.a.example.com', 'b.a.example.com', '*.com'];
const names = [...hostnames.map((host) => host.replace('*', 'x')), 'c.b.a.example.com', 'example.org', 'com'];
const age = fc.integer({ min: 1, max: 4 }).map((day) => `2026-01-0${day}T00:00:00Z`);
const listenerHost = fc.constantFrom('', ...hostnames);

const world = fc.record({
  own: fc.uniqueArray(listenerHost, { minLength: 1, maxLength: 3 }),
  sets: fc.array(fc.record({ created: age, hosts: fc.uniqueArray(listenerHost, { minLength: 1, maxLength: 3 }) }), {
    maxLength: 3,
  }),
  routes: fc.array(
    fc.record({
      created: age,
      hosts: fc.uniqueArray(fc.constantFrom(...hostnames), { minLength: 1, maxLength: 3 }),
      parents: fc.uniqueArray(fc.integer({ min: -1, max: 2 }), { minLength: 1, maxLength: 3 }),
    }),
    { maxLength: 6 },
  ),
});

interface World {
  readonly own: readonly string[];
  readonly sets: readonly { readonly created: string; readonly hosts: readonly string[] }[];
  readonly routes: readonly {
    readonly created: string;
    readonly hosts: readonly string[];
    /** -1: the Gateway; else a set. */
    readonly parents: readonly number[];
  }[];
}

function objectsOf({ own, sets, routes }: World): readonly KubeObject[] {
  const listeners = (hosts: readonly string[]): readonly object[] =>
    hosts.map((hostname, i) => ({
      name: `l${i}`,
      port: 443,
      protocol: 'TLS',
      tls: { mode: 'Passthrough' },
      ...(hostname === '' ? {} : { hostname }),
    }));
  const object = (kind: string, name: string, created: string, spec: object): KubeObject => ({
    apiVersion: group,
    kind,
    metadata: { name, namespace: 'default', ...(created === '' ? {} : { creationTimestamp: created }) },
    spec,
  });
  return [
    object('Gateway', 'gw', '', {
      gatewayClassName: 'x',
      allowedListeners: { namespaces: { from: 'All' } },
      listeners: listeners(own),
    }),
    ...sets.map(({ created, hosts }, i) =>
      object('ListenerSet', `set${i}`, created, { parentRef: { name: 'gw' }, listeners: listeners(hosts) }),
    ),
    ...routes.map(({ created, hosts, parents }, i) =>
      object('TLSRoute', `route${i}`, created, {
        parentRefs: parents.map((at) => (at < 0 ? { name: 'gw' } : { kind: 'ListenerSet', name: `set${at}` })),
        hostnames: hosts,
        rules: [{ backendRefs: [{ name: 'app', port: 1 }] }],
      }),
    ),
  ];
}

interface Listener {
  /** -1: the Gateway. */
  readonly owner: number;
  readonly hostname: string;
}

/** The first to come has the hostname: the Gateway, older sets, then by name. */
function listenersOf({ own, sets }: World): readonly Listener[] {
  const order = sets
    .map((set, at) => ({ ...set, at }))
    .toSorted((a, b) => a.created.localeCompare(b.created) || a.at - b.at);
  const all = [
    ...own.map((hostname) => ({ owner: -1, hostname })),
    ...order.flatMap(({ at, hosts }) => hosts.map((hostname) => ({ owner: at, hostname }))),
  ];
  return all.filter(({ hostname }, at) => all.findIndex((other) => other.hostname === hostname) === at);
}

function covers(pattern: string, host: string): boolean {
  if (pattern === '' || pattern === host) return true;
  return pattern.startsWith('*.') && host.endsWith(pattern.slice(1)) && host.length >= pattern.length;
}

/** Without a wildcard first, then the more characters. */
function weight(pattern: string): number {
  return (pattern === '' || pattern.startsWith('*') ? 0 : 1000) + pattern.length;
}

function expected(each: World, name: string): string | undefined {
  const listener = oracleListener(listenersOf(each), name);
  if (listener === undefined) return undefined;
  const { hostname, owner } = listener;
  const takers = each.routes.flatMap(({ created, hosts, parents }, at) =>
    hosts
      .filter((host) => parents.includes(owner) && covers(host, name))
      // What listener and route have in common is the narrower of the two.
      .filter((host) => covers(hostname, host) || covers(host, hostname))
      .map((host) => ({ at, created, host, common: covers(hostname, host) ? host : hostname })),
  );
  const [best] = takers.toSorted(
    (a, b) =>
      weight(b.common) - weight(a.common) ||
      weight(b.host) - weight(a.host) ||
      a.created.localeCompare(b.created) ||
      a.at - b.at,
  );
  return best === undefined ? undefined : `route${best.at}`;
}

function found(pipeline: Pipeline, name: string): string | undefined {
  const { binds, frontends, virtualHosts } = pipeline.tables;
  const listeners = new HostTable<string>();
  for (const key of binds.get('default/gw:443/tcp')?.frontends ?? []) {
    listeners.set(frontends.get(key)?.hostname ?? '', key);
  }
  const frontend = listeners.lookUp(name);
  const hosts = new HostTable<readonly Entry[]>();
  for (const key of virtualHosts.keys()) {
    if (frontend !== undefined && key.startsWith(`${frontend}|`)) {
      hosts.set(key.slice(frontend.length + 1), virtualHosts.get(key) ?? []);
    }
  }
  return hosts.find(name, ([entry]) => entry)?.rank.route.slice('default/'.length);
}

test('the route that takes a name is the one that the standard says', () => {
  fc.assert(
    fc.property(world, (each) => {
      const pipeline = new Pipeline({
        channel: 'standard',
        controllerName: 'portolan.dev/gateway-controller',
        classes: 'any',
        presume: true,
        engine: 'embedded',
        awaitEngine: false,
      });
      for (const object of objectsOf(each)) pipeline.apply(object);
      pipeline.settle();
      for (const name of names) assert.equal(found(pipeline, name), expected(each, name), name);
    }),
    { numRuns: 200 },
  );
});
