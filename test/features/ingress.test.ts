// Ingress through the front door: what an ingress controller would do with these objects, asked over sockets.
import assert from 'node:assert/strict';
import { test, type TestContext } from './engine-tests.ts';
import type { KubeObject } from '../../src/api/objects.ts';
import { ask, serveObjects, type Gateway } from './gateway-fixture.ts';

function service(name: string, ports: readonly object[] = [{ port: 80 }]): KubeObject {
  return { apiVersion: 'v1', kind: 'Service', metadata: { name }, spec: { ports } };
}

function ingress(name: string, spec: object, annotations: Readonly<Record<string, string>> = {}): KubeObject {
  return { apiVersion: 'networking.k8s.io/v1', kind: 'Ingress', metadata: { name, annotations }, spec };
}

function path(value: string, backend: string, pathType = 'Prefix', port: object = { number: 80 }): object {
  return { path: value, pathType, backend: { service: { name: backend, port } } };
}

async function answerOf(
  gateway: Gateway,
  on: string,
  line: { readonly host: string; readonly path?: string; readonly port?: number },
): Promise<string> {
  const { status, echoed, headers } = await ask({ ...line, port: gateway.port(on, line.port ?? 80) });
  if (headers.location !== undefined) return `${status} ${headers.location}`;
  return echoed === undefined ? String(status) : `${echoed.service} ${echoed.path}`;
}

function codesOf({ pipeline }: Gateway): string[] {
  return pipeline.problems().map(({ code, at }) => `${code} ${at.path}`);
}

test('paths: exact before prefix, the longest first, element by element, across Ingresses of one host', async (t: TestContext) => {
  const rules = (paths: readonly object[]): object => ({
    ingressClassName: 'any',
    rules: [{ host: 'a.com', http: { paths } }],
  });
  const gateway = await serveObjects(t, [
    ...['one', 'two', 'three'].map((name) => service(name)),
    ingress('first', rules([path('/', 'one'), path('/foo', 'two')])),
    ingress(
      'second',
      rules([path('/foo/bar', 'three'), path('/foo', 'one', 'Exact'), path('/impl', 'two', 'ImplementationSpecific')]),
    ),
  ]);
  const on = 'default/ingress-any';
  assert.equal(await answerOf(gateway, on, { host: 'a.com', path: '/foo' }), 'one /foo');
  assert.equal(await answerOf(gateway, on, { host: 'a.com', path: '/foo/' }), 'two /foo/');
  assert.equal(await answerOf(gateway, on, { host: 'a.com', path: '/foo/bar/x' }), 'three /foo/bar/x');
  assert.equal(await answerOf(gateway, on, { host: 'a.com', path: '/foobar' }), 'one /foobar');
  assert.equal(await answerOf(gateway, on, { host: 'a.com', path: '/impl/x' }), 'two /impl/x');
  assert.equal(await answerOf(gateway, on, { host: 'b.com' }), '404');
});

test('the default backend takes what no rule of the class takes, and nothing else', async (t) => {
  const gateway = await serveObjects(t, [
    ...['one', 'rest'].map((name) => service(name)),
    ingress('rules', {
      ingressClassName: 'any',
      rules: [{ host: 'a.com', http: { paths: [path('/one', 'one')] } }, { http: { paths: [path('/any', 'one')] } }],
    }),
    ingress('rest', { ingressClassName: 'any', defaultBackend: { service: { name: 'rest', port: { number: 80 } } } }),
  ]);
  const on = 'default/ingress-any';
  assert.equal(await answerOf(gateway, on, { host: 'a.com', path: '/one' }), 'one /one');
  assert.equal(await answerOf(gateway, on, { host: 'a.com', path: '/two' }), 'rest /two');
  assert.equal(await answerOf(gateway, on, { host: 'b.com', path: '/any' }), 'one /any');
  assert.equal(await answerOf(gateway, on, { host: 'b.com' }), 'rest /');
});

test('backends name ports, and a port that the Service does not have answers 500', async (t) => {
  const gateway = await serveObjects(t, [
    service('named', [{ name: 'web', port: 8080 }]),
    ingress('ports', {
      rules: [
        {
          host: 'a.com',
          http: {
            paths: [
              path('/ok', 'named', 'Prefix', { name: 'web' }),
              path('/bad', 'named', 'Prefix', { name: 'other' }),
            ],
          },
        },
      ],
    }),
  ]);
  assert.equal(await answerOf(gateway, 'default/ingress', { host: 'a.com', path: '/ok' }), 'named /ok');
  assert.equal(await answerOf(gateway, 'default/ingress', { host: 'a.com', path: '/bad' }), '500');
});

test('the class: field, annotation, default; IngressClasses of other controllers are served too', async (t) => {
  const one = { rules: [{ host: 'a.com', http: { paths: [path('/', 'one')] } }] };
  const gateway = await serveObjects(t, [
    service('one'),
    {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'IngressClass',
      metadata: { name: 'main', annotations: { 'ingressclass.kubernetes.io/is-default-class': 'true' } },
      spec: { controller: 'example.com/c' },
    },
    ingress('by-field', { ...one, ingressClassName: 'field' }),
    ingress('by-annotation', one, { 'kubernetes.io/ingress.class': 'annotated' }),
    ingress('by-default', one),
  ]);
  for (const name of ['field', 'annotated', 'main'])
    assert.equal(await answerOf(gateway, `default/ingress-${name}`, { host: 'a.com' }), 'one /', name);
  assert.equal(gateway.pipeline.tables.classes.get('main')?.controllerName, 'example.com/c');
});

