import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ExternalAuth } from '../filters.ts';
import {
  askedPrefix,
  askedTarget,
  changeQuery,
  givenFields,
  type HeaderMutation,
  planMutations,
  toldFields,
} from './external-auth.ts';
import { changeHeaders, type HeaderPlan } from './header-changes.ts';

const overHttp = (headers: readonly string[]): ExternalAuth => ({
  cluster: 'auth',
  check: { protocol: 'http', path: '' },
  headers,
  bodyLimit: 0,
});
const client = ['Cookie', 'a=b', 'Authorization', 'Bearer x', 'X-User', 'forged', 'x-user', 'again', 'Accept', '*/*'];

for (const [path, target, asked] of [
  ['', '/a?b=c', '/a?b=c'],
  ['/verify', '/a?b=c', '/verify/a?b=c'],
  ['/verify/', '/a', '/verify/a'],
  ['verify', '/', '/verify/'],
  ['/', '/a', '/a'],
  ['/a/../verify?x', '/a', '/verify%3Fx/a'],
  ['', '*', '*'],
  ['/verify', '*', '/verify'],
] as const) {
  test(`a service with the path "${path}" is asked for ${asked} about ${target}`, () => {
    assert.equal(askedTarget(askedPrefix(path), target), asked);
  });
}

test('over HTTP the service is told Authorization and what is listed, and nothing else', () => {
  assert.deepEqual(toldFields(overHttp([]), client), ['Authorization', 'Bearer x']);
  assert.deepEqual(toldFields(overHttp(['cookie', 'x-user']), client), client.slice(0, 8));
});

test('over gRPC the list says all of it, and no list is everything', () => {
  const grpc: ExternalAuth = { check: { protocol: 'grpc' }, bodyLimit: 0 };
  assert.deepEqual(toldFields(grpc, client), client);
  assert.deepEqual(toldFields({ ...grpc, headers: ['accept'] }, client), ['Accept', '*/*']);
});

const given = (listed: readonly string[] | undefined, answer: readonly string[]): string[] => [
  ...changeHeaders(client, givenFields(listed, answer)),
];

test('what the service gives replaces what the client sent', () => {
  const answer = ['X-User', 'alice', 'X-Group', 'one', 'x-group', 'two'];
  const kept = ['Cookie', 'a=b', 'Authorization', 'Bearer x', 'Accept', '*/*'];
  assert.deepEqual(given(undefined, answer), [...kept, ...answer]);
  assert.deepEqual(given(['x-user'], answer), [...kept, 'X-User', 'alice']);
});

test('a field that is listed and not given is nobody’s', () => {
  assert.deepEqual(given(['x-user', 'accept'], []), ['Cookie', 'a=b', 'Authorization', 'Bearer x']);
});

test('Host, framing and what describes the answer’s own content are not copied; the latter when it is asked for', () => {
  const answer = [
    'Host',
    'evil',
    'Content-Length',
    '3',
    'Connection',
    'close',
    'Content-Type',
    'text/plain',
    'TE',
    'x',
  ];
  const bare: HeaderPlan = { dropped: new Set(), appended: [] };
  assert.deepEqual(givenFields(undefined, answer), bare);
  assert.deepEqual(givenFields(['host', 'content-type', 'transfer-encoding'], answer), {
    dropped: new Set(['content-type']),
    appended: ['Content-Type', 'text/plain'],
  });
});

const mutate = (mutations: readonly HeaderMutation[], removed: readonly string[] = []): readonly string[] =>
  changeHeaders(['A', '1', 'B', '2'], planMutations(['A', '1', 'B', '2'], mutations, removed));

for (const [what, mutations, removed, result] of [
  ['set replaces', [{ name: 'a', value: 'x', action: 'set' }], [], ['B', '2', 'a', 'x']],
  ['set adds', [{ name: 'c', value: 'x', action: 'set' }], [], ['A', '1', 'B', '2', 'c', 'x']],
  ['append keeps', [{ name: 'a', value: 'x', action: 'append' }], [], ['A', '1', 'B', '2', 'a', 'x']],
  ['add-if-absent keeps', [{ name: 'a', value: 'x', action: 'add-if-absent' }], [], ['A', '1', 'B', '2']],
  ['add-if-absent adds', [{ name: 'c', value: 'x', action: 'add-if-absent' }], [], ['A', '1', 'B', '2', 'c', 'x']],
  ['set-if-present replaces', [{ name: 'a', value: 'x', action: 'set-if-present' }], [], ['B', '2', 'a', 'x']],
  ['set-if-present adds nothing', [{ name: 'c', value: 'x', action: 'set-if-present' }], [], ['A', '1', 'B', '2']],
  ['removal comes last', [{ name: 'a', value: 'x', action: 'set' }], ['A'], ['B', '2']],
  [
    'Host and framing stay',
    [{ name: 'host', value: 'x', action: 'set' }],
    ['content-length', ':path'],
    ['A', '1', 'B', '2'],
  ],
  [
    'the last of two sets counts',
    [
      { name: 'a', value: 'x', action: 'set' },
      { name: 'A', value: 'y', action: 'set' },
    ],
    [],
    ['B', '2', 'A', 'y'],
  ],
] as readonly (readonly [string, readonly HeaderMutation[], readonly string[], readonly string[]])[]) {
  test(`mutations: ${what}`, () => assert.deepEqual(mutate(mutations, removed), result));
}

for (const [query, removed, set, result] of [
  ['?a=1&b=2', [], [], '?a=1&b=2'],
  ['?a=1&b=2&%61=3', ['a'], [], '?b=2'],
  ['?a=1', ['a'], [], ''],
  ['', [], [{ name: 'user', value: 'ä &#' }], '?user=%C3%A4%20%26%23'],
  ['?user=forged&x=%zz&user', [], [{ name: 'user', value: 'alice' }], '?x=%zz&user=alice'],
  ['?', [], [{ name: 'a', value: '' }], '?a='],
  [
    '?a',
    [],
    [
      { name: 'b', value: '1' },
      { name: 'b', value: '2' },
    ],
    '?a&b=2',
  ],
] as readonly (readonly [string, readonly string[], readonly { name: string; value: string }[], string])[]) {
  test(`query ${query} without ${removed.join()} and with ${JSON.stringify(set)}`, () => {
    assert.equal(changeQuery(query, { removed, set }), result);
  });
}
