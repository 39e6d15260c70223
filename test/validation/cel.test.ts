// Every CEL rule of the standard channel refuses what it is there to refuse, and nothing else: for each a valid object with
// one field changed. A rule of the schemas that has no case here fails the test.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import type { KubeObject } from '../../src/api/objects.ts';
import type { Schema } from '../../src/api/schema.ts';
import { validate } from '../../src/api/validate.ts';

type Json = Readonly<Record<string, unknown>>;

const tls = { certificateRefs: [{ name: 'certificate' }] };
const listener = { name: 'http', port: 80, protocol: 'HTTP' };
const service = { name: 'backend', port: 80 };
const mirror = { type: 'RequestMirror', requestMirror: { backendRef: service } };
const header = { set: [{ name: 'a', value: 'b' }] };

const valid: Readonly<Record<string, Json>> = {
  GatewayClass: { controllerName: 'example.com/controller' },
  Gateway: { gatewayClassName: 'class', listeners: [listener] },
  ListenerSet: { parentRef: { name: 'gateway' }, listeners: [listener] },
  HTTPRoute: { rules: [{ backendRefs: [service] }] },
  GRPCRoute: { rules: [{ backendRefs: [service] }] },
  ReferenceGrant: { from: [{ group: '', kind: 'HTTPRoute', namespace: 'a' }], to: [{ group: '', kind: 'Service' }] },
  TCPRoute: { rules: [{ backendRefs: [service] }] },
  UDPRoute: { rules: [{ backendRefs: [service] }] },
  TLSRoute: { hostnames: ['example.com'], rules: [{ backendRefs: [service] }] },
  BackendTLSPolicy: {
    targetRefs: [{ group: '', kind: 'Service', name: 'backend' }],
    validation: { hostname: 'example.com', wellKnownCACertificates: 'System' },
  },
};

const rule = (changes: Json): Json => ({ rules: [{ backendRefs: [service], ...changes }] });
const filters = (...list: readonly Json[]): Json => rule({ filters: list });
const path = (value: string, type = 'PathPrefix'): Json => rule({ matches: [{ path: { type, value } }] });
const listeners = (...list: readonly Json[]): Json => ({ listeners: list });
const parents = (...parentRefs: readonly Json[]): Json => ({ parentRefs });
const san = (subjectAltName: Json): Json => ({
  validation: { hostname: 'e.com', wellKnownCACertificates: 'System', subjectAltNames: [subjectAltName] },
});
const targets = (...sections: readonly (string | undefined)[]): Json => ({
  targetRefs: sections.map((sectionName) => ({
    group: '',
    kind: 'Service',
    name: 'a',
    ...(sectionName === undefined ? {} : { sectionName }),
  })),
});
const redirectPath = (change: Json): Json => ({
  rules: [{ filters: [{ type: 'RequestRedirect', requestRedirect: { path: change } }] }],
});
const prefixChange = { type: 'ReplacePrefixMatch', replacePrefixMatch: '/b' };
const redirectPrefix = { type: 'RequestRedirect', requestRedirect: { path: prefixChange } };
const rewritePrefix = { type: 'URLRewrite', urlRewrite: { path: prefixChange } };
const exactMatch = { matches: [{ path: { type: 'Exact', value: '/a' } }] };
const cors = (change: Json): Json => filters({ type: 'CORS', cors: change });
const manyMatches = Array.from({ length: 3 }, () => ({
  backendRefs: [service],
  matches: Array.from({ length: 60 }, () => ({ headers: [{ name: 'a', value: 'b' }] })),
}));

/** Payload of each filter type, by the name of its field. */
const payloads: Readonly<Record<string, readonly [type: string, payload: Json]>> = {
  requestHeaderModifier: ['RequestHeaderModifier', header],
  responseHeaderModifier: ['ResponseHeaderModifier', header],
  requestMirror: ['RequestMirror', mirror.requestMirror],
  requestRedirect: ['RequestRedirect', { statusCode: 301 }],
  urlRewrite: ['URLRewrite', { hostname: 'example.com' }],
  extensionRef: ['ExtensionRef', { group: 'example.com', kind: 'Filter', name: 'a' }],
  cors: ['CORS', { allowOrigins: ['*'] }],
};

