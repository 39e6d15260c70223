import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ContestedListener } from './conflicts.ts';
import { conflictsOf, overlapsOf } from './conflicts.ts';

function listener(name: string, port: number, protocol: string, hostname = ''): ContestedListener {
  return { name, port, protocol, hostname };
}

function found(...listeners: readonly ContestedListener[]): readonly string[] {
  return conflictsOf(listeners, listeners.length).map((conflict) =>
    conflict === undefined ? '' : `${conflict.code} ${conflict.listeners.join(',')}`,
  );
}

test('one port, protocol and hostname: all are refused, nobody wins', () => {
  assert.deepEqual(
    found(listener('a', 80, 'HTTP', 'x.y'), listener('b', 80, 'HTTP', 'x.y'), listener('c', 80, 'HTTP', 'x.z')),
    ['HostnameConflict b', 'HostnameConflict a', ''],
  );
  assert.deepEqual(found(listener('a', 80, 'HTTP'), listener('b', 80, 'HTTP')), [
    'HostnameConflict b',
    'HostnameConflict a',
  ]);
});

test('what can be told apart by port, hostname or SNI does not conflict', () => {
  assert.deepEqual(found(listener('a', 80, 'HTTP'), listener('b', 81, 'HTTP')), ['', '']);
  assert.deepEqual(found(listener('a', 80, 'HTTP'), listener('b', 80, 'HTTP', '*.x')), ['', '']);
  assert.deepEqual(found(listener('a', 443, 'HTTPS', 'x.y'), listener('b', 443, 'TLS', 'x.z')), ['', '']);
});

test('HTTPS and TLS on one port are told apart by SNI, and by nothing else', () => {
  assert.deepEqual(found(listener('a', 443, 'HTTPS', 'x.y'), listener('b', 443, 'TLS', 'x.y')), [
    'HostnameConflict b',
    'HostnameConflict a',
  ]);
});

test('of ListenerSets the first to come has the place, and one that lost it takes none', () => {
  const conflicts = conflictsOf(
    [
      listener('own', 80, 'HTTP', 'x.y'),
      listener('first', 80, 'HTTP', 'x.y'),
      listener('second', 443, 'HTTPS', 'x.y'),
      listener('third', 443, 'HTTP', 'x.y'),
      listener('fourth', 443, 'TLS', 'x.z'),
      listener('fifth', 443, 'HTTPS', 'x.z'),
    ],
    1,
  );
  assert.deepEqual(
    conflicts.map((conflict) => (conflict === undefined ? '' : `${conflict.code} ${conflict.listeners.join(',')}`)),
    ['', 'HostnameConflict own', '', 'ProtocolConflict second', '', 'HostnameConflict fourth'],
  );
});

test('protocols that cannot share a port', () => {
  assert.deepEqual(found(listener('a', 80, 'HTTP'), listener('b', 80, 'TLS')), [
    'ProtocolConflict b',
    'ProtocolConflict a',
  ]);
  assert.deepEqual(found(listener('a', 80, 'TCP'), listener('b', 80, 'TCP')), [
    'ProtocolConflict b',
    'ProtocolConflict a',
  ]);
  assert.deepEqual(found(listener('a', 80, 'TCP'), listener('b', 80, 'HTTPS', 'x')), [
    'ProtocolConflict b',
    'ProtocolConflict a',
  ]);
});

test('UDP has ports of its own; a protocol that nobody knows opens none', () => {
  assert.deepEqual(found(listener('a', 53, 'UDP'), listener('b', 53, 'TCP')), ['', '']);
  assert.deepEqual(found(listener('a', 53, 'UDP'), listener('b', 53, 'UDP')), [
    'ProtocolConflict b',
    'ProtocolConflict a',
  ]);
  assert.deepEqual(found(listener('a', 80, 'x.y/z'), listener('b', 80, 'HTTP')), ['', '']);
});

test('hostnames overlap in both directions, and with any host', () => {
  assert.deepEqual(
    overlapsOf([
      listener('wild', 443, 'HTTPS', '*.x.y'),
      listener('deep', 443, 'HTTPS', 'a.b.x.y'),
      listener('apart', 443, 'HTTPS', 'x.y'),
      listener('elsewhere', 444, 'HTTPS', 'a.x.y'),
    ]),
    [['deep'], ['wild'], [], []],
  );
  assert.deepEqual(overlapsOf([listener('any', 443, 'HTTPS'), listener('one', 443, 'TLS', 'x')]), [['one'], ['any']]);
});
