// The state of the world without a transport: a node that says exactly what the test wants, and what it is sent.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { DeltaServer, type DeltaServerOptions } from './delta-server.ts';
import type { StateRequest, StateResponse } from './discovery.ts';
import type { Refusal, Resource, ResourceChanges } from './resource.ts';
import { type StateConnection, stateOfTheWorld } from './state-of-the-world.ts';

/** Each response of the first is everything; of the second it is what changed. */
const [WHOLE, PART] = ['type/whole', 'type/part'] as const;
const gateway = 'ns/web';

function resource(name: string, version = '1'): Resource {
  return { name, version, bytes: Buffer.from(`${name}@${version}`) };
}

function set(typeUrl: string, ...resources: readonly Resource[]): ResourceChanges {
  return { typeUrl, set: resources, remove: [] };
}

function remove(typeUrl: string, ...names: readonly string[]): ResourceChanges {
  return { typeUrl, set: [], remove: names };
}

function server(options: Partial<DeltaServerOptions> = {}): DeltaServer {
  return new DeltaServer({ order: [WHOLE, PART], essential: [WHOLE], ackTimeout: 200, ...options });
}

class FakeNode {
  readonly got: StateResponse[] = [];
  readonly #connection: StateConnection;

  /** @param answer what it says to a response at once: undefined: nothing, '': yes, else why not */
  constructor(to: DeltaServer, answer: (response: StateResponse) => string | undefined = () => '') {
    const names = new Map<string, readonly string[]>();
    const connection = stateOfTheWorld(to, (typeUrl) => typeUrl === WHOLE, gateway, {
      write: (response) => {
        this.got.push(response);
        queueMicrotask(() => {
          const error = answer(response);
          if (error === undefined) return;
          const { typeUrl, nonce } = response;
          this.ask(typeUrl, names.get(typeUrl) ?? [], { nonce, ...(error !== '' && { error }) });
        });
        return true;
      },
      refuse: () => assert.fail('ended'),
    });
    assert.ok(connection);
    this.#connection = connection;
    this.names = names;
  }

  /** What it wants when it answers. */
  readonly names: Map<string, readonly string[]>;

  ask(typeUrl: string, names: readonly string[], more: Partial<StateRequest> = {}): this {
    this.names.set(typeUrl, names);
    this.#connection.request({ typeUrl, names, nonce: '', ...more });
    return this;
  }

