// The protocol of delta xDS without a transport: nodes that say exactly what the test wants, and what they are sent.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Connection, DeltaServer, type DeltaServerOptions } from './delta-server.ts';
import type { DeltaRequest, DeltaResponse } from './discovery.ts';
import type { PublishOutcome, Refusal, Resource, ResourceChanges } from './resource.ts';

const [A, B, C] = ['type/a', 'type/b', 'type/c'] as const;
const gateway = 'ns/web';

function resource(name: string, version = '1', more: Partial<Resource> = {}): Resource {
  return { name, version, bytes: Buffer.from(`${name}=${version}`), ...more };
}

function set(typeUrl: string, ...resources: readonly Resource[]): ResourceChanges {
  return { typeUrl, set: resources, remove: [] };
}

function remove(typeUrl: string, ...names: readonly string[]): ResourceChanges {
  return { typeUrl, set: [], remove: names };
}

function server(options: Partial<DeltaServerOptions> = {}): DeltaServer {
  return new DeltaServer({ order: [A, B, C], essential: [A], ackTimeout: 200, ...options });
}

/** A node that keeps what it accepts; it answers when it is told to, or at once. */
class FakeNode {
  readonly have = new Map<string, string>();
  readonly got: DeltaResponse[] = [];
  /** Not answered yet. */
  readonly open: DeltaResponse[] = [];
  refusals = 0;
  ended = '';
  readonly #connection: Connection;
  readonly #auto: (response: DeltaResponse) => string | undefined;

  constructor(to: DeltaServer, auto: (response: DeltaResponse) => string | undefined = () => undefined, at = gateway) {
    this.#auto = auto;
    const connection = to.connect(at, {
      write: (response) => {
        this.got.push(response);
        this.open.push(response);
        queueMicrotask(() => {
          const word = this.#auto(response);
          if (word !== 'later') this.answer(response, word);
        });
        return true;
      },
      refuse: (message) => {
        this.ended = message;
      },
    });
    assert.ok(connection);
    this.#connection = connection;
  }

  ask(typeUrl: string, subscribe: readonly string[] = [], more: Partial<DeltaRequest> = {}): this {
    this.#connection.request({
      node: { id: 'n', agent: 'test' },
      typeUrl,
      subscribe,
      unsubscribe: [],
      initialVersions: new Map(),
      nonce: '',
      ...more,
    });
    return this;
  }

  answer(response: DeltaResponse, error?: string): void {
    this.open.splice(this.open.indexOf(response), 1);
    const { typeUrl, nonce } = response;
    if (error === undefined) {
      for (const { name, version } of response.resources) this.have.set(`${typeUrl} ${name}`, version);
      for (const name of response.removed) this.have.delete(`${typeUrl} ${name}`);
    } else this.refusals++;
    this.ask(typeUrl, [], { nonce, ...(error === undefined ? {} : { error }) });
  }

  close(): void {
    this.#connection.close();
  }

  /** What was sent since the last call: type, names with versions, removed ones. */
  sent(): readonly string[] {
    return this.got
      .splice(0)
      .map(({ typeUrl, resources, removed }) =>
        [
          typeUrl.at(-1),
          ...resources.map(({ name, version }) => `${name}@${version}`),
          ...removed.map((name) => `-${name}`),
        ].join(' '),
      );
  }
}

const later = (): 'later' => 'later';
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('a wildcard subscription is sent everything of its type, and then what changes', async () => {
  const delta = server();
  void delta.publish(gateway, [set(A, resource('x'), resource('y')), set(B, resource('z'))]);
  const node = new FakeNode(delta).ask(A);
  await turn();
  assert.deepEqual(node.sent(), ['a x@1 y@1']);
  assert.deepEqual(await delta.publish(gateway, [set(A, resource('y', '2')), remove(A, 'x'), set(B, resource('q'))]), {
    outcome: 'acknowledged',
  });
  assert.deepEqual(node.sent(), ['a y@2', 'a -x']);
  await delta.publish(gateway, [set(A, resource('y', '2'))]);
  assert.deepEqual(node.sent(), [], 'the same version does not travel');
});

