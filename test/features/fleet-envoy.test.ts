// Envoys that users run by themselves: real ones, started with what `portolan config envoy --bootstrap` writes, against fleets of this
// process over mutual TLS. Without an Envoy they are skipped, and say so.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { envoyDialect } from '../../src/engines/envoy/dialect.ts';
import { ask } from '../../src/engines/envoy/process/admin.ts';
import { EnvoyProcess } from '../../src/engines/envoy/process/envoy-process.ts';
import type { TlsMaterial } from '../../src/engines/stream/credentials.ts';
import { order } from '../../src/engines/envoy/names.ts';
import type { Judge } from '../../src/engines/stream/fleet/dialect.ts';
import { type Fleet, type FleetOptions, startFleet } from '../../src/engines/stream/fleet/fleet.ts';
import { gatewayUri } from '../../src/engines/stream/identity.ts';
import type { Resource, ResourceChanges } from '../../src/engines/stream/resource.ts';
import type { LeftOut } from '../../src/routing/engine.ts';
import type { BindReport } from '../../src/routing/model.ts';
import type { Update } from '../../src/routing/update.ts';
import { portolan } from './cli-process.ts';
import { envoyBinary, noEnvoy } from './envoy-binary.ts';
import { entryOf, everything, hostOf, modelOf, ruleOf } from './fleet-fixture.ts';
import { materialOf, RawClient, serverMaterial, serverName } from './stream-fixture.ts';
import { type Authority, authority, certificateFor } from './tls-certificates.ts';
import { freePort } from '../free-port.ts';
import { eventually } from '../eventually.ts';

const GATEWAY = 'ns/mine';
const bind = `${GATEWAY}:80/tcp`;

let ca: Authority;
let backend: http.Server;
let backendPort: number;
before(async () => {
  ca = await authority('fleet');
  backend = http.createServer((_, response) => response.end('x')).listen(0, '127.0.0.1');
  await once(backend, 'listening');
  backendPort = (backend.address() as AddressInfo).port;
});
after(() => backend.close().closeAllConnections());

interface Controller {
  readonly fleet: Fleet;
  readonly reports: BindReport[];
  readonly logged: string[];
}

async function controller(t: TestContext, more: Partial<FleetOptions> = {}): Promise<Controller> {
  const material = await serverMaterial(ca);
  const reports: BindReport[] = [];
  const logged: string[] = [];
  const fleet = await startFleet({
    address: '127.0.0.1',
    port: await freePort(),
    credentials: () => material,
    onReport: (_, report) => reports.push(report),
    log: ({ message }) => logged.push(message),
    dialect: envoyDialect(),
    absence: 200,
    ...more,
  });
  t.after(() => fleet.close());
  return { fleet, reports, logged };
}

interface Own {
  readonly admin: string;
  /** Puts other files in the place of those that are there, as a rotation does. */
  readonly rotate: (material: TlsMaterial) => void;
  readonly crashes: Error[];
}

/** As a user does it: the command writes the files, and Envoy is started with them. */
async function ownEnvoy(
  t: TestContext,
  port: number,
  material: TlsMaterial,
  edited: (bootstrap: string) => string = (text) => text,
): Promise<Own> {
  const folder = mkdtempSync(join(tmpdir(), 'portolan-own-'));
  const identity = join(folder, 'identity');
  const admin = join(folder, 'admin.sock');
  const rotate = ({ ca: authorities, certificate, key }: TlsMaterial): void => {
    const files = { 'ca.crt': authorities, 'tls.crt': certificate, 'tls.key': key };
    for (const [name, bytes] of Object.entries(files)) {
      writeFileSync(join(folder, name), bytes, { mode: 0o600 });
      renameSync(join(folder, name), join(identity, name));
    }
  };
  mkdirSync(identity);
  rotate(material);
  const flags = {
    bootstrap: join(folder, 'envoy'),
    controller: `127.0.0.1:${port}`,
    'tls-dir': identity,
    'server-name': serverName,
    node: 'own',
    admin,
  };
  const args = Object.entries(flags).flatMap(([flag, value]) => [`--${flag}`, value]);
  const { code, out, err } = await portolan(['config', 'envoy', ...args], { cwd: folder });
  assert.equal(code, 0, err);
  const [, bootstrap = ''] = /start it with: envoy -c (.*)/.exec(out) ?? [];
  const written = readFileSync(bootstrap, 'utf8');
  writeFileSync(bootstrap, edited(written));
  const crashes: Error[] = [];
  const envoy = new EnvoyProcess({
    path: envoyBinary() ?? '',
    arguments: ['-c', bootstrap, '--concurrency', '1', '--disable-hot-restart', '--log-level', 'error'],
    onCrash: (error) => crashes.push(error),
  });
  envoy.start();
  t.after(async () => {
    await envoy.stop();
    rmSync(folder, { recursive: true, force: true });
  });
  return { admin, rotate, crashes };
}

