// The TLS listeners of one bind -> a server that shakes hands by SNI: the listener with the most specific hostname that covers
// the name chooses the certificate. A name that no listener covers, or none at all where no listener takes every host, ends
// the handshake (alert handshake_failure); what listener and host have to do with each other afterwards (421) is decided per
// request.
//
// Node asks for client certificates, and OpenSSL decides on resumption, before the name was looked at. So listeners that ask
// different things of their clients (GEP-91) have servers of their own; where a bind has several, the name is read first.
import net from 'node:net';
import tls from 'node:tls';
import { HostTable } from '../../../routing/match/frontends.ts';
import { normalizeHost } from '../../../routing/match/hostnames.ts';
import type { Frontend } from '../../../routing/model.ts';
import { Authorities } from './authorities.ts';
import type { Certificates } from './certificates.ts';
import { readClientHello } from './client-hello.ts';
import { type ClientTrust, trustOf, validationOf } from './client-trust.ts';

/** What a handshake came to. */
export interface Handshake {
  /** That ALPN agreed on; http/1.1 without ALPN. */
  readonly protocol: 'h2' | 'http/1.1';
  /** What was asked of the client: validationOf the listener. */
  readonly validation: string;
}

export interface TlsServerOptions {
  /** Milliseconds for the handshake. */
  readonly handshakeTimeout: number;
  /** A connection whose handshake is complete. */
  readonly accept: (socket: tls.TLSSocket, handshake: Handshake) => void;
  /** A handshake failed: the code of Node or OpenSSL. The socket is gone. */
  readonly failed?: (code: string) => void;
}

interface Listener {
  readonly certificates: readonly string[];
  /** Key of its group. */
  readonly group: string;
}

/** What is told apart by servers. */
interface Settings {
  readonly tls: Frontend['tls'];
  /** Streams: what is inside is for the backend to agree on, so that no protocol is chosen (ALPN). */
  readonly streams: boolean;
}

/** Listeners that ask the same of their clients. */
interface Group {
  readonly key: string;
  readonly server: tls.Server;
  trust: ClientTrust;
}

export class Termination {
  readonly #certificates: Certificates;
  readonly #authorities: Authorities;
  #listeners = new HostTable<Listener>();
  #settings = new Map<string, Settings>();
  readonly #groups = new Map<string, Group>();
  #options: TlsServerOptions | null = null;

  constructor(certificates: Certificates, authorities: Authorities = new Authorities()) {
    this.#certificates = certificates;
    this.#authorities = authorities;
  }

  /** Replaces the listeners of the bind. Connections are not touched, nor are the servers of listeners that stay. */
  update(frontends: Iterable<Frontend>): void {
    const listeners = new HostTable<Listener>();
    const settings = new Map<string, Settings>();
    for (const { hostname, tls: each, protocol } of frontends) {
      if (each?.mode !== 'terminate') continue;
      const streams = protocol === 'TLS';
      const group = `${streams ? 'streams' : 'http'} ${validationOf(each)}`;
      listeners.set(hostname, { certificates: each.certificates, group });
      settings.set(group, { tls: each, streams });
    }
    this.#listeners = listeners;
    this.#settings = settings;
    this.refresh();
  }