type Case = readonly [kinds: readonly string[], message: string, change: Json];
const routes = ['HTTPRoute', 'GRPCRoute', 'TLSRoute', 'TCPRoute', 'UDPRoute'];
const l7 = ['HTTPRoute', 'GRPCRoute'];
const listenerKinds = ['Gateway', 'ListenerSet'];
const pathTypes = "when type one of ['Exact', 'PathPrefix']";

const cases: readonly Case[] = [
  [
    ['BackendTLSPolicy'],
    'sectionName must be specified when targetRefs includes 2 or more references to the same target',
    targets(undefined, 'a'),
  ],
  [
    ['BackendTLSPolicy'],
    'sectionName must be unique when targetRefs includes 2 or more references to the same target',
    targets('a', 'a'),
  ],
  [
    ['BackendTLSPolicy'],
    'must not contain both CACertificateRefs and WellKnownCACertificates',
    {
      validation: {
        hostname: 'e.com',
        wellKnownCACertificates: 'System',
        caCertificateRefs: [{ group: '', kind: 'ConfigMap', name: 'a' }],
      },
    },
  ],
  [
    ['BackendTLSPolicy'],
    'must specify either CACertificateRefs or WellKnownCACertificates',
    { validation: { hostname: 'e.com' } },
  ],
  [
    ['BackendTLSPolicy'],
    'SubjectAltName element must contain Hostname, if Type is set to Hostname',
    san({ type: 'Hostname' }),
  ],
  [
    ['BackendTLSPolicy'],
    'SubjectAltName element must not contain Hostname, if Type is not set to Hostname',
    san({ type: 'URI', uri: 'spiffe://a/b', hostname: 'e.com' }),
  ],
  [['BackendTLSPolicy'], 'SubjectAltName element must contain URI, if Type is set to URI', san({ type: 'URI' })],
  [
    ['BackendTLSPolicy'],
    'SubjectAltName element must not contain URI, if Type is not set to URI',
    san({ type: 'Hostname', hostname: 'e.com', uri: 'spiffe://a/b' }),
  ],
  [['Gateway'], 'IPAddress values must be unique', { addresses: [{ value: '192.0.2.1' }, { value: '192.0.2.1' }] }],
  [
    ['Gateway'],
    'Hostname values must be unique',
    {
      addresses: [
        { type: 'Hostname', value: 'a.com' },
        { type: 'Hostname', value: 'a.com' },
      ],
    },
  ],
  [
    ['Gateway'],
    String.raw`Hostname value must be empty or contain only valid characters (matching ^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$)`,
    { addresses: [{ type: 'Hostname', value: 'a_b' }] },
  ],
  [
    ['Gateway'],
    'Annotation keys must be in the form of an optional DNS subdomain prefix followed by a required name segment of up to 63 characters.',
    { infrastructure: { annotations: { '-a': 'b' } } },
  ],
  [
    ['Gateway'],
    "If specified, the annotation key's prefix must be a DNS subdomain not longer than 253 characters in total.",
    { infrastructure: { annotations: { [`${'a'.repeat(253)}/a`]: 'b' } } },
  ],
  [
    ['Gateway'],
    'Label keys must be in the form of an optional DNS subdomain prefix followed by a required name segment of up to 63 characters.',
    { infrastructure: { labels: { '-a': 'b' } } },
  ],
  [
    ['Gateway'],
    "If specified, the label key's prefix must be a DNS subdomain not longer than 253 characters in total.",
    { infrastructure: { labels: { [`${'a'.repeat(253)}/a`]: 'b' } } },
  ],
  [listenerKinds, "tls must not be specified for protocols ['HTTP', 'TCP', 'UDP']", listeners({ ...listener, tls })],
  [
    listenerKinds,
    'tls mode must be Terminate for protocol HTTPS',
    listeners({ ...listener, protocol: 'HTTPS', tls: { ...tls, mode: 'Passthrough' } }),
  ],
  [listenerKinds, 'tls mode must be set for protocol TLS', listeners({ ...listener, protocol: 'TLS' })],
  [
    listenerKinds,
    "hostname must not be specified for protocols ['TCP', 'UDP']",
    listeners({ ...listener, protocol: 'TCP', hostname: 'a.com' }),
  ],
  [
    listenerKinds,
    'Combination of port, protocol and hostname must be unique for each listener',
    listeners(listener, { ...listener, name: 'other' }),
  ],
  [
    listenerKinds,
    'certificateRefs or options must be specified when mode is Terminate',
    listeners({ ...listener, protocol: 'HTTPS', tls: { mode: 'Terminate' } }),
  ],
  [
    routes,
    'sectionName must be specified when parentRefs includes 2 or more references to the same parent',
    parents({ name: 'a' }, { name: 'a', sectionName: 'b' }),
  ],
  [
    routes,
    'sectionName must be unique when parentRefs includes 2 or more references to the same parent',
    parents({ name: 'a', sectionName: 'b' }, { name: 'a', sectionName: 'b' }),
  ],
  [routes, 'Must have port for Service reference', { rules: [{ backendRefs: [{ name: 'a' }] }] }],
  [
    l7,
    'While 16 rules and 64 matches per rule are allowed, the total number of matches across all rules in a route must be less than 128',
    { rules: manyMatches },
  ],
  [l7, 'Rule name must be unique within the route', { rules: [{ name: 'a' }, { name: 'a' }] }],
  [
    l7,
    'RequestHeaderModifier filter cannot be repeated',
    filters(
      { type: 'RequestHeaderModifier', requestHeaderModifier: header },
      { type: 'RequestHeaderModifier', requestHeaderModifier: header },
    ),
  ],
  [
    l7,
    'ResponseHeaderModifier filter cannot be repeated',
    filters(
      { type: 'ResponseHeaderModifier', responseHeaderModifier: header },
      { type: 'ResponseHeaderModifier', responseHeaderModifier: header },
    ),
  ],
  [
    l7,
    'Only one of percent or fraction may be specified in HTTPRequestMirrorFilter',
    filters({ type: 'RequestMirror', requestMirror: { backendRef: service, percent: 5, fraction: { numerator: 1 } } }),
  ],
  [
    l7,
    'numerator must be less than or equal to denominator',
    filters({
      type: 'RequestMirror',
      requestMirror: { backendRef: service, fraction: { numerator: 5, denominator: 4 } },
    }),
  ],
  ...Object.entries(payloads).flatMap(([field, [type, payload]]): Case[] => {
    const kinds = ['requestRedirect', 'urlRewrite', 'cors'].includes(field) ? ['HTTPRoute'] : l7;
    const other =
      field === 'requestMirror'
        ? { type: 'ExtensionRef', extensionRef: (payloads['extensionRef'] as readonly [string, Json])[1] }
        : mirror;
    return [
      [
        kinds,
        `filter.${field} must be nil if the filter.type is not ${type}`,
        { rules: [{ filters: [{ ...other, [field]: payload }] }] },
      ],
      [kinds, `filter.${field} must be specified for ${type} filter.type`, { rules: [{ filters: [{ type }] }] }],
    ];
  }),
  [
    ['GRPCRoute'],
    "One or both of 'service' or 'method' must be specified",
    rule({ matches: [{ method: { type: 'Exact' } }] }),
  ],
  [
    ['GRPCRoute'],
    String.raw`service must only contain valid characters (matching ^(?i)\.?[a-z_][a-z_0-9]*(\.[a-z_][a-z_0-9]*)*$)`,
    rule({ matches: [{ method: { service: 'a-b' } }] }),
  ],
  [
    ['GRPCRoute'],
    'method must only contain valid characters (matching ^[A-Za-z_][A-Za-z_0-9]*$)',
    rule({ matches: [{ method: { method: 'a-b' } }] }),
  ],
  [
    ['HTTPRoute'],
    'RequestRedirect filter must not be used together with backendRefs',
    filters({ type: 'RequestRedirect', requestRedirect: {} }),
  ],
  [
    ['HTTPRoute'],
    'When using RequestRedirect filter with path.replacePrefixMatch, exactly one PathPrefix match must be specified',
    { rules: [{ ...exactMatch, filters: [redirectPrefix] }] },
  ],
  [
    ['HTTPRoute'],
    'When using URLRewrite filter with path.replacePrefixMatch, exactly one PathPrefix match must be specified',
    rule({ ...exactMatch, filters: [rewritePrefix] }),
  ],
  [
    ['HTTPRoute'],
    'Within backendRefs, when using RequestRedirect filter with path.replacePrefixMatch, exactly one PathPrefix match must be specified',
    { rules: [{ ...exactMatch, backendRefs: [{ ...service, filters: [redirectPrefix] }] }] },
  ],
  [
    ['HTTPRoute'],
    'Within backendRefs, When using URLRewrite filter with path.replacePrefixMatch, exactly one PathPrefix match must be specified',
    { rules: [{ ...exactMatch, backendRefs: [{ ...service, filters: [rewritePrefix] }] }] },
  ],
  [
    ['HTTPRoute'],
    'May specify either httpRouteFilterRequestRedirect or httpRouteFilterRequestRewrite, but not both',
    {
      rules: [
        {
          filters: [
            { type: 'RequestRedirect', requestRedirect: {} },
            { type: 'URLRewrite', urlRewrite: {} },
          ],
        },
      ],
    },
  ],
  [['HTTPRoute'], 'CORS filter cannot be repeated', filters({ type: 'CORS', cors: {} }, { type: 'CORS', cors: {} })],
  [
    ['HTTPRoute'],
    'RequestRedirect filter cannot be repeated',
    {
      rules: [
        {
          filters: [
            { type: 'RequestRedirect', requestRedirect: {} },
            { type: 'RequestRedirect', requestRedirect: {} },
          ],
        },
      ],
    },
  ],
  [
    ['HTTPRoute'],
    'URLRewrite filter cannot be repeated',
    filters({ type: 'URLRewrite', urlRewrite: {} }, { type: 'URLRewrite', urlRewrite: {} }),
  ],
  [['HTTPRoute'], "AllowHeaders cannot contain '*' alongside other methods", cors({ allowHeaders: ['*', 'a'] })],
  [['HTTPRoute'], "AllowMethods cannot contain '*' alongside other methods", cors({ allowMethods: ['*', 'GET'] })],
  [
    ['HTTPRoute'],
    "AllowOrigins cannot contain '*' alongside other origins",
    cors({ allowOrigins: ['*', 'https://a.com'] }),
  ],
  [
    ['HTTPRoute'],
    "replaceFullPath must be specified when type is set to 'ReplaceFullPath'",
    redirectPath({ type: 'ReplaceFullPath' }),
  ],
  [
    ['HTTPRoute'],
    "type must be 'ReplaceFullPath' when replaceFullPath is set",
    redirectPath({ ...prefixChange, replaceFullPath: '/a' }),
  ],
  [
    ['HTTPRoute'],
    "replacePrefixMatch must be specified when type is set to 'ReplacePrefixMatch'",
    redirectPath({ type: 'ReplacePrefixMatch' }),
  ],
  [
    ['HTTPRoute'],
    "type must be 'ReplacePrefixMatch' when replacePrefixMatch is set",
    redirectPath({ type: 'ReplaceFullPath', replaceFullPath: '/a', replacePrefixMatch: '/b' }),
  ],
  [['HTTPRoute'], `value must be an absolute path and start with '/' ${pathTypes}`, path('a')],
  ...['//', '/./', '/../', '%2f', '%2F', '#'].map((text): Case => [
    ['HTTPRoute'],
    `must not contain '${text}' ${pathTypes}`,
    path(`/a${text}b`),
  ]),
  ...['/..', '/.'].map((text): Case => [['HTTPRoute'], `must not end with '${text}' ${pathTypes}`, path(`/a${text}`)]),
  [
    ['HTTPRoute'],
    "must only contain valid characters (matching ^(?:[-A-Za-z0-9/._~!$&'()*+,;=:@]|[%][0-9a-fA-F]{2})+$) for types ['Exact', 'PathPrefix']",
    path('/a b', 'Exact'),
  ],
  [
    ['HTTPRoute'],
    'backendRequest timeout cannot be longer than request timeout',
    rule({ timeouts: { request: '1s', backendRequest: '1m' } }),
  ],
  [['TLSRoute'], 'Hostnames cannot contain an IP', { hostnames: ['192.0.2.1'] }],
  [['TLSRoute'], 'Hostnames must be valid based on RFC-1123', { hostnames: ['a..b'] }],
  [
    ['TLSRoute'],
    'Wildcards on hostnames must be the first label, and the rest of hostname must be valid based on RFC-1123',
    { hostnames: ['a.*.com'] },
  ],
  [['Gateway'], 'Port for TLS configuration must be unique within the Gateway', {}],
  [listenerKinds, 'Listener name must be unique within the Gateway', {}],
  [['HTTPRoute'], "type must be one of ['Exact', 'PathPrefix', 'RegularExpression']", {}],
  [['GatewayClass'], 'field is immutable', {}],
];

