// The naive matcher, `explain` and every data plane at hand answer the same generated requests over the same generated objects,
// and have to agree: on the rule that takes a request, on what the backend gets and on what the client gets back. One pipeline
// serves all models, each as a change of the one before.
//   PORTOLAN_AGREEMENT=200x100   models x requests of each (default 20x25)
//   PORTOLAN_AGREEMENT_SEED=N    the same ones again
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { stringify } from 'yaml';
import type { KubeObject } from '../../src/api/objects.ts';
import type { Tables } from '../../src/pipeline/tables.ts';
import type { Frontend, Rule } from '../../src/routing/model.ts';
import { explain } from '../../src/tools/explain/explain.ts';
import { envoyBinary, noEnvoy } from '../features/envoy-binary.ts';
import { hostsOf } from '../oracle/hosts.ts';
import { oracle, oracleListener, type OracleRequest } from '../oracle/oracle.ts';
import type { Asked } from './models.ts';
import { objects, requests } from './models.ts';
import type { Backend, Seen } from './peers.ts';
import { REDIRECTED, startBackend } from './peers.ts';
import type { DataPlane } from './subject.ts';
import { startEmbedded, startEnvoy, Subject } from './subject.ts';

const [models = 20, each = 25] = (process.env['PORTOLAN_AGREEMENT'] ?? '20x25').split('x').map(Number);
const seed = process.env['PORTOLAN_AGREEMENT_SEED'];

const envoy = envoyBinary();

const backends: Backend[] = [];
const planes: DataPlane[] = [];

before(async () => {
  for (const name of ['red', 'green', 'blue']) backends.push(await startBackend(name, 'http1'));
  backends.push(await startBackend('rpc', 'h2c'));
  planes.push(await startEmbedded());
  if (envoy !== undefined) planes.push(await startEnvoy(envoy, false), await startEnvoy(envoy, true));
});

after(async () => {
  for (const plane of planes) await plane.close();
  for (const backend of backends) backend.close();
});

function fixedObjects(): KubeObject[] {
  const gatewayClass = {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'GatewayClass',
    metadata: { name: 'any' },
    spec: { controllerName: 'portolan.dev/gateway-controller' },
  };
  const services = ['red', 'green', 'blue', 'rpc'].flatMap((name, at) => {
    const port = { port: 80, ...(name === 'rpc' ? { appProtocol: 'kubernetes.io/h2c' } : {}) };
    return [
      { apiVersion: 'v1', kind: 'Service', metadata: { name, namespace: 'ns' }, spec: { ports: [port] } },
      {
        apiVersion: 'discovery.k8s.io/v1',
        kind: 'EndpointSlice',
        metadata: { name, namespace: 'ns', labels: { 'kubernetes.io/service-name': name } },
        addressType: 'IPv4',
        endpoints: [{ addresses: ['127.0.0.1'], conditions: { ready: true } }],
        ports: [{ port: (backends[at] as Backend).port }],
      },
    ];
  });
  return [gatewayClass, ...services];
}

test('oracle, explain and data planes agree', { timeout: 30 * 60_000 }, async (t) => {
  if (noEnvoy !== false) t.diagnostic(`only the embedded engine: ${noEnvoy}`);
  const subject = new Subject(fixedObjects());
  const rows = subject.pipeline.snapshot();
  for (const plane of planes) await plane.apply(rows);
  const tally = { requests: 0, forwarded: 0 };
  const property = fc.asyncProperty(
    fc.noBias(objects),
    fc.array(fc.noBias(requests), { minLength: each, maxLength: each, size: 'max' }),
    async (set, asked) => {
      const update = subject.replace(set);
      await Promise.all(planes.map((plane) => plane.apply(update)));
      for (const one of asked) {
        tally.requests++;
        if (await agree(subject.pipeline.tables, set, one)) tally.forwarded++;
      }
    },
  );
  await fc.assert(property, {
    numRuns: models,
    ...(seed === undefined ? {} : { seed: Number(seed) }),
    // Shrinking asks again and again, and need not come to its end.
    interruptAfterTimeLimit: 25 * 60_000,
  });
  const reached = `${tally.forwarded} of ${tally.requests} reached a backend`;
  t.diagnostic(reached);
  // A few models with little in them can make it much less than it is on average.
  assert.ok(tally.forwarded > tally.requests / 50, reached);
});

