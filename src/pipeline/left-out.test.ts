// What engines say that they do not serve -> conditions of the objects that it comes from, and problems for people.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { parseAllDocuments } from 'yaml';
import type { KubeObject } from '../api/objects.ts';
import type { LeftOut } from '../routing/engine.ts';
import type { Condition } from '../status/object-status.ts';
import { issueLeaf, makeAuthority } from '../support/x509.ts';
import { Pipeline } from './pipeline.ts';

const gateway = 'default/gw';
const route = 'gateway.networking.k8s.io/HTTPRoute/default/web';

const objects = `
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: { name: portolan }
spec: { controllerName: portolan.dev/gateway-controller }
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: gw, namespace: default }
spec:
  gatewayClassName: portolan
  listeners:
    - { name: http, port: 80, protocol: HTTP }
    - { name: one, port: 443, protocol: HTTPS, hostname: one.test, tls: { certificateRefs: [{ name: one }] } }
    - { name: two, port: 443, protocol: HTTPS, hostname: two.test, tls: { certificateRefs: [{ name: one }, { name: two }] } }
---
apiVersion: v1
kind: Service
metadata: { name: api, namespace: default }
spec: { ports: [{ port: 80 }] }
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: web, namespace: default, generation: 3 }
spec:
  parentRefs: [{ name: gw, sectionName: http }]
  rules:
    - matches: [{ path: { type: Exact, value: /a } }, { path: { type: Exact, value: /b } }]
      backendRefs: [{ name: api, port: 80 }]
    - matches: [{ path: { type: Exact, value: /c } }]
      backendRefs: [{ name: api, port: 80 }]
---
apiVersion: v1
kind: ConfigMap
metadata: { name: ca, namespace: default }
data: { ca.crt: CERTIFICATE }
---
apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata: { name: api, namespace: default }
spec:
  targetRefs: [{ group: '', kind: Service, name: api }]
  validation: { hostname: api.test, caCertificateRefs: [{ group: '', kind: ConfigMap, name: ca }] }
`;

const material = { authority: '', certificate: '', key: '' };

before(async () => {
  const validity = { from: new Date(Date.now() - 1000), to: new Date(Date.now() + 3_600_000) };
  const authority = await makeAuthority('test', validity);
  const names = [{ type: 'dns' as const, value: 'one.test' }];
  const leaf = await issueLeaf(authority, { subject: 'one.test', names, usages: ['server'], validity });
  material.authority = authority.certificate;
  material.certificate = leaf.certificate;
  material.key = leaf.privateKey;
});

function pipelineOf(): Pipeline {
  const pipeline = new Pipeline({
    channel: 'experimental',
    controllerName: 'portolan.dev/gateway-controller',
    classes: 'any',
    presume: true,
    engine: 'envoy',
    awaitEngine: false,
  });
  for (const document of parseAllDocuments(objects)) {
    const object = document.toJS() as KubeObject & { data?: Record<string, string> };
    if (object.kind === 'ConfigMap') object.data = { 'ca.crt': material.authority };
    pipeline.apply(object);
  }
  for (const name of ['one', 'two']) {
    const stringData = { 'tls.crt': material.certificate, 'tls.key': material.key };
    const metadata = { name, namespace: 'default' };
    pipeline.apply({ apiVersion: 'v1', kind: 'Secret', metadata, type: 'kubernetes.io/tls', stringData });
  }
  pipeline.settle();
  return pipeline;
}

function say(pipeline: Pipeline, ...rows: readonly LeftOut[]): void {
  pipeline.leaveOut(rows);
  const { update } = pipeline.settle();
  assert.deepEqual(Object.keys(update), ['version'], 'what is left out changes nothing that engines are told');
}

type Words = readonly string[];

/** `type=status reason: message`. */
function conditions(list: unknown): Words {
  return (list as readonly Condition[]).map(
    ({ type, status, reason, message }) => `${type}=${status} ${reason}: ${message}`,
  );
}

function ofRoute(pipeline: Pipeline): Words {
  const status = pipeline.tables.statuses.get(route)?.status as { parents: { conditions: unknown }[] };
  return conditions(status.parents[0]?.conditions);
}

function ofListener(pipeline: Pipeline, name: string): Words {
  const status = pipeline.tables.statuses.get('gateway.networking.k8s.io/Gateway/default/gw')?.status as {
    listeners: { name: string; conditions: unknown }[];
  };
  return conditions(status.listeners.find((listener) => listener.name === name)?.conditions);
}

function ofPolicy(pipeline: Pipeline): Words {
  const key = 'gateway.networking.k8s.io/BackendTLSPolicy/default/api';
  const status = pipeline.tables.statuses.get(key)?.status as { ancestors: { conditions: unknown }[] };
  return conditions(status.ancestors[0]?.conditions);
}

const fine: Words = [
  'Accepted=True Accepted: The route is accepted',
  'ResolvedRefs=True ResolvedRefs: All references are resolved',
];

function rule(index: number, ...faults: LeftOut['faults']): LeftOut {
  return { table: 'rules', key: `${gateway}|HTTPRoute/default/web|${index}`, faults };
}

