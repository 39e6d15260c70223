// Random sets of objects around one Gateway, and random requests that have a chance to meet them. Names are few, so that routes
// collide, share hosts, miss backends and shadow each other; what they send on is marked with the rule that sent it.
import fc from 'fast-check';
import type { KubeObject } from '../../src/api/objects.ts';

const group = 'gateway.networking.k8s.io';
const hostnames = ['example.com', '*.example.com', 'a.example.com', '*.a.example.com', 'b.a.example.com'];
const paths = ['/', '/a', '/a/', '/a/b', '/ab', '/a/b/c', '/A', '/svc.One', '/svc.One/Get'];
const values = ['1', '2', 'a b', '50%', '%REQ(x-a)%', '"q"', 'a,b'];

const name = fc.constantFrom('x-a', 'X-B', 'x-c');
const valueMatch = fc
  .record({
    type: fc.constantFrom('Exact', 'Exact', 'RegularExpression'),
    name,
    value: fc.constantFrom('1', '2', 'a b', '[12]', '.*', '1|2', '[^1]', String.raw`\d`, '(?i)A.B', 'a', ''),
  })
  .filter(({ type, value }) => type === 'RegularExpression' || value !== '');
const named = <T extends { readonly name: string }>(value: fc.Arbitrary<T>): fc.Arbitrary<T[]> =>
  fc.uniqueArray(value, { minLength: 1, maxLength: 2, selector: (each) => each.name.toLowerCase() });

/** Names differ by their case, and values are matched as they are decoded. */
const queryMatch = fc.oneof(
  fc.record({ name: fc.constantFrom('q', 'r', 'Q', 'a b'), value: fc.constantFrom('1', '2', 'a b', 'a+b', '1%32') }),
  fc.record({
    type: fc.constant('RegularExpression'),
    name: fc.constantFrom('q', 'r', 'Q'),
    value: fc.constantFrom('[12]', '.*', 'a.b', '.+', '1|2'),
  }),
);

const httpMatch = fc.record(
  {
    path: fc.oneof(
      fc.record({ type: fc.constantFrom('Exact', 'PathPrefix', 'PathPrefix'), value: fc.constantFrom('/', ...paths) }),
      fc.record({
        type: fc.constant('RegularExpression'),
        value: fc.constantFrom('/a.*', '/(a|A)/?', '/[^/]+/b', '.*', '/a/b?'),
      }),
    ),
    method: fc.constantFrom('GET', 'POST', 'PUT', 'OPTIONS', 'DELETE', 'PATCH'),
    headers: named(valueMatch),
    queryParams: fc.uniqueArray(queryMatch, { minLength: 1, maxLength: 2, selector: (each) => each.name }),
  },
  { requiredKeys: ['path'] },
);

const grpcMatch = fc.record(
  {
    method: fc.oneof(
      fc.record({ service: fc.constantFrom('svc.One', 'svc.Two') }),
      fc.record({ method: fc.constantFrom('Get', 'Put') }),
      fc.record({ service: fc.constantFrom('svc.One', 'svc.Two'), method: fc.constantFrom('Get', 'Put') }),
      fc.record({
        type: fc.constant('RegularExpression'),
        service: fc.constantFrom('svc[.].*', '.*One'),
        method: fc.constantFrom('G.*', 'Get|Put'),
      }),
    ),
    headers: named(valueMatch),
  },
  { requiredKeys: [] },
);

/** A name may be changed once only. */
const headerChanges = fc
  .record({
    'x-a': fc.constantFrom('set', 'add', 'remove', 'leave'),
    'X-B': fc.constantFrom('set', 'add', 'remove', 'leave'),
    'x-c': fc.constantFrom('set', 'add', 'remove'),
    value: fc.constantFrom(...values),
  })
  .map(({ value, ...changes }) => {
    const those = (change: string): string[] =>
      Object.entries(changes).flatMap(([name, each]) => (each === change ? [name] : []));
    const valued = (change: string): unknown[] => those(change).map((name) => ({ name, value }));
    return { set: valued('set'), add: valued('add'), remove: those('remove') };
  });

const pathChange = fc.oneof(
  fc.record({ type: fc.constant('ReplaceFullPath'), replaceFullPath: fc.constantFrom('/', '/new', '/new/', '/n%20w') }),
  fc.record({
    type: fc.constant('ReplacePrefixMatch'),
    replacePrefixMatch: fc.constantFrom('/', '', '/p', '/p/', '/p/q'),
  }),
);
const redirect = fc.record(
  {
    scheme: fc.constantFrom('http', 'https'),
    hostname: fc.constantFrom('other.example', 'a.example.com'),
    port: fc.constantFrom(80, 443, 8080),
    path: pathChange,
    statusCode: fc.constantFrom(301, 302, 303, 307, 308),
  },
  { requiredKeys: [] },
);
const cors = fc.record(
  {
    allowOrigins: fc.constantFrom(['https://a.example'], ['*'], ['https://*.example', 'http://b.example:8080']),
    allowMethods: fc.constantFrom(['GET', 'PUT'], ['*']),
    allowHeaders: fc.constantFrom(['X-A'], ['*'], ['x-a', 'x-b']),
    exposeHeaders: fc.constantFrom(['x-c'], ['x-rule', 'x-c']),
    allowCredentials: fc.boolean(),
    maxAge: fc.constantFrom(1, 600),
  },
  { requiredKeys: ['allowOrigins'] },
);

