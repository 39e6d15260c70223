import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAllDocuments } from 'yaml';
import type { KubeObject } from '../../api/objects.ts';
import { Pipeline } from '../../pipeline/pipeline.ts';
import type { Tables } from '../../pipeline/tables.ts';
import type { Placement } from '../../routing/model.ts';
import { explain } from './explain.ts';
import type { Answer, Explanation, ExplainedAction, Outcome, Question } from './explanation.ts';

const manifests = `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: web, namespace: shop }
spec:
  gatewayClassName: any
  listeners:
    - { name: http, port: 80, protocol: HTTP }
    - { name: api, port: 80, protocol: HTTP, hostname: "*.api.example.com" }
    - { name: alt, port: 8081, protocol: HTTP, hostname: alt.example.com }
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: store, namespace: shop }
spec:
  parentRefs: [{ name: web }]
  hostnames: [store.example.com]
  rules:
    - name: canary
      matches:
        - path: { type: PathPrefix, value: /cart }
          headers: [{ name: X-Canary, value: "yes" }]
      backendRefs: [{ name: carts, port: 80 }]
    - name: cart
      matches: [{ path: { type: PathPrefix, value: /cart } }]
      filters:
        - type: RequestHeaderModifier
          requestHeaderModifier: { set: [{ name: X-Shop, value: cart }], remove: [X-Secret] }
        - type: URLRewrite
          urlRewrite: { hostname: internal.example, path: { type: ReplacePrefixMatch, replacePrefixMatch: /v2 } }
        - type: ResponseHeaderModifier
          responseHeaderModifier: { add: [{ name: X-From, value: shop }] }
      timeouts: { request: 10s }
      backendRefs:
        - { name: carts, port: 80, weight: 3 }
        - { name: missing, port: 80, weight: 1 }
    - matches: [{ path: { type: PathPrefix, value: /old } }]
      filters:
        - type: RequestRedirect
          requestRedirect: { scheme: https, statusCode: 301 }
    - matches: [{ path: { type: PathPrefix, value: /put }, method: PUT }]
      filters:
        - type: CORS
          cors: { allowOrigins: ["https://a.example"], allowMethods: [PUT] }
      backendRefs: [{ name: carts, port: 80 }]
    - matches: [{ path: { type: PathPrefix, value: /none } }]
    - matches: [{ path: { type: PathPrefix, value: /moved } }]
      filters: [{ type: RequestRedirect, requestRedirect: { hostname: new.example } }]
    - matches: [{ path: { type: PathPrefix, value: /empty } }]
      backendRefs: [{ name: idle, port: 80 }]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: wild, namespace: shop }
spec:
  parentRefs: [{ name: web, sectionName: http }]
  hostnames: ["*.example.com"]
  rules: [{ backendRefs: [{ name: carts, port: 80 }] }]
---
apiVersion: gateway.networking.k8s.io/v1
kind: GRPCRoute
metadata: { name: calls, namespace: shop }
spec:
  parentRefs: [{ name: web, sectionName: api }]
  rules:
    - matches: [{ method: { service: shop.Cart, method: Add } }]
      backendRefs: [{ name: carts, port: 80 }]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: stranger, namespace: other }
spec:
  parentRefs: [{ name: web, namespace: shop }]
  rules: [{ backendRefs: [{ name: x, port: 80 }] }]
---
apiVersion: v1
kind: Service
metadata: { name: carts, namespace: shop }
spec: { ports: [{ port: 80, targetPort: 8080 }] }
---
apiVersion: v1
kind: Service
metadata: { name: idle, namespace: shop }
spec: { ports: [{ port: 80 }] }
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: carts-1, namespace: shop, labels: { kubernetes.io/service-name: carts } }
addressType: IPv4
ports: [{ port: 8080, name: "" }]
endpoints: [{ addresses: [10.0.0.1] }, { addresses: [10.0.0.2], conditions: { ready: false } }]
---
apiVersion: policy.example.com/v1
kind: TimeoutPolicy
metadata: { name: slow, namespace: shop }
spec:
  targetRef: { group: gateway.networking.k8s.io, kind: HTTPRoute, name: store, sectionName: cart }
  override: { seconds: 3 }
`;

function tablesOf(yaml: string, placements: readonly Placement[] = []): Tables {
  const pipeline = new Pipeline({
    channel: 'experimental',
    controllerName: 'portolan.dev/gateway-controller',
    classes: 'any',
    presume: true,
    engine: 'embedded',
    awaitEngine: false,
  });
  for (const document of parseAllDocuments(yaml)) pipeline.apply(document.toJS() as KubeObject);
  pipeline.place(placements);
  pipeline.settle();
  return pipeline.tables;
}

const tables = tablesOf(manifests);