test('a named subscription is sent those names, now or when they come, and is told of those that do not exist', async () => {
  const delta = server();
  void delta.publish(gateway, [set(B, resource('x'), resource('y'))]);
  const node = new FakeNode(delta).ask(A).ask(B, ['y', 'z']);
  await turn();
  assert.deepEqual(node.sent(), ['a', 'b y@1 -z']);
  await delta.publish(gateway, [set(B, resource('x', '2'), resource('z'))]);
  assert.deepEqual(node.sent(), ['b z@1']);
  node.ask(B, ['x'], { unsubscribe: ['y'] });
  await turn();
  assert.deepEqual(node.sent(), ['b x@2']);
  await delta.publish(gateway, [set(B, resource('y', '2'))]);
  assert.deepEqual(node.sent(), []);
  node.ask(B, ['x']);
  await turn();
  assert.deepEqual(node.sent(), ['b x@2'], 'asked for again is sent again');
});

test('"*" begins and ends a wildcard subscription beside names', async () => {
  const delta = server();
  void delta.publish(gateway, [set(A, resource('x'), resource('y'))]);
  const node = new FakeNode(delta).ask(A, ['x']);
  await turn();
  assert.deepEqual(node.sent(), ['a x@1']);
  node.ask(A, ['*']);
  await turn();
  assert.ok(node.have.has(`${A} y`));
  node.sent();
  node.ask(A, [], { unsubscribe: ['*'] });
  await delta.publish(gateway, [set(A, resource('x', '2'), resource('y', '2'))]);
  assert.deepEqual(node.sent(), ['a x@2']);
});

test('on a new stream only what differs travels', async () => {
  const delta = server();
  void delta.publish(gateway, [set(A, resource('same'), resource('newer', '2'), resource('new'))]);
  const node = new FakeNode(delta).ask(A, [], {
    initialVersions: new Map([
      ['same', '1'],
      ['newer', '1'],
      ['gone', '1'],
    ]),
  });
  await turn();
  assert.deepEqual(node.sent(), ['a newer@2 new@1', 'a -gone']);
  const other = new FakeNode(delta).ask(A, [], {
    initialVersions: new Map([
      ['same', '1'],
      ['newer', '2'],
      ['new', '1'],
    ]),
  });
  await turn();
  assert.deepEqual(other.sent(), ['a'], 'an empty answer says that nothing differs');
});

test('types are set in order and removed in reverse, each acknowledged before the next', async () => {
  const delta = server();
  void delta.publish(
    gateway,
    [A, B, C].map((type) => set(type, resource('old'))),
  );
  const node = new FakeNode(delta, later).ask(A).ask(B).ask(C);
  const acknowledge = (): void => {
    for (const response of node.open.slice()) node.answer(response);
  };
  for (let i = 0; i < 9; i++) acknowledge();
  node.sent();
  void delta.publish(
    gateway,
    [C, B, A].flatMap((type) => [set(type, resource('new')), remove(type, 'old')]),
  );
  const order: string[] = [];
  for (let i = 0; i < 9; i++) {
    assert.ok(node.open.length <= 1);
    order.push(...node.sent());
    acknowledge();
  }
  assert.deepEqual(order, ['a new@1', 'b new@1', 'c new@1', 'c -old', 'b -old', 'a -old']);
});

test('with a type that commits, the others go at once and it goes behind them', async () => {
  const delta = server({ commit: C });
  void delta.publish(
    gateway,
    [A, B, C].map((type) => set(type, resource('old'))),
  );
  const node = new FakeNode(delta, later).ask(A).ask(B).ask(C);
  const acknowledge = (): void => {
    for (const response of node.open.slice()) node.answer(response);
  };
  for (let i = 0; i < 9; i++) acknowledge();
  node.sent();
  void delta.publish(
    gateway,
    [A, B, C].flatMap((type) => [set(type, resource('new')), remove(type, 'old')]),
  );
  assert.deepEqual(node.sent(), ['a new@1 -old', 'b new@1 -old']);
  node.answer(node.open[0] as DeltaResponse);
  assert.deepEqual(node.sent(), []);
  node.answer(node.open[0] as DeltaResponse);
  assert.deepEqual(node.sent(), ['c new@1 -old']);
});