test('nginx: rewrite-target with groups; one expression on a host makes all its paths expressions', async (t) => {
  const gateway = await serveObjects(t, [
    ...['one', 'two'].map((name) => service(name)),
    ingress(
      'rewrite',
      {
        ingressClassName: 'nginx',
        rules: [{ host: 'a.com', http: { paths: [path('/app(/|$)(.*)', 'one', 'ImplementationSpecific')] } }],
      },
      { 'nginx.ingress.kubernetes.io/rewrite-target': '/$2' },
    ),
    ingress('plain', {
      ingressClassName: 'nginx',
      rules: [{ host: 'a.com', http: { paths: [path('/exact', 'two', 'Exact')] } }],
    }),
    ingress('elsewhere', {
      ingressClassName: 'nginx',
      rules: [{ host: 'b.com', http: { paths: [path('/exact', 'two', 'Exact')] } }],
    }),
  ]);
  const on = 'default/ingress-nginx';
  assert.equal(await answerOf(gateway, on, { host: 'a.com', path: '/app/x/y?q=1' }), 'one /x/y?q=1');
  assert.equal(await answerOf(gateway, on, { host: 'a.com', path: '/app' }), 'one /');
  assert.equal(await answerOf(gateway, on, { host: 'a.com', path: '/application' }), '404');
  // On a.com the exact path became an expression, open at the end and without case; on b.com it did not.
  assert.equal(await answerOf(gateway, on, { host: 'a.com', path: '/EXACT/x' }), 'two /EXACT/x');
  assert.equal(await answerOf(gateway, on, { host: 'b.com', path: '/EXACT/x' }), '404');
  assert.equal(await answerOf(gateway, on, { host: 'b.com', path: '/exact' }), 'two /exact');
});

test('nginx: a host with TLS redirects from port 80, unless ssl-redirect is false', async (t) => {
  const tls = (host: string): object => ({
    ingressClassName: 'nginx',
    tls: [{ hosts: [host], secretName: 'cert' }],
    rules: [{ host, http: { paths: [path('/', 'one')] } }],
  });
  const gateway = await serveObjects(t, [
    service('one'),
    ingress('redirecting', tls('a.com')),
    ingress('both', tls('b.com'), { 'nginx.ingress.kubernetes.io/ssl-redirect': 'false' }),
  ]);
  const on = 'default/ingress-nginx';
  assert.match(await answerOf(gateway, on, { host: 'a.com', path: '/x?q=1' }), /^308 https:\/\/a\.com(:\d+)?\/x\?q=1$/);
  assert.equal(await answerOf(gateway, on, { host: 'b.com' }), 'one /');
  const listeners = gateway.pipeline.tables.gateways
    .get(on)
    ?.listeners.map(({ name, port, hostname }) => `${name} ${port} ${hostname}`);
  assert.deepEqual(listeners, ['http 80 ', 'https-b-com 443 b.com', 'https-a-com 443 a.com']);
});

test('what is not acted on is said, and an invalid Ingress takes no other down', async (t) => {
  const good = { ingressClassName: 'nginx', rules: [{ host: 'a.com', http: { paths: [path('/', 'one')] } }] };
  const gateway = await serveObjects(t, [
    service('one'),
    ingress('good', good, { 'nginx.ingress.kubernetes.io/auth-url': 'http://auth' }),
    ingress('bad', {
      ingressClassName: 'nginx',
      rules: [{ host: 'b.com', http: { paths: [path('relative', 'one')] } }],
    }),
    ingress('resource', {
      ingressClassName: 'nginx',
      rules: [
        {
          host: 'c.com',
          http: { paths: [{ path: '/', pathType: 'Prefix', backend: { resource: { kind: 'Bucket', name: 'b' } } }] },
        },
      ],
    }),
    ingress('wildcard', {
      ingressClassName: 'nginx',
      rules: [{ host: '*.d.com', http: { paths: [path('/', 'one')] } }],
    }),
  ]);
  const on = 'default/ingress-nginx';
  assert.equal(await answerOf(gateway, on, { host: 'a.com' }), 'one /');
  assert.equal(await answerOf(gateway, on, { host: 'b.com' }), '404');
  assert.equal(await answerOf(gateway, on, { host: 'x.d.com' }), 'one /');
  const codes = codesOf(gateway);
  assert.ok(
    codes.includes('NotCarriedOver metadata.annotations[nginx.ingress.kubernetes.io/auth-url]'),
    codes.join('\n'),
  );
  assert.ok(codes.includes('NotCarriedOver spec.rules[0].http.paths[0].backend.resource'), codes.join('\n'));
  assert.ok(codes.includes('CarriedOver spec.rules[0].host'), codes.join('\n'));
  assert.ok(
    codes.some((code) => code.startsWith('InvalidField spec.rules[0].http.paths[0]')),
    codes.join('\n'),
  );
});
