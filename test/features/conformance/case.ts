// A conformance case: objects, what must come of requests to them, and the statuses; then, in steps, what changes. The checks
// of each part.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Condition } from '../../../src/status/object-status.ts';
import { answerHeader, idHeader, type Received } from './backends.ts';
import { ask, call, converse, type Answer } from './clients.ts';
import { controllerName, home, type Sketch, type World } from './world.ts';

export interface Case extends Step {
  /** The name of the official test whose behaviour it shows. */
  readonly test: string;
  /** Official features that it shows. */
  readonly features: readonly string[];
  /** One after the other. */
  readonly then?: readonly Step[];
}

export interface Step {
  readonly why?: string;
  readonly objects?: readonly Sketch[];
  readonly delete?: readonly Sketch[];
  readonly requests?: readonly Exchange[];
  /** Ports of Gateways that must not be served any more. */
  readonly closed?: readonly { readonly to: string; readonly port: number }[];
  /** By `Kind/name` or `Kind/namespace/name`. Routes and Gateways that are not named must be accepted and served. */
  readonly statuses?: Readonly<Record<string, ExpectedStatus>>;
}

/** `Status` or `Status Reason`, by type. */
type ExpectedConditions = Readonly<Record<string, string>>;

export interface ExpectedStatus {
  readonly conditions?: ExpectedConditions;
  /** Of a route, by the name of the Gateway, or `gateway/section`. */
  readonly parents?: Readonly<Record<string, ExpectedConditions>>;
  /** Of a Gateway, by the name of the listener: all of them. */
  readonly listeners?: Readonly<Record<string, ExpectedListener>>;
  /** Of a Gateway. */
  readonly addresses?: readonly string[];
}

interface ExpectedListener {
  readonly attached?: number;
  /** At least these; none at all: none may be there. */
  readonly kinds?: readonly string[];
  readonly conditions?: ExpectedConditions;
}

export interface Exchange {
  /** `[METHOD ][HOST]/PATH`. */
  readonly send?: string;
  /** Instead, a call: `Service/Method`. */
  readonly call?: string;
  readonly authority?: string;
  /** Instead, a WebSocket at this path, on which messages go and come. */
  readonly converse?: string;
  /** The Gateway and the declared port; default `same` and 80. */
  readonly to?: string;
  readonly port?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Headers that the backend adds to its answer. */
  readonly answer?: Readonly<Record<string, string>>;
  readonly http2?: boolean;
  /** With TLS, to this server name. */
  readonly serverName?: string;
  /** So many times; default 1. */
  readonly times?: number;

  /** Expected, 200 by default. Several: any of them. */
  readonly status?: number | readonly number[];
  /** Expected of a call, 0 by default. */
  readonly code?: number;
  /** The Service that answers: a name in `infra`, or namespace/name. */
  readonly backend?: string;
  readonly received?: {
    readonly path?: string;
    readonly host?: string;
    readonly protocol?: string;
    readonly headers?: Readonly<Record<string, string | null>>;
  };
  /** Headers of the answer. null: absent; several: any of them. Spaces after commas do not count. */
  readonly response?: Readonly<Record<string, string | readonly string[] | null>>;
  /** The Location of the answer, in which `{80}` stands for the local port of the declared port 80. */
  readonly location?: string;
  /** A header that the backend receives, whose value is the backend's own name. */
  readonly sameHeader?: string;
  /** Percent of the requests that each Service answers. */
  readonly shares?: Readonly<Record<string, number>>;
  /** Requests that arrive at each Service beside the one that answers: a number, or percent of `times`. */
  readonly mirrored?: Readonly<Record<string, number | string>>;
  /** Attempts that the backend sees. */
  readonly attempts?: number;
}

/** Applies a step and checks it. @param all the objects of the case up to here */
export async function checkStep(world: World, step: Step, all: readonly Sketch[]): Promise<void> {
  await world.delete(step.delete ?? []);
  await world.apply(step.objects ?? []);
  checkStatuses(world, step.statuses ?? {}, all);
  for (const { to, port } of step.closed ?? [])
    assert.equal(world.port(to, port), undefined, `${to} still serves ${port}`);
  for (const exchange of step.requests ?? []) {
    try {
      await checkExchange(world, exchange);
    } catch (error) {
      const { send, call, converse, headers = {} } = exchange;
      throw new Error(`${send ?? call ?? converse} ${JSON.stringify(headers)}: ${(error as Error).message}`, {
        cause: error,
      });
    }
  }
}

