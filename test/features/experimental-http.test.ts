// The experimental features of HTTP through the front door: manifests in, sockets out. What each does in detail is held by
// engine-auth*.test.ts, engine-sessions.test.ts and engine-budget.test.ts.
import assert from 'node:assert/strict';
import type http from 'node:http';
import { test, type TestContext } from './engine-tests.ts';
import { parseAllDocuments } from 'yaml';
import type { KubeObject } from '../../src/api/objects.ts';
import { httpBackend } from './engine-fixture.ts';
import { type Gateway, serveObjects } from './gateway-fixture.ts';

function objects(text: string): KubeObject[] {
  return parseAllDocuments(text).map((document) => document.toJS() as KubeObject);
}

/** A Service whose endpoints are the ports. */
function service(name: string, ports: readonly number[]): string {
  const slice = (port: number): string => `---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: ${name}-${port}, labels: {kubernetes.io/service-name: ${name}}}
addressType: IPv4
endpoints: [{addresses: [127.0.0.1], conditions: {ready: true}, targetRef: {kind: Pod, name: ${name}-${port}, uid: ${name}-${port}}}]
ports: [{port: ${port}}]
`;
  return `---
apiVersion: v1
kind: Service
metadata: {name: ${name}}
spec: {ports: [{port: 80}]}
${ports.map(slice).join('')}`;
}

const gateway = (filters = ''): string => `---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: gw}
spec:
  gatewayClassName: portolan
  listeners: [{name: http, port: 80, protocol: HTTP${filters}}]
`;

const route = (name: string, path: string, rest: string, matches = ''): string => `---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: ${name}}
spec:
  parentRefs: [{name: gw}]
  rules:
  - matches: [{path: {value: ${path}}${matches}}]
    ${rest}
`;

const serving = (t: TestContext, text: string): Promise<Gateway> =>
  serveObjects(t, objects(text), { channel: 'experimental' });

const urlOf = (running: Gateway): string => `http://127.0.0.1:${running.port('default/gw', 80)}`;

/** Says who the bearer of a token is, and what was asked. */
function doorkeeper(t: TestContext, asked: string[]): Promise<number> {
  const users: Record<string, string> = { 'Bearer gold': 'alice', 'Bearer tin': 'bob' };
  return httpBackend(t, (request: http.IncomingMessage, response) => {
    asked.push(`${request.method} ${request.url}`);
    const user = users[request.headers.authorization ?? ''];
    if (user === undefined) response.writeHead(401, { 'www-authenticate': 'Bearer' }).end('who are you?');
    else response.writeHead(200, { 'x-user': user, 'x-tier': user === 'alice' ? 'gold' : 'tin' }).end();
  });
}

const externalAuth =
  '{protocol: HTTP, backendRef: {name: auth, port: 80}, http: {path: /check, allowedResponseHeaders: [X-User, X-Tier]}}';

test('ExternalAuth of a rule', async (t) => {
  const asked: string[] = [];
  const running = await serving(
    t,
    gateway() +
      service('auth', [await doorkeeper(t, asked)]) +
      service('app', [
        await httpBackend(t, (request, response) => response.end(`for ${String(request.headers['x-user'])}`)),
      ]) +
      route(
        'app',
        '/',
        `filters: [{type: ExternalAuth, externalAuth: ${externalAuth}}]\n    backendRefs: [{name: app, port: 80}]`,
      ),
  );
  const denied = await fetch(`${urlOf(running)}/a?b`, { headers: { 'x-user': 'root' } });
  assert.equal(`${denied.status} ${await denied.text()}`, '401 who are you?');
  const allowed = await fetch(`${urlOf(running)}/a?b`, { headers: { authorization: 'Bearer gold', 'x-user': 'root' } });
  assert.equal(await allowed.text(), 'for alice');
  assert.deepEqual(asked, ['GET /check/a?b', 'GET /check/a?b']);
});

test('GatewayListenerFilters: filters of a listener decide which route takes a request', async (t) => {
  const named = (name: string): Promise<number> => httpBackend(t, (_, response) => response.end(name));
  const running = await serving(
    t,
    gateway(`, filters: {requests: [{type: ExternalAuth, externalAuth: ${externalAuth}}]}`) +
      service('auth', [await doorkeeper(t, [])]) +
      service('gold', [await named('gold')]) +
      service('plain', [await named('plain')]) +
      route('gold', '/', 'backendRefs: [{name: gold, port: 80}]', ', headers: [{name: X-Tier, value: gold}]') +
      route('plain', '/', 'backendRefs: [{name: plain, port: 80}]'),
  );
  const ask = async (headers: Record<string, string>): Promise<string> =>
    (await fetch(urlOf(running), { headers })).text();
  assert.equal(await ask({ authorization: 'Bearer gold' }), 'gold');
  assert.equal(await ask({ authorization: 'Bearer tin', 'x-tier': 'gold' }), 'plain');
  assert.equal(await ask({ 'x-tier': 'gold' }), 'who are you?');
});

test('sessionPersistence of a rule, in a cookie with a name and in a header', async (t) => {
  const app = await Promise.all(
    ['one', 'two', 'three'].map((name) => httpBackend(t, (_, response) => response.end(name))),
  );
  const persistent = (spec: string): string => `sessionPersistence: ${spec}\n    backendRefs: [{name: app, port: 80}]`;
  const running = await serving(
    t,
    gateway() +
      service('app', app) +
      route(
        'cookie',
        '/cookie',
        persistent('{type: Cookie, absoluteTimeout: 1h, cookie: {name: stay, lifetimeType: Permanent}}'),
      ) +
      route('header', '/header', persistent('{type: Header, header: {name: X-Stay}}')),
  );
  const first = await fetch(`${urlOf(running)}/cookie`);
  const [cookie = ''] = first.headers.getSetCookie();
  assert.match(cookie, /^stay=[\w-]+; Path=\/; Max-Age=3600; HttpOnly; SameSite=Strict$/);
  const name = await first.text();
  for (let i = 0; i < 20; i++) {
    const again = await fetch(`${urlOf(running)}/cookie`, { headers: { cookie: cookie.split(';')[0] as string } });
    assert.equal(await again.text(), name);
  }
  const other = await fetch(`${urlOf(running)}/header`);
  const token = other.headers.get('x-stay') as string;
  const otherName = await other.text();
  for (let i = 0; i < 20; i++) {
    const again = await fetch(`${urlOf(running)}/header`, { headers: { 'x-stay': token } });
    assert.equal(await again.text(), otherName);
  }
});

test('a retry budget of an XBackendTrafficPolicy', async (t) => {
  let attempts = 0;
  const failing = await httpBackend(t, (_, response) => {
    attempts++;
    response.writeHead(500).end();
  });
  const running = await serving(
    t,
    `${gateway()}${service('app', [failing])}${route('app', '/', 'retry: {attempts: 3, codes: [500], backoff: 1ms}\n    backendRefs: [{name: app, port: 80}]')}---
apiVersion: gateway.networking.x-k8s.io/v1alpha1
kind: XBackendTrafficPolicy
metadata: {name: budget}
spec:
  targetRefs: [{group: "", kind: Service, name: app}]
  retryConstraint: {budget: {percent: 20, interval: 10s}, minRetryRate: {count: 5, interval: 10s}}
`,
  );
  const statuses: number[] = [];
  for (let i = 0; i < 20; i++) statuses.push((await fetch(urlOf(running))).status);
  assert.equal(attempts, 25, 'five retries for twenty requests');
  assert.equal(statuses.filter((status) => status === 503).length, 19);
});