test('a slow node is sent the last state, not every state', async () => {
  const delta = server();
  void delta.publish(gateway, [set(A, resource('x', '0'))]);
  const node = new FakeNode(delta, later).ask(A);
  for (let i = 1; i <= 100; i++) void delta.publish(gateway, [set(A, resource('x', String(i)))]);
  assert.deepEqual(node.sent(), ['a x@0']);
  node.answer(node.open[0] as DeltaResponse);
  assert.deepEqual(node.sent(), ['a x@100']);
});

test('what the batch under way does not know yet waits for the next', async () => {
  // x of B names y of A; y came later than the batch began, so that x must not overtake it.
  const delta = server();
  void delta.publish(gateway, [set(A, resource('w')), set(B, resource('x', 'old'))]);
  const node = new FakeNode(delta, later).ask(A).ask(B);
  assert.deepEqual(node.sent(), ['a w@1']);
  void delta.publish(gateway, [set(A, resource('y')), set(B, resource('x', 'names-y'))]);
  const order: string[] = [];
  for (let i = 0; i < 6; i++) {
    for (const response of node.open.slice()) node.answer(response);
    order.push(...node.sent());
  }
  const before = order.indexOf('a y@1');
  assert.ok(before >= 0 && before < order.indexOf('b x@names-y'), order.join(', '));
});

test('what a resource makes a node ask for comes before the types behind', async () => {
  const delta = server({ askTimeout: 5000 });
  void delta.publish(gateway, [
    set(A, resource('cluster', '1', { asks: [{ typeUrl: B, name: 'endpoints' }] })),
    set(B, resource('endpoints')),
    set(C, resource('route')),
  ]);
  const node = new FakeNode(delta);
  node.ask(A).ask(C).ask(B, ['other']);
  await turn();
  assert.deepEqual(
    node.sent().filter((text) => text.startsWith('c ')),
    [],
  );
  node.ask(B, ['endpoints']);
  await turn();
  assert.deepEqual(node.sent(), ['b endpoints@1', 'c route@1']);
});

test('what a node asks for before it acknowledges is sent at once, or it would never acknowledge', async () => {
  const delta = server({ askTimeout: 5000 });
  const cluster = resource('cluster', '1', { asks: [{ typeUrl: B, name: 'endpoints', again: true }] });
  const outcome = delta.publish(gateway, [set(A, cluster), set(B, resource('endpoints')), set(C, resource('route'))]);
  const held: DeltaResponse[] = [];
  const node = new FakeNode(delta, (response) => {
    if (response.resources.some(({ name }) => name === 'cluster')) {
      held.push(response);
      return 'later';
    }
    // The endpoints have come, so the cluster is acknowledged.
    const [waiting] = held.splice(0);
    if (response.typeUrl === B && waiting !== undefined) queueMicrotask(() => node.answer(waiting));
    return undefined;
  });
  node.ask(A).ask(C).ask(B, ['other']);
  await turn();
  node.ask(B, ['endpoints']);
  await turn();
  assert.deepEqual(
    node.sent().filter((text) => !text.startsWith('b -')),
    ['a cluster@1', 'b endpoints@1', 'c route@1'],
  );
  assert.deepEqual(await outcome, { outcome: 'unconnected' });
  // Another version of the cluster: the node waits for endpoints that it has, without a word.
  const again = delta.publish(gateway, [set(A, { ...cluster, version: '2' })]);
  await turn();
  assert.deepEqual(node.sent(), ['a cluster@2', 'b endpoints@1']);
  assert.deepEqual(await again, { outcome: 'acknowledged' });
});

