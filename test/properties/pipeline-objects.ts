// Random objects for the pipeline, from small pools of names, so that they refer to each other, miss each other and
// collide. Most are valid; `damaged` breaks any of them.
import fc from 'fast-check';
import type { KubeObject } from '../../src/api/objects.ts';
import { keyPair } from './pipeline-certificate.ts';

const group = 'gateway.networking.k8s.io';
const namespace = fc.constantFrom('a', 'b');
const maybe = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(value, { nil: undefined });

/** Without the fields that are undefined, as YAML has it. */
function compact<T extends object>(value: T): T {
  return JSON.parse(JSON.stringify(value)) as T;
}

function object<S extends object>(
  apiVersion: string,
  kind: string,
  names: readonly string[],
  rest: fc.Arbitrary<S>,
): fc.Arbitrary<KubeObject> {
  return fc
    .record({ name: fc.constantFrom(...names), namespace, generation: fc.integer({ min: 1, max: 3 }), rest })
    .map(({ name, namespace, generation, rest }) =>
      compact({ apiVersion, kind, metadata: { name, namespace, generation }, ...rest }),
    );
}

const hostname = fc.constantFrom('example.com', '*.example.com', 'a.example.com', 'b.example.com', '*.com');

const certificateRef = fc.record({ name: fc.constantFrom('good', 'bad', 'absent'), namespace: maybe(namespace) });
const allowedRoutes = fc.record({
  namespaces: fc.oneof(
    fc.constant({ from: 'All' }),
    fc.constant({ from: 'Same' }),
    fc.constant({ from: 'Selector', selector: { matchLabels: { team: 'x' } } }),
  ),
  kinds: maybe(fc.subarray([{ kind: 'HTTPRoute' }, { kind: 'GRPCRoute' }, { kind: 'TCPRoute' }], { minLength: 1 })),
});
const listener = fc
  .record({
    port: fc.constantFrom(80, 81, 443),
    protocol: fc.constantFrom('HTTP', 'HTTP', 'HTTPS', 'TCP', 'example.com/odd'),
    hostname: maybe(hostname),
    refs: fc.array(certificateRef, { minLength: 1, maxLength: 2 }),
    allowedRoutes: maybe(allowedRoutes),
  })
  .map(({ port, protocol, hostname, refs, allowedRoutes }) => ({
    port,
    protocol,
    ...(protocol === 'TCP' ? {} : { hostname }),
    ...(protocol === 'HTTPS' ? { tls: { certificateRefs: refs } } : {}),
    allowedRoutes,
  }));

const gateway = object(
  `${group}/v1`,
  'Gateway',
  ['g', 'h'],
  fc.record({
    spec: fc.record({
      gatewayClassName: fc.constantFrom('ours', 'theirs'),
      listeners: fc
        .array(listener, { minLength: 1, maxLength: 3 })
        .map((listeners) => listeners.map((each, index) => ({ name: `l${index}`, ...each }))),
    }),
  }),
);

const gatewayClass: fc.Arbitrary<KubeObject> = fc
  .record({ name: fc.constantFrom('ours', 'theirs'), controllerName: fc.constantFrom('x.y/us', 'x.y/them') })
  .map(({ name, controllerName }) => ({
    apiVersion: `${group}/v1`,
    kind: 'GatewayClass',
    metadata: { name },
    spec: { controllerName },
  }));

