// What lint finds in objects as one would apply them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAllDocuments } from 'yaml';
import { keyPair } from '../properties/pipeline-certificate.ts';
import { isClusterScoped } from '../../src/api/kinds.ts';
import { groupOf, type KubeObject } from '../../src/api/objects.ts';
import { Pipeline } from '../../src/pipeline/pipeline.ts';
import { nameOf } from '../../src/routing/origin.ts';
import type { Finding } from '../../src/tools/lint/finding.ts';
import { lint } from '../../src/tools/lint/lint.ts';

const group = 'gateway.networking.k8s.io';
const gateway = `
apiVersion: ${group}/v1
kind: Gateway
metadata: { name: gw }
spec:
  gatewayClassName: any
  listeners: [{ name: http, port: 80, protocol: HTTP, allowedRoutes: { namespaces: { from: All } } }]
---
apiVersion: v1
kind: Service
metadata: { name: web }
spec: { ports: [{ port: 80 }] }
`;

function pipelineOf(text: string, channel: 'standard' | 'experimental' = 'standard'): Pipeline {
  const pipeline = new Pipeline({
    channel,
    controllerName: 'portolan.dev/gateway-controller',
    classes: 'any',
    presume: true,
    engine: 'embedded',
    awaitEngine: false,
  });
  for (const document of parseAllDocuments(text)) {
    const object = document.toJS() as KubeObject | null;
    if (object === null) continue;
    const scoped = isClusterScoped(groupOf(object.apiVersion), object.kind);
    pipeline.apply(scoped ? object : { ...object, metadata: { namespace: 'default', ...object.metadata } });
  }
  pipeline.settle();
  return pipeline;
}

function findings(text: string): readonly Finding[] {
  return lint(pipelineOf(text)).findings;
}

/** Severity, code and place of what is found, but for listeners without routes. */
function lines(text: string): string[] {
  return findings(text)
    .filter(({ code }) => code !== 'UnusedListener')
    .map(({ severity, code, at }) => `${severity} ${code} ${nameOf(at.object)} ${at.path}`.trimEnd());
}

/** A route with the rules given, to the Gateway and the Service above. */
function route(name: string, rules: string, more = ''): string {
  return `---
apiVersion: ${group}/v1
kind: HTTPRoute
metadata: { name: ${name} }
spec:
  parentRefs: [{ name: gw }]
  ${more}
  rules: ${rules}
`;
}

const to = 'backendRefs: [{ name: web, port: 80 }]';

test('nothing is said of a model with nothing wrong', () => {
  assert.deepEqual(findings(`${gateway}${route('a', `[{ ${to} }]`)}`), []);
});

test('a match that another rule of the route takes whole is never reached', () => {
  const text = `${gateway}${route('a', `[{ ${to} }, { matches: [{ path: { value: / }, }], ${to} }]`)}`;
  assert.deepEqual(lines(text), ['warning ShadowedMatch HTTPRoute default/a spec.rules[1].matches[0]']);
  const [found] = findings(text);
  assert.equal(found?.message, 'prefix / is never reached: HTTPRoute default/a takes all of it with prefix /');
  assert.deepEqual(
    found?.related.map(({ at }) => at.path),
    ['spec.rules[0].matches[0]'],
  );
});

test('a match of the same rule that adds nothing', () => {
  const text = `${gateway}${route('a', `[{ matches: [{ path: { value: /a } }, { path: { value: /a } }], ${to} }]`)}`;
  assert.deepEqual(lines(text), ['info RedundantMatch HTTPRoute default/a spec.rules[0].matches[1]']);
});

test('one match of two routes goes to the older one, or by the alphabet', () => {
  const rules = `[{ matches: [{ path: { value: /a } }], ${to} }]`;
  const text = `${gateway}${route('b', rules)}${route('a', rules)}`;
  assert.deepEqual(lines(text), ['warning ConflictingMatch HTTPRoute default/b spec.rules[0].matches[0]']);
  assert.match(findings(text)[0]?.message ?? '', /only because its name comes first in the alphabet/);
  const aged = text.replace('{ name: b }', '{ name: b, creationTimestamp: "2026-01-01T00:00:00Z" }');
  assert.deepEqual(lines(aged), ['warning ConflictingMatch HTTPRoute default/a spec.rules[0].matches[0]']);
  assert.match(findings(aged)[0]?.message ?? '', /only because it is older/);
});