async function materialFor(gateway: string, lifetime?: number): Promise<TlsMaterial> {
  const leaf = await ca.issue({ uris: [gatewayUri(gateway)], ...(lifetime === undefined ? {} : { lifetime }) });
  return materialOf(ca, leaf);
}

function statusOf(port: number, path: string): Promise<number> {
  return new Promise((resolve) => {
    http
      .get({ host: '127.0.0.1', port, path, agent: false, timeout: 5000 }, (response) => {
        response.resume().on('end', () => resolve(response.statusCode ?? 0));
      })
      .on('error', () => resolve(0));
  });
}

/** Asks for paths in turn, one request after the other, until it is told to stop; returns the answers by status. */
function asking(t: TestContext, port: number, paths: readonly string[]): () => Promise<ReadonlyMap<number, number>> {
  const statuses = new Map<number, number>();
  const stop = new AbortController();
  t.after(() => stop.abort());
  const asked = (async () => {
    for (let at = 0; !stop.signal.aborted; at++) {
      const status = await statusOf(port, paths[at % paths.length] ?? '/');
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
    }
  })();
  return async () => {
    stop.abort();
    await asked;
    return statuses;
  };
}

function route(name: string, version = 2): Update {
  return {
    version,
    rules: everything(ruleOf(GATEWAY, name, `${GATEWAY}|ns/r0:80|`)),
    virtualHosts: [hostOf(GATEWAY, [entryOf(GATEWAY, name, `/${name}`)])],
  };
}

/** How a bootstrap asks, and what was written -> what asks so. */
const asks: readonly (readonly [how: string, edited: (bootstrap: string) => string])[] = [
  ['by deltas', (text) => text],
  [
    'by the state of the world',
    (text) => {
      assert.ok(text.includes('"DELTA_GRPC"'));
      return text.replace('"DELTA_GRPC"', '"GRPC"');
    },
  ],
];

for (const [how, edited] of asks) {
  test(
    `it serves its own gateway, gets changes, and knows of no other: ${how}`,
    { skip: noEnvoy, timeout: 60_000 },
    async (t) => {
      const { fleet, reports, logged } = await controller(t);
      const port = await freePort();
      const secrets = {
        mine: await certificateFor('ns/mine-tls', ['m']),
        yours: await certificateFor('ns/yours-tls', ['y']),
      };
      const mine = modelOf({ gateway: GATEWAY, port, backendPort, routes: 2, certificate: secrets.mine });
      const yours = modelOf({
        gateway: 'ns/yours',
        port: await freePort(),
        backendPort,
        routes: 1,
        certificate: secrets.yours,
      });
      await fleet.apply({ version: 1, ...mine });
      await fleet.apply({ version: 2, ...yours });
      const own = await ownEnvoy(t, fleet.port, await materialFor(GATEWAY), edited);
      await eventually(() => reports.length === 1, 'the bind is reported');
      assert.deepEqual(reports, [{ bind, state: 'serving' }]);
      // What is reported to serve does so at once.
      assert.equal(await statusOf(port, '/r1'), 200);
      assert.equal(await statusOf(port, '/later'), 404);
      await fleet.apply(route('later'));
      assert.equal(await statusOf(port, '/later'), 200, 'what is in force is served');
      const [node] = fleet.nodes(GATEWAY);
      assert.equal(node?.id, 'own');
      assert.match(node?.agent ?? '', /^envoy/);
      const dump = await ask(own.admin, '/config_dump?include_eds');
      assert.ok(dump.includes(bind) && !dump.includes('yours'));
      assert.deepEqual([fleet.nodes('ns/yours'), logged, own.crashes], [[], [], []]);
    },
  );
}

