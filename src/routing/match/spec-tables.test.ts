// The request tables of the Gateway API's official tests, asked of the matcher directly: listeners and routes in short
// form, then host, path, method and headers of a request and the route rule that has to take it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Entry, Match, PathMatch, ValueMatch } from '../model.ts';
import { isGrpc, type MatchRequest } from './conditions.ts';
import { HostTable } from './frontends.ts';
import { intersectHostnames, normalizeHost } from './hostnames.ts';
import { VirtualHostMatcher } from './matcher.ts';
import { normalizeTarget } from './path.ts';
import { queryParameter } from './query.ts';

interface Route {
  readonly name: string;
  readonly listeners?: readonly string[];
  readonly hostnames?: readonly string[];
  readonly created?: string;
  /** Where the match leads: `to`. */
  readonly matches: readonly (Partial<Match> & { readonly to: string })[];
}

interface Asked {
  readonly host?: string;
  readonly target: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

const prefix = (value: string): PathMatch => ({ type: 'prefix', value });
const exact = (value: string): PathMatch => ({ type: 'exact', value });
const is = (name: string, value: string): ValueMatch => ({ type: 'exact', name, value });

/** What attachment makes of listeners and routes, for one port. `listeners`: hostname by name. */
function serve(listeners: Readonly<Record<string, string>>, routes: readonly Route[]): (asked: Asked) => string {
  const frontends = new HostTable<HostTable<VirtualHostMatcher>>();
  for (const [name, listener] of Object.entries(listeners)) {
    const hosts = new HostTable<VirtualHostMatcher>();
    frontends.set(listener, hosts);
    for (const route of routes.filter((each) => each.listeners?.includes(name) ?? true)) {
      for (const original of route.hostnames ?? ['']) {
        const hostname = intersectHostnames(listener, original);
        if (hostname === undefined) continue;
        const matcher = hosts.get(hostname) ?? new VirtualHostMatcher();
        hosts.set(hostname, matcher);
        for (const [at, match] of route.matches.entries()) matcher.insert(entryOf(route, original, match, at));
      }
    }
  }
  return (asked) => {
    const host = normalizeHost(asked.host ?? 'example.com');
    const taken = frontends.lookUp(host)?.find(host, (matcher) => matcher.match(requestOf(asked)));
    return taken?.rule ?? '404';
  };
}

function entryOf(route: Route, hostname: string, { to, ...match }: Route['matches'][number], at: number): Entry {
  return {
    rule: to,
    match: { protocol: 'http', path: prefix('/'), headers: [], query: [], ...match },
    rank: { hostname, created: route.created ?? '', route: `ns/${route.name}`, rule: at, match: 0 },
  };
}

function requestOf({ target, method = 'GET', headers = {} }: Asked): MatchRequest {
  const split = normalizeTarget(target);
  assert.ok(split);
  return {
    path: split.path,
    method,
    grpc: isGrpc(method, headers['content-type']),
    header: (name) => headers[name],
    query: (name) => queryParameter(split.query, name),
  };
}

function table(
  what: string,
  ask: (asked: Asked) => string,
  rows: readonly (readonly [asked: Asked, expected: string])[],
) {
  test(what, () => {
    for (const [asked, expected] of rows) assert.equal(ask(asked), expected, JSON.stringify(asked));
  });
}

const at = (host: string, target: string): Asked => ({ host, target });
const get = (target: string, headers: Readonly<Record<string, string>> = {}): Asked => ({ target, headers });
const send = (method: string, target: string, headers: Readonly<Record<string, string>> = {}): Asked => ({
  method,
  target,
  headers,
});

table(
  'HTTPRouteHostnameIntersection',
  serve({ one: 'very.specific.com', two: '*.wildcard.io', three: '*.anotherwildcard.io' }, [
    {
      name: 'exact-exact',
      hostnames: ['non.matching.com', '*.nonmatchingwildcard.io', 'very.specific.com'],
      matches: [{ path: prefix('/s1'), to: 'v1' }],
    },
    {
      name: 'exact-wildcard',
      hostnames: ['non.matching.com', 'wildcard.io', 'foo.wildcard.io', 'bar.wildcard.io', 'foo.bar.wildcard.io'],
      matches: [{ path: prefix('/s2'), to: 'v2' }],
    },
    {
      name: 'wildcard-exact',
      hostnames: ['non.matching.com', '*.specific.com'],
      matches: [{ path: prefix('/s3'), to: 'v3' }],
    },
    { name: 'wildcard-wildcard', hostnames: ['*.anotherwildcard.io'], matches: [{ path: prefix('/s4'), to: 'v1' }] },
    {
      name: 'none',
      hostnames: ['specific.but.wrong.com', 'wildcard.io'],
      matches: [{ path: prefix('/s5'), to: 'v2' }],
    },
  ]),
  [
    [at('very.specific.com', '/s1'), 'v1'],
    [at('very.specific.com:1234', '/s1'), 'v1'],
    [at('VERY.specific.com.', '/s1'), 'v1'],
    [at('non.matching.com', '/s1'), '404'],
    [at('foo.nonmatchingwildcard.io', '/s1'), '404'],
    [at('foo.wildcard.io', '/s1'), '404'],
    [at('very.specific.com', '/non-matching-prefix'), '404'],
    [at('foo.wildcard.io', '/s2'), 'v2'],
    [at('bar.wildcard.io', '/s2'), 'v2'],
    [at('foo.bar.wildcard.io', '/s2'), 'v2'],
    [at('non.matching.com', '/s2'), '404'],
    [at('wildcard.io', '/s2'), '404'],
    [at('very.specific.com', '/s2'), '404'],
    [at('foo.wildcard.io', '/non-matching-prefix'), '404'],
    [at('very.specific.com', '/s3'), 'v3'],
    [at('non.matching.com', '/s3'), '404'],
    [at('foo.specific.com', '/s3'), '404'],
    [at('foo.wildcard.io', '/s3'), '404'],
    [at('foo.anotherwildcard.io', '/s4'), 'v1'],
    [at('bar.anotherwildcard.io', '/s4'), 'v1'],
    [at('foo.bar.anotherwildcard.io', '/s4'), 'v1'],
    [at('anotherwildcard.io', '/s4'), '404'],
    [at('foo.wildcard.io', '/s4'), '404'],
    [at('very.specific.com', '/s4'), '404'],
    [at('foo.anotherwildcard.io', '/non-matching-prefix'), '404'],
    [at('specific.but.wrong.com', '/s5'), '404'],
    [at('wildcard.io', '/s5'), '404'],
  ],
);

table(
  'HTTPRouteHostnameIntersection, a listener without hostname',
  serve({ any: '' }, [
    {
      name: 'r',
      hostnames: ['first.com', '*.first.com', 'second.com', '*.second.com'],
      matches: [{ to: 'v2' }],
    },
  ]),
  [
    [at('first.com', '/'), 'v2'],
    [at('sub.first.com', '/'), 'v2'],
    [at('second.com', '/'), 'v2'],
    [at('sub.second.com', '/'), 'v2'],
    [at('third.com', '/'), '404'],
    [at('sub.third.com', '/'), '404'],
  ],
);

table(
  'HTTPRouteListenerHostnameMatching',
  serve({ one: 'bar.com', two: 'foo.bar.com', three: '*.bar.com', four: '*.foo.com' }, [
    { name: 'a', listeners: ['one'], matches: [{ to: 'v1' }] },
    { name: 'b', listeners: ['two'], matches: [{ to: 'v2' }] },
    { name: 'c', listeners: ['three', 'four'], matches: [{ to: 'v3' }] },
  ]),
  [
    [at('bar.com', '/'), 'v1'],
    [at('foo.bar.com', '/'), 'v2'],
    [at('baz.bar.com', '/'), 'v3'],
    [at('boo.bar.com', '/'), 'v3'],
    [at('multiple.prefixes.bar.com', '/'), 'v3'],
    [at('multiple.prefixes.foo.com', '/'), 'v3'],
    [at('foo.com', '/'), '404'],
    [at('no.matching.host', '/'), '404'],
  ],
);

const isolated = ['/empty', '/example', '/foo', '/abc'] as const;
const isolation: readonly [host: string, taken: (typeof isolated)[number]][] = [
  ['bar.com', '/empty'],
  ['bar.example.com', '/example'],
  ['bar.foo.example.com', '/foo'],
  ['abc.foo.example.com', '/abc'],
];
const isolatedListeners = { empty: '', example: '*.example.com', foo: '*.foo.example.com', abc: 'abc.foo.example.com' };
for (const [what, hostnames] of [
  ['hostnames in listeners only', {}],
  ['hostnames in routes too', isolatedListeners],
] as const) {
  table(
    `GatewayHTTPListenerIsolation, ${what}`,
    serve(
      isolatedListeners,
      isolated.map((path) => {
        const name = path.slice(1) as keyof typeof isolatedListeners;
        const hostname = name in hostnames ? isolatedListeners[name] : '';
        return {
          name,
          listeners: [name],
          matches: [{ path: prefix(path), to: path }],
          ...(hostname === '' ? {} : { hostnames: [hostname] }),
        };
      }),
    ),
    isolation.flatMap(([host, taken]) =>
      isolated.map((path) => [at(host, path), path === taken ? path : '404'] as const),
    ),
  );
}

for (const listener of ['', 'abc.example.com', '*.example.com']) {
  table(
    `HTTPRouteMultipleRoutesAttachmentSameHostnameIntersection under ${listener || 'any host'}`,
    serve({ one: listener }, [
      {
        name: 'wild',
        hostnames: ['*.example.com'],
        created: '2024-01-01T00:00:00Z',
        matches: [{ path: prefix('/path/prefix/longer'), to: 'v1' }, { to: 'v1' }],
      },
      {
        name: 'exact',
        hostnames: ['abc.example.com'],
        created: '2025-01-01T00:00:00Z',
        matches: [
          { path: prefix('/path'), headers: [is('header-a', 'A')], to: 'v2' },
          { path: exact('/'), to: 'v2' },
        ],
      },
      { name: 'any', created: '2023-01-01T00:00:00Z', matches: [{ path: exact('/path/prefix/longer'), to: 'v3' }] },
    ]),
    [
      [at('abc.example.com', '/'), 'v2'],
      [{ host: 'abc.example.com', target: '/path/prefix/longer', headers: { 'header-a': 'A' } }, 'v2'],
      // Nothing of the exact hostname takes it: it falls through.
      [{ host: 'abc.example.com', target: '/path/prefix/longer', headers: { 'header-b': 'B' } }, 'v1'],
      [at('abc.example.com', '/other'), 'v1'],
    ],
  );
}

table(
  'HTTPRouteMatching and HTTPRouteExactPathMatching',
  serve({ one: '' }, [
    {
      name: 'r',
      matches: [
        { to: 'v1' },
        { headers: [is('version', 'one')], to: 'v1' },
        { path: prefix('/v2'), to: 'v2' },
        { headers: [is('version', 'two')], to: 'v2' },
        { path: exact('/two'), to: 'v3' },
      ],
    },
  ]),
  [
    [get('/'), 'v1'],
    [get('/example'), 'v1'],
    [get('/', { version: 'one' }), 'v1'],
    [get('/v2'), 'v2'],
    [get('/v2/'), 'v2'],
    [get('/v2/example'), 'v2'],
    [get('/', { version: 'two' }), 'v2'],
    [get('/v2example'), 'v1'],
    [get('/foo/v2/example'), 'v1'],
    [get('/two'), 'v3'],
    [get('/two/'), 'v1'],
    [get('/Two'), 'v1'],
    [get('/V2'), 'v1'],
  ],
);

table(
  'HTTPRoutePathMatchOrder, whatever the order of the rules',
  serve({ one: '' }, [
    {
      name: 'r',
      matches: [
        { path: prefix('/match'), to: 'v3' },
        { path: prefix('/match/prefix'), to: 'v1' },
        { path: prefix('/match/prefix/one'), to: 'v2' },
        { path: exact('/match'), to: 'v1' },
        { path: exact('/match/exact'), to: 'v2' },
        { path: exact('/match/exact/one'), to: 'v3' },
      ],
    },
  ]),
  [
    [get('/match/exact/one'), 'v3'],
    [get('/match/exact'), 'v2'],
    [get('/match'), 'v1'],
    [get('/match/prefix/one/any'), 'v2'],
    [get('/match/prefix/any'), 'v1'],
    [get('/match/any'), 'v3'],
  ],
);

table(
  'HTTPRouteMethodMatching',
  serve({ one: '' }, [
    {
      name: 'r',
      matches: [
        { method: 'POST', to: 'v1' },
        { method: 'GET', to: 'v2' },
        { path: prefix('/path1'), method: 'GET', to: 'v1' },
        { method: 'PUT', headers: [is('version', 'one')], to: 'v2' },
        { path: prefix('/path2'), method: 'POST', headers: [is('version', 'two')], to: 'v3' },
        { path: prefix('/path3'), method: 'PATCH', to: 'v1' },
        { path: prefix('/path4'), method: 'DELETE', headers: [is('version', 'three')], to: 'v1' },
        { path: prefix('/path5'), to: 'v1' },
        { method: 'PATCH', to: 'v2' },
        { headers: [is('version', 'four')], to: 'v3' },
      ],
    },
  ]),
  [
    [send('POST', '/'), 'v1'],
    [send('GET', '/'), 'v2'],
    [send('HEAD', '/'), '404'],
    [send('GET', '/path1'), 'v1'],
    [send('PUT', '/', { version: 'one' }), 'v2'],
    [send('POST', '/path2', { version: 'two' }), 'v3'],
    [send('PATCH', '/path3'), 'v1'],
    [send('DELETE', '/path4', { version: 'three' }), 'v1'],
    [send('PUT', '/'), '404'],
    [send('DELETE', '/path4'), '404'],
    [send('PATCH', '/path5'), 'v1'],
    [send('PATCH', '/', { version: 'four' }), 'v2'],
    [send('get', '/'), '404'],
  ],
);

const animal = (value: string): ValueMatch => is('animal', value);
table(
  'HTTPRouteQueryParamMatching',
  serve({ one: '' }, [
    {
      name: 'r',
      matches: [
        { query: [animal('whale')], to: 'v1' },
        { query: [animal('dolphin')], to: 'v2' },
        { query: [animal('dolphin'), is('color', 'blue')], to: 'v3' },
        { query: [is('ANIMAL', 'Whale')], to: 'v3' },
        { path: prefix('/path1'), query: [animal('whale')], to: 'v1' },
        { headers: [is('version', 'one')], query: [animal('whale')], to: 'v2' },
        { path: prefix('/path2'), headers: [is('version', 'two')], query: [animal('whale')], to: 'v3' },
        { path: prefix('/path3'), query: [animal('shark')], to: 'v1' },
        { path: prefix('/path4'), headers: [is('version', 'three')], query: [animal('kraken')], to: 'v1' },
        { path: prefix('/path5'), to: 'v1' },
        { query: [animal('hydra')], to: 'v2' },
        { headers: [is('version', 'four')], to: 'v3' },
      ],
    },
  ]),
  [
    [get('/?animal=whale'), 'v1'],
    [get('/?animal=dolphin'), 'v2'],
    [get('/?animal=dolphin&color=blue'), 'v3'],
    [get('/?ANIMAL=Whale'), 'v3'],
    [get('/?animal=whale&otherparam=irrelevant'), 'v1'],
    [get('/?animal=dolphin&color=yellow'), 'v2'],
    [get('/?color=blue'), '404'],
    [get('/?animal=dog'), '404'],
    [get('/?animal=whaledolphin'), '404'],
    [get('/'), '404'],
    [get('/path1?animal=whale'), 'v1'],
    [get('/?animal=whale', { version: 'one' }), 'v2'],
    [get('/path2?animal=whale', { version: 'two' }), 'v3'],
    [get('/path3?animal=shark'), 'v1'],
    [get('/path4?animal=kraken', { version: 'three' }), 'v1'],
    [get('/?animal=shark'), '404'],
    [get('/path4?animal=kraken'), '404'],
    [get('/path5?animal=hydra'), 'v1'],
    [get('/?animal=hydra', { version: 'four' }), 'v3'],
  ],
);

table(
  'HTTPRouteHeaderMatching',
  serve({ one: '' }, [
    {
      name: 'r',
      matches: [
        { headers: [is('version', 'one')], to: 'v1' },
        { headers: [is('version', 'two')], to: 'v2' },
        { headers: [is('version', 'two'), is('color', 'orange')], to: 'v1' },
        { headers: [is('color', 'blue')], to: 'v1' },
        { headers: [{ type: 'regex', name: 'color', value: 'red|yellow' }], to: 'v2' },
        { headers: [is('name', 'Zoë')], to: 'v3' },
        { headers: [{ type: 'regex', name: 'name', value: '.é' }], to: 'v3' },
      ],
    },
  ]),
  [
    [get('/', { version: 'one' }), 'v1'],
    [get('/', { version: 'two' }), 'v2'],
    [get('/', { version: 'two', color: 'orange' }), 'v1'],
    // One header each: the earlier rule.
    [get('/', { version: 'two', color: 'blue' }), 'v2'],
    [get('/', { color: 'orange' }), '404'],
    [get('/', { 'some-other-header': 'one' }), '404'],
    [get('/', { color: 'blue' }), 'v1'],
    [get('/', { color: 'red' }), 'v2'],
    [get('/', { color: 'redyellow' }), '404'],
    [get('/', { color: 'purple' }), '404'],
    // On the wire a character is an octet; the match is written in Unicode.
    [get('/', { name: Buffer.from('Zoë').toString('latin1') }), 'v3'],
    [get('/', { name: Buffer.from('Té').toString('latin1') }), 'v3'],
  ],
);

const grpc = { 'content-type': 'application/grpc+proto' };
table(
  'GRPCRoute and HTTPRoute of one hostname (docs/semantics.md)',
  serve({ one: '' }, [
    {
      name: 'g',
      matches: [
        { protocol: 'grpc', path: exact('/pkg.Svc/Get'), to: 'method' },
        { protocol: 'grpc', path: prefix('/pkg.Svc'), to: 'service' },
        { protocol: 'grpc', path: { type: 'grpc-method', value: 'Get' }, to: 'any service' },
      ],
    },
    { name: 'h', matches: [{ path: exact('/pkg.Svc/Get'), to: 'http' }, { to: 'http' }] },
  ]),
  [
    [send('POST', '/pkg.Svc/Get', grpc), 'method'],
    [send('POST', '/pkg.Svc/Put', grpc), 'service'],
    [send('POST', '/other.Svc/Get', grpc), 'any service'],
    [send('POST', '/other.Svc/Put', grpc), 'http'],
    [send('POST', '/pkg.Svc/Get'), 'http'],
    [send('GET', '/pkg.Svc/Get', grpc), 'http'],
    [send('POST', '/pkg.Svc/Get', { 'content-type': 'application/grpc-web' }), 'http'],
  ],
);