function ask(method: string, url: string, rest: Partial<Question> = {}, of: Tables = tables): Explanation {
  const explanation = explain(of, { method, url, headers: [], ...rest });
  assert.ok(!('misasked' in explanation));
  // It is printed as JSON: nothing may be lost on the way.
  assert.deepEqual(JSON.parse(JSON.stringify(explanation)), explanation);
  return explanation;
}

function only({ answers }: Explanation): Answer {
  assert.equal(answers.length, 1);
  return answers[0] as Answer;
}

function outcome<Kind extends Outcome['kind']>(explanation: Explanation, kind: Kind): Extract<Outcome, { kind: Kind }> {
  const found = only(explanation).outcome;
  assert.equal(found.kind, kind);
  return found as Extract<Outcome, { kind: Kind }>;
}

function action<Kind extends ExplainedAction['kind']>(
  explanation: Explanation,
  kind: Kind,
): Extract<ExplainedAction, { kind: Kind }> {
  const found = outcome(explanation, 'taken').rule.action;
  assert.equal(found.kind, kind);
  return found as Extract<ExplainedAction, { kind: Kind }>;
}

test('the winner, the runners-up with the step at which each lost, and where all that is written', () => {
  const explanation = ask('GET', 'http://store.example.com/cart/1?x=1', {
    headers: [{ name: 'x-canary', value: 'yes' }],
  });
  const { winner, runnersUp, runnersUpTotal } = outcome(explanation, 'taken');
  assert.equal(winner.route.name, 'store');
  assert.equal(winner.ruleName, 'canary');
  assert.deepEqual(winner.origin, { object: winner.route, path: 'spec.rules[0].matches[0]' });
  assert.deepEqual(
    runnersUp.map(({ route, origin, lostAt, because }) => [route.name, origin.path, lostAt, because]),
    [
      ['store', 'spec.rules[1].matches[0]', 'headers', 'more header matches: 1 before 0'],
      ['wild', 'spec.rules[0].matches[0]', 'virtual-host', 'the more specific virtual host'],
    ],
  );
  assert.equal(runnersUpTotal, 2);
  const { virtualHosts, listeners, gateway } = only(explanation);
  assert.equal(gateway.name, 'web');
  assert.deepEqual(
    virtualHosts.map(({ hostname, took }) => [hostname, took]),
    [
      ['store.example.com', true],
      ['*.example.com', false],
    ],
  );
  assert.deepEqual(
    listeners.map(({ name, verdict }) => [name, verdict]),
    [
      ['http', 'serves'],
      ['api', 'other-host'],
    ],
  );
});

test('a match that one condition keeps from winning', () => {
  const { winner, nearMisses } = outcome(
    ask('GET', 'http://store.example.com/cart', { headers: [{ name: 'X-Canary', value: 'no' }] }),
    'taken',
  );
  assert.equal(winner.origin.path, 'spec.rules[1].matches[0]');
  assert.equal(nearMisses.length, 1);
  assert.deepEqual(nearMisses[0]?.failed, [
    { condition: 'header', name: 'x-canary', type: 'exact', expected: 'yes', actual: 'no' },
  ]);
});

test('what is sent to which backend, and with which share', () => {
  const headers = [
    { name: 'X-Secret', value: '1' },
    { name: 'Accept', value: '*/*' },
  ];
  const explanation = ask('GET', 'http://store.example.com/cart/1?x=1', { headers });
  const { rule } = outcome(explanation, 'taken');
  assert.equal(rule.timeouts.request, 10_000);
  assert.deepEqual(
    rule.filters.map(({ kind }) => kind),
    ['request-headers', 'rewrite', 'response-headers'],
  );
  const { backends, status } = action(explanation, 'forward');
  assert.equal(status, undefined);
  const [carts, missing] = backends;
  assert.ok(carts && missing);
  assert.equal(carts.share, 75);
  assert.deepEqual(carts.request, {
    method: 'GET',
    authority: 'internal.example',
    path: '/v2/1?x=1',
    headers: [
      { name: 'Accept', value: '*/*' },
      { name: 'X-Shop', value: 'cart' },
    ],
  });
  assert.deepEqual(carts.response, { removed: [], added: [{ name: 'X-From', value: 'shop' }] });
  assert.ok(carts.target.kind === 'cluster');
  assert.equal(carts.target.endpoints.length, 2);
  assert.equal(carts.target.usable, 1);
  assert.equal(carts.origin.path, 'spec.rules[1].backendRefs[0]');
  assert.equal(missing.share, 25);
  assert.equal(missing.status, 500);
  assert.ok(missing.target.kind === 'unresolved');
  assert.equal(missing.target.problem.code, 'BackendNotFound');
});