/** Rules that a schema keyword always forestalls (list-type map, enum, pattern), or that speak of a change only. */
const unreachable: ReadonlySet<string> = new Set([
  'Port for TLS configuration must be unique within the Gateway',
  'Listener name must be unique within the Gateway',
  "type must be one of ['Exact', 'PathPrefix', 'RegularExpression']",
  'field is immutable',
  'Hostnames must be valid based on RFC-1123',
  'Wildcards on hostnames must be the first label, and the rest of hostname must be valid based on RFC-1123',
]);

function object(kind: string, change: Json): KubeObject {
  return {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind,
    metadata: { name: 'a', namespace: 'b' },
    spec: { ...valid[kind], ...change },
  };
}

for (const kind of Object.keys(valid)) {
  test(`a plain ${kind} is accepted`, () => {
    const result = validate(object(kind, {}), 'standard');
    assert.ok(result.ok, JSON.stringify(result));
  });
}

for (const [kinds, message, change] of cases) {
  if (unreachable.has(message)) continue;
  for (const kind of kinds) {
    test(`${kind}: ${message}`, () => {
      const result = validate(object(kind, change), 'standard');
      assert.ok(!result.ok, 'should be refused');
      assert.ok(
        result.problems.some((problem) => problem.message === message),
        JSON.stringify(result.problems, undefined, 1),
      );
    });
  }
}

test('every rule of the standard channel has a case', () => {
  const covered = new Set(cases.flatMap(([kinds, message]) => kinds.map((kind) => `${kind}: ${message}`)));
  const schemas = JSON.parse(
    readFileSync(new URL('../../src/api/generated/standard.json', import.meta.url), 'utf8'),
  ) as {
    kinds: { kind: string; versions: { name: string; schema: Schema }[] }[];
  };
  const missing = new Set<string>();
  for (const { kind, versions } of schemas.kinds) {
    const spec = versions.find(({ name }) => name === 'v1')?.schema.properties?.['spec'];
    for (const message of messagesOf(spec)) if (!covered.has(`${kind}: ${message}`)) missing.add(`${kind}: ${message}`);
  }
  assert.deepEqual([...missing], []);
});

function messagesOf(schema: Schema | undefined): string[] {
  if (schema === undefined) return [];
  const { additionalProperties } = schema;
  return [
    ...(schema['x-kubernetes-validations'] ?? []).map(({ message }) => message ?? ''),
    ...Object.values(schema.properties ?? {}).flatMap(messagesOf),
    ...messagesOf(schema.items),
    ...(typeof additionalProperties === 'object' ? messagesOf(additionalProperties) : []),
  ];
}
