// The TLS listeners of one bind -> a server that shakes hands by SNI: the listener with the most specific hostname that covers
// the name chooses the certificate. A name that no listener covers, or none at all where no listener takes every host, ends
// the handshake (alert handshake_failure); what listener and host have to do with each other afterwards (421) is decided per
// request.
import { constants } from 'node:crypto';
import type net from 'node:net';
import tls from 'node:tls';
import { HostTable } from '../../../routing/match/frontends.ts';
import { normalizeHost } from '../../../routing/match/hostnames.ts';
import type { Frontend } from '../../../routing/model.ts';
import type { Certificates } from './certificates.ts';

export interface TlsServerOptions {
  /** Milliseconds for the handshake. */
  readonly handshakeTimeout: number;
  /** A connection whose handshake is complete. @param protocol that ALPN agreed on; http/1.1 without ALPN */
  readonly accept: (socket: tls.TLSSocket, protocol: 'h2' | 'http/1.1') => void;
  /** A handshake failed: the code of Node or OpenSSL. The socket is gone. */
  readonly failed?: (code: string) => void;
}

export class Termination {
  readonly #certificates: Certificates;
  #frontends = new HostTable<readonly string[]>();
  #server: tls.Server | null = null;

  constructor(certificates: Certificates) {
    this.#certificates = certificates;
  }

  /** Replaces the listeners of the bind. To be called too whenever a certificate changed. Connections are not touched. */
  update(frontends: Iterable<Frontend>): void {
    const table = new HostTable<readonly string[]>();
    for (const { hostname, tls: settings } of frontends) {
      if (settings?.mode === 'terminate') table.set(hostname, settings.certificates);
    }
    this.#frontends = table;
    this.refresh();
  }

  /** A certificate changed. */
  refresh(): void {
    // Of handshakes without SNI; those with SNI ask each time.
    this.#server?.setSecureContext(this.#defaults());
  }

  /** What to offer to a client that asks for that name. */
  contextFor(serverName: string): tls.SecureContext | undefined {
    const host = normalizeHost(serverName);
    const keys = this.#frontends.lookUp(host);
    return keys === undefined ? undefined : this.#certificates.contextFor(keys, host);
  }

  /** The same, as soon as there is a certificate for the name, where one is made for it. */
  #offer(serverName: string, done: (context: tls.SecureContext | undefined) => void): void {
    const host = normalizeHost(serverName);
    const keys = this.#frontends.lookUp(host);
    if (keys === undefined) done(undefined);
    else this.#certificates.offer(keys, host, done);
  }

  /** A server that is not listening yet. One per termination. */
  createServer(options: TlsServerOptions): net.Server {
    const server = tls.createServer(
      {
        ...this.#defaults(),
        ALPNProtocols: ['h2', 'http/1.1'],
        handshakeTimeout: options.handshakeTimeout,
        secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
        noDelay: true,
        // A client may close its side as soon as it has said everything.
        allowHalfOpen: true,
        SNICallback: (serverName, done) => this.#offer(serverName, (context) => done(null, context)),
      } as tls.TlsOptions,
      (socket) => options.accept(socket, socket.alpnProtocol === 'h2' ? 'h2' : 'http/1.1'),
    );
    server.on('tlsClientError', (error: NodeJS.ErrnoException, socket) => {
      socket.destroy();
      options.failed?.(error.code ?? 'unknown');
    });
    this.#server = server;
    return server;
  }

  #defaults(): tls.SecureContextOptions {
    return this.#certificates.settingsFor(this.#frontends.get('') ?? []);
  }
}
