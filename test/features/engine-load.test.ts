// Load on a gateway whose configuration never rests: rules come, change and go, a route moves to another Service whose cluster is new,
// backends are replaced as a Deployment does it, listeners come and go beside those in use, the certificate is another one each
// second. No request may fail. PORTOLAN_LOAD_SECONDS sets for how long.
import assert from 'node:assert/strict';
import http from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { KubeObject } from '../../src/api/objects.ts';
import { test, type TestContext } from './engine-tests.ts';
import { type Gateway, serveObjects } from './gateway-fixture.ts';
import { Load } from './load.ts';
import { onEnvoy } from './test-engine.ts';
import { certificateFor } from './tls-certificates.ts';
import { freePort } from '../free-port.ts';

const SECONDS = Number(process.env['PORTOLAN_LOAD_SECONDS'] ?? (onEnvoy ? 20 : 5));
const HOST = 'load.example';
const api = 'gateway.networking.k8s.io/v1';
/** What a Pod waits for before it ends, so that all have heard of it. */
const GRACE = 1000;

test('0 failed while routes, endpoints, listeners and certificates change', { timeout: 120_000 }, async (t) => {
  const pods = [await Pod.start(t), await Pod.start(t)];
  const pairs = await Promise.all([0, 1, 2].map(() => certificateFor('default/pair', [HOST])));
  const gateway = await serveObjects(t, [
    gatewayObject(0),
    secret(pairs[0]),
    route(0),
    service('app-0'),
    slice('app-0', pods, []),
  ]);
  const changes = new Changes(gateway, t, pods, pairs);
  const load = new Load({
    clear: gateway.port('default/web', 80),
    secure: gateway.port('default/web', 443),
    host: HOST,
    rate: onEnvoy ? 40 : 25,
  });
  const end = Date.now() + SECONDS * 1000;
  // Longer on a machine that is too busy for as many changes in that time.
  while (Date.now() < end || changes.count <= SECONDS * 2) {
    await changes.next();
    await sleep(40);
  }
  const { done, failed } = await load.stop();
  t.diagnostic(`${changes.count} changes; ${JSON.stringify(done)}`);
  assert.deepEqual(failed, {});
  assert.equal(Object.keys(done).length, 6);
  for (const [kind, count] of Object.entries(done)) assert.ok(count > SECONDS * 5, `${count} ${kind}`);
});

/** One after the other, all of one kind after the other. */
class Changes {
  readonly #gateway: Gateway;
  readonly #t: TestContext;
  readonly #pairs: Awaited<ReturnType<typeof certificateFor>>[];
  #pods: Pod[];
  #service = 0;
  count = 0;

  constructor(gateway: Gateway, t: TestContext, pods: Pod[], pairs: Awaited<ReturnType<typeof certificateFor>>[]) {
    this.#gateway = gateway;
    this.#t = t;
    this.#pods = pods;
    this.#pairs = pairs;
  }

  async next(): Promise<void> {
    const at = ++this.count;
    const all = [
      () => this.#gateway.apply(route(this.#service, at)),
      () => this.#rollOne(),
      () => this.#gateway.apply(secret(this.#pairs[at % this.#pairs.length])),
      () => this.#moveService(),
      () => this.#gateway.apply(gatewayObject(at)),
    ];
    await all[at % all.length]?.();
  }

  /** A new Pod comes before the oldest one ends. */
  async #rollOne(): Promise<void> {
    const fresh = await Pod.start(this.#t);
    const [oldest, ...others] = this.#pods;
    if (oldest === undefined) return;
    const name = `app-${this.#service}`;
    await this.#gateway.apply(slice(name, [...this.#pods, fresh], []));
    this.#pods = [...others, fresh];
    await this.#gateway.apply(slice(name, this.#pods, [oldest]));
    await this.#gateway.apply(slice(name, this.#pods, []));
    setTimeout(() => oldest.end(), GRACE);
  }

  /** The Service comes with the change of the route that needs it, and the old one goes with it. */
  async #moveService(): Promise<void> {
    const before = this.#service++;
    const name = `app-${this.#service}`;
    await this.#gateway.apply(slice(name, this.#pods, []), service(name), route(this.#service, this.count));
    await this.#gateway.delete(service(`app-${before}`));
    await this.#gateway.delete(slice(`app-${before}`, [], []));
  }
}