test('two routes that claim some requests alike', () => {
  const on = (name: string): string => `[{ matches: [{ headers: [{ name: ${name}, value: "1" }] }], ${to} }]`;
  const text = `${gateway}${route('a', on('x-a'))}${route('b', on('x-b'))}`;
  assert.deepEqual(lines(text), ['info AmbiguousMatch HTTPRoute default/b spec.rules[0].matches[0]']);
  const apart = `${gateway}${route('a', on('x-a'))}${route('b', on('x-a').replace('"1"', '"2"'))}`;
  assert.deepEqual(lines(apart), []);
  const rules = `[{ matches: [{ headers: [{ name: x-a, value: "1" }] }], ${to} }, { matches: [{ headers: [{ name: x-b, value: "1" }] }], ${to} }]`;
  assert.deepEqual(lines(`${gateway}${route('a', rules)}`), [], 'within one route the order of its rules decides');
});

test('a match that is shadowed on one host only is named with that host', () => {
  const text = `${gateway}${route('a', `[{ ${to} }]`, 'hostnames: [a.com]')}${route('b', `[{ ${to} }]`, 'hostnames: [a.com, b.com]')}`;
  assert.deepEqual(lines(text), ['warning ConflictingMatch HTTPRoute default/b spec.rules[0].matches[0]']);
  assert.match(findings(text)[0]?.message ?? '', /on a\.com \(listener default\/gw\/http\), only because/);
});

test('weights that sum to 0, and no backends at all', () => {
  const text = `${gateway}${route('a', '[{ matches: [{ path: { value: /a } }], backendRefs: [{ name: web, port: 80, weight: 0 }] }, {}]')}`;
  assert.deepEqual(lines(text), [
    'warning NoTraffic HTTPRoute default/a spec.rules[0].backendRefs',
    'warning NoBackends HTTPRoute default/a spec.rules[1]',
  ]);
});

test('a listener without routes, unless it has a problem of its own', () => {
  const text = gateway.replace('listeners: [', 'listeners: [{ name: other, port: 81, protocol: example.com/x }, ');
  assert.deepEqual(
    findings(text).map(({ code, at }) => `${code} ${at.path}`),
    ['UnsupportedProtocol spec.listeners[0].protocol', 'UnusedListener spec.listeners[1]'],
  );
});

const shop = `---
apiVersion: v1
kind: Service
metadata: { name: cart, namespace: shop }
spec: { ports: [{ port: 80 }] }
---
apiVersion: v1
kind: Service
metadata: { name: pay, namespace: shop }
spec: { ports: [{ port: 80 }] }
`;
const across = `[{ matches: [{ path: { value: /a } }], backendRefs: [{ name: cart, namespace: shop, port: 80 }] }, { backendRefs: [{ name: pay, namespace: shop, port: 80 }] }]`;

test('references that are not permitted come with the one grant that permits them', () => {
  const text = `${gateway}${shop}${route('a', across)}`;
  assert.deepEqual(lines(text), [
    'error RefNotPermitted HTTPRoute default/a spec.rules[0].backendRefs[0]',
    'error RefNotPermitted HTTPRoute default/a spec.rules[1].backendRefs[0]',
  ]);
  const [first, second] = findings(text);
  assert.equal(first?.apply, second?.apply);
  const grant = first?.apply as KubeObject;
  assert.deepEqual(grant, {
    apiVersion: `${group}/v1`,
    kind: 'ReferenceGrant',
    metadata: { name: 'httproute-from-default', namespace: 'shop' },
    spec: {
      from: [{ group, kind: 'HTTPRoute', namespace: 'default' }],
      to: [
        { group: '', kind: 'Service', name: 'cart' },
        { group: '', kind: 'Service', name: 'pay' },
      ],
    },
  });
  assert.deepEqual(lines(`${text}---\n${JSON.stringify(grant)}`), []);
  const other = {
    ...grant,
    spec: { from: [{ group, kind: 'GRPCRoute', namespace: 'other' }], to: [{ group: '', kind: 'Service' }] },
  };
  const named = findings(`${text}---\n${JSON.stringify(other)}`).find(({ apply }) => apply !== undefined);
  assert.equal(named?.apply?.metadata.name, 'httproute-from-default-2', 'a grant that is there is not overwritten');
});

