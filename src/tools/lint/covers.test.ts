import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Match, ValueMatch } from '../../routing/model.ts';
import { covers } from './covers.ts';

const any: Match = { protocol: 'http', path: { type: 'prefix', value: '/' }, headers: [], query: [] };
const prefix = (value: string): Match => ({ ...any, path: { type: 'prefix', value } });
const exact = (value: string): Match => ({ ...any, path: { type: 'exact', value } });
const regex = (value: string): Match => ({ ...any, path: { type: 'regex', value } });
const header = (type: ValueMatch['type'], value: string, name = 'x-canary'): ValueMatch => ({ type, name, value });

const cases: readonly [what: string, a: Match, b: Match, expected: boolean][] = [
  ['the same match', any, any, true],
  ['a shorter prefix covers a longer one', prefix('/a'), prefix('/a/b'), true],
  ['a longer prefix does not cover a shorter one', prefix('/a'), any, false],
  ['a prefix covers by elements, not characters', prefix('/a'), prefix('/ab'), false],
  ['a trailing slash of a prefix does not count', prefix('/a/'), prefix('/a'), true],
  ['a prefix covers an exact path below it', prefix('/a'), exact('/a/b'), true],
  ['paths compare as requests are normalised', prefix('/%61'), exact('/a/b'), true],
  ['an exact path does not cover its prefix', exact('/a'), prefix('/a'), false],
  ['everything covers a regular expression', any, regex('/a.*'), true],
  ['a regular expression does not cover another', regex('/a.*'), regex('/a.+'), false],
  ['a regular expression covers itself', regex('/a.*'), regex('/a.*'), true],
  ['a regular expression covers an exact path that it matches', regex('/a.*'), exact('/ab'), true],
  ['and none that it does not match', regex('/a.+'), exact('/a'), false],
  ['a prefix covers expressions that begin below it', prefix('/a'), regex('/a/.*'), true],
  ['and not those that may go past it', prefix('/a'), regex('/a.*'), false],
  ['nor those that ignore case', prefix('/a'), regex('(?i)/a/.*'), false],
  ['.* covers everything', regex('.*'), prefix('/'), true],
  ['/.* does not cover the * of OPTIONS', regex('/.*'), prefix('/'), false],
  ['/.* covers prefixes', regex('/.*'), prefix('/a'), true],
  ['a condition narrows', { ...any, headers: [header('exact', '1')] }, any, false],
  ['fewer conditions cover more', any, { ...any, headers: [header('exact', '1')] }, true],
  [
    'an expression covers a value that it matches',
    { ...any, headers: [header('regex', '[0-9]+')] },
    { ...any, headers: [header('exact', '1')] },
    true,
  ],
  [
    'of the same header only',
    { ...any, headers: [header('regex', '[0-9]+')] },
    { ...any, headers: [header('exact', '1', 'x-other')] },
    false,
  ],
  [
    'a header is no query parameter',
    { ...any, headers: [header('exact', '1')] },
    { ...any, query: [header('exact', '1')] },
    false,
  ],
  ['a method narrows', { ...any, method: 'GET' }, any, false],
  ['another method is not covered', { ...any, method: 'GET' }, { ...any, method: 'PUT' }, false],
  ['gRPC does not cover plain HTTP', { ...any, protocol: 'grpc' }, any, false],
  ['POST covers gRPC, which is always POST', { ...any, method: 'POST' }, { ...any, protocol: 'grpc' }, true],
];

for (const [what, a, b, expected] of cases) {
  test(`covers: ${what}`, () => assert.equal(covers(a, b), expected));
}
