// Update -> parts by gateway: whatever the updates, each gateway has what a partition from scratch gives it, the parts together
// are all rows that anybody needs, and nobody holds a certificate that it does not refer to.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Rows } from '../../src/routing/rows.ts';
import { inPieces } from '../../src/engines/stream/client/pieces.ts';
import { Partition } from '../../src/engines/stream/partition.ts';
import { Pipeline } from '../../src/pipeline/pipeline.ts';
import type {
  Bind,
  CertificateSet,
  Cluster,
  EndpointSet,
  Frontend,
  Rule,
  TrustBundle,
} from '../../src/routing/model.ts';
import type { Update } from '../../src/routing/update.ts';
import { history } from './pipeline-objects.ts';

const runs = Number(process.env['PROPERTY_RUNS'] ?? 60);

const tables = [
  'binds',
  'placements',
  'frontends',
  'rules',
  'clusters',
  'endpoints',
  'certificates',
  'trustBundles',
] as const;

type Listing = Readonly<Record<string, unknown>>;

/** Rows by table and key, of everything that stands. */
function listing(rows: Rows): Listing {
  const all = rows.all();
  const found: [string, unknown][] = tables.flatMap((table) =>
    (all[table]?.set ?? []).map((row): [string, unknown] => [
      `${table} ${'bind' in row && !('key' in row) ? row.bind : row.key}`,
      row,
    ]),
  );
  for (const { key, inserted } of all.virtualHosts ?? []) found.push([`hosts ${key}`, inserted]);
  return Object.fromEntries(found.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** What a gateway needs, told from the rows and nothing else. */
function needs(all: Update, gateway: string): Listing {
  const of = <T>(rows: readonly T[] | undefined, isOurs: (row: T) => boolean): readonly T[] =>
    (rows ?? []).filter(isOurs);
  const frontends = of(all.frontends?.set, (row) => row.gateway === gateway);
  const binds = of(all.binds?.set, (row) => row.gateway === gateway);
  const clusters = of(all.clusters?.set, ({ key }) => key.startsWith(`${gateway}|`));
  const certificates = new Set<string>();
  const bundles = new Set<string>();
  for (const { tls } of frontends) {
    if (tls?.mode !== 'terminate') continue;
    for (const key of tls.certificates) certificates.add(key);
    for (const key of tls.clients?.authorities ?? []) bundles.add(key);
  }
  for (const { tls } of clusters) {
    if (tls?.certificate !== undefined) certificates.add(tls.certificate);
    for (const key of tls === undefined || tls.authorities === 'system' ? [] : tls.authorities) bundles.add(key);
  }
  const endpoints = new Set(clusters.map((row) => row.endpoints));
  const rows = new Rows();
  const whole = <T>(set: readonly T[]): { readonly set: readonly T[]; readonly delete: readonly string[] } => ({
    set,
    delete: [],
  });
  rows.apply({
    version: 1,
    binds: whole(binds),
    placements: whole(of(all.placements?.set, ({ bind }) => bind.slice(0, bind.lastIndexOf(':')) === gateway)),
    frontends: whole(frontends),
    rules: whole(of(all.rules?.set, ({ key }) => key.startsWith(`${gateway}|`))),
    clusters: whole(clusters),
    endpoints: whole(of(all.endpoints?.set, ({ key }) => endpoints.has(key))),
    certificates: whole(of(all.certificates?.set, ({ key }) => certificates.has(key))),
    trustBundles: whole(of(all.trustBundles?.set, ({ key }) => bundles.has(key))),
    virtualHosts: of(all.virtualHosts, ({ frontend }) => frontend.startsWith(`${gateway}/`)),
  });
  return listing(rows);
}

class Gateways {
  readonly whole = new Rows();
  readonly #partition = new Partition();
  readonly #parts = new Map<string, Rows>();
  readonly #empty = new Set<string>();

  apply(update: Update): void {
    this.whole.apply(update);
    for (const { gateway, update: part, empty } of this.#partition.apply(update)) {
      let rows = this.#parts.get(gateway);
      if (rows === undefined) this.#parts.set(gateway, (rows = new Rows()));
      const before = listing(rows);
      for (const table of tables) {
        for (const key of part[table]?.delete ?? [])
          assert.ok(`${table} ${key}` in before, `${table} ${key} was there`);
      }
      rows.apply(part);
      if (empty) this.#empty.add(gateway);
      else this.#empty.delete(gateway);
    }
  }

  check(gateways: readonly string[]): void {
    const all = this.whole.all();
    const scratch = new Map(
      new Partition().apply(all).map(({ gateway, update }): [string, Listing] => {
        const rows = new Rows();
        rows.apply(update);
        return [gateway, listing(rows)];
      }),
    );
    for (const gateway of gateways) {
      const held = listing(this.#parts.get(gateway) ?? new Rows());
      assert.deepEqual(held, needs(all, gateway), gateway);
      assert.deepEqual(held, scratch.get(gateway) ?? {}, gateway);
      if (this.#empty.has(gateway))
        assert.deepEqual(
          Object.keys(held).filter((key) => !key.startsWith('rules ')),
          [],
        );
    }
  }
}

test('updates of a pipeline, gateway by gateway', () => {
  fc.assert(
    fc.property(history, (steps) => {
      const pipeline = new Pipeline({
        channel: 'standard',
        controllerName: 'x.y/us',
        classes: 'any',
        presume: true,
        engine: 'embedded',
        awaitEngine: false,
      });
      const gateways = new Gateways();
      for (const { object, delete: gone, settle } of steps) {
        if (gone) pipeline.delete(object);
        else pipeline.apply(object);
        if (settle) gateways.apply(pipeline.settle().update);
      }
      gateways.apply(pipeline.settle().update);
      gateways.check(['a/g', 'a/h', 'b/g', 'b/h']);
      checkPieces(pipeline.snapshot());
    }),
    { numRuns: runs },
  );
});

/** As a proxy is given its first configuration. */
function checkPieces(whole: Update): void {
  const rows = new Rows();
  const pieces = inPieces(whole);
  for (const piece of pieces) rows.apply({ version: 1, ...piece });
  const wanted = new Rows();
  wanted.apply(whole);
  assert.deepEqual(listing(rows), listing(wanted));
  for (const piece of pieces.slice(0, -1)) {
    assert.ok(piece.binds === undefined && piece.placements === undefined && piece.frontends === undefined);
  }
}

const gateway = fc.constantFrom('a/g', 'a/h', 'b/g');
const shared = fc.constantFrom('x/1', 'x/2', 'x/3');
const sharedList = fc.uniqueArray(shared, { maxLength: 2 });
const origin = { object: { group: '', kind: 'Gateway', namespace: 'a', name: 'g' }, path: '' };

const frontend = fc
  .record({
    gateway,
    name: fc.constantFrom('l0', 'l1'),
    certificates: sharedList,
    authorities: sharedList,
    tls: fc.boolean(),
  })
  .map(({ gateway, name, certificates, authorities, tls }): Frontend => ({
    key: `${gateway}/${name}`,
    bind: `${gateway}:443/tcp`,
    gateway,
    listener: name,
    protocol: 'HTTPS',
    port: 443,
    hostname: '',
    tls: tls ? { mode: 'terminate', certificates, clients: { mode: 'require', authorities } } : { mode: 'passthrough' },
    publicPorts: {},
    origin,
  }));
const cluster = fc
  .record({
    gateway,
    name: fc.constantFrom('s:80', 't:80'),
    endpoints: shared,
    certificate: fc.option(shared),
    authorities: fc.oneof(fc.constant('system' as const), sharedList),
  })
  .map(({ gateway, name, endpoints, certificate, authorities }): Cluster => ({
    key: `${gateway}|${name}|`,
    protocol: 'http1',
    tls: { serverName: 's', names: [], authorities, ...(certificate === null ? {} : { certificate }) },
    endpoints,
    backend: { kind: 'Service', namespace: 'x', name, port: 80 },
  }));
const bind = gateway.map((gateway): Bind => ({
  key: `${gateway}:443/tcp`,
  gateway,
  port: 443,
  transport: 'tcp',
  security: 'tls',
  frontends: [],
}));
const rule = gateway.map((gateway): Rule => ({
  key: `${gateway}|HTTPRoute/x/r|0`,
  protocol: 'http',
  filters: [],
  timeouts: {},
  action: { kind: 'respond', status: 404 },
  origin,
}));
const endpoints = fc.record({ key: shared, zone: fc.nat(3) }).map(({ key, zone }): EndpointSet => ({
  key,
  endpoints: [
    { id: 'e', address: '10.0.0.1', port: 80, ready: true, serving: true, terminating: false, zone: `z${zone}` },
  ],
}));
const certificate = fc.record({ key: shared, serial: fc.nat(3) }).map(({ key, serial }): CertificateSet => ({
  key,
  certificate: `c${serial}`,
  privateKey: `k${serial}`,
  names: [],
  notAfter: '',
  fingerprint: `${serial}`,
}));
const bundle = fc
  .record({ key: shared, serial: fc.nat(3) })
  .map(({ key, serial }): TrustBundle => ({ key, certificates: `c${serial}` }));

const changed = <T extends { readonly key: string }>(
  row: fc.Arbitrary<T>,
): fc.Arbitrary<readonly { readonly row: T; readonly gone: boolean }[]> =>
  fc.uniqueArray(fc.record({ row, gone: fc.boolean() }), { maxLength: 3, selector: ({ row }) => row.key });

const anyUpdate = fc.record({
  binds: changed(bind),
  frontends: changed(frontend),
  rules: changed(rule),
  clusters: changed(cluster),
  endpoints: changed(endpoints),
  certificates: changed(certificate),
  trustBundles: changed(bundle),
});

test('any rows that refer to any others', () => {
  fc.assert(
    fc.property(fc.array(anyUpdate, { maxLength: 12 }), (updates) => {
      const gateways = new Gateways();
      const standing = new Set<string>();
      updates.forEach((each, index) => {
        // Only what stands is deleted, as the pipeline does.
        const update = Object.fromEntries(
          Object.entries(each).map(([table, rows]) => {
            const gone = rows.filter(({ row, gone }) => gone && standing.has(`${table} ${row.key}`));
            const set = rows.filter(({ gone }) => !gone);
            for (const { row } of gone) standing.delete(`${table} ${row.key}`);
            for (const { row } of set) standing.add(`${table} ${row.key}`);
            return [table, { set: set.map(({ row }) => row), delete: gone.map(({ row }) => row.key) }];
          }),
        );
        gateways.apply({ version: index + 1, ...update });
        gateways.check(['a/g', 'a/h', 'b/g']);
      });
    }),
    { numRuns: runs * 5 },
  );
});

test('what nobody else needs is told to nobody else', () => {
  const partition = new Partition();
  const row: CertificateSet = {
    key: 'x/1',
    certificate: 'c',
    privateKey: 'k',
    names: [],
    notAfter: '',
    fingerprint: '',
  };
  const listener = (gateway: string, certificates: readonly string[]): Frontend => ({
    key: `${gateway}/l`,
    bind: `${gateway}:443/tcp`,
    gateway,
    listener: 'l',
    protocol: 'HTTPS',
    port: 443,
    hostname: '',
    tls: { mode: 'terminate', certificates },
    publicPorts: {},
    origin,
  });
  partition.apply({
    version: 1,
    frontends: { set: [listener('a/g', ['x/1']), listener('a/h', [])], delete: [] },
    certificates: { set: [row], delete: [] },
  });
  const rotated = partition.apply({ version: 2, certificates: { set: [{ ...row, privateKey: 'k2' }], delete: [] } });
  assert.deepEqual(
    rotated.map(({ gateway }) => gateway),
    ['a/g'],
  );
  const referred = partition.apply({ version: 3, frontends: { set: [listener('a/h', ['x/1'])], delete: [] } });
  assert.equal(referred[0]?.update.certificates?.set[0]?.privateKey, 'k2', 'sent when it comes to be referred to');
  const dropped = partition.apply({ version: 4, frontends: { set: [listener('a/h', [])], delete: [] } });
  assert.deepEqual(dropped[0]?.update.certificates, { set: [], delete: ['x/1'] });
});