test('no backends is 500, no endpoints 503', () => {
  assert.equal(action(ask('GET', 'http://store.example.com/none'), 'forward').status, 500);
  const [idle] = action(ask('GET', 'http://store.example.com/empty'), 'forward').backends;
  assert.equal(idle?.status, 503);
  assert.equal(idle.share, 100);
});

test('a redirect names the port as declared and the one that stands for it', () => {
  const plain = action(ask('GET', 'http://store.example.com/old/1'), 'redirect');
  assert.equal(plain.location, 'https://store.example.com/old/1');
  assert.deepEqual(plain.port, { declared: 443, local: 443 });
  assert.equal(plain.status, 301);
  assert.equal(plain.origin.path, 'spec.rules[2].filters[0].requestRedirect');
  const placed = tablesOf(manifests, [{ bind: 'shop/web:80/tcp', address: '127.0.0.1', port: 8080 }]);
  for (const url of ['http://store.example.com/moved/1', 'http://store.example.com:8080/moved/1']) {
    const explanation = ask('GET', url, {}, placed);
    assert.equal(only(explanation).bind.placement?.port, 8080);
    const { location, port } = action(explanation, 'redirect');
    assert.equal(location, 'http://new.example:8080/moved/1');
    assert.deepEqual(port, { declared: 80, local: 8080 });
  }
});

test('a preflight is judged by the rule of the request that it announces', () => {
  const headers = [
    { name: 'Origin', value: 'https://a.example' },
    { name: 'Access-Control-Request-Method', value: 'PUT' },
  ];
  const explanation = ask('OPTIONS', 'http://store.example.com/put', { headers });
  assert.equal(outcome(explanation, 'taken').announced, 'PUT');
  const preflight = action(explanation, 'preflight');
  assert.ok(preflight.allowed);
  assert.ok(preflight.headers.some(({ name, value }) => name === 'Access-Control-Allow-Methods' && value === 'PUT'));
});

test('the backend’s own headers of CORS are replaced', () => {
  const headers = [{ name: 'Origin', value: 'https://a.example' }];
  const [backend] = action(ask('PUT', 'http://store.example.com/put', { headers }), 'forward').backends;
  assert.ok(backend);
  assert.ok(backend.response.removed.includes('access-control-allow-origin'));
  assert.deepEqual(backend.response.added, [
    { name: 'Access-Control-Allow-Origin', value: 'https://a.example' },
    { name: 'Vary', value: 'Origin' },
  ]);
});

test('policies that target the rule, not yet applied', () => {
  const { rule } = outcome(ask('GET', 'http://store.example.com/cart'), 'taken');
  assert.deepEqual(
    rule.policies.map(({ policy, level, override, applied }) => [policy.name, level, override, applied]),
    [['slow', 'rule', { seconds: 3 }, false]],
  );
  assert.deepEqual(outcome(ask('GET', 'http://store.example.com/none'), 'taken').rule.policies, []);
});

test('gRPC by URL', () => {
  const explanation = ask('GET', 'grpc://v1.api.example.com/shop.Cart/Add');
  assert.equal(explanation.request.method, 'POST');
  assert.ok(explanation.request.grpc);
  assert.equal(outcome(explanation, 'taken').winner.route.kind, 'GRPCRoute');
  const other = outcome(ask('POST', 'http://v1.api.example.com/shop.Cart/Add'), 'not-found');
  assert.deepEqual(other.closest[0]?.failed, [
    { condition: 'protocol', expected: 'POST application/grpc', actual: 'POST without content-type' },
  ]);
});

test('when nothing takes it: what came closest, and which routes are not attached', () => {
  const { reason, closest, unattached } = outcome(ask('GET', 'http://nowhere.org/cart'), 'not-found');
  assert.equal(reason, 'no-virtual-host');
  assert.deepEqual(closest[0]?.failed, [
    { condition: 'hostname', expected: 'store.example.com', actual: 'nowhere.org' },
  ]);
  assert.equal(closest.length, 5);
  assert.deepEqual(
    unattached.map(({ route, problems }) => [route.namespace, problems[0]?.code]),
    [['other', 'NotAllowedByListeners']],
  );
});

test('isolation: what only another listener of the port would take', () => {
  const { reason, closest } = outcome(ask('GET', 'http://v1.api.example.com/cart'), 'not-found');
  assert.equal(reason, 'no-match');
  assert.ok(
    closest.some(
      ({ route, failed }) => route.name === 'wild' && failed.length === 1 && failed[0]?.condition === 'listener',
    ),
  );
});

test('the target is matched as the engine matches it, or refused', () => {
  const explanation = ask('GET', 'http://store.example.com/x/../%63art/1');
  assert.equal(explanation.request.path, '/cart/1');
  assert.equal(outcome(explanation, 'taken').winner.ruleName, 'cart');
  assert.equal(outcome(ask('GET', 'http://store.example.com/a/..%2fcart'), 'refused').status, 400);
});

