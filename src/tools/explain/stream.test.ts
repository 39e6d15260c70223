import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAllDocuments } from 'yaml';
import type { KubeObject } from '../../api/objects.ts';
import { Pipeline } from '../../pipeline/pipeline.ts';
import type { Tables } from '../../pipeline/tables.ts';
import { explain } from './explain.ts';
import type { Explanation, StreamAnswer, StreamExplanation, StreamOutcome, StreamQuestion } from './explanation.ts';
import { explainStream } from './stream.ts';

const manifests = `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata:
  name: edge
  namespace: net
  annotations: { portolan.dev/accept-proxy-protocol: '5432' }
spec:
  gatewayClassName: any
  allowedListeners: { namespaces: { from: All } }
  tls: { frontend: { default: { validation: { caCertificateRefs: [{ group: '', kind: ConfigMap, name: ca }] } } } }
  listeners:
    - { name: db, port: 5432, protocol: TCP }
    - { name: dns, port: 53, protocol: UDP }
    - { name: idle, port: 6379, protocol: TCP }
    - { name: pass, port: 443, protocol: TLS, hostname: '*.example.com', tls: { mode: Passthrough } }
    - { name: ends, port: 443, protocol: TLS, hostname: ends.example.org, tls: { certificateRefs: [{ name: cert }] } }
    - { name: web, port: 443, protocol: HTTPS, hostname: web.example.org, tls: { certificateRefs: [{ name: cert }] } }
    - { name: http, port: 80, protocol: HTTP }
---
apiVersion: gateway.networking.k8s.io/v1
kind: ListenerSet
metadata: { name: more, namespace: team }
spec:
  parentRef: { name: edge, namespace: net }
  listeners: [{ name: queue, port: 5672, protocol: TCP, allowedRoutes: { namespaces: { from: All } } }]
---
apiVersion: gateway.networking.k8s.io/v1
kind: TCPRoute
metadata: { name: newer, namespace: net, creationTimestamp: '2026-02-01T00:00:00Z' }
spec: { parentRefs: [{ name: edge, sectionName: db }], rules: [{ backendRefs: [{ name: app, port: 1 }] }] }
---
apiVersion: gateway.networking.k8s.io/v1
kind: TCPRoute
metadata: { name: older, namespace: net, creationTimestamp: '2026-01-01T00:00:00Z' }
spec:
  parentRefs: [{ name: edge, sectionName: db }, { kind: ListenerSet, name: more, namespace: team }]
  rules: [{ name: all, backendRefs: [{ name: app, port: 1, weight: 3 }, { name: nobody, port: 1 }] }]
---
apiVersion: gateway.networking.k8s.io/v1
kind: TCPRoute
metadata: { name: elsewhere, namespace: other }
spec: { parentRefs: [{ kind: Gateway, name: edge, namespace: net, sectionName: db }], rules: [{ backendRefs: [{ name: x, port: 1 }] }] }
---
apiVersion: gateway.networking.k8s.io/v1
kind: UDPRoute
metadata: { name: dns, namespace: net }
spec: { parentRefs: [{ name: edge, sectionName: dns }], rules: [{ backendRefs: [{ name: app, port: 53 }] }] }
---
apiVersion: gateway.networking.k8s.io/v1
kind: TLSRoute
metadata: { name: exact, namespace: net }
spec: { parentRefs: [{ name: edge }], hostnames: [a.example.com], rules: [{ backendRefs: [{ name: app, port: 1 }] }] }
---
apiVersion: gateway.networking.k8s.io/v1
kind: TLSRoute
metadata: { name: wide, namespace: net }
spec:
  parentRefs: [{ name: edge }]
  hostnames: ['*.a.example.com', a.example.com, ends.example.org]
  rules: [{ backendRefs: [{ name: app, port: 1 }] }]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: site, namespace: net }
spec: { parentRefs: [{ name: edge, sectionName: web }, { name: edge, sectionName: http }], rules: [{ backendRefs: [{ name: app, port: 1 }] }] }
---
apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata: { name: app, namespace: net }
spec:
  targetRefs: [{ group: '', kind: Service, name: app }]
  validation: { hostname: app.internal, caCertificateRefs: [{ group: '', kind: ConfigMap, name: ca }, { group: '', kind: ConfigMap, name: gone }] }
---
apiVersion: v1
kind: Service
metadata: { name: app, namespace: net }
spec: { ports: [{ name: tcp, port: 1 }, { name: dns, port: 53, protocol: UDP }] }
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: app-1, namespace: net, labels: { kubernetes.io/service-name: app } }
addressType: IPv4
ports: [{ name: tcp, port: 1001 }, { name: dns, port: 1053, protocol: UDP }]
endpoints: [{ addresses: [10.0.0.1] }]
`;

