// Whatever rows an Envoy refuses: exactly these are found and left out, all others are in force in the end, and what was in force before
// never goes. The Envoy is one in this process that cannot stand the word "poison".
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { LeftOut } from '../../routing/engine.ts';
import type { Entry, Frontend, Rule } from '../../routing/model.ts';
import type { Origin } from '../../routing/origin.ts';
import type { Update } from '../../routing/update.ts';
import type { PublishOutcome, Refusal, ResourceChanges } from '../stream/resource.ts';
import { Culprits } from './culprits.ts';
import { defaultLimits } from './limits.ts';
import { types } from './names.ts';
import { Translation } from './translation.ts';

const gateway = 'test/gw';
const bind = `${gateway}:80/tcp`;
const frontend = `${gateway}/http`;
const origin: Origin = { object: { group: '', kind: 'HTTPRoute', namespace: 'test', name: 'route' }, path: '' };

/** Takes and refuses as the server of resources reports it: a version that was refused is not sent once more. */
class FakeEnvoy {
  readonly inForce = new Map<string, string>();
  readonly #refused = new Map<string, string>();
  trials = 0;
  isGone = false;
  /** What else it cannot stand. */
  isBad: (text: string) => boolean = () => false;
  /** Told of each state that is in force. */
  onState: () => void = () => {};

  publish(changes: readonly ResourceChanges[]): Promise<PublishOutcome> {
    this.trials++;
    if (this.isGone) return Promise.resolve({ outcome: 'timeout' });
    const refusals: Refusal[] = [];
    for (const { typeUrl, set, remove } of changes) {
      for (const name of remove) this.inForce.delete(`${typeUrl} ${name}`);
      for (const { name, bytes, version } of set) {
        const key = `${typeUrl} ${name}`;
        const text = Buffer.from(bytes).toString('latin1');
        if (text.includes('poison') || this.isBad(text) || this.#refused.get(key) === version) {
          this.#refused.set(key, version);
          refusals.push({ typeUrl, names: [name], message: 'there is poison in it' });
        } else this.inForce.set(key, text);
      }
    }
    this.onState();
    return Promise.resolve(refusals.length === 0 ? { outcome: 'acknowledged' } : { outcome: 'refused', refusals });
  }

  /** Of routes. */
  serves(word: string): boolean {
    return [...this.inForce].some(([key, text]) => key.startsWith(types.routes) && text.includes(word));
  }
}

interface Setting {
  readonly envoy: FakeEnvoy;
  /** What is left out, by table and key. */
  readonly out: ReadonlyMap<string, LeftOut['faults']>;
  readonly told: LeftOut[];
  readonly apply: (update: Omit<Update, 'version'>) => Promise<void>;
  readonly culprits: Culprits;
  /** Each is sent before anything is heard of those before it. */
  readonly applyTogether: (updates: readonly Omit<Update, 'version'>[]) => Promise<void>;
}

function setting(): Setting {
  const envoy = new FakeEnvoy();
  const out = new Map<string, LeftOut['faults']>();
  const told: LeftOut[] = [];
  const translation = new Translation({
    limits: defaultLimits,
    trustedHops: 0,
    requestIds: true,
    sharesPorts: false,
    accessLog: '',
    systemTrust: '/none',
    scopeOf: () => 'all',
    screens: false,
    onLeftOut: (rows) => {
      told.push(...rows);
      for (const { table, key, faults } of rows) {
        if (faults.length === 0) out.delete(`${table} ${key}`);
        else out.set(`${table} ${key}`, faults);
      }
    },
  });
  const culprits = new Culprits(translation, (changes) => envoy.publish(changes.get('all') ?? []));
  return {
    envoy,
    out,
    told,
    culprits,
    apply: async (update) => {
      const number = culprits.next({ version: 1, ...update });
      const outcome = await envoy.publish(translation.apply({ version: 1, ...update }).get('all') ?? []);
      await culprits.judge(outcome, number);
    },
    applyTogether: async (updates) => {
      const sent = updates.map((update) => {
        const number = culprits.next({ version: 1, ...update });
        const published = envoy.publish(translation.apply({ version: 1, ...update }).get('all') ?? []);
        return { number, published };
      });
      for (const { number, published } of sent) await culprits.judge(await published, number);
    },
  };
}

/** A port with one listener. */
const port: Omit<Update, 'version'> = {
  binds: {
    set: [{ key: bind, gateway, port: 80, transport: 'tcp', security: 'none', frontends: [frontend] }],
    delete: [],
  },
  placements: { set: [{ bind, address: '127.0.0.1', port: 8080 }], delete: [] },
  frontends: { set: [frontendRow()], delete: [] },
};

function frontendRow(of: Partial<Frontend> = {}): Frontend {
  const row = { key: frontend, bind, gateway, listener: 'http', protocol: 'HTTP', port: 80, hostname: '' } as const;
  return { ...row, publicPorts: {}, origin, ...of };
}

type Poison = 'none' | 'action' | 'match';

