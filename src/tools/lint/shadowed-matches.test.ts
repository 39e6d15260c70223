import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Match } from '../../routing/model.ts';
import { covers } from './shadowed-matches.ts';

const any: Match = { protocol: 'http', path: { type: 'prefix', value: '/' }, headers: [], query: [] };
const header = { type: 'exact', name: 'x-canary', value: '1' } as const;

const cases: readonly [what: string, a: Match, b: Match, expected: boolean][] = [
  ['the same match', any, any, true],
  ['a shorter prefix covers a longer one', any, { ...any, path: { type: 'prefix', value: '/a' } }, true],
  ['a longer prefix does not cover a shorter one', { ...any, path: { type: 'prefix', value: '/a' } }, any, false],
  [
    'a prefix covers by elements, not characters',
    { ...any, path: { type: 'prefix', value: '/a' } },
    { ...any, path: { type: 'prefix', value: '/ab' } },
    false,
  ],
  [
    'a prefix covers an exact path below it',
    { ...any, path: { type: 'prefix', value: '/a' } },
    { ...any, path: { type: 'exact', value: '/a/b' } },
    true,
  ],
  [
    'an exact path does not cover its prefix',
    { ...any, path: { type: 'exact', value: '/a' } },
    { ...any, path: { type: 'prefix', value: '/a' } },
    false,
  ],
  ['everything covers a regular expression', any, { ...any, path: { type: 'regex', value: '/a.*' } }, true],
  [
    'a regular expression covers its own text only',
    { ...any, path: { type: 'regex', value: '/a.*' } },
    { ...any, path: { type: 'regex', value: '/a.+' } },
    false,
  ],
  ['a condition narrows', { ...any, headers: [header] }, any, false],
  ['fewer conditions cover more', any, { ...any, headers: [header] }, true],
  ['a method narrows', { ...any, method: 'GET' }, any, false],
  ['another method is not covered', { ...any, method: 'GET' }, { ...any, method: 'PUT' }, false],
  ['gRPC does not cover plain HTTP', { ...any, protocol: 'grpc' }, any, false],
  ['POST covers gRPC, which is always POST', { ...any, method: 'POST' }, { ...any, protocol: 'grpc' }, true],
];

for (const [what, a, b, expected] of cases) {
  test(`covers: ${what}`, () => assert.equal(covers(a, b), expected));
}