  /** Certificates or authorities changed, or listeners. */
  refresh(): void {
    const options = this.#options;
    if (options === null) return;
    for (const key of this.#groups.keys()) if (!this.#settings.has(key)) this.#groups.delete(key);
    for (const [key, { tls: settings, streams }] of this.#settings) {
      const trust = trustOf(settings, this.#authorities);
      const group = this.#groups.get(key);
      if (group === undefined) {
        this.#groups.set(key, this.#createGroup(key, { trust, streams }, options));
        continue;
      }
      if (group.trust.fingerprint !== trust.fingerprint) group.trust = trust;
      // Of handshakes without SNI, and of sessions; those with SNI ask each time.
      group.server.setSecureContext(this.#defaults(group));
    }
  }

  /** A server of its own, for binds where nothing comes before TLS. */
  createServer(options: TlsServerOptions): net.Server {
    this.prepare(options);
    return net.createServer({ noDelay: true, allowHalfOpen: true }, (socket) => this.accept(socket));
  }

  /** Before the first connection. */
  prepare(options: TlsServerOptions): void {
    this.#options = options;
    this.refresh();
  }

  /** Shakes hands with who is behind a socket; octets that were read of it are to be put back before. */
  accept(socket: net.Socket): void {
    if (this.#groups.size === 1) {
      for (const { server } of this.#groups.values()) server.emit('connection', socket);
    } else if (this.#groups.size === 0) {
      socket.destroy();
    } else {
      this.#readName(socket, (name) => {
        const key = this.#listeners.lookUp(normalizeHost(name))?.group;
        const [first] = this.#groups.values();
        const group = key === undefined ? first : this.#groups.get(key);
        if (group === undefined) socket.destroy();
        else group.server.emit('connection', socket);
      });
    }
  }

  #readName(socket: net.Socket, then: (name: string) => void): void {
    const pieces: Buffer[] = [];
    const fail = (code: string): void => {
      end();
      socket.destroy();
      this.#options?.failed?.(code);
    };
    const timer = setTimeout(() => fail('ERR_TLS_HANDSHAKE_TIMEOUT'), this.#options?.handshakeTimeout);
    const read = (octets: Buffer): void => {
      pieces.push(octets);
      const all = Buffer.concat(pieces);
      const hello = readClientHello(all);
      if (hello.state === 'incomplete') return;
      end();
      socket.pause();
      socket.unshift(all);
      // OpenSSL has the right words for what is no ClientHello.
      then(hello.state === 'complete' ? hello.serverName : '');
    };
    const gone = (): void => fail('ECONNRESET');
    const end = (): void => {
      clearTimeout(timer);
      socket.off('data', read).off('end', gone).off('error', gone);
    };
    socket.on('data', read).on('end', gone).on('error', gone);
    // It may have been stopped where something was read of it before.
    socket.resume();
  }

  #createGroup(
    key: string,
    { trust, streams }: { readonly trust: ClientTrust; readonly streams: boolean },
    options: TlsServerOptions,
  ): Group {
    const server = tls.createServer(
      {
        ...this.#defaults({ key, trust }),
        ...(streams ? {} : { ALPNProtocols: ['h2', 'http/1.1'] }),
        // A client may close its side as soon as it has said everything.
        allowHalfOpen: true,
        handshakeTimeout: options.handshakeTimeout,
        requestCert: trust.mode !== 'none',
        rejectUnauthorized: trust.mode === 'require',
        SNICallback: (serverName, done) => this.#offer(group, serverName, done),
      },
      (socket) => {
        const protocol = socket.alpnProtocol === 'h2' ? 'h2' : 'http/1.1';
        options.accept(socket, { protocol, validation: trust.validation });
      },
    );
    server.on('tlsClientError', (error: NodeJS.ErrnoException, socket) => {
      socket.destroy();
      // A certificate that nobody vouches for: Node then only says that the connection is gone.
      const refused: unknown = trust.mode === 'require' ? socket.authorizationError : null;
      options.failed?.(typeof refused === 'string' ? refused : (error.code ?? 'unknown'));
    });
    const group: Group = { key, server, trust };
    return group;
  }

  /** The certificate for a name, as soon as there is one where they are made for names. */
  #offer(group: Group, serverName: string, done: (error: Error | null, context?: tls.SecureContext) => void): void {
    const host = normalizeHost(serverName);
    const listener = this.#listeners.lookUp(host);
    if (listener === undefined) {
      done(null);
    } else if (listener.group !== group.key) {
      // The listeners changed meanwhile, or the name was read differently: what has to be asked was not.
      done(new Error('the listener of that name asks other things of its clients'));
    } else {
      const { certificates } = listener;
      this.#certificates.await(certificates, host, () =>
        done(null, this.#certificates.contextFor(certificates, host, group.trust)),
      );
    }
  }

  /** For clients that name no host. */
  #defaults({ key, trust }: Pick<Group, 'key' | 'trust'>): tls.SecureContextOptions {
    const any = this.#listeners.get('');
    return this.#certificates.settingsFor(any?.group === key ? any.certificates : [], trust);
  }
}