function ruleKey(index: number): string {
  return `${gateway}|HTTPRoute/test/route-${index}|0`;
}

function rules(poisons: readonly Poison[], from = 0): Omit<Update, 'version'> {
  const set = poisons.map((poison, at): Rule => {
    const index = at + from;
    const hostname = `${poison === 'action' ? 'poison' : 'fine'}-${index}.test`;
    const redirect = { hostname, status: 302 as const, origin };
    const action = { kind: 'redirect' as const, redirect };
    return { key: ruleKey(index), protocol: 'http', filters: [], timeouts: {}, action, origin };
  });
  const inserted = poisons.map((poison, at): Entry => {
    const index = at + from;
    const value = poison === 'match' ? `/poison-${index}` : `/match-${index}-`;
    const match = { protocol: 'http', path: { type: 'exact', value }, headers: [], query: [] } as const;
    const rank = {
      hostname: '',
      created: '',
      route: `test/route-${String(index).padStart(3, '0')}`,
      rule: 0,
      match: 0,
    };
    return { rule: ruleKey(index), match, rank };
  });
  const host = { key: `${frontend}|`, frontend, hostname: '', removed: [], inserted };
  return { rules: { set, delete: [] }, virtualHosts: [host] };
}

const poisons = fc.array(
  fc.oneof({ weight: 5, arbitrary: fc.constant('none' as const) }, fc.constantFrom<Poison>('action', 'match')),
  {
    minLength: 1,
    maxLength: 24,
  },
);

test('exactly the rules and matches that are to blame are found, and all others are in force', async () => {
  await fc.assert(
    fc.asyncProperty(poisons, poisons, async (first, second) => {
      const { envoy, out, apply } = setting();
      await apply({ ...port, ...rules(first) });
      const check = (all: readonly Poison[]): void => {
        const blamed = all.flatMap((poison, index) => (poison === 'none' ? [] : [`rules ${ruleKey(index)}`]));
        assert.deepEqual([...out.keys()].toSorted(), blamed.toSorted());
        all.forEach((poison, index) => {
          assert.equal(envoy.serves(`fine-${index}.test`), poison === 'none', `rule ${index}`);
          // A rule is answered 500 where it matches; a match takes nothing.
          assert.equal(envoy.serves(`/match-${index}-`), poison !== 'match', `match ${index}`);
        });
      };
      check(first);
      const good = first.flatMap((poison, index) => (poison === 'none' ? [index] : []));
      envoy.onState = () => {
        for (const index of good) assert.ok(envoy.serves(`fine-${index}.test`), 'what is in force stays');
      };
      await apply(rules(second, first.length));
      check([...first, ...second]);
    }),
    { numRuns: 150 },
  );
});

test('what was sent behind something bad, and was refused with it, is to blame for nothing', async () => {
  const { envoy, out, apply, applyTogether } = setting();
  await apply({ ...port, ...rules(['none', 'none']) });
  await applyTogether([
    rules(['none', 'action'], 2),
    rules(['none', 'none'], 4),
    rules(['match'], 6),
    rules(['none'], 7),
  ]);
  assert.deepEqual([...out.keys()].toSorted(), [`rules ${ruleKey(3)}`, `rules ${ruleKey(6)}`]);
  for (const index of [0, 1, 2, 4, 5, 7]) assert.ok(envoy.serves(`fine-${index}.test`), String(index));
});

test('they are found in a host that is sent in parts, too', async () => {
  const { envoy, out, apply } = setting();
  const bad: Readonly<Record<number, Poison>> = { 17: 'action', 241: 'match' };
  await apply({ ...port, ...rules(Array.from({ length: 300 }, (_, index) => bad[index] ?? 'none')) });
  assert.ok([...envoy.inForce.keys()].filter((key) => key.includes('/host/')).length > 10, 'it is sent in parts');
  assert.deepEqual([...out.keys()].toSorted(), [`rules ${ruleKey(17)}`, `rules ${ruleKey(241)}`]);
  assert.ok(envoy.serves('fine-299.test'));
  assert.ok(envoy.trials < 60, `${envoy.trials} trials`);
});

test('nobody is told of trials, and what is mended is served', async () => {
  const { envoy, out, told, apply } = setting();
  const first = rules(['none', 'none', 'action', 'none', 'none', 'match', 'none', 'none']);
  await apply({ ...port, ...first });
  assert.deepEqual(
    told.map(({ key, faults }) => [key, faults]),
    [
      [ruleKey(5), [{ effect: 'dropped', match: 0, reason: 'there is poison in it' }]],
      [ruleKey(2), [{ effect: 'dropped', reason: 'there is poison in it' }]],
    ],
  );
  assert.ok(envoy.trials < 30, `${envoy.trials} trials`);
  const mended = rules(['none', 'none', 'none', 'none', 'none', 'none', 'none', 'none']);
  const [before, after] = [first.virtualHosts?.[0], mended.virtualHosts?.[0]];
  assert.ok(before !== undefined && after !== undefined);
  await apply({
    rules: mended.rules ?? { set: [], delete: [] },
    virtualHosts: [{ ...after, removed: before.inserted }],
  });
  assert.deepEqual([...out.keys()], []);
  assert.ok(envoy.serves('fine-2.test') && envoy.serves('/match-5-'));
});

