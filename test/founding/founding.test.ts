// The founding manifests, unchanged: each runs, and answers as its authors meant it. What an example does not show
// (Services, certificates, parents) is given beside it.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseAllDocuments } from 'yaml';
import type { KubeObject } from '../../src/api/objects.ts';
import { lint } from '../../src/tools/lint/lint.ts';
import { inferApiVersion } from '../../src/upgrade/infer.ts';
import { ask, serveObjects, type Gateway } from '../features/gateway-fixture.ts';

/** As the files source reads it: an object without apiVersion gets one by its shape. */
function manifest(name: string): KubeObject[] {
  const text = readFileSync(join(import.meta.dirname, 'manifests', name), 'utf8');
  return parseAllDocuments(text).map((document) => {
    const object = document.toJS() as KubeObject;
    const apiVersion = object.apiVersion ?? inferApiVersion(object)?.apiVersion;
    return {
      ...object,
      apiVersion,
      metadata: { ...(isCluster(object) ? {} : { namespace: 'default' }), ...object.metadata },
    };
  });
}

function isCluster(object: KubeObject): boolean {
  return object.kind === 'IngressClass' || object.kind === 'GatewayClass';
}

function service(name: string, namespace: string, port: number): KubeObject {
  return { apiVersion: 'v1', kind: 'Service', metadata: { name, namespace }, spec: { ports: [{ port }] } };
}

async function backendOf(
  gateway: Gateway,
  on: string,
  port: number,
  line: { readonly host: string; readonly path?: string; readonly headers?: Record<string, string> },
): Promise<string> {
  const { status, echoed } = await ask({ port: gateway.port(on, port), ...line });
  return echoed === undefined ? String(status) : `${echoed.namespace}/${echoed.service} ${echoed.path}`;
}

function codes(gateway: Gateway, kind: string): string[] {
  return [
    ...new Set(
      gateway.pipeline
        .problems()
        .filter(({ at }) => at.object.kind === kind)
        .map(({ code }) => code),
    ),
  ].toSorted();
}

test('01: two teams on one HTTPS Gateway that selects its routes by label', async (t) => {
  // The example has a certificate that it does not show; its routing is shown without TLS here, over HTTPS in the CLI's tests.
  const objects = manifest('01-foo-bar-teams.yaml').map((object) => {
    if (object.kind !== 'Gateway') return object;
    const spec = object['spec'] as { listeners: Record<string, unknown>[] };
    return {
      ...object,
      spec: {
        ...spec,
        listeners: spec.listeners.map(({ tls: _tls, ...listener }) => ({ ...listener, protocol: 'HTTP' })),
      },
    };
  });
  const services = ['foo-auth', 'foo-home', 'foo-404'].map((name) => service(name, 'foo', 8080));
  const gateway = await serveObjects(t, [
    ...services,
    service('bar-v1', 'bar', 8080),
    service('bar-v2', 'bar', 8080),
    ...objects,
  ]);
  const on = 'default/prod-web';
  assert.equal(
    await backendOf(gateway, on, 443, { host: 'foo.example.com', path: '/login/x' }),
    'foo/foo-auth /login/x',
  );
  assert.equal(await backendOf(gateway, on, 443, { host: 'foo.example.com', path: '/home' }), 'foo/foo-home /home');
  assert.equal(await backendOf(gateway, on, 443, { host: 'foo.example.com', path: '/other' }), 'foo/foo-404 /other');
  for (let n = 0; n < 10; n++) {
    assert.equal(
      await backendOf(gateway, on, 443, { host: 'bar.example.com', headers: { env: 'canary' } }),
      'bar/bar-v2 /',
    );
  }
  const seen = new Set<string>();
  for (let n = 0; n < 100; n++) seen.add(await backendOf(gateway, on, 443, { host: 'bar.example.com' }));
  assert.deepEqual([...seen].toSorted(), ['bar/bar-v1 /', 'bar/bar-v2 /']);
  assert.deepEqual(codes(gateway, 'HTTPRoute'), ['CarriedOver', 'DeprecatedVersion']);
});

