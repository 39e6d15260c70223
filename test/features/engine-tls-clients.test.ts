// What listeners ask of their clients (GEP-91): certificates required and requested, listeners with other settings beside them,
// changes while connections live, and sessions that must not carry anybody past them.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect } from 'node:net';
import { assertCounted, before, describe, it, type TestContext } from './engine-tests.ts';
import tls from 'node:tls';
import type { Engine } from '../../src/routing/engine.ts';
import { Authorities } from '../../src/engines/embedded/tls/authorities.ts';
import { Certificates } from '../../src/engines/embedded/tls/certificates.ts';
import { Termination } from '../../src/engines/embedded/tls/termination.ts';
import type { CertificateSet, ClientValidation, Frontend } from '../../src/routing/model.ts';
import type { Update } from '../../src/routing/update.ts';
import { startTestEngine } from './test-engine.ts';
import { origin, ruleOf } from './engine-fixture.ts';
import { BUNDLE, bundleUpdate } from './engine-tls-fixture.ts';
import { type Authority, authority } from './tls-certificates.ts';
import { freePort } from '../free-port.ts';
import { eventually } from '../eventually.ts';

let ours: Authority;
let theirs: Authority;
/** Of listeners. */
let site: Authority;
let server: CertificateSet;
let mine: CertificateSet;
let others: CertificateSet;
let expired: CertificateSet;
before(async () => {
  [ours, theirs, site] = await Promise.all([authority('Ours'), authority('Theirs'), authority('Site')]);
  [server, mine, others, expired] = await Promise.all([
    site.issue({ key: 'test/server', names: ['a.test', 'b.test', '*.c.test'] }),
    ours.issue({ names: ['client.test'] }),
    theirs.issue({ names: ['client.test'] }),
    ours.issue({ names: ['client.test'], expired: true }),
  ]);
});

const BIND = 'test/gateway:443/tcp';

/** Listeners by hostname, with what they ask. */
type Listeners = Readonly<Record<string, ClientValidation | null>>;

const require: ClientValidation = { mode: 'require', authorities: [BUNDLE] };
const request: ClientValidation = { mode: 'request', authorities: [BUNDLE] };

function frontendsOf(listeners: Listeners): Frontend[] {
  return Object.entries(listeners).map(([hostname, clients]) => ({
    key: `test/gateway/${hostname === '' ? 'any' : hostname}`,
    bind: BIND,
    gateway: 'test/gateway',
    listener: hostname,
    protocol: 'HTTPS',
    port: 443,
    hostname,
    tls: { mode: 'terminate', certificates: [server.key], ...(clients === null ? {} : { clients }) },
    publicPorts: {},
    origin,
  }));
}

function listenersUpdate(listeners: Listeners, version: number): Update {
  return { version, frontends: { set: frontendsOf(listeners), delete: [] } };
}

interface Served {
  readonly port: number;
  readonly engine: Engine;
}

/** Every listener answers 418 by itself. */
async function serve(
  t: TestContext,
  listeners: Listeners,
  rows: Partial<Update> = bundleUpdate(ours, 1),
  headTimeout = 10_000,
): Promise<Served> {
  const port = await freePort();
  const engine = await startTestEngine({ limits: { headTimeout } });
  t.after(() => engine.close());
  const frontends = frontendsOf(listeners);
  const rule = ruleOf({ action: { kind: 'respond', status: 418 } }, 'test/gateway|HTTPRoute/test/route|0');
  const entry = {
    rule: rule.key,
    match: { protocol: 'http', path: { type: 'prefix', value: '/' }, headers: [], query: [] },
    rank: { hostname: '', created: '', route: 'test/route', rule: 0, match: 0 },
  } as const;
  await engine.apply({
    ...rows,
    version: 1,
    binds: {
      set: [
        {
          key: BIND,
          gateway: 'test/gateway',
          port: 443,
          transport: 'tcp',
          security: 'tls',
          frontends: frontends.map(({ key }) => key),
        },
      ],
      delete: [],
    },
    placements: { set: [{ bind: BIND, address: '127.0.0.1', port }], delete: [] },
    frontends: { set: frontends, delete: [] },
    certificates: { set: [server], delete: [] },
    rules: { set: [rule], delete: [] },
    virtualHosts: frontends.map(({ key, hostname }) => ({
      key: `${key}|${hostname}`,
      frontend: key,
      hostname,
      removed: [],
      inserted: [entry],
    })),
  });
  return { port, engine };
}