test(
  'certificates of listeners come over the stream, and are rotated there',
  { skip: noEnvoy, timeout: 60_000 },
  async (t) => {
    const { fleet, reports } = await controller(t);
    const port = await freePort();
    const model = modelOf({
      gateway: GATEWAY,
      port,
      backendPort,
      routes: 1,
      certificate: await certificateFor('ns/tls', ['m']),
    });
    const secure = (model.frontends?.set ?? []).find(({ listener }) => listener === 'https');
    assert.ok(secure);
    const place = { bind: secure.bind, address: '127.0.0.1', port };
    await fleet.apply({
      ...model,
      version: 1,
      binds: everything({
        key: secure.bind,
        gateway: GATEWAY,
        port: 443,
        transport: 'tcp',
        security: 'tls',
        frontends: [secure.key],
      }),
      placements: everything(place),
      frontends: everything(secure),
      virtualHosts: [
        { ...hostOf(GATEWAY, [entryOf(GATEWAY, 'r0', '/r0')]), frontend: secure.key, key: `${secure.key}|` },
      ],
    });
    await ownEnvoy(t, fleet.port, await materialFor(GATEWAY));
    await eventually(() => reports.some(({ state }) => state === 'serving'), 'the bind serves');
    const presented = async (): Promise<string> => {
      const tls = await import('node:tls');
      const socket = tls.connect({ host: '127.0.0.1', port, servername: 'm', rejectUnauthorized: false });
      await once(socket, 'secureConnect');
      const { fingerprint256 } = socket.getPeerCertificate();
      socket.destroy();
      return fingerprint256.replaceAll(':', '').toLowerCase();
    };
    const next = await certificateFor('ns/tls', ['m']);
    assert.notEqual(await presented(), next.fingerprint);
    await fleet.apply({ version: 2, certificates: everything(next) });
    await eventually(async () => (await presented()) === next.fingerprint, 'the next certificate is shown');
  },
);

for (const [how, edited] of asks) {
  test(
    `a controller that is started again under it costs no request: ${how}`,
    { skip: noEnvoy, timeout: 60_000 },
    async (t) => {
      const first = await controller(t);
      const port = await freePort();
      const model = modelOf({ gateway: GATEWAY, port, backendPort, routes: 20 });
      await first.fleet.apply({ version: 1, ...model });
      const own = await ownEnvoy(t, first.fleet.port, await materialFor(GATEWAY), edited);
      await eventually(() => first.reports.length === 1, 'the bind serves');
      const stop = asking(
        t,
        port,
        Array.from({ length: 20 }, (_, at) => `/r${at}`),
      );
      const address = first.fleet.port;
      await first.fleet.close();
      await sleep(300);
      const second = await controller(t, { port: address });
      await sleep(300);
      await second.fleet.apply({ version: 1, ...model });
      await eventually(() => second.reports.length === 1, 'it is back, with what it had');
      assert.deepEqual(second.reports, [{ bind, state: 'serving' }]);
      await second.fleet.apply(route('later'));
      assert.equal(await statusOf(port, '/later'), 200);
      const statuses = await stop();
      assert.deepEqual([...statuses.keys()], [200], JSON.stringify([...statuses]));
      assert.deepEqual(own.crashes, []);
    },
  );
}

for (const [what, reconnects] of [
  ['an old connection', '1s'],
  ['a young connection', '3600s'],
] as const) {
  const name = `its certificate is rotated by files, without a restart or a lost request: ${what}`;
  test(name, { skip: noEnvoy, timeout: 60_000 }, async (t) => {
    const { fleet, reports } = await controller(t, { absence: 5000 });
    const port = await freePort();
    await fleet.apply({ version: 1, ...modelOf({ gateway: GATEWAY, port, backendPort, routes: 1 }) });
    const lifetime = 5000;
    let began = Date.now();
    const own = await ownEnvoy(t, fleet.port, await materialFor(GATEWAY, lifetime), (text) =>
      text.replace('"max_connection_duration": "3600s"', `"max_connection_duration": "${reconnects}"`),
    );
    const serves = async (): Promise<boolean> => {
      // On a busy machine it may not have come so far in the time of its first certificate.
      if (reports.length === 0 && Date.now() > began + lifetime) {
        began = Date.now();
        own.rotate(await materialFor(GATEWAY, lifetime));
      }
      return reports.length === 1;
    };
    await eventually(serves, 'the bind serves');
    const [before] = fleet.nodes(GATEWAY);
    own.rotate(await materialFor(GATEWAY));
    const stop = asking(t, port, ['/r0']);
    await sleep(Math.max(0, began + lifetime - Date.now()));
    // The stream of the first certificate is over.
    const isNext = (): boolean =>
      fleet.nodes(GATEWAY).some(({ stream, revision }) => stream !== before?.stream && revision > 0);
    await eventually(isNext, 'it is back with the next certificate');
    await fleet.apply(route('later'));
    assert.equal(await statusOf(port, '/later'), 200);
    await sleep(300);
    const statuses = [...(await stop()).keys()];
    assert.ok(fleet.nodes(GATEWAY).length === 1 && isNext(), 'and stays');
    assert.deepEqual([statuses, reports, own.crashes], [[200], [{ bind, state: 'serving' }], []]);
  });
}

