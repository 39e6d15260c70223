// What is left out is told by row, once per change, and withdrawn when the row is mended or gone.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LeftOut } from '../../../routing/engine.ts';
import type { Entry, Match, Rule } from '../../../routing/model.ts';
import type { Origin } from '../../../routing/origin.ts';
import type { RowChanges, Update, VirtualHostChange } from '../../../routing/update.ts';
import { Faults } from './faults.ts';

const origin: Origin = { object: { group: '', kind: 'HTTPRoute', namespace: 'test', name: 'route' }, path: '' };
const key = 'test/gw|HTTPRoute/test/route|0';
const odd: Match = {
  protocol: 'http',
  path: { type: 'regex', value: String.raw`/\x{10FFFF}` },
  headers: [],
  query: [],
};
const plain: Match = { ...odd, path: { type: 'prefix', value: '/' } };

function rule(of: Partial<Rule> = {}): Rule {
  const action = { kind: 'forward' as const, backends: [backend('one')] };
  return { key, protocol: 'http', filters: [], timeouts: {}, action, origin, ...of };
}

function backend(name: string): Extract<Rule['action'], { kind: 'forward' }>['backends'][number] {
  return { weight: 1, filters: [], origin, target: { kind: 'cluster', cluster: `test/gw|test/${name}:80|http1` } };
}

function host(hostname: string, change: Partial<VirtualHostChange>): VirtualHostChange {
  const frontend = 'test/gw/http';
  return { key: `${frontend}|${hostname}`, frontend, hostname, removed: [], inserted: [], ...change };
}

function entry(match: Match, index: number): Entry {
  return { rule: key, match, rank: { hostname: '', created: '', route: 'test/route', rule: 0, match: index } };
}

function set<T>(...rows: readonly T[]): RowChanges<T> {
  return { set: rows, delete: [] };
}

class Told {
  readonly rows: LeftOut[] = [];
  readonly faults = new Faults((rows) => this.rows.push(...rows));

  /** What it makes the listener hear. */
  take(update: Omit<Update, 'version'>): readonly LeftOut[] {
    this.faults.take({ version: 1, ...update });
    this.faults.settle();
    return this.rows.splice(0);
  }

  blame(...args: Parameters<Faults['blame']>): readonly LeftOut[] {
    this.faults.blame(...args);
    this.faults.settle();
    return this.rows.splice(0);
  }
}

test('a match is left out for as long as a host has it', () => {
  const told = new Told();
  const reason = 'path: names a character beyond U+00FF by number';
  const both = [entry(odd, 1), entry(plain, 0)];
  assert.deepEqual(
    told.take({ rules: set(rule()), virtualHosts: [host('a', { inserted: both }), host('b', { inserted: both })] }),
    [{ table: 'rules', key, faults: [{ effect: 'dropped', match: 1, reason }] }],
  );
  assert.deepEqual(told.take({ virtualHosts: [host('a', { removed: both })] }), []);
  // As they come over a stream: equal, and not the same.
  const copies = both.map((each) => structuredClone(each));
  assert.deepEqual(told.take({ virtualHosts: [host('b', { removed: copies })] }), [
    { table: 'rules', key, faults: [] },
  ]);
});

test('a rule is told again only when something else is wrong with it', () => {
  const told = new Told();
  const filters = [{ kind: 'mirror', cluster: 'c', numerator: 1, denominator: 0, origin } as const];
  assert.equal(told.take({ rules: set(rule({ filters })) })[0]?.faults[0]?.effect, 'dropped');
  assert.deepEqual(told.take({ rules: set(rule({ filters, timeouts: { request: 5 } })) }), []);
  assert.deepEqual(told.take({ rules: set(rule()) }), [{ table: 'rules', key, faults: [] }]);
  told.take({ rules: set(rule({ filters })) });
  assert.deepEqual(told.take({ rules: { set: [], delete: [key] } }), [{ table: 'rules', key, faults: [] }]);
});

test('what is blamed is left out until its row is another one', () => {
  const told = new Told();
  const row = rule();
  assert.deepEqual(told.take({ rules: set(row) }), []);
  const faults = [{ effect: 'dropped', reason: 'Envoy says no' }];
  assert.deepEqual(told.blame({ table: 'rules', key: key }, 'Envoy says no'), [{ table: 'rules', key, faults }]);
  assert.equal(told.faults.ofRule(row), 'Envoy says no');
  assert.deepEqual(told.take({ rules: set(rule({ name: 'mended' })) }), [{ table: 'rules', key, faults: [] }]);
  assert.equal(told.faults.ofRule(row), undefined);
});