interface Visit {
  readonly certificate?: CertificateSet;
  readonly session?: Buffer | undefined;
  readonly version?: 'TLSv1.2' | 'TLSv1.3';
  /** Host header, where it is not the server name. */
  readonly host?: string;
}

interface Outcome {
  /** Status of one request, or the code of what went wrong. */
  readonly result: number | string;
  readonly session: Buffer | undefined;
  readonly resumed: boolean;
  readonly socket: tls.TLSSocket;
}

const versions = ['TLSv1.2', 'TLSv1.3'] as const;

/** A handshake and one request. */
async function visit({ port }: Pick<Served, 'port'>, name: string, how: Visit = {}): Promise<Outcome> {
  const { certificate, session: before, version = 'TLSv1.3', host = name } = how;
  const socket = tls.connect({
    port,
    host: '127.0.0.1',
    ...(name === '' ? {} : { servername: name }),
    rejectUnauthorized: false,
    minVersion: version,
    maxVersion: version,
    ...(certificate === undefined ? {} : { cert: certificate.certificate, key: certificate.privateKey }),
    ...(before === undefined ? {} : { session: before }),
  });
  let session: Buffer | undefined;
  socket.on('session', (given: Buffer) => {
    session = given;
  });
  const result = await ask(socket, host === '' ? '127.0.0.1' : host);
  return { result, session, resumed: socket.isSessionReused(), socket };
}

/** The status of the answer, or why there is none. */
function ask(socket: tls.TLSSocket, host: string): Promise<number | string> {
  return new Promise((resolve) => {
    let text = '';
    const read = (octets: Buffer): void => {
      text += octets.toString('latin1');
      const status = /^HTTP\/1\.1 (\d+)/.exec(text)?.[1];
      if (status === undefined || !text.includes('\r\n\r\n')) return;
      socket.off('data', read);
      resolve(Number(status));
    };
    socket.on('data', read);
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? ''));
    socket.on('close', () => resolve('closed'));
    socket.write(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
  });
}

/** Not let in, neither by a handshake nor by a session. */
function assertRefused({ result, resumed }: Outcome): void {
  assert.equal(typeof result, 'string');
  assert.ok(!resumed);
}

async function outcome(served: Pick<Served, 'port'>, name: string, how: Visit = {}): Promise<number | string> {
  const { result, socket } = await visit(served, name, how);
  socket.destroy();
  return result;
}