interface DrawnRule {
  readonly matches: readonly unknown[] | undefined;
  readonly action: 'forward' | 'redirect';
  readonly backend: string;
  readonly idle: string | undefined;
  readonly redirect: unknown;
  readonly request: unknown;
  readonly response: unknown;
  readonly rewrite: { readonly hostname: string | undefined; readonly path: unknown } | undefined;
  readonly cors: unknown;
  readonly backendFilter: unknown;
  readonly backendResponse: unknown;
  /** Of the backend, where the rule rewrites nothing itself. */
  readonly backendRewrite: { readonly hostname: string | undefined; readonly path: unknown } | undefined;
}

const maybe = <T>(value: fc.Arbitrary<T>, freq = 2): fc.Arbitrary<T | undefined> =>
  fc.option(value, { freq, nil: undefined });

function ruleOf(match: fc.Arbitrary<unknown>): fc.Arbitrary<DrawnRule> {
  return fc.record({
    matches: maybe(fc.array(match, { minLength: 1, maxLength: 3 }), 8),
    action: fc.constantFrom('forward', 'forward', 'forward', 'redirect'),
    backend: fc.constantFrom('red', 'green', 'blue', 'green', 'blue', 'red', 'green', 'lost', 'empty', 'none'),
    idle: maybe(fc.constantFrom('red', 'lost')),
    redirect,
    request: maybe(headerChanges),
    response: maybe(headerChanges),
    rewrite: maybe(fc.record({ hostname: maybe(fc.constantFrom('inner.example', 'b')), path: maybe(pathChange) })),
    cors: maybe(cors, 1),
    backendFilter: maybe(headerChanges, 1),
    backendResponse: maybe(headerChanges, 1),
    backendRewrite: maybe(fc.record({ hostname: maybe(fc.constant('deep.example')), path: maybe(pathChange) }), 1),
  });
}

const route = fc.oneof(
  { weight: 4, arbitrary: fc.record({ grpc: fc.constant(false), rules: rulesOf(httpMatch), hosts: hosts() }) },
  { weight: 1, arbitrary: fc.record({ grpc: fc.constant(true), rules: rulesOf(grpcMatch), hosts: hosts() }) },
);

function rulesOf(match: fc.Arbitrary<unknown>): fc.Arbitrary<DrawnRule[]> {
  return fc.array(ruleOf(match), { minLength: 1, maxLength: 3 });
}

function hosts(): fc.Arbitrary<{ hostnames: string[]; section: number | undefined }> {
  return fc.record({
    hostnames: fc.oneof(fc.constant<string[]>([]), fc.uniqueArray(fc.constantFrom(...hostnames), { maxLength: 2 })),
    section: maybe(fc.nat(2), 1),
  });
}

/** A Gateway, its routes, and all that they refer to. The Services `red`, `green`, `blue` and `rpc` are the caller's. */
export const objects: fc.Arbitrary<readonly KubeObject[]> = fc
  .record({
    listeners: fc
      .uniqueArray(fc.constantFrom('*.example.com', ...hostnames), { maxLength: 2 })
      .chain((names) => fc.constantFrom([...new Set(['', ...names])], names.length === 0 ? [''] : names)),
    routes: fc.array(route, { minLength: 2, maxLength: 10, size: 'max' }),
  })
  .map(({ listeners, routes }) => [
    {
      apiVersion: `${group}/v1`,
      kind: 'Gateway',
      metadata: { name: 'g', namespace: 'ns' },
      spec: {
        gatewayClassName: 'any',
        listeners: listeners.map((hostname, at) => ({
          name: `l${at}`,
          port: 80,
          protocol: 'HTTP',
          ...(hostname === '' ? {} : { hostname }),
        })),
      },
    },
    service('empty'),
    ...routes.map(({ grpc, rules, hosts: { hostnames: names, section } }, at) => ({
      apiVersion: `${group}/v1`,
      kind: grpc ? 'GRPCRoute' : 'HTTPRoute',
      metadata: { name: `r${at}`, namespace: 'ns' },
      spec: {
        parentRefs: [
          { name: 'g', ...(section === undefined ? {} : { sectionName: `l${section % listeners.length}` }) },
        ],
        hostnames: names,
        rules: rules.map((rule, index) => written(rule, grpc, `${grpc ? 'g' : 'h'}${at}.${index}`)),
      },
    })),
  ]);

function service(called: string): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: called, namespace: 'ns' },
    spec: { ports: [{ port: 80 }] },
  };
}