function checkStatuses(world: World, expected: Readonly<Record<string, ExpectedStatus>>, all: readonly Sketch[]): void {
  const named = new Map(Object.entries(expected).map(([name, status]) => [world.object(name), status]));
  for (const sketch of all) {
    const { kind, metadata } = sketch;
    if (!['Gateway', 'GatewayClass', 'HTTPRoute', 'GRPCRoute'].includes(kind)) continue;
    const { namespace = home, name } = metadata as { readonly namespace?: string; readonly name: string };
    const object = world.object(kind === 'GatewayClass' ? `${kind}/${name}` : `${kind}/${namespace}/${name}`);
    if (!named.has(object)) named.set(object, kind.endsWith('Route') ? attached(object['spec']) : programmed);
  }
  for (const [object, status] of named) {
    const what = `${object.kind}/${object.metadata.name}`;
    const found = world.status(object) as FoundStatus;
    checkConditions(what, found.conditions, status.conditions ?? {});
    for (const [name, conditions] of Object.entries(status.parents ?? {})) {
      const parent = found.parents?.find(({ parentRef }) => [parentRef.name, nameOf(parentRef)].includes(name));
      assert.ok(parent, `${what} has no status for ${name}: ${JSON.stringify(found)}`);
      assert.equal(parent.controllerName, controllerName);
      checkConditions(`${what} at ${name}`, parent.conditions, conditions);
    }
    if (status.listeners !== undefined) checkListeners(what, found, status.listeners);
    if (status.addresses !== undefined)
      assert.deepEqual(
        (found.addresses ?? []).map(({ value }) => value),
        status.addresses,
      );
    const all = [found, ...(found.parents ?? []), ...(found.listeners ?? [])].flatMap(
      ({ conditions = [] }) => conditions,
    );
    assert.ok(all.length > 0, `${what} has no conditions`);
    for (const { type, observedGeneration } of all)
      assert.equal(observedGeneration, object.metadata.generation, `${what}: observedGeneration of ${type}`);
  }
}

interface FoundStatus {
  readonly conditions?: readonly Condition[];
  readonly parents?: readonly {
    readonly parentRef: ParentRef;
    readonly controllerName: string;
    readonly conditions: readonly Condition[];
  }[];
  readonly listeners?: readonly {
    readonly name: string;
    readonly attachedRoutes: number;
    readonly supportedKinds?: readonly { readonly kind: string }[];
    readonly conditions: readonly Condition[];
  }[];
  readonly addresses?: readonly { readonly value: string }[];
}

const programmed: ExpectedStatus = { conditions: { Accepted: 'True', Programmed: 'True' } };

function attached(spec: unknown): ExpectedStatus {
  const { parentRefs } = spec as { readonly parentRefs: readonly ParentRef[] };
  const conditions = { Accepted: 'True Accepted', ResolvedRefs: 'True ResolvedRefs' };
  return { parents: Object.fromEntries(parentRefs.map((ref) => [nameOf(ref), conditions])) };
}

interface ParentRef {
  readonly name: string;
  readonly sectionName?: string;
}

function nameOf({ name, sectionName }: ParentRef): string {
  return sectionName === undefined ? name : `${name}/${sectionName}`;
}

function checkConditions(what: string, found: readonly Condition[] | undefined, expected: ExpectedConditions): void {
  for (const [type, text] of Object.entries(expected)) {
    const condition = found?.find((one) => one.type === type);
    const [status, reason = condition?.reason] = text.split(' ');
    assert.equal(
      `${condition?.status} ${condition?.reason}`,
      `${status} ${reason}`,
      `${what}: ${type}: ${condition?.message}`,
    );
  }
}

function checkListeners(what: string, found: FoundStatus, expected: Readonly<Record<string, ExpectedListener>>): void {
  const names = (found.listeners ?? []).map(({ name }) => name);
  assert.deepEqual(names.toSorted(), Object.keys(expected).toSorted(), `${what}: listeners`);
  for (const [name, { attached, kinds, conditions = {} }] of Object.entries(expected)) {
    const listener = found.listeners?.find((one) => one.name === name);
    const known = (listener?.supportedKinds ?? []).map(({ kind }) => kind);
    if (attached !== undefined) assert.equal(listener?.attachedRoutes, attached, `${what}: attached to ${name}`);
    if (kinds?.length === 0) assert.deepEqual(known, [], `${what}: kinds of ${name}`);
    for (const kind of kinds ?? []) assert.ok(known.includes(kind), `${what}: ${kind} is no kind of ${name}`);
    checkConditions(`${what}: ${name}`, listener?.conditions, conditions);
  }
}