for (const version of versions) {
  describe(`certificates of clients, ${version}`, () => {
    it('are required: none is an alert, a wrong one ends the connection', async (t) => {
      const served = await serve(t, { '': require });
      assert.match(String(await outcome(served, 'a.test', { version })), /ALERT|HANDSHAKE_FAILURE|EPROTO/);
      assert.equal(await outcome(served, 'a.test', { version, certificate: mine }), 418);
      assert.equal(await outcome(served, '', { version, certificate: mine }), 418);
      for (const certificate of [others, expired]) {
        for (const name of ['a.test', ''])
          assert.equal(typeof (await outcome(served, name, { version, certificate })), 'string');
      }
      await assertCounted(served.engine, /tls-ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE/, /tls-CERT_HAS_EXPIRED/);
    });

    it('are requested: any will do, and none', async (t) => {
      const served = await serve(t, { '': request });
      for (const certificate of [mine, others, expired])
        assert.equal(await outcome(served, 'a.test', { version, certificate }), 418);
      assert.equal(await outcome(served, 'a.test', { version }), 418);
      assert.equal(await outcome(served, '', { version }), 418);
    });

    it('are vouched for by nobody when the bundle does not stand there, or is empty', async (t) => {
      const served = await serve(t, { '': require }, {});
      const refused = async (): Promise<void> => {
        for (const name of ['a.test', '']) {
          assert.equal(typeof (await outcome(served, name, { version, certificate: mine })), 'string');
          assert.equal(typeof (await outcome(served, name, { version })), 'string');
        }
      };
      await refused();
      await served.engine.apply({ version: 2, trustBundles: { set: [{ key: BUNDLE, certificates: '' }], delete: [] } });
      await refused();
      await served.engine.apply(bundleUpdate(ours, 3));
      assert.equal(await outcome(served, 'a.test', { version, certificate: mine }), 418);
      await served.engine.apply({ version: 4, trustBundles: { set: [], delete: [BUNDLE] } });
      await refused();
    });

    it('sessions are resumed while nothing changes, and with nothing that changed', async (t) => {
      const served = await serve(t, { '': require });
      const first = await visit(served, 'a.test', { version, certificate: mine });
      assert.equal(first.result, 418);
      const session = first.session;
      const again = await visit(served, 'a.test', { version, certificate: mine, session });
      assert.deepEqual([again.result, again.resumed], [418, true]);
      await served.engine.apply(bundleUpdate(theirs, 2));
      // Whoever is trusted no more does not come in with what he was given when he was.
      for (const name of ['a.test', '']) {
        const carried = await visit(served, name, { version, certificate: mine, session: again.session ?? session });
        assertRefused(carried);
        const bare = await visit(served, name, { version, session: again.session ?? session });
        assertRefused(bare);
      }
      // Connections that were made before live on.
      assert.equal(await ask(first.socket, 'a.test'), 418);
      first.socket.destroy();
      again.socket.destroy();
    });

    it('sessions of a listener that asks for nothing do not open one that insists', async (t) => {
      const listeners: Listeners = { 'a.test': null, 'b.test': require, '*.c.test': request };
      const served = await serve(t, listeners);
      const open = await visit(served, 'a.test', { version });
      assert.equal(open.result, 418);
      const requested = await visit(served, 'x.c.test', { version });
      assert.equal(requested.result, 418);
      for (const { session } of [open, requested]) {
        assert.notEqual(session, undefined);
        const carried = await visit(served, 'b.test', { version, session });
        assertRefused(carried);
      }
      const same = await visit(served, 'a.test', { version, session: open.session });
      assert.deepEqual([same.result, same.resumed], [418, true]);
      // Nor after it began to insist.
      await served.engine.apply(listenersUpdate({ 'a.test': require }, 2));
      const late = await visit(served, 'a.test', { version, session: same.session ?? open.session });
      assertRefused(late);
      for (const { socket } of [open, requested, same]) socket.destroy();
    });
  });
}