function written(rule: DrawnRule, grpc: boolean, mark: string): unknown {
  const { matches, action, backend, idle } = rule;
  const redirects = action === 'redirect' && !grpc;
  const marks = [{ name: 'x-rule', value: mark }];
  const filters: unknown[] = [
    { type: 'RequestHeaderModifier', requestHeaderModifier: merged(rule.request, marks) },
    { type: 'ResponseHeaderModifier', responseHeaderModifier: merged(rule.response, marks) },
  ];
  if (rule.cors !== undefined && !grpc) filters.push({ type: 'CORS', cors: rule.cors });
  if (redirects) filters.push({ type: 'RequestRedirect', requestRedirect: rule.redirect });
  else if (rule.rewrite !== undefined && !grpc) filters.push({ type: 'URLRewrite', urlRewrite: rule.rewrite });
  const to = grpc && ['red', 'green', 'blue'].includes(backend) ? 'rpc' : backend;
  const own = [
    ...(rule.backendFilter === undefined
      ? []
      : [{ type: 'RequestHeaderModifier', requestHeaderModifier: rule.backendFilter }]),
    ...(rule.backendResponse === undefined
      ? []
      : [{ type: 'ResponseHeaderModifier', responseHeaderModifier: rule.backendResponse }]),
    ...(rule.backendRewrite === undefined || rule.rewrite !== undefined || grpc
      ? []
      : [{ type: 'URLRewrite', urlRewrite: rule.backendRewrite }]),
  ];
  const backends = [
    ...(idle === undefined ? [] : [{ name: idle, port: 80, weight: 0 }]),
    {
      name: to,
      port: 80,
      weight: 1,
      ...(own.length === 0 ? {} : { filters: own }),
    },
  ];
  const replaces = [rule.redirect, rule.rewrite, rule.backendRewrite].some((change) =>
    JSON.stringify(change ?? '').includes('Prefix'),
  );
  const taken = replaces && !grpc ? [prefixMatch(matches)] : matches;
  return {
    ...(taken === undefined ? {} : { matches: taken }),
    filters,
    ...(redirects || to === 'none' ? {} : { backendRefs: backends }),
  };
}

/** A prefix can be replaced only where there is one match, of a prefix. */
function prefixMatch(matches: readonly unknown[] | undefined): unknown {
  const [first = {}] = (matches ?? []) as readonly { readonly path?: { readonly type: string } }[];
  return first.path?.type === 'PathPrefix' ? first : { ...first, path: { type: 'PathPrefix', value: '/a' } };
}

function merged(changes: unknown, marks: readonly unknown[]): unknown {
  const given = (changes ?? {}) as { readonly set?: readonly unknown[] };
  return { ...given, set: [...(given.set ?? []), ...marks] };
}

export interface Asked {
  readonly grpc: boolean;
  readonly host: string;
  readonly target: string;
  readonly method: string;
  /** Names may repeat. */
  readonly headers: readonly (readonly [string, string])[];
}

const target = fc
  .record({
    path: fc.constantFrom(
      ...paths,
      '/x%2Fy',
      '//a',
      '/a/../ab',
      '/a/%62',
      '/a/b/',
      '/svc.One/Put',
      '/svc.Two/Get',
      '/a/./b',
      '/%e9',
    ),
    query: fc.oneof(
      fc.constantFrom('', '', '?q=1', '?q=2&r=1', '?q=1&q=2', '?Q=2', '?q=', '?r=a+b', '?r=a%20b&q', '?', '?a+b=1'),
      fc.constantFrom('?q=a%2Bb', '?a%20b=2&&q=2', '?%71=1', '?q=1=2', '?r=1%2532', '?=1&q', '?q=%e9', '?q=1;r=2'),
    ),
  })
  .map(({ path, query }) => `${path}${query}`);

export const requests: fc.Arbitrary<Asked> = fc.record({
  grpc: fc.oneof({ weight: 5, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
  host: fc.constantFrom(
    'example.com',
    'a.example.com',
    'a.example.com',
    'b.a.example.com',
    'A.Example.Com',
    'b.a.example.com',
    'c.b.a.example.com',
    'example.com:80',
    'example.com.',
    'other.org',
  ),
  target,
  method: fc.constantFrom('GET', 'GET', 'POST', 'PUT', 'OPTIONS', 'DELETE', 'PATCH'),
  headers: fc
    .array(
      fc.oneof(
        fc.tuple(name, fc.constantFrom('1', '2', 'a b', '')),
        fc.constantFrom<[string, string]>(
          ['origin', 'https://a.example'],
          ['origin', 'http://b.example:8080'],
          ['origin', 'https://evil.test'],
          ['access-control-request-method', 'PUT'],
          ['access-control-request-headers', 'x-a'],
        ),
      ),
      { maxLength: 4 },
    )
    .map(withoutEmptyMembers),
});

/** Whether a list with an empty member is one without it is read either way (RFC 9110 section 5.6.1.2). */
function withoutEmptyMembers(headers: readonly [string, string][]): readonly [string, string][] {
  const isAlone = (name: string): boolean => headers.filter(([other]) => other === name).length === 1;
  return headers.filter(([name, value]) => value !== '' || isAlone(name));
}