async function checkExchange(world: World, exchange: Exchange): Promise<void> {
  const { to = 'same', port: declared = 80, times = 1, shares } = exchange;
  const port = world.port(to, declared);
  assert.ok(port !== undefined, `${to} does not serve ${declared}`);
  if (exchange.converse !== undefined) return converse(port, exchange.converse);
  const id = randomUUID();
  const counts = new Map<string, number>();
  for (let at = 0; at < times; at++) {
    const received = await one(world, exchange, { id, port });
    const name = received?.backend.replace(`${home}/`, '') ?? '';
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  for (const [name, percent] of Object.entries(shares ?? {}))
    near(counts.get(name) ?? 0, percent, { times, what: `answered by ${name}` });
  for (const [name, expected] of Object.entries(exchange.mirrored ?? {}))
    await checkMirror(world, `${home}/${name}`, { expected, id, times });
  if (exchange.attempts !== undefined && exchange.backend !== undefined)
    assert.equal(world.backends.count(`${home}/${exchange.backend}`, id), exchange.attempts, 'attempts');
}

interface Sending {
  readonly id: string;
  readonly port: number;
}

async function one(world: World, exchange: Exchange, { id, port }: Sending): Promise<Received | undefined> {
  const headers = {
    ...exchange.headers,
    [idHeader]: id,
    ...(exchange.answer === undefined ? {} : { [answerHeader]: JSON.stringify(exchange.answer) }),
  };
  if (exchange.call !== undefined) {
    const { authority = 'gateway.test', code = 0 } = exchange;
    const called = await call({ port, path: `/${exchange.call}`, authority, metadata: headers });
    assert.equal(called.code, code, 'code of the call');
    checkReceived(exchange, called.received);
    return called.received;
  }
  const [, method = 'GET', host, path = '/'] = /^(?:([A-Z]+) )?([^/]*)(\/.*)$/.exec(exchange.send ?? '') ?? [];
  const answer = await ask({
    port,
    method,
    host: host === undefined || host === '' ? 'gateway.test' : host,
    path,
    headers,
    ...(exchange.http2 === undefined ? {} : { http2: exchange.http2 }),
    ...(exchange.serverName === undefined ? {} : { tls: { serverName: exchange.serverName, ca: world.certificate } }),
  });
  checkAnswer(world, exchange, answer);
  if (answer.status === 200 && method !== 'OPTIONS') checkReceived(exchange, answer.received);
  return answer.received;
}

function checkAnswer(world: World, exchange: Exchange, answer: Answer): void {
  const { status = 200, response = {}, location, to = 'same' } = exchange;
  const statuses: readonly number[] = typeof status === 'number' ? [status] : status;
  assert.ok(statuses.includes(answer.status), `${answer.status} instead of ${statuses.join(' or ')}`);
  for (const [name, expected] of Object.entries(response)) {
    const found = answer.headers[name.toLowerCase()]?.replaceAll(/, +/g, ',') ?? null;
    const wanted: readonly (string | null)[] = Array.isArray(expected) ? expected : [expected as string | null];
    assert.ok(
      wanted.some((value) => (value?.replaceAll(/, +/g, ',') ?? null) === found),
      `response header ${name} is ${found} instead of ${wanted.join(' or ')}`,
    );
  }
  if (location !== undefined)
    assert.equal(
      answer.headers['location'],
      location.replaceAll(/\{(\d+)\}/g, (_, declared) => `:${world.port(to, Number(declared))}`),
    );
}

function checkReceived(exchange: Exchange, received: Received | undefined): void {
  const { backend, received: expected, code = 0, sameHeader } = exchange;
  if (code !== 0) return;
  assert.ok(received, 'no backend answered');
  if (sameHeader !== undefined)
    assert.equal(`${home}/${received.headers[sameHeader.toLowerCase()]}`, received.backend, sameHeader);
  if (backend !== undefined) assert.equal(received.backend.replace(`${home}/`, ''), backend, 'backend');
  if (expected?.path !== undefined) assert.equal(received.path, expected.path, 'path');
  if (expected?.host !== undefined) assert.equal(received.host, expected.host, 'host');
  if (expected?.protocol !== undefined) assert.equal(received.protocol, expected.protocol, 'protocol');
  for (const [name, value] of Object.entries(expected?.headers ?? {}))
    assert.equal(
      received.headers[name.toLowerCase()]?.replaceAll(/, +/g, ',') ?? null,
      value,
      `request header ${name}`,
    );
}

async function checkMirror(
  world: World,
  backend: string,
  { expected, id, times }: { readonly expected: number | string; readonly id: string; readonly times: number },
): Promise<void> {
  const least = typeof expected === 'number' ? expected : 1;
  for (let waited = 0; waited < 100 && world.backends.count(backend, id) < least; waited++) await sleep(20);
  // Time for more than there should be.
  await sleep(100);
  const found = world.backends.count(backend, id);
  if (typeof expected === 'number') assert.equal(found, expected, `mirrored to ${backend}`);
  else near(found, Number.parseInt(expected, 10), { times, what: `mirrored to ${backend}` });
}

/** Within 4.5 standard deviations of the binomial distribution: seven in a million right shares are found wrong. */
function near(
  found: number,
  percent: number,
  { times, what }: { readonly times: number; readonly what: string },
): void {
  const share = percent / 100;
  const margin = 4.5 * Math.sqrt(times * share * (1 - share));
  assert.ok(
    Math.abs(found - times * share) <= margin,
    `${what}: ${found} of ${times} instead of ${percent} percent, give or take ${margin.toFixed(0)}`,
  );
}