test('a grant that nothing needs', () => {
  const grant = (kind: string, name: string, to = ''): string => `---
apiVersion: ${group}/v1
kind: ReferenceGrant
metadata: { name: ${name}, namespace: shop }
spec:
  from: [{ group: ${group}, kind: ${kind}, namespace: default }]
  to: [{ group: "", kind: Service${to} }]
`;
  const text = `${gateway}${shop}${route('a', across)}${grant('HTTPRoute', 'used')}`;
  assert.deepEqual(lines(text), []);
  assert.deepEqual(lines(`${text}${grant('GRPCRoute', 'unused')}${grant('HTTPRoute', 'other', ', name: other')}`), [
    'info UnusedGrant ReferenceGrant shop/other',
    'info UnusedGrant ReferenceGrant shop/unused',
  ]);
});

test('a group that is spelt almost right', () => {
  const grant = (from: string, to = '""'): string => `---
apiVersion: ${group}/v1
kind: ReferenceGrant
metadata: { name: g, namespace: shop }
spec:
  from: [{ group: ${from}, kind: HTTPRoute, namespace: default }]
  to: [{ group: ${to}, kind: Service }]
`;
  const text = `${gateway}${shop}${route('a', across)}`;
  for (const wrong of ['networking.gateway.k8s.io', 'gateway.networking.k8s.oi', 'networking.k8s.io', '""']) {
    const found = findings(`${text}${grant(wrong)}`).filter(({ code }) => code === 'MisspeltGroup');
    assert.deepEqual(
      found.map(({ at, fix }) => [at.path, fix]),
      [['spec.from[0].group', `write group: ${group}`]],
      wrong,
    );
  }
  const core = findings(`${text}${grant(group, 'core')}`).find(({ code }) => code === 'MisspeltGroup');
  assert.deepEqual([core?.at.path, core?.fix], ['spec.to[0].group', 'write group: "" (the core group)']);
  const knative = `${text}${grant(group, 'serving.knative.dev')}`;
  assert.ok(!findings(knative).some(({ code }) => code === 'MisspeltGroup'), 'Knative has Services of its own');
  const parent = gateway + route('a', `[{ ${to} }]`).replace('{ name: gw }', '{ name: gw, group: gateway.k8s.io }');
  assert.ok(lines(parent).includes('error MisspeltGroup HTTPRoute default/a spec.parentRefs[0].group'));
});

const https = gateway.replace(
  'listeners: [',
  'listeners: [{ name: https, port: 443, protocol: HTTPS, tls: { certificateRefs: [{ name: certificate }] } }, ',
);

test('a redirect to https on the HTTPS listener never ends', () => {
  const redirect = route('a', '[{ filters: [{ type: RequestRedirect, requestRedirect: { scheme: https } }] }]');
  const text = withCertificate(https) + redirect;
  assert.deepEqual(lines(text), ['error RedirectLoop HTTPRoute default/a spec.rules[0].filters[0].requestRedirect']);
  const [found] = findings(text);
  assert.equal(found?.message, 'https://example.com/ is redirected to itself, without end (listener https)');
  const apart = redirect.replace('{ name: gw }', '{ name: gw, sectionName: http }');
  assert.deepEqual(lines(withCertificate(https) + apart), []);
});