/** Ends as a good server does: who is served gets the answer, and nobody new is let in. */
class Pod {
  /** The same for all, at another address each. */
  static port = 0;
  static #last = 0;
  readonly address: string;
  readonly #server: http.Server;

  static async start(t: TestContext): Promise<Pod> {
    const server = http.createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
      request.resume();
      // Some take a moment, so that there is always something under way.
      request.on('end', () => setTimeout(() => response.end('fine'), Math.random() * 20));
    });
    Pod.port ||= await freePort();
    const number = ++Pod.#last;
    const address = `127.1.${number >> 8}.${number & 255}`;
    await new Promise<void>((resolve) => server.listen(Pod.port, address, resolve));
    t.after(() => server.close().closeAllConnections());
    return new Pod(server, address);
  }

  constructor(server: http.Server, address: string) {
    this.#server = server;
    this.address = address;
  }

  end(): void {
    this.#server.close();
    this.#server.closeIdleConnections();
  }
}

/** @param at beside those that are asked, other listeners come and go: on the same ports, and on one of their own */
function gatewayObject(at: number): KubeObject {
  const certificateRefs = [{ name: 'pair' }];
  const others = [
    { name: 'other', port: 80, protocol: 'HTTP', hostname: 'other.example' },
    { name: 'other-tls', port: 443, protocol: 'HTTPS', hostname: 'other.example', tls: { certificateRefs } },
    { name: 'apart', port: 8080, protocol: 'HTTP' },
  ];
  return {
    apiVersion: api,
    kind: 'Gateway',
    metadata: { name: 'web' },
    spec: {
      gatewayClassName: 'portolan',
      listeners: [
        { name: 'http', port: 80, protocol: 'HTTP' },
        { name: 'https', port: 443, protocol: 'HTTPS', tls: { certificateRefs } },
        ...others.filter((_, index) => ((at >> 1) & (1 << index)) !== 0),
      ],
    },
  };
}

/** The rule that is asked changes, too: it says its version. */
function route(service: number, at = 0): KubeObject {
  const backendRefs = [{ name: `app-${service}`, port: 80 }];
  const set = [{ name: 'x-version', value: String(at) }];
  const others = Array.from({ length: at % 7 }, (_, index) => ({
    matches: [{ path: { value: `/v${at}/${index}` } }],
    backendRefs,
  }));
  const said = { filters: [{ type: 'ResponseHeaderModifier', responseHeaderModifier: { set } }], backendRefs };
  return {
    apiVersion: api,
    kind: 'HTTPRoute',
    metadata: { name: 'app' },
    spec: {
      parentRefs: [
        { name: 'web', sectionName: 'http' },
        { name: 'web', sectionName: 'https' },
      ],
      hostnames: [HOST, ...(at % 3 === 0 ? [`v${at}.example`] : [])],
      rules: [...others, said],
    },
  };
}

function secret(pair: Awaited<ReturnType<typeof certificateFor>> | undefined): KubeObject {
  const base64 = (text = ''): string => Buffer.from(text).toString('base64');
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'pair' },
    type: 'kubernetes.io/tls',
    data: { 'tls.crt': base64(pair?.certificate), 'tls.key': base64(pair?.privateKey) },
  };
}

function service(name: string): KubeObject {
  return { apiVersion: 'v1', kind: 'Service', metadata: { name }, spec: { ports: [{ port: 80 }] } };
}

/** @param ending as a Pod is shown that has been told to end: not ready, and still serving */
function slice(name: string, ready: readonly Pod[], ending: readonly Pod[]): KubeObject {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: `${name}-1`, labels: { 'kubernetes.io/service-name': name } },
    addressType: 'IPv4',
    endpoints: [
      ...ready.map(({ address }) => ({ addresses: [address], conditions: { ready: true } })),
      ...ending.map(({ address }) => ({
        addresses: [address],
        conditions: { ready: false, serving: true, terminating: true },
      })),
    ],
    ports: [{ port: Pod.port }],
  };
}