test('with a certificate of another authority it gets nothing', { skip: noEnvoy, timeout: 60_000 }, async (t) => {
  const { fleet } = await controller(t);
  const port = await freePort();
  await fleet.apply({ version: 1, ...modelOf({ gateway: GATEWAY, port, backendPort, routes: 1 }) });
  const other = await authority('theirs');
  const foreign = materialOf(other, await other.issue({ uris: [gatewayUri(GATEWAY)] }));
  const own = await ownEnvoy(t, fleet.port, { ...foreign, ca: Buffer.from(ca.certificate) });
  const failed = async (): Promise<boolean> => {
    const stats = await ask(own.admin, '/stats?filter=portolan-xds.upstream_cx_(total|destroy)$').catch(() => '');
    return /upstream_cx_destroy: [1-9]/.test(stats);
  };
  await eventually(failed, 'it was refused');
  assert.deepEqual(fleet.nodes(), []);
  own.rotate(await materialFor(GATEWAY));
  await eventually(() => fleet.nodes(GATEWAY).some(({ revision }) => revision > 0), 'with a right one it is let in');
});

for (const [how, edited] of asks) {
  test(
    `what it refuses is reported, with its reason, and the rest is served: ${how}`,
    { skip: noEnvoy, timeout: 60_000 },
    async (t) => {
      const { fleet, reports, logged } = await controller(t);
      const [port, taken] = [await freePort(), http.createServer().listen(0, '127.0.0.1')];
      await once(taken, 'listening');
      t.after(() => taken.close());
      const model = modelOf({ gateway: GATEWAY, port, backendPort, routes: 1 });
      const second = `${GATEWAY}:81/tcp`;
      const [frontend] = model.frontends?.set ?? [];
      const [first] = model.binds?.set ?? [];
      assert.ok(frontend && first);
      const other = { ...frontend, key: `${GATEWAY}/other`, listener: 'other', bind: second, port: 81 };
      await fleet.apply({
        ...model,
        version: 1,
        binds: everything(first, { ...first, key: second, port: 81, frontends: [other.key] }),
        frontends: everything(frontend, other),
        placements: everything(
          { bind, address: '127.0.0.1', port },
          { bind: second, address: '127.0.0.1', port: (taken.address() as AddressInfo).port },
        ),
      });
      await ownEnvoy(t, fleet.port, await materialFor(GATEWAY), edited);
      await eventually(() => reports.length === 2, 'both binds are reported');
      const by = new Map(reports.map((report) => [report.bind, report]));
      assert.equal(by.get(bind)?.state, 'serving');
      assert.deepEqual([by.get(second)?.state, by.get(second)?.code], ['failed', 'EADDRINUSE']);
      assert.equal(await statusOf(port, '/r0'), 200);
      assert.ok(
        logged.some((line) => line.startsWith(`Envoy own of ${GATEWAY} refused Listener ${second}: `)),
        logged.join('\n'),
      );
      const elsewhere = await freePort();
      await fleet.apply({
        version: 2,
        placements: everything({ bind: second, address: '127.0.0.1', port: elsewhere }),
      });
      await eventually(() => reports.length === 3, 'it serves elsewhere');
      assert.deepEqual(reports.at(-1), { bind: second, state: 'serving' });
      assert.equal(await statusOf(elsewhere, '/r0'), 404, 'no route is attached there, and it answers');
    },
  );
}