test('what many resources make a node need comes with as few responses as hold it, and nothing twice', async () => {
  const delta = server({ askTimeout: 5000, responseBytes: 1000 });
  const names = Array.from({ length: 12 }, (_, index) => `e${index}`);
  const clusters = (version: string): ResourceChanges =>
    set(
      A,
      // Two that share their endpoints.
      resource('c-too', version, { asks: [{ typeUrl: B, name: 'e0', again: true }] }),
      ...names.map((name) => resource(`c-${name}`, version, { asks: [{ typeUrl: B, name, again: true }] })),
    );
  void delta.publish(gateway, [clusters('1'), set(B, ...names.map((name) => resource(name)))]);
  const node = new FakeNode(delta).ask(B, names).ask(A);
  for (let i = 0; i < 4; i++) await turn();
  assert.equal(node.have.size, 25);
  node.sent();
  assert.deepEqual(await delta.publish(gateway, [clusters('2')]), { outcome: 'acknowledged' });
  const sent = node.sent();
  const endpoints = sent.filter((text) => text.startsWith('b '));
  assert.ok(endpoints.length <= 4, `${endpoints.length} responses of 1000 octets for 12 resources of 106`);
  assert.deepEqual(
    endpoints.flatMap((text) => text.split(' ').slice(1)).sort(),
    names.map((name) => `${name}@1`).sort(),
  );
});

test('a gateway without anything is in force as soon as its nodes were told so', async () => {
  const delta = server({ ackTimeout: 5000 });
  const node = new FakeNode(delta).ask(A);
  assert.deepEqual(await delta.publish(gateway, []), { outcome: 'acknowledged' });
  assert.deepEqual(node.sent(), ['a']);
  assert.equal(delta.nodes(gateway)[0]?.revision, 1);
});

test('a change is in force when the node has what a type holds that it asks for because of it', async () => {
  const delta = server({ askTimeout: 5000, ackTimeout: 5000 });
  const listener = resource('listener', '1', { asks: [{ typeUrl: B, name: '*' }] });
  void delta.publish(gateway, [
    set(A, listener),
    set(B, resource('scope', '1', { asks: [{ typeUrl: C, name: 'r' }] })),
  ]);
  void delta.publish(gateway, [set(C, resource('r'))]);
  const node = new FakeNode(delta).ask(A);
  await turn();
  const revision = (): number | undefined => delta.nodes(gateway)[0]?.revision;
  assert.deepEqual([node.sent(), revision()], [['a listener@1'], 0]);
  node.ask(B);
  await turn();
  assert.deepEqual([node.sent(), revision()], [['b scope@1'], 0]);
  node.ask(C, ['r']);
  await turn();
  assert.deepEqual([node.sent(), revision()], [['c r@1'], 2]);
  // It has asked for the type: another such resource waits for nothing.
  const more = { ...listener, name: 'more' };
  assert.deepEqual(await delta.publish(gateway, [set(A, more)]), { outcome: 'acknowledged' });
});

test('what a node would ask for because of one that it refused is not waited for', async () => {
  const delta = server({ askTimeout: 20_000 });
  const through = { typeUrl: A, name: 'listener' };
  const node = new FakeNode(delta, ({ typeUrl }) => (typeUrl === A ? 'not like this' : undefined)).ask(A).ask(B).ask(C);
  const outcome = await delta.publish(gateway, [
    set(A, resource('listener')),
    set(B, resource('scope', '1', { asks: [{ typeUrl: C, name: 'routes', through }] })),
  ]);
  assert.equal(outcome.outcome, 'refused');
  assert.ok(node.have.has(`${B} scope`));
});

test('a node that never asks for it is not waited for', async () => {
  const delta = server({ askTimeout: 20 });
  void delta.publish(gateway, [
    set(A, resource('cluster', '1', { asks: [{ typeUrl: B, name: 'endpoints' }] })),
    set(C, resource('route')),
  ]);
  const node = new FakeNode(delta).ask(A).ask(C);
  await new Promise((resolve) => setTimeout(resolve, 60));
  assert.ok(node.have.has(`${C} route`));
});

