// TLS to backends: who is believed, and that nothing is sent to anybody else.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { assertCounted, before, describe, it, type TestContext } from './engine-tests.ts';
import { onEnvoy } from './test-engine.ts';
import tls from 'node:tls';
import type { EngineOptions } from '../../src/engines/embedded/options.ts';
import type { Cluster, ClusterTls, TrustBundle } from '../../src/routing/model.ts';
import { rawBackend, type Running, serve } from './engine-fixture.ts';
import { BUNDLE, CLIENT, get, type SecureBackend, secureBackend, trust } from './engine-tls-fixture.ts';
import { type Authority, authority, type Leaf } from './tls-certificates.ts';
import { eventually } from '../eventually.ts';

let ours: Authority;
let theirs: Authority;
let intermediate: Authority;
before(async () => {
  [ours, theirs] = await Promise.all([authority('Ours'), authority('Theirs')]);
  intermediate = await authority('Between', theirs);
});

interface Case extends Leaf {
  readonly tls?: Partial<ClusterTls>;
  readonly cluster?: Partial<Cluster>;
  readonly issuer?: () => Authority;
  readonly bundles?: () => readonly TrustBundle[];
  readonly versions?: { readonly maxVersion: 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3' };
  readonly h2?: boolean;
}

/** One backend, one route to it, one request. */
async function ask(
  t: TestContext,
  { tls = {}, cluster = {}, issuer = () => ours, bundles = () => [ours.bundle(BUNDLE)], versions, h2, ...leaf }: Case,
  options: EngineOptions = {},
): Promise<{ readonly status: number; readonly backend: SecureBackend; readonly running: Running }> {
  const certificate = await issuer().issue({ names: ['backend.example'], ...leaf });
  const backend = await secureBackend(t, certificate, {
    ...versions,
    minVersion: versions?.maxVersion === 'TLSv1.1' ? 'TLSv1' : 'TLSv1.2',
    ...(versions?.maxVersion === 'TLSv1.1' ? { ciphers: 'DEFAULT@SECLEVEL=0' } : {}),
    ...(h2 === undefined ? {} : { h2 }),
  });
  const running = await serve(
    t,
    {
      routes: [{ backends: [{ to: 'secure' }] }],
      clusters: { secure: [backend.port] },
      special: { secure: { tls: trust(tls), ...cluster } },
      trustBundles: bundles(),
    },
    options,
  );
  const { status } = await get(running.port);
  return { status, backend, running };
}

describe('who is believed', () => {
  const believed: Readonly<Record<string, Case>> = {
    'the right name from the right authority': {},
    'TLS 1.2': { versions: { maxVersion: 'TLSv1.2' } },
    'a wildcard for one label': {
      names: ['*.example'],
    },
    'one of several names': {
      tls: {
        names: [
          { type: 'dns', value: 'other.example' },
          { type: 'dns', value: 'second.example' },
        ],
      },
      names: ['first.example', 'second.example'],
    },
    'a URI to the letter': {
      tls: { names: [{ type: 'uri', value: 'spiffe://cluster.local/ns/a/sa/b' }] },
      names: [],
      uris: ['spiffe://cluster.local/ns/a/sa/b'],
    },
    'one of two authorities': {
      issuer: () => theirs,
      tls: { authorities: [BUNDLE, 'ConfigMap/test/more'] },
      bundles: () => [ours.bundle(BUNDLE), theirs.bundle('ConfigMap/test/more')],
    },
    'one authority of two in a bundle': {
      issuer: () => theirs,
      bundles: () => [{ key: BUNDLE, certificates: `${ours.certificate}\nnonsense\n${theirs.certificate}` }],
    },
    'an intermediate authority alone': {
      issuer: () => intermediate,
      bundles: () => [intermediate.bundle(BUNDLE)],
    },
    'one bundle stands there, another does not': { tls: { authorities: ['ConfigMap/test/absent', BUNDLE] } },
    'a server name that is an address, which is not sent': { tls: { serverName: '127.0.0.1' } },
    'HTTP/2': { cluster: { protocol: 'h2' }, h2: true },
  };
  for (const [name, each] of Object.entries(believed)) {
    it(name, async (t) => {
      const { status, backend } = await ask(t, each);
      assert.equal(status, 200);
      assert.equal(backend.requests, 1);
    });
  }
});

describe('who is not believed is sent nothing, and the client gets 502', () => {
  const refused: Readonly<Record<string, Case & { readonly detail: string }>> = {
    'another authority': { issuer: () => theirs, detail: 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY' },
    'another authority, TLS 1.2': {
      issuer: () => theirs,
      versions: { maxVersion: 'TLSv1.2' },
      detail: 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
    },
    'another name': { names: ['other.example'], detail: 'ERR_TLS_CERT_ALTNAME_INVALID' },
    'another name, TLS 1.2': {
      names: ['other.example'],
      versions: { maxVersion: 'TLSv1.2' },
      detail: 'ERR_TLS_CERT_ALTNAME_INVALID',
    },
    'the server name is not among the names': {
      tls: { names: [{ type: 'dns', value: 'elsewhere.example' }] },
      detail: 'ERR_TLS_CERT_ALTNAME_INVALID',
    },
    'a wildcard does not stand for two labels': {
      tls: { names: [{ type: 'dns', value: 'a.backend.example' }] },
      names: ['*.example'],
      detail: 'ERR_TLS_CERT_ALTNAME_INVALID',
    },
    'a common name is no name': {
      names: [],
      commonName: 'backend.example',
      detail: 'ERR_TLS_CERT_ALTNAME_INVALID',
    },
    'a longer URI': {
      tls: { names: [{ type: 'uri', value: 'spiffe://cluster.local/ns/a' }] },
      uris: ['spiffe://cluster.local/ns/a/sa/b'],
      detail: 'ERR_TLS_CERT_ALTNAME_INVALID',
    },
    'a DNS name that looks like the URI': {
      tls: { names: [{ type: 'uri', value: 'backend.example' }] },
      detail: 'ERR_TLS_CERT_ALTNAME_INVALID',
    },
    'a URI that hides in a DNS name': {
      tls: { names: [{ type: 'uri', value: 'spiffe://a' }] },
      names: ['x, URI:spiffe://a'],
      detail: 'ERR_TLS_CERT_ALTNAME_INVALID',
    },
    'no names at all': { tls: { names: [] }, detail: 'ERR_TLS_CERT_ALTNAME_INVALID' },
    expired: { expired: true, detail: 'CERT_HAS_EXPIRED' },
    'no bundle stands there': { bundles: () => [], detail: 'no-authorities' },
    'an empty bundle': { bundles: () => [{ key: BUNDLE, certificates: '' }], detail: 'no-authorities' },
    'a bundle of nonsense': {
      bundles: () => [{ key: BUNDLE, certificates: '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n' }],
      detail: 'no-authorities',
    },
    'no bundle is named': { tls: { authorities: [] }, detail: 'no-authorities' },
    'the system does not know our authority': {
      tls: { authorities: 'system' },
      detail: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
    },
    'a client certificate that does not stand there': {
      tls: { certificate: CLIENT },
      detail: 'no-client-certificate',
    },
    'TLS 1.1': { versions: { maxVersion: 'TLSv1.1' }, detail: 'tlsv1 alert protocol version' },
    'h2 of a backend that only speaks HTTP/1.1': {
      cluster: { protocol: 'h2' },
      detail: 'ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL',
    },
    'h2 of another authority': {
      cluster: { protocol: 'h2' },
      h2: true,
      issuer: () => theirs,
      detail: 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
    },
    'h2 without a bundle': { cluster: { protocol: 'h2' }, h2: true, bundles: () => [], detail: 'no-authorities' },
  };
  for (const [name, { detail, ...each }] of Object.entries(refused)) {
    it(name, async (t) => {
      const folder = await mkdtemp(join(tmpdir(), 'portolan-tls-'));
      t.after(() => rm(folder, { recursive: true }));
      const log = join(folder, 'access.log');
      const { status, backend, running } = await ask(t, each, { accessLog: log });
      assert.equal(status, 502);
      assert.equal(backend.requests, 0);
      // The log of an Envoy says it in other words.
      if (onEnvoy) return;
      await eventually(() => readFileSync(log, 'utf8').includes('\n'), 'a line in the log');
      const line = JSON.parse(readFileSync(log, 'utf8')) as Readonly<Record<string, unknown>>;
      assert.deepEqual([line['failure'], line['detail'], line['attempts']], ['tls', detail, 1]);
      await assertCounted(running.engine, /portolan_\w*failures_total\{[^}]*"tls"[^}]*\} 1/);
    });
  }

  it('h2 of a backend that does not know ALPN', async (t) => {
    const { certificate, privateKey } = await ours.issue({ names: ['backend.example'] });
    const heard: unknown[] = [];
    const server = tls.createServer({ cert: certificate, key: privateKey }, (socket) => {
      socket.on('data', (octets) => heard.push(octets));
      socket.on('error', () => {});
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    t.after(() => server.close());
    const running = await serve(t, {
      routes: [{ backends: [{ to: 'secure' }] }],
      clusters: { secure: [(server.address() as AddressInfo).port] },
      special: { secure: { tls: trust(), protocol: 'h2' } },
      trustBundles: [ours.bundle(BUNDLE)],
    });
    const { status, text } = await get(running.port);
    assert.equal(status, 502);
    assert.match(text, /backend-tls/);
    assert.equal(heard.length, 0);
  });

  it('no octet of the request reaches a backend that is not TLS', async (t) => {
    const heard: string[] = [];
    const port = await rawBackend(t, (socket) => {
      socket.on('data', (octets) => heard.push(octets.toString('latin1')));
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n');
    });
    const running = await serve(t, {
      routes: [{ backends: [{ to: 'secure' }] }],
      clusters: { secure: [port] },
      special: { secure: { tls: trust() } },
      trustBundles: [ours.bundle(BUNDLE)],
    });
    const { status, text } = await get(running.port, '/secret');
    assert.equal(status, 502);
    assert.match(text, /backend-tls/);
    assert.equal(heard.join('').includes('secret'), false);
  });

  it('is not tried elsewhere, unless the rule says that failures to connect are', async (t) => {
    const [good, bad] = await Promise.all([
      secureBackend(t, await ours.issue({ names: ['backend.example'] })),
      secureBackend(t, await theirs.issue({ names: ['backend.example'] })),
    ]);
    const running = await serve(t, {
      routes: [
        { path: '/once', backends: [{ to: 'secure' }] },
        { path: '/again', backends: [{ to: 'secure' }], retry: { attempts: 3, codes: [], backoff: 1 } },
      ],
      clusters: { secure: [good.port, bad.port] },
      special: { secure: { tls: trust() } },
      trustBundles: [ours.bundle(BUNDLE)],
    });
    const again = new Set<number>();
    const once: number[] = [];
    for (let i = 0; i < 30; i++) {
      again.add((await get(running.port, '/again')).status);
      once.push((await get(running.port, '/once')).status);
    }
    assert.deepEqual([...again], [200]);
    assert.ok(once.includes(502) && once.includes(200), once.join(' '));
    assert.equal(bad.requests, 0);
  });
});

describe('bounds', () => {
  it('a handshake that never ends is given up in the time for connecting: 504', async (t) => {
    const port = await rawBackend(t, () => {});
    const running = await serve(
      t,
      {
        routes: [{ backends: [{ to: 'secure' }] }],
        clusters: { secure: [port] },
        special: { secure: { tls: trust() } },
        trustBundles: [ours.bundle(BUNDLE)],
      },
      { limits: { connectTimeout: 200 } },
    );
    const started = performance.now();
    assert.equal((await get(running.port)).status, 504);
    // By default it is five seconds.
    assert.ok(performance.now() - started < 4000);
  });

  it('a backend that closes in the middle of the handshake is one that cannot be reached: 503', async (t) => {
    const port = await rawBackend(t, (socket) => socket.once('data', () => socket.destroy()));
    const running = await serve(t, {
      routes: [{ backends: [{ to: 'secure' }] }],
      clusters: { secure: [port] },
      special: { secure: { tls: trust() } },
      trustBundles: [ours.bundle(BUNDLE)],
    });
    assert.equal((await get(running.port)).status, 503);
  });
});