const backendRef = fc.record({
  name: fc.constantFrom('s', 't', 'absent'),
  namespace: maybe(namespace),
  port: fc.constantFrom(80, 90),
  weight: maybe(fc.nat(3)),
});
const filter = fc.oneof(
  fc.record({
    type: fc.constant('RequestHeaderModifier'),
    requestHeaderModifier: fc.record({
      set: fc.constant([{ name: 'X-A', value: '1' }]),
      remove: maybe(fc.constantFrom(['x-a'], ['x-b'])),
    }),
  }),
  fc.record({ type: fc.constant('RequestMirror'), requestMirror: fc.record({ backendRef }) }),
  fc.constant({ type: 'ExtensionRef', extensionRef: { group: 'x.y', kind: 'K', name: 'n' } }),
);
const parentRef = fc.record({
  name: fc.constantFrom('g', 'h', 'absent'),
  namespace: maybe(namespace),
  sectionName: maybe(fc.constantFrom('l0', 'l1', 'l9')),
});
const routeSpec = <M>(match: fc.Arbitrary<M>): fc.Arbitrary<object> =>
  fc.record({
    parentRefs: fc.uniqueArray(parentRef, { maxLength: 3, selector: ({ name, namespace }) => `${namespace}/${name}` }),
    hostnames: maybe(fc.uniqueArray(hostname, { maxLength: 3 })),
    rules: fc.array(
      fc.record({
        matches: maybe(fc.array(match, { minLength: 1, maxLength: 3 })),
        filters: maybe(fc.array(filter, { maxLength: 2 })),
        backendRefs: maybe(fc.array(backendRef, { maxLength: 3 })),
      }),
      { minLength: 1, maxLength: 3 },
    ),
  });
const httpMatch = fc.record({
  path: maybe(
    fc.oneof(
      fc.record({ type: fc.constantFrom('Exact', 'PathPrefix'), value: fc.constantFrom('/', '/a', '/a/b') }),
      fc.constantFrom({ type: 'RegularExpression', value: '/a.*' }, { type: 'RegularExpression', value: '/(' }),
    ),
  ),
  method: maybe(fc.constantFrom('GET', 'POST')),
  headers: maybe(fc.constant([{ name: 'x', value: '1' }])),
});
const grpcMatch = fc.record({ method: maybe(fc.constantFrom({ service: 's' }, { service: 's', method: 'm' })) });
const httpRoute = object(`${group}/v1`, 'HTTPRoute', ['q', 'r'], fc.record({ spec: routeSpec(httpMatch) }));
const grpcRoute = object(`${group}/v1`, 'GRPCRoute', ['q', 'r'], fc.record({ spec: routeSpec(grpcMatch) }));

const grant = object(
  `${group}/v1`,
  'ReferenceGrant',
  ['x', 'y'],
  fc.record({
    spec: fc.record({
      from: fc.subarray(
        ['Gateway', 'HTTPRoute', 'GRPCRoute'].flatMap((kind) =>
          ['a', 'b'].map((namespace) => ({ group, kind, namespace })),
        ),
        { minLength: 1 },
      ),
      to: fc.subarray(
        [
          { group: '', kind: 'Service' },
          { group: '', kind: 'Secret', name: 'good' },
        ],
        { minLength: 1 },
      ),
    }),
  }),
);

const service = object(
  'v1',
  'Service',
  ['s', 't'],
  fc.record({
    spec: fc.record({
      type: maybe(fc.constantFrom('ClusterIP', 'ExternalName')),
      ports: fc.subarray([
        { name: 'p', port: 80, targetPort: 8080 },
        { name: 'q', port: 90, appProtocol: 'kubernetes.io/h2c' },
      ]),
    }),
  }),
);
const slice: fc.Arbitrary<KubeObject> = fc
  .record({
    name: fc.constantFrom('s1', 's2', 't1'),
    namespace,
    service: fc.constantFrom('s', 't'),
    ports: fc.subarray([
      { name: 'p', port: 8080 },
      { name: 'q', port: 9090 },
    ]),
    endpoints: fc.array(
      fc.record({
        addresses: fc.constantFrom(['10.0.0.1'], ['10.0.0.2']),
        conditions: maybe(fc.record({ ready: fc.boolean() })),
      }),
      { maxLength: 3 },
    ),
  })
  .map(({ name, namespace, service, ports, endpoints }) =>
    compact({
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name, namespace, labels: { 'kubernetes.io/service-name': service } },
      addressType: 'IPv4',
      ports,
      endpoints,
    }),
  );
const secret: fc.Arbitrary<KubeObject> = fc
  .record({ name: fc.constantFrom('good', 'bad'), namespace })
  .map(({ name, namespace }) => ({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name, namespace },
    type: 'kubernetes.io/tls',
    stringData: name === 'good' ? keyPair : { 'tls.crt': 'none', 'tls.key': 'none' },
  }));