test('02: a shared Gateway in a namespace of its own', async (t) => {
  const gateway = await serveObjects(t, [service('myapp-svc', 'default', 80), ...manifest('02-giantswarm.yaml')]);
  assert.equal(
    await backendOf(gateway, 'contour/contour', 80, { host: 'giantswarm.io', path: '/a' }),
    'default/myapp-svc /a',
  );
  assert.equal(await backendOf(gateway, 'contour/contour', 80, { host: 'other.io' }), '404');
  assert.deepEqual(codes(gateway, 'HTTPRoute'), ['DeprecatedVersion']);
});

test('03: an Ingress with rewrite-target replaces the whole path, as ingress-nginx does', async (t) => {
  const gateway = await serveObjects(t, [service('myapp-svc', 'default', 80), ...manifest('03-ingress-rewrite.yaml')]);
  const on = 'default/ingress-nginx';
  assert.equal(
    await backendOf(gateway, on, 80, { host: 'rewrite.example.com', path: '/something/else?q=1' }),
    'default/myapp-svc /?q=1',
  );
  assert.equal(
    await backendOf(gateway, on, 80, { host: 'rewrite.example.com', path: '/SOMETHING' }),
    'default/myapp-svc /',
  );
  assert.equal(await backendOf(gateway, on, 80, { host: 'rewrite.example.com', path: '/' }), '404');
});

test('04 and 05: one service by Ingress and by Gateway', async (t) => {
  const both = [...manifest('04-httpbin-ingress.yaml'), ...manifest('05-httpbin-gateway.yaml')];
  const gateway = await serveObjects(t, [service('httpbin', 'default', 8000), ...both]);
  const line = { host: 'httpbin.example.com', path: '/get' };
  assert.equal(await backendOf(gateway, 'default/ingress-istio', 80, line), 'default/httpbin /get');
  assert.equal(await backendOf(gateway, 'istio-ingress/gateway', 80, line), 'default/httpbin /get');
  assert.equal(await backendOf(gateway, 'istio-ingress/gateway', 80, { host: 'example.com' }), '404');
});

test('06: a grant with a misspelt group grants nothing; lint offers the right one; with it the route answers', async (t) => {
  // Its parent is not shown: a Gateway of its vintage that takes every route.
  const parent: KubeObject = {
    apiVersion: 'networking.x-k8s.io/v1alpha1',
    kind: 'Gateway',
    metadata: { name: 'edge', namespace: 'foo' },
    spec: { gatewayClassName: 'any', listeners: [{ protocol: 'HTTP', port: 80, routes: { kind: 'HTTPRoute' } }] },
  };
  const objects = manifest('06-reference-grant.yaml');
  const gateway = await serveObjects(t, [service('bar', 'bar', 80), parent, ...objects]);
  const asked = { host: 'any.example.com', path: '/bar' };
  assert.equal(await backendOf(gateway, 'foo/edge', 80, asked), '500');
  assert.ok(codes(gateway, 'HTTPRoute').includes('RefNotPermitted'));
  const misspelt = lint(gateway.pipeline).findings.find(({ code }) => code === 'MisspeltGroup');
  assert.match(misspelt?.fix ?? '', /gateway\.networking\.k8s\.io/);

  const grant = objects.find(({ kind }) => kind === 'ReferenceGrant') as KubeObject;
  const from = [{ group: 'gateway.networking.k8s.io', kind: 'HTTPRoute', namespace: 'foo' }];
  await gateway.apply({ ...grant, spec: { ...(grant['spec'] as object), from } });
  assert.equal(await backendOf(gateway, 'foo/edge', 80, asked), 'bar/bar /bar');
});

test('07: a policy of any group is shown with its target, override and default', async (t) => {
  const [policy] = manifest('07-retry-policy.yaml');
  const route: KubeObject = {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'HTTPRoute',
    metadata: { name: 'foo', namespace: 'default' },
    spec: {},
  };
  const { pipeline } = await serveObjects(t, [policy as KubeObject, route]);
  const [key = ''] = pipeline.tables.policies.keys();
  const bound = pipeline.tables.policies.get(key);
  assert.deepEqual(bound?.override, { maxRetries: 10 });
  assert.deepEqual(bound.default, { maxRetries: 5 });
  assert.deepEqual(
    bound.targets.map(({ ref, found }) => [ref.group, ref.kind, ref.name, found]),
    [['gateway.networking.k8s.io', 'HTTPRoute', 'foo', true]],
  );
  assert.ok(lint(pipeline).findings.some(({ code }) => code === 'PolicyNotApplied'));
});
