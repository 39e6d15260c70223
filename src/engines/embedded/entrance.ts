// What becomes of a connection that was accepted: first whose it is (PROXY protocol), then TLS or not, for which listener (SNI), and
// then HTTP or a stream. One per bind and worker.
import net from 'node:net';
import { normalizeHost } from '../../routing/match/hostnames.ts';
import { clientOf } from './client.ts';
import { Http1Downstream } from './http1/downstream.ts';
import { Http2Downstream } from './http2/downstream.ts';
import type { Peer } from './l4/proxy-protocol.ts';
import { readProxyHeader } from './l4/proxy-protocol.ts';
import { Stream } from './l4/stream.ts';
import type { Client } from './sides.ts';
import type { LiveBind, LiveFrontend } from './state.ts';
import type { Thread } from './thread.ts';
import { readClientHello } from './tls/client-hello.ts';
import type { Termination } from './tls/termination.ts';

export class Entrance {
  readonly #thread: Thread;
  readonly #bind: string;
  readonly #termination: Termination | null;
  /** Whose connections the PROXY protocol says they are, by address and port of the proxy. */
  readonly #proxied = new Map<string, Peer>();

  /** @param termination of a bind with TLS */
  constructor(thread: Thread, bind: string, termination: Termination | null) {
    this.#thread = thread;
    this.#bind = bind;
    this.#termination = termination;
    termination?.prepare({
      handshakeTimeout: thread.limits.headTimeout,
      accept: (socket, { protocol, validation }) => {
        const name = typeof socket.servername === 'string' ? socket.servername : undefined;
        const frontend = this.#frontendFor(name ?? '');
        const client = { ...this.#clientOf(socket, 'https', name), validation };
        if (!this.#admit(socket)) return;
        if (frontend?.row.protocol === 'TLS') this.#stream(socket, client, frontend, name ?? '');
        else if (protocol === 'h2') void new Http2Downstream(thread, socket, client);
        else void new Http1Downstream(thread, socket, client);
      },
      failed: (code) => thread.metrics.refused(`tls-${code}`),
    });
  }

  /** A server that is not listening yet. */
  createServer(): net.Server {
    return net.createServer({ noDelay: true, allowHalfOpen: true }, (socket) => {
      socket.on('error', ignore);
      const bind = this.#live;
      if (bind === undefined) socket.destroy();
      else if (bind.row.proxyProtocol === true) this.#readHeader(socket);
      else this.#enter(socket, bind);
    });
  }

  get #live(): LiveBind | undefined {
    return this.#thread.state.binds.get(this.#bind);
  }

  #frontendFor(name: string): LiveFrontend | undefined {
    return this.#live?.frontends.lookUp(normalizeHost(name));
  }

  #enter(socket: net.Socket, bind: LiveBind): void {
    if (this.#termination === null) this.#enterPlain(socket, bind);
    else if (bind.named) this.#readName(socket);
    else this.#termination.accept(socket);
  }

  #enterPlain(socket: net.Socket, bind: LiveBind): void {
    if (!this.#admit(socket)) return;
    const client = this.#clientOf(socket, 'http', undefined);
    const any = bind.frontends.get('');
    if (any?.row.protocol === 'TCP') this.#stream(socket, client, any, '');
    else {
      void new Http1Downstream(this.#thread, socket, client);
      // It was stopped where something had to be read before.
      socket.resume();
    }
  }

  #stream(socket: net.Socket, client: Client, frontend: LiveFrontend, host: string): void {
    const passthrough = frontend.row.tls?.mode === 'passthrough';
    void new Stream(this.#thread, socket, client, { frontend, host: normalizeHost(host), passthrough });
  }

  /** Of connections that are answered; who only shakes hands is bound by time. */
  #admit(socket: net.Socket): boolean {
    const { connections, limits, metrics } = this.#thread;
    socket.on('error', ignore);
    if (connections.size < limits.connections) return true;
    metrics.counts.connectionsRefused++;
    socket.destroy();
    return false;
  }