test('of a refused response everything but the resource to blame gets through, and it is not sent again', async () => {
  const refusals: Refusal[] = [];
  const delta = server({ onNack: (_, refusal) => refusals.push(refusal) });
  const bad = ['r3', 'r17'];
  const all = Array.from({ length: 20 }, (_, index) => resource(`r${index}`));
  const node = new FakeNode(delta, ({ resources }) =>
    resources.some(({ name, version }) => bad.includes(name) && version === '1') ? 'no such thing' : undefined,
  );
  node.ask(A);
  const outcome = await delta.publish(gateway, [set(A, ...all)]);
  assert.equal(outcome.outcome, 'refused');
  assert.deepEqual(
    refusals.map(({ names, message }) => [...names, message]),
    bad.map((name) => [name, 'no such thing']),
  );
  assert.equal(node.have.size, 18);
  assert.deepEqual(
    delta.nodes(gateway)[0]?.refusals.flatMap(({ names }) => names),
    bad,
  );
  node.sent();
  assert.deepEqual(await delta.publish(gateway, [set(A, resource('r1', '2'))]), { outcome: 'acknowledged' });
  assert.deepEqual(node.sent(), ['a r1@2']);
  await delta.publish(gateway, [set(A, resource('r3', '2'))]);
  assert.deepEqual(
    delta.nodes(gateway)[0]?.refusals.flatMap(({ names }) => names),
    ['r17'],
  );
});

test('what was refused before is not sent again, and still counts as refused', async () => {
  const delta = server();
  void delta.publish(gateway, [set(A, resource('x', 'good'))]);
  const node = new FakeNode(delta, ({ resources: [first] }) => {
    if (first?.name === 'slow') return 'later';
    return first?.version === 'bad' ? 'no such thing' : undefined;
  });
  node.ask(A);
  assert.equal((await delta.publish(gateway, [set(A, resource('x', 'bad'))])).outcome, 'refused');
  void delta.publish(gateway, [set(A, resource('slow'))]);
  await turn();
  // Another version that it never saw, and back.
  void delta.publish(gateway, [set(A, resource('x', 'other'))]);
  const outcome = delta.publish(gateway, [set(A, resource('x', 'bad'))]);
  node.sent();
  const [slow] = node.open;
  assert.ok(slow !== undefined);
  node.answer(slow);
  const refusals = [{ typeUrl: A, names: ['x'], message: 'no such thing' }];
  assert.deepEqual(await outcome, { outcome: 'refused', refusals });
  assert.deepEqual(node.sent(), []);
});

test('what may pass is tried again after pauses that grow: it is no news, holds up nothing, and counts until it is taken', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const refused: string[] = [];
  const delta = server({
    onNack: (_, { names }) => refused.push(...names),
    retries: { isPassing: (message) => message === 'not now', first: 10, longest: 40 },
  });
  let taken = false;
  const node = new FakeNode(delta, ({ resources }) => {
    const names = new Set(resources.map(({ name }) => name));
    if (names.has('never')) return 'not ever';
    return names.has('port') && !taken ? 'not now' : undefined;
  });
  const after = async (milliseconds: number): Promise<readonly string[]> => {
    t.mock.timers.tick(milliseconds);
    await turn();
    return node.sent();
  };
  const names = (): readonly string[] => delta.nodes(gateway)[0]?.refusals.flatMap(({ names }) => names) ?? [];
  node.ask(A);
  const all = [resource('port'), resource('never'), resource('other')];
  assert.equal((await delta.publish(gateway, [set(A, ...all)])).outcome, 'refused');
  node.sent();
  for (const pause of [10, 20, 40, 40]) {
    assert.deepEqual(await after(pause - 1), []);
    assert.deepEqual(await after(1), ['a port@1']);
  }
  assert.deepEqual(refused, ['port', 'never']);
  assert.deepEqual(await delta.publish(gateway, [set(A, resource('more'))]), { outcome: 'acknowledged' });
  assert.deepEqual([node.sent(), names()], [['a more@1'], ['port', 'never']]);
  taken = true;
  assert.deepEqual(await after(40), ['a port@1']);
  assert.deepEqual([names(), node.have.get(`${A} port`)], [['never'], '1']);
  assert.deepEqual(await after(1000), []);
  // Another version begins anew, and what is gone is not tried.
  taken = false;
  assert.equal((await delta.publish(gateway, [set(A, resource('port', '2'))])).outcome, 'refused');
  assert.deepEqual(node.sent(), ['a port@2']);
  assert.deepEqual(await after(10), ['a port@2']);
  assert.deepEqual(refused, ['port', 'never', 'port']);
  await delta.publish(gateway, [remove(A, 'port')]);
  assert.deepEqual([node.sent(), await after(1000)], [['a -port'], []]);
});