test('a listener is to blame for what it asks of every request', async () => {
  const { envoy, out, apply } = setting();
  await apply({ ...port, ...rules(['none', 'none']) });
  const changes = { set: [{ name: 'x-a', value: 'poison' }], add: [], remove: [], origin };
  const filters = [{ kind: 'request-headers' as const, ...changes }];
  await apply({ frontends: { set: [frontendRow({ filters })], delete: [] } });
  assert.deepEqual([...out.keys()], [`frontends ${frontend}`]);
  assert.ok(envoy.serves('left-out') && !envoy.serves('fine-1.test'));
  await apply({ frontends: { set: [frontendRow()], delete: [] } });
  assert.deepEqual([...out.keys()], []);
  assert.ok(envoy.serves('fine-1.test'));
});

test('a cluster is to blame, and the rules that lead there alone are told', async () => {
  const { envoy, out, apply } = setting();
  const key = `${gateway}|test/api:80|http1`;
  const cluster = {
    key,
    protocol: 'http1',
    endpoints: 'test/poison:80',
    backend: { kind: 'Service', namespace: 'test', name: 'api', port: 80 },
  } as const;
  const [rule] = rules(['none']).rules?.set ?? [];
  assert.ok(rule !== undefined);
  const backends = [{ weight: 1, filters: [], origin, target: { kind: 'cluster' as const, cluster: key } }];
  await apply({
    ...port,
    ...rules(['none', 'none']),
    rules: {
      set: [{ ...rule, action: { kind: 'forward', backends } }, ...(rules(['none'], 1).rules?.set ?? [])],
      delete: [],
    },
    clusters: { set: [cluster], delete: [] },
  });
  assert.deepEqual([...out.keys()].toSorted(), [`clusters ${key}`, `rules ${ruleKey(0)}`]);
  assert.ok(envoy.serves('fine-1.test'));
  await apply({ clusters: { set: [{ ...cluster, endpoints: 'test/api:80' }], delete: [] } });
  assert.deepEqual([...out.keys()], []);
  assert.ok(envoy.inForce.has(`${types.cluster} ${key}`));
});

test('a certificate is to blame, and not the listener that was refused for it', async () => {
  const { envoy, out, apply } = setting();
  const tls = { mode: 'terminate' as const, certificates: ['test/one', 'test/two'] };
  const secured = frontendRow({ protocol: 'HTTPS', hostname: 'a.test', tls });
  const other = { ...frontendRow({ protocol: 'HTTPS', hostname: 'b.test', tls }), key: `${gateway}/b` };
  // As Envoy does: it reads the certificates of a listener when it makes the listener.
  envoy.isBad = (text) => text.includes('certificate/test/one') && text.includes('a.test');
  const material = { privateKey: '', names: [], notAfter: '', fingerprint: '' };
  await apply({
    ...port,
    binds: {
      set: [{ key: bind, gateway, port: 80, transport: 'tcp', security: 'tls', frontends: [frontend, other.key] }],
      delete: [],
    },
    frontends: { set: [secured, other], delete: [] },
    certificates: {
      set: [
        { ...material, key: 'test/one', certificate: 'poison' },
        { ...material, key: 'test/two', certificate: 'fine' },
      ],
      delete: [],
    },
  });
  assert.deepEqual([...out.keys()], ['certificates test/one']);
  assert.ok(envoy.inForce.get(`${types.listener} ${bind}`)?.includes('certificate/test/two'));
});

test('an Envoy that says nothing any more makes nobody a culprit', async () => {
  const { envoy, out, apply } = setting();
  await apply({ ...port, ...rules(['none', 'none']) });
  let told = 0;
  envoy.onState = () => {
    envoy.isGone = ++told > 2;
  };
  await apply(rules(['match', 'none', 'none', 'match'], 2));
  assert.deepEqual([...out.keys()], []);
});

test('what changed since an update is known for as long as that is little, and forgotten from its beginning', async () => {
  const { apply, culprits } = setting();
  await apply({ ...port, ...rules(Array.from({ length: 3000 }, () => 'none')) });
  assert.equal(culprits.changedSince(0), undefined, 'that was everything');
  await apply(rules(['none'], 3000));
  assert.deepEqual([...(culprits.changedSince(1) ?? [])], [`rules ${ruleKey(3000)}`, `matches ${ruleKey(3000)}|0`]);
  assert.deepEqual([...(culprits.changedSince(2) ?? [])], []);
  for (let at = 0; at < 1500; at++) culprits.next({ version: 1, ...rules(['none'], 4000 + at) });
  assert.equal(culprits.changedSince(2), undefined, 'the first of them are forgotten');
  assert.equal(culprits.changedSince(1490)?.size, 24);
});