test('a match that is left out is PartiallyInvalid while others serve, and nothing once it is served', () => {
  const pipeline = pipelineOf();
  assert.deepEqual(ofRoute(pipeline), fine);
  say(pipeline, rule(0, { effect: 'dropped', match: 1, reason: 'it is odd' }));
  assert.deepEqual(ofRoute(pipeline), [
    ...fine,
    'PartiallyInvalid=True UnsupportedValue: Dropped Rule: spec.rules[0].matches[1] is not served as written: ' +
      'the data plane cannot serve it: it is odd',
  ]);
  assert.deepEqual(
    pipeline.problems().map(({ code, at }) => `${code} ${at.path}`),
    ['DroppedRule spec.rules[0].matches[1]'],
  );
  assert.equal(pipeline.tables.attached.get(`${gateway}/http`)?.length, 1);
  say(pipeline, rule(0));
  assert.deepEqual(ofRoute(pipeline), fine);
  assert.deepEqual(pipeline.leftOut(), []);
});

test('a route of which nothing is left is not accepted, and not counted', () => {
  const pipeline = pipelineOf();
  const lost = { effect: 'dropped' as const, reason: 'it is odd' };
  say(pipeline, rule(0, { ...lost, match: 0 }, { ...lost, match: 1 }));
  assert.match(ofRoute(pipeline).join('\n'), /^Accepted=True[^]*PartiallyInvalid=True/);
  say(pipeline, rule(1, lost));
  const where = ['rules[0].matches[0]', 'rules[0].matches[1]', 'rules[1]'];
  const message = where.map((path) => `spec.${path}: the data plane cannot serve it: it is odd`).join('. ');
  assert.deepEqual(ofRoute(pipeline), [`Accepted=False UnsupportedValue: ${message}`, fine[1]]);
  assert.equal(pipeline.tables.attached.get(`${gateway}/http`), undefined);
  assert.equal(pipeline.tables.rules.size, 2, 'engines are offered it again');
});

test('what is served otherwise is said where the route is accepted', () => {
  const pipeline = pipelineOf();
  say(pipeline, rule(1, { effect: 'differs', field: 'sessionPersistence', reason: 'sessions never end' }));
  assert.deepEqual(ofRoute(pipeline), [
    'Accepted=True Accepted: spec.rules[1].sessionPersistence: is served otherwise: sessions never end',
    fine[1],
  ]);
});

test('what is said of another gateway, or of a rule that is gone, is nothing to a route', () => {
  const pipeline = pipelineOf();
  const faults = [{ effect: 'dropped' as const, reason: 'it is odd' }];
  say(pipeline, rule(7, ...faults), { table: 'rules', key: 'default/other|HTTPRoute/default/web|0', faults });
  assert.deepEqual(ofRoute(pipeline), fine);
});

test('a certificate that is left out is a reference that does not resolve; without any, the listener is not served', () => {
  const pipeline = pipelineOf();
  const serving = ofListener(pipeline, 'one');
  assert.match(serving.join('\n'), /Programmed=True/);
  say(pipeline, { table: 'certificates', key: 'default/one', faults: [{ effect: 'dropped', reason: 'it is short' }] });
  const one = ofListener(pipeline, 'one').join('\n');
  assert.match(one, /Programmed=False Invalid: .*none of its certificates is served/);
  assert.match(one, /ResolvedRefs=False InvalidCertificateRef: .*it is short/);
  const two = ofListener(pipeline, 'two').join('\n');
  assert.match(two, /Programmed=True/);
  assert.match(two, /ResolvedRefs=False InvalidCertificateRef: .*it is short/);
  assert.match(ofListener(pipeline, 'http').join('\n'), /Programmed=True[^]*ResolvedRefs=True/);
  say(pipeline, { table: 'certificates', key: 'default/one', faults: [] });
  assert.deepEqual(ofListener(pipeline, 'one'), serving);
});

test('what the data planes of one gateway say of a shared certificate is nothing to another gateway', () => {
  const pipeline = pipelineOf();
  const serving = ofListener(pipeline, 'one');
  const row = { table: 'certificates', key: 'default/one', faults: [{ effect: 'dropped', reason: 'no' }] } as const;
  say(pipeline, { ...row, gateway: 'other/gw' });
  assert.deepEqual(ofListener(pipeline, 'one'), serving);
  say(pipeline, { ...row, gateway });
  assert.match(ofListener(pipeline, 'one').join('\n'), /InvalidCertificateRef/);
  say(pipeline, { ...row, gateway: 'other/gw', faults: [] });
  assert.match(ofListener(pipeline, 'one').join('\n'), /InvalidCertificateRef/);
});

test('a listener that is left out is not programmed, and its siblings are', () => {
  const pipeline = pipelineOf();
  const faults = [{ effect: 'dropped' as const, reason: 'too much is asked' }];
  say(pipeline, { table: 'frontends', key: `${gateway}/http`, faults });
  assert.match(ofListener(pipeline, 'http').join('\n'), /Programmed=False Invalid: .*too much is asked/);
  assert.match(ofListener(pipeline, 'two').join('\n'), /Programmed=True/);
});

test('a cluster that is left out is said of the policy that it comes from', () => {
  const pipeline = pipelineOf();
  const [cluster = ''] = [...pipeline.tables.clusters.keys()];
  assert.match(ofPolicy(pipeline).join('\n'), /^Accepted=True/);
  say(pipeline, {
    table: 'clusters',
    key: cluster,
    faults: [{ effect: 'dropped', field: 'tls', reason: 'no such name' }],
  });
  assert.match(ofPolicy(pipeline).join('\n'), /^Accepted=False Invalid: the data plane cannot serve it: no such name/);
  say(pipeline, {
    table: 'clusters',
    key: cluster,
    faults: [{ effect: 'differs', field: 'retryBudget', reason: 'something else' }],
  });
  assert.match(ofPolicy(pipeline).join('\n'), /^Accepted=True Accepted: The policy/, 'not what other policies ask for');
});
