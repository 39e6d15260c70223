import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Match, PathMatch } from '../model.ts';
import { isGrpc, takes, takesPath, type MatchRequest } from './conditions.ts';
import { VirtualHostMatcher } from './matcher.ts';

const paths: readonly [match: PathMatch, path: string, expected: boolean][] = [
  [{ type: 'prefix', value: '/abc' }, '/abc', true],
  [{ type: 'prefix', value: '/abc' }, '/abc/', true],
  [{ type: 'prefix', value: '/abc' }, '/abc/def', true],
  [{ type: 'prefix', value: '/abc' }, '/abcd', false],
  [{ type: 'prefix', value: '/abc/' }, '/abc', true],
  [{ type: 'prefix', value: '/abc' }, '/ABC', false],
  [{ type: 'prefix', value: '/' }, '/anything', true],
  [{ type: 'prefix', value: '/' }, '*', true],
  [{ type: 'prefix', value: '/abc' }, '*', false],
  [{ type: 'exact', value: '/abc' }, '/abc', true],
  [{ type: 'exact', value: '/abc' }, '/abc/', false],
  [{ type: 'exact', value: '/abc/' }, '/abc', false],
  // The value is read as requests’ paths are.
  [{ type: 'exact', value: '/%61/caf%c3%a9' }, '/a/caf%C3%A9', true],
  [{ type: 'prefix', value: '/%61' }, '/a/b', true],
  [{ type: 'regex', value: '/a/[0-9]+' }, '/a/12', true],
  [{ type: 'regex', value: '/a/[0-9]+' }, '/a/12/b', false],
  [{ type: 'regex', value: '/A/[0-9]+' }, '/a/12', false],
  [{ type: 'grpc-method', value: 'Get' }, '/pkg.Svc/Get', true],
  [{ type: 'grpc-method', value: 'Get' }, '/pkg.Svc/Get/x', false],
  [{ type: 'grpc-method', value: 'Get' }, '/Get', false],
];
for (const [match, path, expected] of paths) {
  test(`${match.type} ${match.value} ${expected ? 'takes' : 'does not take'} ${path}`, () => {
    assert.equal(takesPath(match, path), expected);
    // The same by the matcher, which looks up instead of asking.
    const matcher = new VirtualHostMatcher();
    const rank = { hostname: '', created: '', route: 'ns/r', rule: 0, match: 0 };
    matcher.insert({ rule: 'r', match: { protocol: 'http', path: match, headers: [], query: [] }, rank });
    assert.equal(matcher.match(request({ path })) !== undefined, expected);
  });
}

interface Short {
  readonly path?: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

function request({ path = '/', method = 'GET', headers = {} }: Short): MatchRequest {
  return { path, method, grpc: false, header: (name) => headers[name], query: () => undefined };
}

const every: Match = { protocol: 'http', path: { type: 'prefix', value: '/' }, headers: [], query: [] };

test('several lines of a header are one value, joined by a comma and a space', () => {
  const match = (value: string): Match => ({ ...every, headers: [{ type: 'exact', name: 'x', value }] });
  const twoLines = request({ headers: { x: 'a, b' } });
  assert.ok(takes(match('a, b'), twoLines));
  assert.ok(!takes(match('a'), twoLines));
});

test('an absent header matches nothing, not even the empty value or an expression that takes it', () => {
  for (const type of ['exact', 'regex'] as const) {
    const match: Match = { ...every, headers: [{ type, name: 'x', value: '' }] };
    assert.ok(!takes(match, request({})));
    assert.ok(takes(match, request({ headers: { x: '' } })));
  }
});

test('HEAD is not GET', () => {
  assert.ok(!takes({ ...every, method: 'GET' }, request({ method: 'HEAD' })));
});

const contentTypes: readonly [method: string, contentType: string | undefined, expected: boolean][] = [
  ['POST', 'application/grpc', true],
  ['POST', 'application/grpc+proto', true],
  ['POST', 'application/grpc; charset=x', true],
  ['POST', 'Application/GRPC', true],
  ['POST', 'application/grpc-web', false],
  ['POST', 'application/grpcx', false],
  ['POST', 'application/json', false],
  ['POST', undefined, false],
  ['GET', 'application/grpc', false],
];
for (const [method, contentType, expected] of contentTypes)
  test(`${method} ${contentType ?? 'without content-type'} is ${expected ? '' : 'not '}gRPC`, () =>
    assert.equal(isGrpc(method, contentType), expected));

test('the same entry twice goes one by one', () => {
  const matcher = new VirtualHostMatcher();
  const entry = { rule: 'r', match: every, rank: { hostname: '', created: '', route: 'ns/r', rule: 0, match: 0 } };
  matcher.insert(entry);
  matcher.insert(structuredClone(entry));
  matcher.remove(structuredClone(entry));
  assert.equal(matcher.size, 1);
  assert.ok(matcher.match(request({})));
  matcher.remove(entry);
  matcher.remove(entry);
  assert.equal(matcher.size, 0);
  assert.equal(matcher.match(request({})), undefined);
});

test('an expression that is none matches nothing and throws nothing', () => {
  const matcher = new VirtualHostMatcher();
  const rank = { hostname: '', created: '', route: 'ns/r', rule: 0, match: 0 };
  matcher.insert({ rule: 'r', match: { ...every, path: { type: 'regex', value: '(' } }, rank });
  assert.equal(matcher.match(request({ path: '/(' })), undefined);
});
