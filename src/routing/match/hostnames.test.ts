import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HostTable, judge } from './frontends.ts';
import { compareSpecificity, coversHost, intersectHostnames, normalizeHost } from './hostnames.ts';

const normal: readonly [authority: string, host: string][] = [
  ['Example.COM', 'example.com'],
  ['example.com:8080', 'example.com'],
  ['example.com.', 'example.com'],
  ['[::1]:80', '[::1]'],
  ['[::1]', '[::1]'],
  ['', ''],
];
for (const [authority, host] of normal)
  test(`normalizeHost ${authority}`, () => assert.equal(normalizeHost(authority), host));

const intersections: readonly [listener: string, route: string, expected: string | undefined][] = [
  ['', '', ''],
  ['', 'a.example.com', 'a.example.com'],
  ['a.example.com', '', 'a.example.com'],
  ['a.example.com', 'a.example.com', 'a.example.com'],
  ['a.example.com', 'b.example.com', undefined],
  ['*.example.com', 'a.example.com', 'a.example.com'],
  ['*.example.com', 'a.b.example.com', 'a.b.example.com'],
  ['*.example.com', 'example.com', undefined],
  ['a.example.com', '*.example.com', 'a.example.com'],
  ['*.example.com', '*.example.com', '*.example.com'],
  ['*.example.com', '*.b.example.com', '*.b.example.com'],
  ['*.b.example.com', '*.example.com', '*.b.example.com'],
  ['*.example.com', '*.example.org', undefined],
  ['*.ample.com', 'www.example.com', undefined],
];
for (const [listener, route, expected] of intersections) {
  test(`${listener || 'any'} with ${route || 'any'}`, () =>
    assert.equal(intersectHostnames(listener, route), expected));
}

test('a wildcard covers one label or more, never none', () => {
  assert.ok(coversHost('*.example.com', 'a.example.com'));
  assert.ok(coversHost('*.example.com', 'a.b.example.com'));
  assert.ok(!coversHost('*.example.com', 'example.com'));
  assert.ok(!coversHost('*.example.com', '.example.com'.slice(1)));
});

test('hosts among many patterns: the longest suffix first, one that is too short never', () => {
  const table = new HostTable<string>();
  for (const pattern of ['*.example.com', '*.b.example.com', 'a.b.example.com']) table.set(pattern, pattern);
  assert.equal(table.lookUp('a.b.example.com'), 'a.b.example.com');
  assert.equal(table.lookUp('c.b.example.com'), '*.b.example.com');
  assert.equal(table.lookUp('d.c.b.example.com'), '*.b.example.com');
  assert.equal(table.lookUp('b.example.com'), '*.example.com');
  for (const none of ['example.com', '.example.com', 'com', '', '.', 'xexample.com']) {
    assert.equal(table.lookUp(none), undefined, none);
  }
  table.set('', 'any');
  assert.equal(table.lookUp(''), 'any');
  assert.equal(table.size, 4);
  table.delete('*.b.example.com');
  assert.equal(table.lookUp('c.b.example.com'), '*.example.com');
  table.delete('');
  assert.equal(table.lookUp('example.com'), undefined);
  assert.deepEqual([...table.values()], ['a.b.example.com', '*.example.com']);
});

test('exact before wildcard before any, longer before shorter', () => {
  const sorted = ['', '*.com', 'a.b', '*.example.com', 'a.example.com'].toSorted(compareSpecificity);
  assert.deepEqual(sorted, ['a.example.com', 'a.b', '*.example.com', '*.com', '']);
});

/** GatewayHTTPSListenerDetectMisdirectedRequests, as in the official suite. */
const misdirected: readonly [sni: string, host: string, status: 200 | 404 | 421][] = [
  ['example.org', 'example.org', 200],
  ['example.org', 'second-example.org', 421],
  ['example.org', 'unknown-example.org', 200],
  ['second-example.org', 'second-example.org', 200],
  ['second-example.org', 'example.org', 421],
  ['second-example.org', 'unknown-example.org', 421],
  ['third-example.wildcard.org', 'third-example.wildcard.org', 200],
  ['third-example.wildcard.org', 'fith-example.wildcard.org', 200],
  ['third-example.wildcard.org', 'fourth-example.wildcard.org', 421],
  ['third-example.wildcard.org', 'second-example.org', 421],
  ['third-example.wildcard.org', 'unknown-example.org', 421],
  ['fourth-example.wildcard.org', 'fourth-example.wildcard.org', 200],
  ['fourth-example.wildcard.org', 'fith-example.wildcard.org', 421],
];

test('misdirected requests (GEP-3567); what no route takes is 404 afterwards', () => {
  const table = new HostTable<{ readonly hostname: string }>();
  for (const hostname of ['', 'second-example.org', '*.wildcard.org', 'fourth-example.wildcard.org'])
    table.set(hostname, { hostname });
  for (const [sni, host, status] of misdirected) {
    const connection = table.lookUp(sni);
    assert.ok(connection);
    const { outcome } = judge(table, connection, host);
    assert.equal(outcome, status === 421 ? 'misdirected' : 'serve', `${sni} asked for ${host}`);
  }
  const only = new HostTable<{ readonly hostname: string }>();
  only.set('a.org', { hostname: 'a.org' });
  const connection = only.lookUp('a.org');
  assert.ok(connection);
  assert.equal(judge(only, connection, 'b.org').outcome, 'not-found');
});