/** A certificate in name only: nobody shakes hands here. */
async function tablesOf(): Promise<Tables> {
  const { temporaryAuthority } = await import('../../cli/run/authority.ts');
  const authority = await temporaryAuthority();
  const { certificate, privateKey } = await authority.issue(['web.example.org', 'ends.example.org']);
  const pipeline = new Pipeline({
    channel: 'standard',
    controllerName: 'portolan.dev/gateway-controller',
    classes: 'any',
    presume: true,
    engine: 'embedded',
    awaitEngine: false,
  });
  for (const document of parseAllDocuments(manifests)) pipeline.apply(document.toJS() as KubeObject);
  const stringData = { 'tls.crt': certificate, 'tls.key': privateKey };
  const secret = { kind: 'Secret', type: 'kubernetes.io/tls', stringData };
  pipeline.apply({ apiVersion: 'v1', ...secret, metadata: { name: 'cert', namespace: 'net' } });
  const data = { 'ca.crt': authority.certificate };
  pipeline.apply({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'ca', namespace: 'net' }, data });
  pipeline.settle();
  return pipeline.tables;
}

const tables = await tablesOf();

function ask(url: string, rest: Partial<StreamQuestion> = {}): StreamExplanation {
  const explanation = explainStream(tables, { url, ...rest });
  assert.ok(!('misasked' in explanation));
  // It is printed as JSON: nothing may be lost on the way.
  assert.deepEqual(JSON.parse(JSON.stringify(explanation)), explanation);
  return explanation;
}

function only({ answers }: StreamExplanation): StreamAnswer {
  assert.equal(answers.length, 1);
  return answers[0] as StreamAnswer;
}

function outcome<Kind extends StreamOutcome['kind']>(url: string, kind: Kind): Extract<StreamOutcome, { kind: Kind }> {
  const found = only(ask(url)).outcome;
  assert.equal(found.kind, kind, JSON.stringify(found));
  return found as Extract<StreamOutcome, { kind: Kind }>;
}

test('TCP: the older route takes everything, and what the shares are', () => {
  const { winner, runnersUp, runnersUpTotal, rule, backends, tls } = outcome('tcp://10.1.1.1:5432', 'carried');
  assert.deepEqual([winner.route.name, winner.origin.path, rule.name, tls], ['older', 'spec.rules[0]', 'all', 'none']);
  assert.deepEqual(
    runnersUp.map(({ route, lostAt }) => [route.name, lostAt]),
    [['newer', 'created']],
  );
  assert.equal(runnersUpTotal, 1);
  const [app, nobody] = backends;
  assert.deepEqual([app?.share, app?.closed, nobody?.share, nobody?.closed], [75, false, 25, true]);
  assert.ok(app?.target.kind === 'cluster' && nobody?.target.kind === 'unresolved');
  assert.deepEqual(
    app.target.endpoints.map(({ address, port }) => `${address}:${port}`),
    ['10.0.0.1:1001'],
  );
  assert.deepEqual(app.target.tls, {
    serverName: 'app.internal',
    names: [{ type: 'dns', value: 'app.internal' }],
    authorities: ['ConfigMap/net/ca'],
    missing: [],
    usable: true,
  });
  assert.equal(only(ask('tcp://10.1.1.1:5432')).bind.proxyProtocol, true);
});

test('a listener of a ListenerSet, named with it', () => {
  const { listeners, outcome: found } = only(ask('tcp://localhost:5672'));
  assert.equal(found.kind, 'carried');
  const [listener] = listeners;
  assert.deepEqual([listener?.name, listener?.owner.kind, listener?.owner.name], ['queue', 'ListenerSet', 'more']);
});

test('UDP: datagrams', () => {
  const { backends } = outcome('udp://localhost:53', 'carried');
  const [dns] = backends;
  assert.ok(dns?.target.kind === 'cluster');
  assert.deepEqual([dns.target.protocol, dns.target.endpoints[0]?.port, dns.closed], ['udp', 1053, false]);
});