  /** What was sent since the last call: type, and what is in it. */
  sent(): readonly string[] {
    return this.got
      .splice(0)
      .map(({ typeUrl, resources }) =>
        [typeUrl.slice(5), ...resources.map(({ bytes }) => Buffer.from(bytes).toString()).sort()].join(' '),
      );
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('who names nothing gets everything, and everything again when some of it changes or goes', async () => {
  const delta = server();
  void delta.publish(gateway, [set(WHOLE, resource('x'), resource('y'))]);
  const node = new FakeNode(delta).ask(WHOLE, [], { node: { id: 'n', agent: 'test' } });
  await turn();
  assert.deepEqual(node.sent(), ['whole x@1 y@1']);
  assert.deepEqual(await delta.publish(gateway, [set(WHOLE, resource('y', '2'))]), { outcome: 'acknowledged' });
  assert.deepEqual(node.sent(), ['whole x@1 y@2']);
  await delta.publish(gateway, [remove(WHOLE, 'x')]);
  assert.deepEqual(node.sent(), ['whole y@2']);
  await delta.publish(gateway, [remove(WHOLE, 'y')]);
  assert.deepEqual(node.sent(), ['whole'], 'an empty one says that nothing is left');
  assert.equal(delta.nodes(gateway)[0]?.id, 'n');
});

test('who names some gets those; of a type in parts only what changed, and nothing of what goes', async () => {
  const delta = server();
  void delta.publish(gateway, [set(PART, resource('x'), resource('y'), resource('z'))]);
  const node = new FakeNode(delta).ask(WHOLE, []).ask(PART, ['x', 'y']);
  await turn();
  assert.deepEqual(node.sent(), ['whole', 'part x@1 y@1']);
  const publish = async (...changes: readonly ResourceChanges[]): Promise<readonly string[]> => {
    assert.deepEqual(await delta.publish(gateway, changes), { outcome: 'acknowledged' });
    return node.sent();
  };
  assert.deepEqual(await publish(set(PART, resource('y', '2'), resource('z', '2'))), ['part y@2']);
  assert.deepEqual(await publish(remove(PART, 'y')), []);
  assert.deepEqual(await publish(set(PART, resource('y', '3'))), ['part y@3'], 'it goes on behind what was not told');
  assert.deepEqual(await publish(set(PART, resource('z', '3'))), [], 'nobody asked');
});

test('names come and go with answers', async () => {
  const delta = server();
  void delta.publish(gateway, [set(WHOLE, resource('x'), resource('y')), set(PART, resource('p'), resource('q'))]);
  const node = new FakeNode(delta).ask(WHOLE, ['x', 'y']).ask(PART, ['p']);
  await turn();
  assert.deepEqual(node.sent(), ['whole x@1 y@1', 'part p@1']);
  const nonceOf = (typeUrl: string): string => (typeUrl === WHOLE ? '1' : '2');
  node.ask(PART, ['p', 'q'], { nonce: nonceOf(PART) });
  await turn();
  assert.deepEqual(node.sent(), ['part q@1']);
  node.ask(WHOLE, ['y'], { nonce: nonceOf(WHOLE) });
  await turn();
  assert.deepEqual(await delta.publish(gateway, [set(WHOLE, resource('x', '2'), resource('y', '2'))]), {
    outcome: 'acknowledged',
  });
  assert.deepEqual(node.sent(), ['whole y@2'], 'x is wanted no more');
});

test('who named some and then none wants nothing more; who named none and then some wants just those', async () => {
  const delta = server();
  void delta.publish(gateway, [set(WHOLE, resource('x'), resource('y'))]);
  const some = new FakeNode(delta).ask(WHOLE, ['x']);
  const all = new FakeNode(delta).ask(WHOLE, []);
  await turn();
  assert.deepEqual([some.sent(), all.sent()], [['whole x@1'], ['whole x@1 y@1']]);
  some.ask(WHOLE, [], { nonce: '1' });
  all.ask(WHOLE, ['y'], { nonce: '1' });
  await turn();
  assert.deepEqual([some.sent(), all.sent()], [[], ['whole y@1']]);
  await delta.publish(gateway, [set(WHOLE, resource('x', '2'), resource('y', '2'))]);
  assert.deepEqual([some.sent(), all.sent()], [[], ['whole y@2']]);
});

test('what it says to a response that another has followed is not taken for an answer', async () => {
  const delta = server();
  void delta.publish(gateway, [set(WHOLE, resource('x'))]);
  const node = new FakeNode(delta, () => undefined).ask(WHOLE, []);
  const first = delta.publish(gateway, [set(WHOLE, resource('x', '2'))]);
  node.ask(WHOLE, [], { nonce: '1' });
  await turn();
  assert.deepEqual(node.sent(), ['whole x@1', 'whole x@2']);
  node.ask(WHOLE, [], { nonce: '1' });
  assert.deepEqual(await first, { outcome: 'timeout' });
  node.ask(WHOLE, [], { nonce: '2' });
  assert.deepEqual(await delta.publish(gateway, []), { outcome: 'acknowledged' });
});

test('of what is refused the one to blame is found, and the rest stays and gets through', async () => {
  const refusals: Refusal[] = [];
  const delta = server({ onNack: (_, refusal) => refusals.push(refusal) });
  const isBad = ({ resources }: StateResponse): boolean =>
    resources.some(({ bytes }) => Buffer.from(bytes).toString().startsWith('bad'));
  const node = new FakeNode(delta, (response) => (isBad(response) ? 'not that' : '')).ask(WHOLE, []);
  await delta.publish(gateway, [set(WHOLE, resource('a'), resource('b'))]);
  node.sent();
  const outcome = await delta.publish(gateway, [set(WHOLE, ...['c', 'bad', 'd', 'e'].map((name) => resource(name)))]);
  assert.deepEqual(refusals, [{ typeUrl: WHOLE, names: ['bad'], message: 'not that' }]);
  assert.deepEqual(outcome, { outcome: 'refused', refusals });
  assert.deepEqual(node.sent().at(-1), 'whole a@1 b@1 c@1 d@1 e@1');
});

test('whatever is published and asked for, in the end the node has what there is of it', async () => {
  const names = ['a', 'b', 'c', 'd'] as const;
  const some = fc.uniqueArray(fc.constantFrom(...names));
  const step = fc.oneof(
    fc.record({ set: fc.constantFrom(...names), version: fc.nat(3) }),
    fc.record({ remove: fc.constantFrom(...names) }),
    fc.record({ ask: some }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 20 }), fc.boolean(), async (steps, isSlow) => {
      const delta = server();
      void delta.publish(gateway, []);
      let last = '';
      const node: FakeNode = new FakeNode(delta, ({ nonce }) => {
        last = nonce;
        return '';
      }).ask(WHOLE, ['a']);
      let wanted: readonly string[] = ['a'];
      const standing = new Map<string, string>();
      for (const each of steps) {
        if (!isSlow) await turn();
        if ('ask' in each) {
          wanted = each.ask;
          node.ask(WHOLE, wanted, { nonce: last });
        } else if ('set' in each) {
          standing.set(each.set, String(each.version));
          void delta.publish(gateway, [set(WHOLE, resource(each.set, String(each.version)))]);
        } else {
          standing.delete(each.remove);
          void delta.publish(gateway, [remove(WHOLE, each.remove)]);
        }
      }
      await turn();
      await turn();
      const held = node.sent().at(-1)?.split(' ').slice(1) ?? [];
      const expected = [...standing].filter(([name]) => wanted.includes(name));
      for (const [name, version] of expected) assert.ok(held.includes(`${name}@${version}`), `${name}: ${held.join()}`);
      for (const each of held) {
        const [name = '', version] = each.split('@');
        assert.ok(!wanted.includes(name) || standing.get(name) === version, `${each} is no more`);
      }
    }),
    { numRuns: 300 },
  );
});
