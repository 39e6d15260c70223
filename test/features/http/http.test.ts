// Each case: objects, then requests with what must come of them, through real sockets. A case names the official features
// that it shows; the features table names the case.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from '../engine-tests.ts';
import { parse } from 'yaml';
import type { KubeObject } from '../../../src/api/objects.ts';
import { ask, serveObjects, type Answer } from '../gateway-fixture.ts';

interface Case {
  readonly shows: readonly string[];
  /** Services of namespace default with port 8080 and an echo behind each. */
  readonly services?: readonly string[];
  readonly objects: readonly KubeObject[];
  readonly requests: readonly Exchange[];
}

interface Exchange {
  /** `[METHOD ]HOST/PATH`, on port 80 of Gateway default/gateway unless `on` says another. */
  readonly send: string;
  readonly on?: { readonly gateway?: string; readonly port?: number };
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly status?: number;
  /** The Service that answers, as `name` or `namespace/name`. */
  readonly backend?: string;
  /** What the backend receives. */
  readonly received?: {
    readonly path?: string;
    readonly host?: string;
    readonly headers?: Readonly<Record<string, string | null>>;
  };
  /** Headers of the answer; null: absent. */
  readonly response?: Readonly<Record<string, string | null>>;
  /** Instead of one request: so many, of which each backend takes about this share (within 10 of 100). */
  readonly shares?: Readonly<Record<string, number>>;
}

const base: KubeObject = {
  apiVersion: 'gateway.networking.k8s.io/v1',
  kind: 'Gateway',
  metadata: { name: 'gateway' },
  spec: {
    gatewayClassName: 'portolan',
    listeners: [{ name: 'http', port: 80, protocol: 'HTTP', allowedRoutes: { namespaces: { from: 'All' } } }],
  },
};

for (const file of readdirSync(import.meta.dirname)
  .filter((name) => name.endsWith('.yaml'))
  .toSorted()) {
  const {
    shows,
    services = [],
    objects,
    requests,
  } = parse(readFileSync(join(import.meta.dirname, file), 'utf8')) as Case;
  test(`${file.slice(0, -5)} (${shows.join(', ')})`, async (t) => {
    const own = objects.some(({ kind, metadata }) => kind === 'Gateway' && metadata.name === 'gateway') ? [] : [base];
    const gateway = await serveObjects(t, [...own, ...services.map(service), ...objects.map(completed)]);
    for (const exchange of requests) {
      await t.test(`${exchange.send} ${JSON.stringify(exchange.headers ?? {})}`, async () => {
        const port = gateway.port(exchange.on?.gateway ?? 'default/gateway', exchange.on?.port ?? 80);
        if (exchange.shares === undefined) check(exchange, await send(exchange, port));
        else await checkShares(exchange, exchange.shares, port);
      });
    }
  });
}

function service(name: string): KubeObject {
  return { apiVersion: 'v1', kind: 'Service', metadata: { name }, spec: { ports: [{ port: 8080 }] } };
}

/** Routes attach to the Gateway of the cases unless they say where. */
function completed(object: KubeObject): KubeObject {
  if (!object.kind.endsWith('Route')) return object;
  return {
    ...object,
    spec: { parentRefs: [{ name: 'gateway', namespace: 'default' }], ...(object['spec'] as object) },
  };
}

function send({ send: line, headers, body }: Exchange, port: number): Promise<Answer> {
  const [, method, host = '', path = '/'] = /^(?:([A-Z]+) )?([^/]*)(\/.*)?$/.exec(line) ?? [];
  return ask({
    port,
    host,
    path,
    ...(method === undefined ? {} : { method }),
    ...(headers === undefined ? {} : { headers }),
    ...(body === undefined ? {} : { body }),
  });
}

function check(exchange: Exchange, answer: Answer): void {
  assert.equal(answer.status, exchange.status ?? 200, answer.body);
  for (const [name, value] of Object.entries(exchange.response ?? {})) {
    assert.equal(answer.headers[name.toLowerCase()] ?? null, value, `response header ${name}`);
  }
  const { echoed } = answer;
  if (exchange.backend !== undefined) assert.equal(nameOf(answer, exchange.backend), exchange.backend);
  const { received } = exchange;
  if (received === undefined) return;
  assert.ok(echoed, 'a backend should have answered');
  if (received.path !== undefined) assert.equal(echoed.path, received.path);
  if (received.host !== undefined) assert.equal(echoed.host, received.host);
  for (const [name, value] of Object.entries(received.headers ?? {})) {
    const given: string | string[] | undefined = echoed.headers[name.toLowerCase()];
    assert.equal(given === undefined ? null : String(given).replaceAll(', ', ','), value, `request header ${name}`);
  }
}

function nameOf({ echoed, headers }: Answer, like: string): string | undefined {
  const name = echoed?.service ?? headers['x-echo-service'];
  return like.includes('/')
    ? `${echoed?.namespace ?? String(headers['x-echo-namespace'])}/${String(name)}`
    : name?.toString();
}

async function checkShares(exchange: Exchange, shares: Readonly<Record<string, number>>, port: number): Promise<void> {
  const total = 300;
  const counts = new Map<string, number>();
  for (let n = 0; n < total; n++) {
    const answer = await send(exchange, port);
    const name = answer.status === 200 ? (answer.echoed?.service ?? '?') : String(answer.status);
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  for (const [name, share] of Object.entries(shares)) {
    const found = ((counts.get(name) ?? 0) / total) * 100;
    if (share === 0 || share === 100) assert.equal(found, share, `${name} of ${JSON.stringify([...counts])}`);
    else assert.ok(Math.abs(found - share) <= 10, `${name}: ${found.toFixed(1)} of 100 instead of ${share}`);
  }
}