test('what is wrong with a cluster is said of the rules that lead there: dropped where they lead nowhere else', () => {
  const told = new Told();
  const cluster = 'test/gw|test/one:80|http1';
  const other = { ...rule(), key: 'test/gw|HTTPRoute/test/route|1' };
  const two = { ...other, action: { kind: 'forward' as const, backends: [backend('one'), backend('two')] } };
  told.take({ rules: set(rule(), two) });
  const effects = (rows: readonly LeftOut[]): unknown =>
    rows.map(({ table, faults }) => `${table} ${faults.map(({ effect }) => effect).join(',')}`).toSorted();
  assert.deepEqual(effects(told.blame({ table: 'clusters', key: cluster }, 'no')), [
    'clusters dropped',
    'rules differs',
    'rules dropped',
  ]);
  const { clusters } = { clusters: { set: [], delete: [cluster] } };
  assert.deepEqual(effects(told.take({ clusters })), ['clusters ', 'rules ', 'rules ']);
});

test('what is served otherwise is said: sessions, datagrams with PROXY headers, budgets', () => {
  const told = new Told();
  const session = { type: 'cookie', name: 's', path: '/', permanent: false, absoluteTimeout: 60_000 } as const;
  const backends = [{ ...backend('one'), session }];
  const reasons = (rows: readonly LeftOut[]): readonly string[] =>
    rows.flatMap(({ faults }) => faults.map(({ effect, reason }) => `${effect} ${reason}`));
  assert.deepEqual(reasons(told.take({ rules: set(rule({ action: { kind: 'forward', backends } })) })), [
    'differs a session does not end by absoluteTimeout, but when the client forgets it',
  ]);
  const kept = [{ ...backend('one'), session: { ...session, permanent: true } }];
  assert.deepEqual(reasons(told.take({ rules: set(rule({ action: { kind: 'forward', backends: kept } })) })), []);
  const both = [...kept, { ...backend('two'), session: { ...session, permanent: true } }];
  assert.deepEqual(reasons(told.take({ rules: set(rule({ action: { kind: 'forward', backends: both } })) })), [
    'differs each request draws its backend anew, and a session stays with an endpoint only',
  ]);
  told.take({ rules: set(rule()) });
  const cluster = {
    key: 'test/gw|test/one:80|http1',
    protocol: 'udp',
    proxyProtocol: 'v2',
    endpoints: 'test/one',
    backend: { kind: 'Service', namespace: 'test', name: 'one', port: 80 },
  } as const;
  const said = told.take({ clusters: set(cluster) });
  assert.deepEqual(
    said.map(({ table }) => table),
    ['clusters', 'rules'],
  );
  assert.deepEqual([...new Set(reasons(said))], ['differs datagrams are sent without a PROXY header']);
});

test('PROXY headers of datagrams are said of their listener, and of the rules whose backend wants them', () => {
  const told = new Told();
  const bind = 'test/gw:53/udp';
  const row = { key: 'test/gw/dns', bind, gateway: 'test/gw', listener: 'dns', protocol: 'UDP', port: 53 } as const;
  const frontend = { ...row, hostname: '', publicPorts: {}, origin };
  const port = { key: bind, gateway: 'test/gw', port: 53, transport: 'udp', security: 'none' } as const;
  const plain = { ...port, frontends: [row.key] };
  assert.deepEqual(told.take({ binds: set(plain), frontends: set(frontend) }), []);
  const reason = 'PROXY headers of datagrams are not read: datagrams pass as they are';
  assert.deepEqual(told.take({ binds: set({ ...plain, proxyProtocol: true }) }), [
    { table: 'frontends', key: row.key, faults: [{ effect: 'differs', reason }] },
  ]);
  assert.deepEqual(told.take({ binds: set(plain) }), [{ table: 'frontends', key: row.key, faults: [] }]);
});

test('hosts that no request names are left out, whatever is matched there', () => {
  const told = new Told();
  const inserted = [entry(plain, 0)];
  const reason = 'the hostname: no request, and no handshake, has such a one';
  assert.deepEqual(told.take({ rules: set(rule()), virtualHosts: [host('\r*.test', { inserted })] }), [
    { table: 'rules', key, faults: [{ effect: 'dropped', match: 0, reason }] },
  ]);
  assert.deepEqual(
    told.take({ virtualHosts: [host('\r*.test', { removed: inserted }), host('*.test', { inserted })] }),
    [{ table: 'rules', key, faults: [] }],
  );
});