const namespaceObject: fc.Arbitrary<KubeObject> = fc
  .record({ name: namespace, team: maybe(fc.constantFrom('x', 'y')) })
  .map(({ name, team }) =>
    compact({ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels: team === undefined ? {} : { team } } }),
  );
const policy = object(
  'x.y/v1',
  'LimitPolicy',
  ['p'],
  fc.record({
    spec: fc.record({
      targetRef: fc.record({
        group: fc.constant(group),
        kind: fc.constant('HTTPRoute'),
        name: fc.constantFrom('q', 'r'),
      }),
    }),
  }),
);
const tlsPolicy = object(
  `${group}/v1`,
  'BackendTLSPolicy',
  ['p'],
  fc.constant({
    spec: {
      targetRefs: [{ group: '', kind: 'Service', name: 't' }],
      validation: { hostname: 'a.b', wellKnownCACertificates: 'System' },
    },
  }),
);

export const anyObject: fc.Arbitrary<KubeObject> = fc.oneof(
  { arbitrary: gateway, weight: 4 },
  { arbitrary: httpRoute, weight: 6 },
  { arbitrary: grpcRoute, weight: 2 },
  { arbitrary: service, weight: 4 },
  { arbitrary: slice, weight: 3 },
  { arbitrary: grant, weight: 3 },
  { arbitrary: secret, weight: 3 },
  gatewayClass,
  namespaceObject,
  policy,
  tlsPolicy,
);

export type Step = { readonly delete: boolean; readonly settle: boolean; readonly object: KubeObject };

/** A history: objects come, change and go; now and then the pipeline settles. */
export const history: fc.Arbitrary<readonly Step[]> = fc.array(
  fc.record({
    delete: fc.integer({ min: 0, max: 3 }).map((n) => n === 0),
    settle: fc.integer({ min: 0, max: 2 }).map((n) => n === 0),
    object: anyObject,
  }),
  { minLength: 1, maxLength: 40, size: 'max' },
);

/** Values that a field is not made for. */
const nonsense: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    true,
    -1,
    1e99,
    '',
    'x'.repeat(3000),
    [],
    {},
    [null],
    { a: null },
    '__proto__',
    '\u0000',
    [[[]]],
  ),
  fc.jsonValue({ maxDepth: 2 }),
);

/** The object with any of its values below metadata's name and namespace replaced, and fields added. */
export function damaged(object: fc.Arbitrary<KubeObject>): fc.Arbitrary<KubeObject> {
  return fc
    .record({
      object,
      places: fc.array(fc.record({ at: fc.nat(1000), value: nonsense, add: fc.boolean() }), {
        minLength: 1,
        maxLength: 3,
      }),
    })
    .map(({ object, places }) => {
      const copy = structuredClone(object) as Record<string, unknown>;
      for (const { at, value, add } of places) {
        const spots = spotsIn(copy);
        const spot = spots[at % spots.length];
        if (spot === undefined) continue;
        spot.holder[add && !Array.isArray(spot.holder) ? 'extra' : spot.key] = structuredClone(value);
      }
      return copy as unknown as KubeObject;
    });
}

interface Spot {
  readonly holder: Record<string, unknown>;
  readonly key: string;
}

function spotsIn(object: Record<string, unknown>): readonly Spot[] {
  const spots: Spot[] = [];
  const visit = (value: unknown, path: string): void => {
    if (typeof value !== 'object' || value === null) return;
    for (const [key, item] of Object.entries(value)) {
      const at = `${path}.${key}`;
      if (!kept.has(at)) spots.push({ holder: value as Record<string, unknown>, key });
      visit(item, at);
    }
  };
  visit(object, '');
  return spots;
}

/** What every source makes sure of. */
const kept: ReadonlySet<string> = new Set([
  '.apiVersion',
  '.kind',
  '.metadata',
  '.metadata.name',
  '.metadata.namespace',
]);