  #clientOf(socket: net.Socket, scheme: 'http' | 'https', name: string | undefined): Client {
    const client = clientOf(socket, this.#bind, scheme, name);
    const peer = this.#proxied.get(keyOf(socket));
    if (peer === undefined) return client;
    const forwarded = `X-Forwarded-For: ${peer.address}\r\nX-Forwarded-Proto: ${scheme}\r\n`;
    return { ...client, address: peer.address, port: peer.port, forwarded };
  }

  // ---- What is read before anybody is told of the connection.

  #readHeader(socket: net.Socket): void {
    this.#read(socket, 'proxy-protocol', (octets) => {
      const header = readProxyHeader(octets);
      if (header.state === 'incomplete') return false;
      if (header.state === 'invalid') {
        this.#thread.metrics.refused('proxy-protocol');
        socket.destroy();
        return true;
      }
      const key = keyOf(socket);
      if (header.source !== undefined) {
        this.#proxied.set(key, header.source);
        socket.on('close', () => this.#proxied.delete(key));
      }
      if (octets.length > header.size) socket.unshift(octets.subarray(header.size));
      const bind = this.#live;
      if (bind === undefined) socket.destroy();
      else this.#enter(socket, bind);
      return true;
    });
  }

  /** Which listener a TLS connection is for, before a word of TLS is said. */
  #readName(socket: net.Socket): void {
    this.#read(socket, 'tls-hello', (octets) => {
      const hello = readClientHello(octets);
      if (hello.state === 'incomplete') return false;
      if (hello.state === 'invalid') {
        this.#thread.metrics.refused('tls-hello');
        socket.destroy();
        return true;
      }
      const frontend = this.#frontendFor(hello.serverName);
      const host = normalizeHost(hello.serverName);
      const streams = frontend?.row.protocol === 'TLS';
      // Without an alert, as the conformance tests have it: nobody here speaks TLS with that client.
      if (frontend === undefined || (streams && this.#thread.state.streamEntry(frontend, host) === undefined)) {
        this.#thread.metrics.refused('tls-name');
        socket.resetAndDestroy();
        return true;
      }
      socket.unshift(octets);
      if (frontend.row.tls?.mode === 'terminate') {
        (this.#termination as Termination).accept(socket);
        return true;
      }
      if (!this.#admit(socket)) return true;
      this.#stream(socket, this.#clientOf(socket, 'https', hello.serverName), frontend, hello.serverName);
      return true;
    });
  }

  /**
   * Gathers octets until `judge` has seen enough of them. It has as long as a head of a request has.
   * @param reason under which a connection is counted that does not say enough in time
   */
  #read(socket: net.Socket, reason: string, judge: (octets: Buffer) => boolean): void {
    let octets: Buffer | null = null;
    const { sweeper, limits, metrics } = this.#thread;
    const deadline = sweeper.read() + limits.headTimeout;
    const waiting = {
      sweep: (now: number): void => {
        if (now <= deadline) return;
        metrics.refused(`${reason}-timeout`);
        socket.destroy();
      },
    };
    const over = (): void => {
      sweeper.delete(waiting);
      socket.off('data', read).off('end', gone).off('close', over);
    };
    const gone = (): void => {
      over();
      socket.destroy();
    };
    const read = (piece: Buffer): void => {
      octets = octets === null ? piece : Buffer.concat([octets, piece]);
      over();
      // Whoever has it afterwards reads on when there is somebody to hear it.
      socket.pause();
      if (!judge(octets)) begin();
    };
    const begin = (): void => {
      sweeper.add(waiting);
      socket.on('data', read).on('end', gone).on('close', over);
      socket.resume();
    };
    begin();
  }
}

function keyOf({ remoteAddress, remotePort }: net.Socket): string {
  return `${remoteAddress ?? ''} ${remotePort ?? 0}`;
}

function ignore(): void {
  // 'close' follows where there is something to do.
}