test('TLS that passes through: by server name, and no second TLS around it', () => {
  const { winner, runnersUp, tls, backends } = outcome('tls://a.example.com', 'carried');
  assert.deepEqual([winner.route.name, winner.virtualHost, tls], ['exact', 'a.example.com', 'passthrough']);
  assert.deepEqual(
    runnersUp.map(({ route, lostAt }) => [route.name, lostAt]),
    [['wide', 'route']],
  );
  assert.ok(backends[0]?.target.kind === 'cluster' && backends[0].target.tls === undefined);
  assert.equal(outcome('tls://b.a.example.com:443', 'carried').winner.route.name, 'wide');
});

test('TLS that ends at the gateway', () => {
  const { tls, backends } = outcome('tls://ends.example.org', 'carried');
  assert.equal(tls, 'terminate');
  assert.ok(backends[0]?.target.kind === 'cluster' && backends[0].target.tls?.serverName === 'app.internal');
});

test('the server name is what counts, not the host of the URL', () => {
  const explanation = ask('tls://10.0.0.9:443', { sni: 'A.example.com' });
  assert.equal(explanation.connection.sni, 'a.example.com');
  assert.equal(only(explanation).outcome.kind, 'carried');
  assert.equal(outcome('tls://10.0.0.9:443', 'closed').reason, 'no-listener');
  assert.deepEqual(ask('udp://localhost:53', { sni: 'x' }).connection.notes.length, 1);
});

test('what nothing takes: what came closest, and which routes are not attached', () => {
  const { reason, closest } = outcome('tls://c.example.com', 'closed');
  assert.equal(reason, 'no-virtual-host');
  assert.deepEqual(closest.map(({ route, virtualHost }) => `${route.name} ${virtualHost}`).slice(0, 2), [
    'exact a.example.com',
    'wide *.a.example.com',
  ]);
  assert.equal(outcome('tls://nowhere.test', 'closed').reason, 'no-listener');
  const idle = outcome('tcp://localhost:6379', 'closed');
  assert.equal(idle.reason, 'no-virtual-host');
  assert.deepEqual(
    idle.unattached.map(({ route }) => route.name),
    ['elsewhere'],
  );
});

test('what is to be asked otherwise', () => {
  assert.deepEqual(outcome('tls://web.example.org', 'other-scheme'), {
    kind: 'other-scheme',
    scheme: 'https',
    listener: 'net/edge/web',
  });
  assert.deepEqual(outcome('tcp://localhost:80', 'other-scheme').scheme, 'http');
  assert.deepEqual(outcome('tcp://localhost:443', 'other-scheme').scheme, 'tls');
  assert.deepEqual(outcome('tls://localhost:5432', 'other-scheme').scheme, 'tcp');
  const { unreachable } = ask('udp://localhost:5432');
  assert.equal(unreachable?.reason, 'no-such-port');
  assert.ok(unreachable.ports.some(({ port, transport }) => port === 53 && transport === 'udp'));
});

test('what is no question', () => {
  for (const url of ['tcp://localhost', 'udp://', 'tls://a b', 'tls://a/path', 'tcp://a:0', 'tls://a:99999']) {
    assert.ok('misasked' in explainStream(tables, { url }), url);
  }
});

function request(url: string): Explanation['answers'][number] {
  const explanation = explain(tables, { method: 'GET', url, headers: [] });
  assert.ok(!('misasked' in explanation));
  return explanation.answers[0] as Explanation['answers'][number];
}

test('a request that a stream carries to a backend', () => {
  for (const [url, route] of [
    ['https://a.example.com/', 'exact'],
    ['https://ends.example.org/', 'wide'],
    ['http://10.1.1.1:5432/', 'older'],
  ] as const) {
    const found = request(url).outcome;
    assert.ok(found.kind === 'stream' && found.outcome.kind === 'carried', JSON.stringify(found));
    assert.equal(found.outcome.winner.route.name, route);
  }
});

test('https: which client certificates are asked for, and TLS to the backend', () => {
  const { listeners, outcome: found } = request('https://web.example.org/');
  assert.deepEqual(listeners[0]?.clients, { mode: 'require', authorities: ['ConfigMap/net/ca'] });
  assert.ok(found.kind === 'taken' && found.rule.action.kind === 'forward');
  const [backend] = found.rule.action.backends;
  assert.ok(backend?.target.kind === 'cluster');
  assert.deepEqual([backend.target.tls?.usable, backend.status], [true, undefined]);
});