test('what a node asked for because of one that it refused comes again when it takes that one', async () => {
  const delta = server();
  let isBad = true;
  const node = new FakeNode(delta, ({ typeUrl, resources }) => {
    if (typeUrl !== A || resources.length === 0) return undefined;
    // As an Envoy does whose listener could not listen: it asks, and lets go of what it asked for.
    if (node.got.every((response) => response.typeUrl !== B)) node.ask(B);
    return isBad ? 'no' : undefined;
  });
  node.ask(A);
  const asks = [{ typeUrl: B, name: '*' }];
  const outcome = delta.publish(gateway, [set(A, resource('x', '1', { asks })), set(B, resource('y'), resource('z'))]);
  assert.equal((await outcome).outcome, 'refused');
  assert.deepEqual(node.sent(), ['a x@1', 'b y@1 z@1']);
  isBad = false;
  await delta.publish(gateway, [set(A, resource('x', '2', { asks }))]);
  assert.deepEqual(node.sent(), ['a x@2', 'b y@1 z@1']);
  await delta.publish(gateway, [set(A, resource('x', '3', { asks }))]);
  assert.deepEqual(node.sent(), ['a x@3'], 'it has not lost it');
});

test('an answer to an old response settles nothing', async () => {
  const delta = server();
  const node = new FakeNode(delta, later).ask(A);
  const outcome = delta.publish(gateway, [set(A, resource('x'))]);
  node.ask(A, [], { nonce: '99' });
  assert.equal((await outcome).outcome, 'timeout');
  node.answer(node.open[0] as DeltaResponse);
  assert.equal((await delta.publish(gateway, [])).outcome, 'acknowledged');
});

test('one node is enough, none is no reason to wait, and one that leaves is not waited for', async () => {
  const delta = server({ ackTimeout: 5000 });
  assert.equal((await delta.publish(gateway, [set(A, resource('x'))])).outcome, 'unconnected');
  const mute = new FakeNode(delta, later).ask(A);
  const quick = new FakeNode(delta).ask(A);
  assert.equal((await delta.publish(gateway, [set(A, resource('x', '2'))])).outcome, 'acknowledged');
  quick.close();
  const waiting = delta.publish(gateway, [set(A, resource('x', '3'))]);
  mute.close();
  assert.equal((await waiting).outcome, 'unconnected');
  assert.equal(delta.nodes().length, 0);
});

test('nothing is said of a gateway before it was published, or everything was', async () => {
  const delta = server();
  const node = new FakeNode(delta).ask(A, [], { initialVersions: new Map([['kept', '1']]) });
  await turn();
  assert.deepEqual(node.sent(), []);
  delta.synced();
  await turn();
  assert.deepEqual(node.sent(), ['a -kept']);
  const late = new FakeNode(delta, undefined, 'ns/other').ask(A);
  await turn();
  assert.deepEqual(late.sent(), ['a']);
});

