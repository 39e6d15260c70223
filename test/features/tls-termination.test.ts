// Handshakes with real clients: which certificate they get, for whom there is none, and what rotation leaves alone.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import net, { type AddressInfo } from 'node:net';
import { after, before, describe, it } from './engine-tests.ts';
import tls from 'node:tls';
import { Certificates, coversName } from '../../src/engines/embedded/tls/certificates.ts';
import { Termination } from '../../src/engines/embedded/tls/termination.ts';
import type { CertificateSet, Frontend } from '../../src/routing/model.ts';
import { certificateFor } from './tls-certificates.ts';

function frontend(hostname: string, ...certificates: readonly string[]): Frontend {
  return {
    key: `ns/gw/${hostname}`,
    bind: 'ns/gw:443/tcp',
    gateway: 'ns/gw',
    listener: hostname,
    protocol: 'HTTPS',
    port: 443,
    hostname,
    tls: { mode: 'terminate', certificates },
    publicPorts: {},
    origin: { object: { group: '', kind: 'Gateway', namespace: 'ns', name: 'gw' }, path: '' },
  };
}

interface Bind {
  readonly termination: Termination;
  readonly certificates: Certificates;
  readonly port: number;
  readonly failures: string[];
  readonly accepted: { readonly serverName: string | false | null; readonly protocol: string }[];
}

const closing: (() => void)[] = [];
after(() => {
  for (const close of closing) close();
});