test('redirects are followed from host to host and path to path', () => {
  const redirect = (body: string): string => `filters: [{ type: RequestRedirect, requestRedirect: { ${body} } }]`;
  const apex = route('apex', `[{ ${redirect('hostname: www.a.com')} }]`, 'hostnames: [a.com]');
  const www = route('www', `[{ ${redirect('hostname: a.com')} }]`, 'hostnames: [www.a.com]');
  assert.deepEqual(lines(`${gateway}${apex}`), []);
  assert.deepEqual(lines(`${gateway}${apex}${www}`), [
    'error RedirectLoop HTTPRoute default/apex spec.rules[0].filters[0].requestRedirect',
    'error RedirectLoop HTTPRoute default/www spec.rules[0].filters[0].requestRedirect',
  ]);
  assert.match(
    findings(`${gateway}${apex}${www}`)[0]?.message ?? '',
    /http:\/\/a\.com\/ -> http:\/\/www\.a\.com\/ -> http:\/\/a\.com\/$/,
  );
  const login = redirect('path: { type: ReplaceFullPath, replaceFullPath: /login }');
  assert.deepEqual(lines(`${gateway}${route('a', `[{ ${login} }]`)}`), [
    'error RedirectLoop HTTPRoute default/a spec.rules[0].filters[0].requestRedirect',
  ]);
  assert.deepEqual(
    lines(`${gateway}${route('a', `[{ ${login} }, { matches: [{ path: { value: /login } }], ${to} }]`)}`),
    [],
  );
  const deeper = redirect('path: { type: ReplacePrefixMatch, replacePrefixMatch: /a }');
  assert.deepEqual(lines(`${gateway}${route('a', `[{ matches: [{ path: { value: / } }], ${deeper} }]`)}`), [
    'error RedirectLoop HTTPRoute default/a spec.rules[0].filters[0].requestRedirect',
  ]);
  const cookie = `${login.slice(0, -1)}, { type: ResponseHeaderModifier, responseHeaderModifier: { set: [{ name: set-cookie, value: a=b }] } }]`;
  assert.deepEqual(lines(`${gateway}${route('a', `[{ ${cookie} }]`)}`), [], 'a cookie may end it');
  const elsewhere = redirect('hostname: b.com');
  assert.deepEqual(lines(`${gateway}${route('a', `[{ ${elsewhere} }]`)}`), [], 'b.com may be another machine');
});

test('a certificate that is not for the hostname of its listener', () => {
  const on = (hostname: string): string[] => {
    const text = withCertificate(https.replace('port: 443,', `port: 443, hostname: ${hostname},`));
    return lines(`${text}${route('a', `[{ ${to} }]`)}`);
  };
  assert.deepEqual(on('example.com'), []);
  assert.deepEqual(on('a.example.com'), []);
  assert.deepEqual(on('"*.example.com"'), []);
  for (const other of ['a.b.example.com', '"*.a.example.com"', 'other.org']) {
    assert.deepEqual(on(other), [
      'warning CertificateMismatch Gateway default/gw spec.listeners[0].tls.certificateRefs',
    ]);
  }
});

test('an unknown field comes with the one that was meant, or with the channel that has it', () => {
  const text = `${gateway}${route('a', `[{ ${to}, sessionPersistence: { type: Header, header: { name: x } }, timeout: { request: 1s } }]`, 'hostname: [a.com]')}`;
  assert.deepEqual(
    findings(text)
      .filter(({ code }) => code === 'UnknownField')
      .map(({ at, fix }) => [at.path, fix]),
    [
      ['spec.hostname', 'write hostnames'],
      ['spec.rules[0].sessionPersistence', 'validate by the experimental channel, which has the field, or remove it'],
      ['spec.rules[0].timeout', 'write timeouts'],
    ],
  );
});

test('findings are in one order, whatever the order of the objects', () => {
  const documents = `${gateway}${shop}${route('b', across)}${route('a', across)}${route('c', '[{}]')}`.split('---');
  const backwards = documents.toReversed().join('---');
  assert.deepEqual(lint(pipelineOf(documents.join('---'))), lint(pipelineOf(backwards)));
});

test('many routes on one host and path are compared in little time', () => {
  const rules = (n: number): string => `[{ matches: [{ headers: [{ name: x-user, value: "${n}" }] }], ${to} }]`;
  const pipeline = pipelineOf(`${gateway}${Array.from({ length: 500 }, (_, n) => route(`r${n}`, rules(n))).join('')}`);
  const started = performance.now();
  assert.deepEqual(lint(pipeline).findings, []);
  assert.ok(performance.now() - started < 1000);
});

/** The text with a Secret of a certificate for example.com and *.example.com. */
function withCertificate(text: string): string {
  const data = Object.fromEntries(
    Object.entries(keyPair).map(([key, pem]) => [key, Buffer.from(pem).toString('base64')]),
  );
  const secret = {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'certificate' },
    type: 'kubernetes.io/tls',
    data,
  };
  return `${text}---\n${JSON.stringify(secret)}\n`;
}