test('a gateway that is forgotten is emptied', async () => {
  const delta = server();
  void delta.publish(gateway, [set(A, resource('x'))]);
  const node = new FakeNode(delta).ask(A);
  await turn();
  delta.forget(gateway);
  await turn();
  assert.equal(node.have.size, 0);
});

test('responses are cut to size, and a node that asks for too much is refused', async () => {
  const delta = server({ responseBytes: 1000 });
  const big = Array.from({ length: 10 }, (_, index) => resource(`r${index}`, '1', { bytes: Buffer.alloc(300) }));
  void delta.publish(gateway, [set(A, ...big, resource('huge', '1', { bytes: Buffer.alloc(5000) }))]);
  const node = new FakeNode(delta).ask(A);
  await turn();
  await turn();
  assert.equal(node.have.size, 11);
  assert.ok(node.got.length >= 6);
  for (let i = 0; i < 40; i++) node.ask(`type/${i}`);
  assert.equal(node.ended, 'too many types');
});

test('streams beyond the limit of a gateway are refused', () => {
  const delta = server({ streams: 1 });
  assert.ok(new FakeNode(delta));
  const writer = { write: () => true, refuse: () => {} };
  assert.equal(delta.connect(gateway, writer), undefined);
  assert.ok(delta.connect('ns/other', writer));
});

/** Anything that can happen, in any order. */
const step = fc.oneof(
  fc.record({
    kind: fc.constant('publish' as const),
    type: fc.constantFrom(A, B, C),
    name: fc.constantFrom('x', 'y', 'z'),
    version: fc.constantFrom('1', '2', '3', ''),
  }),
  fc.record({ kind: fc.constant('answer' as const), which: fc.nat(5), accept: fc.boolean() }),
  fc.record({
    kind: fc.constant('subscribe' as const),
    type: fc.constantFrom(A, B, C),
    name: fc.constantFrom('x', 'y', '*'),
    off: fc.boolean(),
  }),
);

test('whatever happens, a node that answers in the end has what was published and is of interest to it', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), fc.constantFrom(undefined, C), (steps, commit) => {
      const delta = server(commit === undefined ? {} : { commit });
      const published = new Map<string, string>();
      const node = new FakeNode(delta, later);
      const wanted = new Map<string, Set<string>>();
      const outcomes: Promise<PublishOutcome>[] = [];
      for (const each of steps) {
        if (each.kind === 'publish') {
          const { type, name, version } = each;
          outcomes.push(
            delta.publish(gateway, [version === '' ? remove(type, name) : set(type, resource(name, version))]),
          );
          if (version === '') published.delete(`${type} ${name}`);
          else published.set(`${type} ${name}`, version);
        } else if (each.kind === 'answer') {
          const response = node.open[each.which % Math.max(1, node.open.length)];
          // Refused once, so that halves and single resources are tried; what is refused for good is tested above.
          const refused = !each.accept && response !== undefined && response.resources.length > 1;
          if (response !== undefined) node.answer(response, refused ? 'no' : undefined);
        } else {
          const names = wanted.get(each.type);
          if (names === undefined) {
            wanted.set(each.type, new Set([each.name]));
            node.ask(each.type, [each.name]);
          } else if (each.off) {
            names.delete(each.name);
            node.ask(each.type, [], { unsubscribe: [each.name] });
          } else {
            names.add(each.name);
            node.ask(each.type, [each.name]);
          }
        }
        const types = node.open.map(({ typeUrl }) => typeUrl);
        assert.equal(new Set(types).size, types.length, 'one response per type at a time');
      }
      delta.synced();
      for (let i = 0; i < 100 && node.open.length > 0; i++)
        for (const response of node.open.slice()) node.answer(response);
      for (const [type, names] of wanted) {
        for (const name of ['x', 'y', 'z']) {
          if (!names.has('*') && !names.has(name)) continue;
          const key = `${type} ${name}`;
          assert.equal(node.have.get(key), published.get(key), key);
        }
      }
      node.close();
    }),
    { numRuns: Number(process.env['PROPERTY_RUNS'] ?? 300) },
  );
});
