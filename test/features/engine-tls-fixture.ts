// Backends over TLS, and rows of clusters that trust them, for the tests of TLS between the engine and backends.
import http from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';
import net from 'node:net';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import type tls from 'node:tls';
import type { CertificateSet, ClusterTls } from '../../src/routing/model.ts';
import type { Update } from '../../src/routing/update.ts';
import { clusterOf } from './engine-fixture.ts';
import type { Authority } from './tls-certificates.ts';

export const BUNDLE = 'ConfigMap/test/roots';
export const CLIENT = 'test/client';

/** Trusts BUNDLE and wants backend.example. */
export function trust(changes: Partial<ClusterTls> = {}): ClusterTls {
  return {
    serverName: 'backend.example',
    names: [{ type: 'dns', value: 'backend.example' }],
    authorities: [BUNDLE],
    ...changes,
  };
}

export interface SecureBackend {
  readonly port: number;
  /** Requests that it saw. */
  requests: number;
  /** Connections whose handshake was complete, with what Node tells of them. */
  readonly connections: tls.TLSSocket[];
  /** TCP connections, whatever became of them. */
  tcp: number;
  readonly server: https.Server | http2.Http2SecureServer;
}

export type BackendOptions = tls.TlsOptions & { readonly h2?: boolean };

/** Answers `ok` to whatever it is asked, over HTTP/1.1, or HTTP/2 with `h2`. */
export async function secureBackend(
  t: TestContext,
  certificate: CertificateSet,
  options: BackendOptions = {},
  listener: (request: http.IncomingMessage, response: http.ServerResponse) => void = answer,
): Promise<SecureBackend> {
  const { h2 = false, ...rest } = options;
  const settings = { cert: certificate.certificate, key: certificate.privateKey, ...rest };
  const serve = (request: http.IncomingMessage, response: http.ServerResponse): void => {
    backend.requests++;
    listener(request, response);
  };
  const server = h2
    ? http2.createSecureServer(settings, serve as unknown as (request: http2.Http2ServerRequest) => void)
    : https.createServer({ keepAliveTimeout: 30_000, ...settings }, serve);
  const sockets = new Set<net.Socket>();
  const backend: { -readonly [K in keyof SecureBackend]: SecureBackend[K] } = {
    port: 0,
    requests: 0,
    connections: [],
    tcp: 0,
    server,
  };
  server.on('connection', (socket: net.Socket) => {
    backend.tcp++;
    sockets.add(socket);
    socket.on('error', () => {});
  });
  server.on('secureConnection', (socket: tls.TLSSocket) => {
    backend.connections.push(socket);
    socket.on('error', () => {});
  });
  server.on('tlsClientError', () => {});
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  backend.port = (server.address() as AddressInfo).port;
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return backend;
}

function answer(request: http.IncomingMessage, response: http.ServerResponse): void {
  request.resume().on('end', () => response.end('ok'));
}

export interface Relay {
  readonly port: number;
  /** Octets of the backend are there, and wait. */
  readonly holds: () => boolean;
  /** They go on, and what comes later is not held. */
  readonly release: () => void;
}

/** Between the engine and a backend: holds what this says until told otherwise. */
export async function relayTo(t: TestContext, port: number): Promise<Relay> {
  let waiting: (() => void)[] | null = [];
  const server = net.createServer((near) => {
    const far = net.connect(port, '127.0.0.1');
    for (const socket of [near, far]) socket.on('error', () => {});
    near.on('close', () => far.destroy()).pipe(far);
    far.on('data', (octets: Buffer) => {
      if (waiting === null) near.write(octets);
      else waiting.push(() => near.write(octets));
    });
    far.on('end', () => near.end());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  return {
    port: (server.address() as AddressInfo).port,
    holds: () => waiting !== null && waiting.length > 0,
    release: () => {
      for (const write of waiting ?? []) write();
      waiting = null;
    },
  };
}

/** The update that replaces what is special about a cluster. */
export function clusterUpdate(name: string, changes: object, version: number): Update {
  return { version, clusters: { set: [{ ...clusterOf(name, 'http1'), ...changes }], delete: [] } };
}

export function bundleUpdate(from: Authority, version: number): Update {
  return { version, trustBundles: { set: [from.bundle(BUNDLE)], delete: [] } };
}

export interface Answered {
  readonly status: number;
  readonly text: string;
}

/** One GET on a connection of its own. */
export function get(port: number, path = '/', headers: Readonly<Record<string, string>> = {}): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const request = http.get({ host: '127.0.0.1', port, path, agent: false, headers }, (response) => {
      let text = '';
      response.setEncoding('latin1');
      response.on('data', (piece: string) => (text += piece));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
      response.on('error', reject);
    });
    request.on('error', reject);
  });
}