test('a port that another program has is served once it is free', { skip: noEnvoy, timeout: 60_000 }, async (t) => {
  const { fleet, reports, logged } = await controller(t);
  const port = await freePort();
  const taken = net.createServer().listen(port, '127.0.0.1');
  await once(taken, 'listening');
  t.after(() => taken.close());
  await fleet.apply({ version: 1, ...modelOf({ gateway: GATEWAY, port, backendPort, routes: 1 }) });
  const own = await ownEnvoy(t, fleet.port, await materialFor(GATEWAY));
  await eventually(() => reports.length === 1, 'it is reported');
  assert.deepEqual([reports[0]?.state, reports[0]?.code], ['failed', 'EADDRINUSE']);
  // It is tried in vain at least once.
  const tries = async (): Promise<number> => {
    const stats = await ask(own.admin, '/stats?filter=listener_manager.listener_create_failure');
    return Number(/: (\d+)/.exec(stats)?.[1]);
  };
  await eventually(async () => (await tries()) > 1, 'it is tried again');
  await fleet.apply(route('later'));
  assert.equal(reports.length, 1);
  taken.close();
  await eventually(() => reports.length === 2, 'it is served');
  assert.deepEqual(reports.at(-1), { bind, state: 'serving' });
  assert.deepEqual([await statusOf(port, '/r0'), await statusOf(port, '/later')], [200, 200]);
  assert.equal(logged.filter((line) => line.includes('refused Listener')).length, 1, 'it is said once');
});

/** With a line break in a header, which an Envoy refuses, for each `poison`: what nobody found wrong with it. */
function poisoned(changes: readonly ResourceChanges[]): readonly ResourceChanges[] {
  const spoilt = ({ bytes, ...rest }: Resource): Resource => {
    const text = Buffer.from(bytes).toString('latin1').replaceAll('poison', 'poi\non');
    return { ...rest, bytes: Buffer.from(text, 'latin1') };
  };
  return changes.map(({ set, ...rest }) => ({ ...rest, set: set.map(spoilt) }));
}

test(
  'an Envoy that refuses what another node takes is told apart, and serves all the rest',
  { skip: noEnvoy, timeout: 60_000 },
  async (t) => {
    const envoy = envoyDialect();
    const leftOut: LeftOut[] = [];
    const { fleet, reports } = await controller(t, {
      onLeftOut: (rows) => leftOut.push(...rows),
      absence: 20_000,
      apartFor: 100,
      dialect: {
        ...envoy,
        translator: async (gateway) => {
          const all = await envoy.translator(gateway);
          const judge = all.judge && {
            ...all.judge,
            judge: (...[outcome, call, publish]: Parameters<Judge['judge']>) =>
              all.judge?.judge(outcome, call, (changes) => publish(poisoned(changes))) ?? Promise.resolve(),
          };
          return { ...all, apply: (update) => poisoned(all.apply(update)), ...(judge && { judge }) };
        },
      },
    });
    const port = await freePort();
    await fleet.apply({ version: 1, ...modelOf({ gateway: GATEWAY, port, backendPort, routes: 3 }) });
    const own = await ownEnvoy(t, fleet.port, await materialFor(GATEWAY));
    await eventually(() => reports.length === 1, 'the bind serves');
    // One that takes everything.
    const other = new RawClient(`127.0.0.1:${fleet.port}`, await materialFor(GATEWAY));
    t.after(() => other.close());
    for (const typeUrl of order) other.ask(typeUrl, [], { node: { id: 'other', agent: '' } });
    await eventually(() => fleet.nodes(GATEWAY).filter(({ revision }) => revision > 0).length === 2, 'both are there');
    const stop = asking(t, port, ['/r0']);
    const rule = (name: string, value: string): Update => ({
      version: 2,
      rules: everything(ruleOf(GATEWAY, name, `${GATEWAY}|ns/r0:80|`, value)),
    });
    const row = { table: 'rules', key: `${GATEWAY}|HTTPRoute/ns/r1|0`, gateway: GATEWAY };
    await fleet.apply(rule('r1', 'poison'));
    await eventually(() => leftOut.length === 1, 'it is told');
    assert.deepEqual([leftOut[0]?.key, leftOut[0]?.faults.map(({ effect }) => effect)], [row.key, ['dropped']]);
    await fleet.apply(route('later'));
    await eventually(async () => (await statusOf(port, '/later')) === 200, 'it has what came since');
    assert.equal(await statusOf(port, '/r1'), 500);
    await fleet.apply(rule('r1', 'mended'));
    await eventually(() => leftOut.length === 2, 'it is withdrawn');
    assert.deepEqual(leftOut.at(-1), { ...row, faults: [] });
    await eventually(async () => (await statusOf(port, '/r1')) === 200, 'it is served');
    const statuses = [...(await stop()).keys()];
    assert.deepEqual([statuses, reports, own.crashes], [[200], [{ bind, state: 'serving' }], []]);
  },
);