async function serve(frontends: readonly Frontend[], rows: readonly CertificateSet[], timeout = 5000): Promise<Bind> {
  const certificates = new Certificates();
  for (const row of rows) certificates.set(row);
  const termination = new Termination(certificates);
  termination.update(frontends);
  const failures: string[] = [];
  const accepted: Bind['accepted'] = [];
  const sockets = new Set<tls.TLSSocket>();
  const server = termination.createServer({
    handshakeTimeout: timeout,
    accept: (socket, { protocol }) => {
      accepted.push({ serverName: socket.servername, protocol });
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('data', (data) => socket.write(data));
    },
    failed: (code) => failures.push(code),
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closing.push(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return { termination, certificates, port: (server.address() as AddressInfo).port, failures, accepted };
}

interface Shaken {
  readonly fingerprint: string;
  readonly protocol: string | false | null;
  readonly version: string | null;
  readonly socket: tls.TLSSocket;
}

async function shake(bind: Bind, servername: string, options: tls.ConnectionOptions = {}): Promise<Shaken> {
  const socket = tls.connect({
    port: bind.port,
    host: '127.0.0.1',
    servername,
    rejectUnauthorized: false,
    ALPNProtocols: ['h2', 'http/1.1'],
    ...options,
  });
  const seen = bind.accepted.length;
  await once(socket, 'secureConnect');
  // In TLS 1.3 the client is done before the server.
  while (bind.accepted.length === seen) await new Promise(setImmediate);
  return {
    // None when a session was resumed.
    fingerprint: (socket.getPeerCertificate().fingerprint256 ?? '').replaceAll(':', '').toLowerCase(),
    protocol: socket.alpnProtocol,
    version: socket.getProtocol(),
    socket,
  };
}

async function refusedWith(bind: Bind, servername: string, options: tls.ConnectionOptions = {}): Promise<string> {
  const socket = tls.connect({ port: bind.port, host: '127.0.0.1', servername, rejectUnauthorized: false, ...options });
  const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException];
  return error.code ?? '';
}

describe('a handshake', () => {
  let any: CertificateSet;
  let wild: CertificateSet;
  let exact: CertificateSet;
  let bind: Bind;
  before(async () => {
    [any, wild, exact] = await Promise.all([
      certificateFor('ns/any', ['any.test']),
      certificateFor('ns/wild', ['*.example.test']),
      certificateFor('ns/exact', ['a.example.test']),
    ]);
    const frontends = [
      frontend('', any.key),
      frontend('*.example.test', wild.key),
      frontend('a.example.test', exact.key),
    ];
    bind = await serve(frontends, [any, wild, exact]);
  });

  it('gets the certificate of the listener with the most specific hostname', async () => {
    for (const [name, row] of [
      ['a.example.test', exact],
      ['A.EXAMPLE.test', exact],
      ['b.example.test', wild],
      ['c.b.example.test', wild],
      ['example.test', any],
      ['whatever.test', any],
    ] as const) {
      const { fingerprint, socket } = await shake(bind, name);
      assert.equal(fingerprint, row.fingerprint, name);
      socket.destroy();
    }
  });

  it('without a name gets that of the listener for every host', async () => {
    const { fingerprint, socket } = await shake(bind, '');
    assert.equal(fingerprint, any.fingerprint);
    assert.equal(bind.accepted.at(-1)?.serverName, false);
    socket.destroy();
  });

  it('agrees on h2 or http/1.1, and is refused without common protocol', async () => {
    const h2 = await shake(bind, 'a.example.test');
    assert.equal(h2.protocol, 'h2');
    assert.deepEqual(bind.accepted.at(-1), { serverName: 'a.example.test', protocol: 'h2' });
    const h1 = await shake(bind, 'a.example.test', { ALPNProtocols: ['http/1.1'] });
    assert.equal(h1.protocol, 'http/1.1');
    const none = await shake(bind, 'a.example.test', { ALPNProtocols: [] });
    assert.equal(none.protocol, false);
    assert.equal(bind.accepted.at(-1)?.protocol, 'http/1.1');
    for (const { socket } of [h2, h1, none]) socket.destroy();
    const code = await refusedWith(bind, 'a.example.test', { ALPNProtocols: ['spdy/3'] });
    assert.match(code, /NO_APPLICATION_PROTOCOL/);
  });

  it('takes TLS 1.2 and 1.3, and nothing older', async () => {
    for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
      const shaken = await shake(bind, 'a.example.test', { minVersion: version, maxVersion: version });
      assert.equal(shaken.version, version);
      shaken.socket.destroy();
    }
    const old = { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const;
    assert.match(await refusedWith(bind, 'a.example.test', old), /PROTOCOL_VERSION|ECONNRESET/);
  });

  it('that carries no TLS is a failure with a code, and closes the connection', async () => {
    const socket = net.connect(bind.port, '127.0.0.1');
    socket.on('error', () => {});
    socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await once(socket, 'close');
    assert.equal(bind.failures.at(-1), 'ERR_SSL_HTTP_REQUEST');
  });

  it('resumes a session', async () => {
    const first = await shake(bind, 'a.example.test', { maxVersion: 'TLSv1.2' });
    const session = first.socket.getSession() as Buffer;
    const second = await shake(bind, 'a.example.test', { session, maxVersion: 'TLSv1.2' });
    assert.ok(second.socket.isSessionReused());
    first.socket.destroy();
    second.socket.destroy();
  });
});

describe('a name that no listener covers', () => {
  it('ends the handshake with an alert, and so does no name', async () => {
    const row = await certificateFor('ns/one', ['one.test']);
    const bind = await serve([frontend('one.test', row.key)], [row]);
    assert.match(await refusedWith(bind, 'two.test'), /HANDSHAKE_FAILURE/);
    assert.match(await refusedWith(bind, ''), /HANDSHAKE_FAILURE/);
    const { fingerprint, socket } = await shake(bind, 'one.test');
    assert.equal(fingerprint, row.fingerprint);
    socket.destroy();
  });
});

describe('a silent client', () => {
  it('is dropped when the time for the handshake is over', async () => {
    const row = await certificateFor('ns/one', ['one.test']);
    const bind = await serve([frontend('', row.key)], [row], 100);
    const socket = net.connect(bind.port, '127.0.0.1');
    socket.on('error', () => {});
    await once(socket, 'close');
    assert.equal(bind.failures.at(-1), 'ERR_TLS_HANDSHAKE_TIMEOUT');
  });
});

describe('several certificates of one listener', () => {
  it('are chosen by the name, else the first', async () => {
    const [one, two, rsa] = await Promise.all([
      certificateFor('ns/one', ['one.test']),
      certificateFor('ns/two', ['two.test', '*.two.test']),
      certificateFor('ns/rsa', ['three.test'], 'rsa'),
    ]);
    const bind = await serve([frontend('', one.key, 'ns/missing', two.key, rsa.key)], [one, two, rsa]);
    for (const [name, row] of [
      ['one.test', one],
      ['two.test', two],
      ['a.two.test', two],
      ['b.a.two.test', one],
      ['three.test', rsa],
      ['four.test', one],
    ] as const) {
      const { fingerprint, socket } = await shake(bind, name);
      assert.equal(fingerprint, row.fingerprint, name);
      socket.destroy();
    }
  });

  it('match by the rules for certificates, where a wildcard is one label', () => {
    assert.ok(coversName('*.Example.test', 'a.example.test'));
    assert.ok(!coversName('*.example.test', 'b.a.example.test'));
    assert.ok(!coversName('*.example.test', 'example.test'));
    assert.ok(coversName('a.test', 'a.test'));
  });
});

describe('rotation', () => {
  it('gives new handshakes the new certificate and leaves connections alone', async () => {
    const [old, fresh] = await Promise.all([certificateFor('ns/a', ['a.test']), certificateFor('ns/a', ['a.test'])]);
    const bind = await serve([frontend('', old.key)], [old]);
    const named = await shake(bind, 'a.test');
    const nameless = await shake(bind, '');
    assert.equal(named.fingerprint, old.fingerprint);
    bind.certificates.set(fresh);
    bind.termination.refresh();
    for (const name of ['a.test', '']) {
      const { fingerprint, socket } = await shake(bind, name);
      assert.equal(fingerprint, fresh.fingerprint);
      socket.destroy();
    }
    for (const { socket } of [named, nameless]) {
      socket.write('still here');
      assert.equal(String((await once(socket, 'data'))[0]), 'still here');
      socket.destroy();
    }
  });

  it('to a key that does not fit, or to nothing, ends handshakes and nothing else', async () => {
    const [a, b] = await Promise.all([certificateFor('ns/a', ['a.test']), certificateFor('ns/b', ['b.test'])]);
    const bind = await serve([frontend('a.test', a.key), frontend('b.test', b.key)], [a, b]);
    bind.certificates.set({ ...a, privateKey: b.privateKey, fingerprint: 'broken' });
    bind.termination.refresh();
    assert.match(await refusedWith(bind, 'a.test'), /HANDSHAKE_FAILURE/);
    bind.certificates.set({ ...a, certificate: 'rubbish', fingerprint: 'rubbish' });
    assert.match(await refusedWith(bind, 'a.test'), /HANDSHAKE_FAILURE/);
    bind.certificates.delete(a.key);
    assert.match(await refusedWith(bind, 'a.test'), /HANDSHAKE_FAILURE/);
    const { fingerprint, socket } = await shake(bind, 'b.test');
    assert.equal(fingerprint, b.fingerprint);
    socket.destroy();
  });
});