/** Says whether the request reached a backend. */
async function agree(tables: Tables, set: readonly KubeObject[], asked: Asked): Promise<boolean> {
  const [first, ...others] = await Promise.all(planes.map(({ client }) => client.ask(asked)));
  const seen = first as Seen;
  const tell = (what: string): string =>
    `${what}\n${JSON.stringify(asked)}\n${[seen, ...others].map((answer, at) => `${planes[at]?.name}: ${JSON.stringify(answer)}`).join('\n')}\n${set.map((object) => stringify(object, { aliasDuplicateObjects: false })).join('---\n')}`;
  const hold = (actual: unknown, expected: unknown, what: string): void => {
    // The whole of it is told only when it is worth it.
    if (!isDeepStrictEqual(actual, expected)) assert.deepEqual(actual, expected, tell(what));
  };
  others.forEach((other, at) => hold(other, seen, `${planes[at + 1]?.name} and ${planes[0]?.name} differ`));
  const expected = expectation(tables, asked);
  if (expected !== undefined) {
    hold(observed(seen), expected.outcome, 'not what the naive matcher expects');
    hold(explained(tables, asked), expected.rule, 'explain names another rule than the naive matcher');
  }
  return seen.backend !== undefined;
}

interface Outcome {
  readonly status: number;
  readonly backend: string | undefined;
  /** The mark that rules put on what they forward. */
  readonly mark: string | undefined;
}

function observed({ status, fields, backend }: Seen): Outcome {
  const grpc = fields['grpc-status'];
  return {
    status: grpc === undefined || grpc === '0' ? status : Number(`-${grpc}`),
    backend: backend?.name,
    mark: backend?.fields['x-rule'],
  };
}

/** Undefined where only the data planes are compared: CORS preflights, and targets that are refused. */
function expectation(
  tables: Tables,
  asked: Asked,
): { readonly outcome: Outcome; readonly rule: string | undefined } | undefined {
  const request = naiveRequest(asked);
  if (request === undefined) return undefined;
  const frontends = [...tables.frontends.keys()].map((key) => tables.frontends.get(key) as Frontend);
  const frontend = oracleListener(frontends, request.host);
  const entry = oracle(hostsOf(tables, frontend), request);
  const rule = entry === undefined ? undefined : tables.rules.get(entry.rule);
  return { outcome: outcomeOf(tables, rule, asked.grpc), rule: rule?.key };
}

function outcomeOf(tables: Tables, rule: Rule | undefined, grpc: boolean): Outcome {
  const none = { backend: undefined, mark: undefined };
  // Statuses of gRPC are negative: UNIMPLEMENTED, UNAVAILABLE.
  if (rule === undefined) return { status: grpc ? -12 : 404, ...none };
  const { action } = rule;
  if (action.kind === 'redirect') return { status: grpc ? REDIRECTED : action.redirect.status, ...none };
  if (action.kind === 'respond') return { status: grpc ? -14 : action.status, ...none };
  const chosen = action.backends.find(({ weight }) => weight > 0)?.target;
  const asCall = grpc || rule.protocol === 'grpc';
  if (chosen?.kind !== 'cluster') return { status: asCall ? -14 : 500, ...none };
  const cluster = tables.clusters.get(chosen.cluster);
  if (cluster?.backend.name === 'empty') return { status: asCall ? -14 : 503, ...none };
  const [, route = '', index = ''] = /\|(?:HTTP|GRPC)Route\/ns\/r(\d+)\|(\d+)$/.exec(rule.key) ?? [];
  return {
    status: 200,
    backend: cluster?.backend.name,
    mark: `${rule.protocol === 'grpc' ? 'g' : 'h'}${route}.${index}`,
  };
}

/** As the standard sees it; undefined for what it does not speak of. */
function naiveRequest({ grpc, host, target, method, headers }: Asked): OracleRequest | undefined {
  const names = new Set(headers.map(([name]) => name));
  if (method === 'OPTIONS' && names.has('origin') && names.has('access-control-request-method')) return undefined;
  const [, path = '', , query = ''] = /^([^?]*)(\?(.*))?$/.exec(target) ?? [];
  if (/%(e9|62)|\/\.\.?\//i.test(path)) return undefined;
  const joined: Record<string, string> = {};
  for (const [name, value] of headers) {
    const key = name.toLowerCase();
    joined[key] = joined[key] === undefined ? value : `${joined[key]}, ${value}`;
  }
  if (Object.values(joined).some((value) => value.includes(','))) return undefined;
  const parameters: Record<string, string> = {};
  for (const [name, value] of new URLSearchParams(query)) parameters[name] ??= value;
  return {
    host: host.toLowerCase().replace(/:\d+$/, '').replace(/\.$/, ''),
    path,
    method: grpc ? 'POST' : method,
    grpc,
    headers: joined,
    query: parameters,
  };
}

function explained(tables: Tables, { grpc, host, target, method, headers }: Asked): string | undefined {
  const explanation = explain(tables, {
    method: grpc ? 'POST' : method,
    url: `http://${host}${target}`,
    headers: [
      ...headers.map(([name, value]) => ({ name, value })),
      ...(grpc ? [{ name: 'content-type', value: 'application/grpc' }] : []),
    ],
  });
  assert.ok(!('misasked' in explanation), JSON.stringify(explanation));
  const outcome = explanation.answers[0]?.outcome;
  return outcome?.kind === 'taken' ? outcome.winner.rule : undefined;
}