test('ports: by number, by gateway, and what there is when there is none', () => {
  assert.equal(outcome(ask('GET', 'http://alt.example.com:8081/cart'), 'not-found').reason, 'no-virtual-host');
  const { answers, unreachable } = ask('GET', 'http://store.example.com:9999/cart');
  assert.deepEqual(answers, []);
  assert.equal(unreachable?.reason, 'no-such-port');
  assert.deepEqual(
    unreachable.ports.map(({ port }) => port),
    [80, 8081],
  );
  assert.equal(ask('GET', 'http://store.example.com/', { gateway: 'nothing' }).unreachable?.reason, 'no-such-gateway');
  assert.equal(ask('GET', 'http://store.example.com/cart', { gateway: 'shop/web' }).answers.length, 1);
  assert.equal(ask('GET', 'https://store.example.com:80/cart').answers[0]?.outcome.kind, 'wrong-scheme');
});

test('several gateways on one port are each explained, unless the host tells them apart', () => {
  const second = manifests
    .split('---')
    .slice(0, 1)
    .join('')
    .replace('name: web', 'name: two')
    .replace('{ name: http, port: 80, protocol: HTTP }', '{ name: http, port: 80, protocol: HTTP, hostname: two.org }');
  const both = tablesOf(`${manifests}\n---\n${second}`);
  assert.deepEqual(
    ask('GET', 'http://v1.api.example.com/', {}, both).answers.map(({ gateway }) => gateway.name),
    ['two', 'web'].toSorted((a, b) => (a < b ? 1 : -1)),
  );
  assert.deepEqual(
    ask('GET', 'http://store.example.com/cart', {}, both).answers.map(({ gateway }) => gateway.name),
    ['web'],
  );
});

test('a Host header and what clients do to a URL', () => {
  const explanation = ask('GET', 'http://127.0.0.1/cart/ä b#top', {
    headers: [{ name: 'Host', value: 'STORE.example.com:80' }],
  });
  assert.equal(explanation.request.host, 'store.example.com');
  assert.equal(explanation.request.target, '/cart/%C3%A4%20b');
  assert.equal(explanation.request.notes.length, 2);
  assert.equal(action(explanation, 'forward').backends[0]?.request.path, '/v2/%C3%A4%20b');
});

test('what is no question', () => {
  for (const url of [
    'store.example.com/cart',
    'ftp://a/',
    'http://',
    'http://a b/',
    'http://a:0/',
    'http://a:99999/',
    '',
  ]) {
    assert.ok('misasked' in explain(tables, { method: 'GET', url, headers: [] }), url);
  }
  assert.ok('misasked' in explain(tables, { method: 'G T', url: 'http://a/', headers: [] }));
  assert.ok('misasked' in explain(tables, { method: 'GET', url: 'http://a/', headers: [{ name: 'a b', value: '' }] }));
});

test('what the schema refuses is told with every answer, and what is served is not among it', () => {
  const typo = `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: typo, namespace: shop }
spec:
  parentRefs: [{ name: web }]
  rules: [{ matches: [{ path: { type: Prefix, value: /cart } }] }]
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: numbers, namespace: shop }
spec: { gatewayClassName: any, listeners: [{ name: http, port: 70000, protocol: HTTP }] }
`;
  const tables = tablesOf(`${manifests}\n---${typo}`);
  const explanation = explain(tables, { method: 'GET', url: 'http://store.example.com/cart', headers: [] });
  assert.ok(!('misasked' in explanation));
  assert.deepEqual(
    explanation.leftOut.map(({ object, problems }) => [object.name, problems.map(({ at }) => at.path)]),
    [
      ['numbers', ['spec.listeners[0].port']],
      ['typo', ['spec.rules[0].matches[0].path.type']],
    ],
  );
  assert.deepEqual(ask('GET', 'http://store.example.com/cart').leftOut, []);
});

test('why nothing listens, when it is the class that is refused', () => {
  const manifests = `
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: { name: edge }
spec:
  controllerName: portolan.dev/gateway-controller
  parametersRef: { group: portolan.dev, kind: GatewayConfig, namespace: portolan, name: gone }
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: web, namespace: shop }
spec:
  gatewayClassName: edge
  listeners: [{ name: http, port: 80, protocol: HTTP }]
`;
  const explanation = ask('GET', 'http://store.example.com/', {}, tablesOf(manifests));
  const [listener] = explanation.unreachable?.unserved ?? [];
  assert.equal(listener?.name, 'http');
  assert.deepEqual(
    listener.problems.map(({ code, at }) => [code, at.object.kind, at.path]),
    [
      ['GatewayClassNotAccepted', 'Gateway', 'spec.gatewayClassName'],
      ['InvalidParameters', 'GatewayClass', 'spec.parametersRef'],
    ],
  );
});