describe('listeners with other settings on the same port', () => {
  it('are asked for what they ask, and no client certificate elsewhere', async (t) => {
    const served = await serve(t, { '': null, 'a.test': require, 'b.test': request });
    assert.equal(await outcome(served, 'whatever.test'), 418);
    assert.equal(await outcome(served, ''), 418);
    assert.equal(await outcome(served, 'b.test'), 418);
    assert.equal(typeof (await outcome(served, 'a.test')), 'string');
    assert.equal(await outcome(served, 'a.test', { certificate: mine }), 418);
    assert.equal(await outcome(served, 'A.TEST', { certificate: mine }), 418);
  });

  it('do not make others ask for certificates', async (t) => {
    const [certificates, authorities] = [new Certificates(), new Authorities()];
    certificates.set(server);
    authorities.set(ours.bundle(BUNDLE));
    const termination = new Termination(certificates, authorities);
    termination.update(frontendsOf({ '': null, 'a.test': require, 'b.test': request }));
    const shown = new Map<unknown, boolean>();
    const front = termination.createServer({
      handshakeTimeout: 10_000,
      accept: (socket) => {
        shown.set(socket.servername, socket.getPeerX509Certificate() !== undefined);
        socket.on('error', () => {});
        socket.end('HTTP/1.1 418 \r\n\r\n');
      },
    });
    front.listen(0, '127.0.0.1');
    await once(front, 'listening');
    t.after(() => front.close());
    const { port } = front.address() as AddressInfo;
    for (const name of ['a.test', 'b.test', 'whatever.test', ''])
      assert.equal(await outcome({ port }, name, { certificate: mine }), 418);
    assert.deepEqual(Object.fromEntries(shown), {
      'a.test': true,
      'b.test': true,
      'whatever.test': false,
      false: false,
    });
  });

  it('are not reached past what they ask, by naming another host in the request', async (t) => {
    const served = await serve(t, { '': null, 'a.test': require, 'b.test': request });
    for (const name of ['', 'whatever.test', 'b.test'])
      assert.equal(await outcome(served, name, { host: 'a.test', certificate: mine }), 421, name);
    assert.equal(await outcome(served, 'b.test', { host: 'b.test' }), 418);
  });

  it('a connection from before a listener insisted is told to come again', async (t) => {
    const served = await serve(t, { '': null });
    const { socket, result } = await visit(served, 'a.test');
    assert.equal(result, 418);
    await served.engine.apply(listenersUpdate({ '': require }, 2));
    assert.equal(await ask(socket, 'a.test'), 421);
    socket.destroy();
    assert.equal(typeof (await outcome(served, 'a.test')), 'string');
    assert.equal(await outcome(served, 'a.test', { certificate: mine }), 418);
  });

  it('a client that is slow with its first octets is given up; one that speaks no TLS is, too', async (t) => {
    const served = await serve(t, { '': null, 'a.test': require }, bundleUpdate(ours, 1), 1000);
    const silent = connect(served.port, '127.0.0.1');
    const clear = connect(served.port, '127.0.0.1');
    for (const socket of [silent, clear]) socket.on('error', () => {});
    clear.write('GET / HTTP/1.1\r\nHost: a.test\r\n\r\n');
    // It may be reset as well.
    await Promise.all([silent, clear].map((socket) => new Promise((resolve) => socket.once('close', resolve))));
    await assertCounted(served.engine, /tls-ERR_TLS_HANDSHAKE_TIMEOUT/, /tls-ERR_SSL_HTTP_REQUEST/);
  });
});

describe('exchanged under load', () => {
  it('authorities and certificates of a listener: no handshake fails', async (t) => {
    const served = await serve(t, { '': require, 'b.test': null });
    let done = 0;
    const failed: unknown[] = [];
    const until = new AbortController();
    const one = async (certificate: CertificateSet): Promise<void> => {
      while (!until.signal.aborted) {
        const result = await outcome(served, 'a.test', { certificate });
        done++;
        if (result !== 418) failed.push(result);
      }
    };
    const running = [one(mine), one(mine)];
    for (let version = 2; version < 12; version++) {
      const certificates = version % 2 === 0 ? ours.certificate + theirs.certificate : ours.certificate;
      const next = await site.issue({ key: server.key, names: ['a.test', 'b.test'] });
      await served.engine.apply({
        version,
        trustBundles: { set: [{ key: BUNDLE, certificates }], delete: [] },
        certificates: { set: [next], delete: [] },
      });
      await new Promise((resolve) => setTimeout(resolve, 30));
    }
    until.abort();
    await Promise.all(running);
    assert.deepEqual(failed, []);
    assert.ok(done > 5, String(done));
    await eventually(async () => (await outcome(served, 'a.test', { certificate: others })) !== 418, 'the last bundle');
  });
});
