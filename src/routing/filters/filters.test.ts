import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Cors, Redirect } from '../filters.ts';
import { allowsOrigin, compileCors, corsHeaders, preflightHeaders } from './cors.ts';
import { changeHeaders, compileHeaderChanges } from './header-changes.ts';
import { changePath } from './path-change.ts';
import { redirectLocation } from './redirect.ts';

/** The table of HTTPPathModifier.replacePrefixMatch. */
const prefixes: readonly [path: string, prefix: string, value: string, expected: string][] = [
  ['/foo/bar', '/foo', '/xyz', '/xyz/bar'],
  ['/foo/bar', '/foo', '/xyz/', '/xyz/bar'],
  ['/foo/bar', '/foo/', '/xyz', '/xyz/bar'],
  ['/foo/bar', '/foo/', '/xyz/', '/xyz/bar'],
  ['/foo', '/foo', '/xyz', '/xyz'],
  ['/foo/', '/foo', '/xyz', '/xyz/'],
  ['/foo/bar', '/foo', '', '/bar'],
  ['/foo/', '/foo', '', '/'],
  ['/foo', '/foo', '', '/'],
  ['/foo/', '/foo', '/', '/'],
  ['/foo', '/foo', '/', '/'],
];
for (const [path, prefix, value, expected] of prefixes) {
  test(`${path}: prefix ${prefix} becomes ${JSON.stringify(value)}`, () => {
    assert.equal(changePath(path, { type: 'prefix', prefix, value }), expected);
  });
}

test('groups of a regular expression, as in rewrite-target', () => {
  assert.equal(changePath('/app/x/y', { type: 'regex', pattern: '^/app(/|$)(.*)', value: '/$2' }), '/x/y');
  assert.equal(changePath('/app', { type: 'regex', pattern: '^/app(/|$)(.*)', value: '/$2' }), '/');
});

const origin = { object: { group: '', kind: 'HTTPRoute', namespace: 'n', name: 'r' }, path: '' };
const asked = {
  scheme: 'http',
  authority: 'example.com:8080',
  path: '/a',
  query: '?q=1',
  listenerPort: 80,
  publicPorts: {},
} as const;
const redirects: readonly [
  what: string,
  redirect: Partial<Redirect>,
  request: Partial<typeof asked> | Record<string, unknown>,
  expected: string,
][] = [
  ['nothing changes but the status', {}, {}, 'http://example.com/a?q=1'],
  ['a scheme brings its port', { scheme: 'https' }, {}, 'https://example.com/a?q=1'],
  ['the listener’s port stays', {}, { listenerPort: 8080 }, 'http://example.com:8080/a?q=1'],
  ['a scheme forgets the listener’s port', { scheme: 'http' }, { listenerPort: 8080 }, 'http://example.com/a?q=1'],
  ['an explicit well-known port is left out', { scheme: 'https', port: 443 }, {}, 'https://example.com/a?q=1'],
  ['an explicit port stays', { port: 8443 }, {}, 'http://example.com:8443/a?q=1'],
  ['443 on http stays', { scheme: 'http', port: 443 }, {}, 'http://example.com:443/a?q=1'],
  ['a hostname', { hostname: 'other.org' }, {}, 'http://other.org/a?q=1'],
  ['a path keeps the query', { path: { type: 'full', value: '/new' } }, {}, 'http://example.com/new?q=1'],
  [
    'a declared port that is served elsewhere',
    { scheme: 'https' },
    { publicPorts: { '443': 8443 } },
    'https://example.com:8443/a?q=1',
  ],
  ['an IPv6 host', {}, { authority: '[::1]:80' }, 'http://[::1]/a?q=1'],
];
for (const [what, redirect, request, expected] of redirects) {
  test(`redirect: ${what}`, () => {
    assert.equal(redirectLocation({ status: 302, origin, ...redirect }, { ...asked, ...request }), expected);
  });
}

test('header changes replace, append and remove, whatever the case', () => {
  const plan = compileHeaderChanges([
    { set: [{ name: 'X-Set', value: 'new' }], add: [{ name: 'x-add', value: 'two' }], remove: ['X-Gone'] },
    { set: [], add: [], remove: ['x-later'] },
  ]);
  const lines = changeHeaders(
    ['x-set', 'a', 'x-SET', 'b', 'X-Add', 'one', 'x-gone', '1', 'Later', 'x', 'X-Later', 'y'],
    plan,
  );
  assert.deepEqual(lines, ['X-Add', 'one', 'Later', 'x', 'X-Set', 'new', 'x-add', 'two']);
});

test('framing and Host are not for a header modifier, and no value may end the line', () => {
  const plan = compileHeaderChanges([
    {
      set: [
        { name: 'Content-Length', value: '5' },
        { name: 'Host', value: 'x' },
      ],
      add: [{ name: 'a', value: 'b\r\nc: d' }],
      remove: ['Connection'],
    },
  ]);
  assert.deepEqual(changeHeaders(['Host', 'h', 'Content-Length', '1'], plan), ['Host', 'h', 'Content-Length', '1']);
});

const open: Cors = {
  allowOrigins: ['*'],
  allowMethods: ['*'],
  allowHeaders: ['*'],
  exposeHeaders: ['*'],
  allowCredentials: false,
  maxAge: 5,
};

test('CORS origins: exact with default ports, wildcards over any number of labels', () => {
  const compiled = compileCors({
    ...open,
    allowOrigins: ['https://www.foo.com', 'https://*.bar.com', 'http://baz.com:8080'],
  });
  for (const allowed of [
    'https://www.foo.com',
    'https://www.foo.com:443',
    'https://a.bar.com',
    'https://a.b.bar.com',
    'http://baz.com:8080',
  ]) {
    assert.ok(allowsOrigin(compiled, allowed), allowed);
  }
  for (const refused of [
    'http://www.foo.com',
    'https://bar.com',
    'https://a.bar.com:8443',
    'http://baz.com',
    'https://evilbar.com',
    'null',
  ]) {
    assert.ok(!allowsOrigin(compiled, refused), refused);
  }
});

test('CORS with credentials never answers with a wildcard', () => {
  const compiled = compileCors({ ...open, allowCredentials: true });
  const lines = preflightHeaders(compiled, { origin: 'https://a.com', method: 'PUT', headers: 'x-a, x-b' });
  assert.ok(!lines.includes('*'));
  assert.equal(lines[lines.indexOf('Access-Control-Allow-Origin') + 1], 'https://a.com');
  assert.equal(lines[lines.indexOf('Access-Control-Allow-Methods') + 1], 'PUT');
  assert.equal(lines[lines.indexOf('Access-Control-Allow-Headers') + 1], 'x-a, x-b');
  assert.ok(!corsHeaders(compiled, 'https://a.com').includes('*'));
});

test('CORS says nothing to an origin that is not allowed', () => {
  const compiled = compileCors({ ...open, allowOrigins: ['https://a.com'] });
  assert.deepEqual(corsHeaders(compiled, 'https://b.com'), ['Vary', 'Origin']);
  assert.ok(
    !preflightHeaders(compiled, { origin: 'https://b.com', method: 'GET', headers: undefined }).includes(
      'Access-Control-Allow-Origin',
    ),
  );
});
