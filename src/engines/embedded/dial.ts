// An endpoint of a cluster -> an open connection to it: TCP, the PROXY protocol's header when the cluster wants one, TLS when
// the cluster has it. Who may use the connection for what, and pools, are left to the caller.
//
// The caller may write to `socket` at once: nothing reaches the peer before it proved to be the one that was meant. It has
// to listen to 'drain', 'end' and 'close', to which `ready` and `failed` add what it means: exactly one of the two is
// called, once, after `dial` returned. After `failed` the socket is gone. 'error' needs no listener.
import net, { isIP } from 'node:net';
import tls from 'node:tls';
import type { Cluster } from '../../routing/model.ts';
import { proxyHeader } from './l4/proxy-protocol.ts';
import type { Client, Failure } from './sides.ts';
import type { Swept } from './sweep.ts';
import type { Thread } from './thread.ts';
import type { BackendTls } from './tls/backend-tls.ts';

/** How a cluster is spoken to, and for whom. */
export interface Way {
  readonly row: Cluster;
  /** LiveCluster.tls. A row with TLS and without settings is refused. */
  readonly tls: BackendTls | null;
  /** Whom a PROXY header names; null: nobody, the connection is our own. */
  readonly client: Client | null;
}

/** As net.connect's: `buffer` gives memory to read into, undefined for the same again; `callback` is told how many octets are in it, and says true. */
export interface Reading {
  readonly buffer: () => Uint8Array | undefined;
  readonly callback: (size: number) => boolean;
}

export interface DialOptions {
  /** Without it, 'data' events. */
  readonly onread?: Reading;
  /** Connected, shaken hands, and the backend is who it has to be. */
  readonly ready: () => void;
  /** @param detail the code of the system or of OpenSSL, or a word; '' if there is none */
  readonly failed: (failure: Failure, detail: string) => void;
}

interface Address {
  readonly address: string;
  readonly port: number;
}

const neverTls: ReadonlySet<string> = new Set(['ECONNRESET', 'ECONNABORTED', 'EPIPE', 'ETIMEDOUT']);

/** Within `limits.connectTimeout`, the handshake included. Half-open connections are allowed. */
export function dial(endpoint: Address, way: Way, thread: Thread, options: DialOptions): Dial {
  return new Dial(endpoint, way, thread, options);
}

export class Dial implements Swept {
  readonly socket: net.Socket;
  readonly secure: boolean;
  /** What OpenSSL said last, '' if nothing: TLS 1.3 tells of a refused client certificate after the handshake. */
  alert = '';
  readonly #thread: Thread;
  readonly #ready: () => void;
  readonly #failed: DialOptions['failed'];
  #deadline: number;
  #pending = true;
  /** TCP is connected. */
  #reached = false;
  #timedOut = false;
  #detail = '';

  constructor(endpoint: Address, way: Way, thread: Thread, options: DialOptions) {
    this.#thread = thread;
    this.#ready = options.ready;
    this.#failed = options.failed;
    const { tls: settings } = way;
    this.secure = way.row.tls !== undefined || settings !== null;
    const { row, client } = way;
    const header = row.proxyProtocol === undefined ? null : proxyHeader(row.proxyProtocol, client);
    if (!this.secure) this.socket = this.#connect(endpoint, header, options.onread);
    else this.socket = this.#connectSecurely(endpoint, settings, header, options.onread);
    const { socket } = this;
    // Before anybody else hears of it. Under HTTP/2 Node leaves a socket open whose TLS broke, and its session without an end.
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.#broke(codeOf(error));
      socket.destroy();
    });
    socket.on('close', () => this.#fail());
    this.#deadline = thread.sweeper.read() + thread.limits.connectTimeout;
    thread.sweeper.add(this);
  }

  #connect(to: Address, header: Buffer | null, onread: Reading | undefined): net.Socket {
    const socket = net.connect(destination(to, onread));
    // What is written while it connects is sent in this order.
    if (header !== null) socket.write(header);
    socket.on('connect', () => this.#open());
    return socket;
  }

  /** A socket that ends before anything is sent, not even a SYN. */
  #refuse(detail: string): net.Socket {
    this.#reached = true;
    const error = Object.assign(new Error(detail), { code: detail });
    return net.connect({ host: 'refused.invalid', port: 1, lookup: (_name, _options, done) => done(error, '') });
  }

  #connectSecurely(
    to: Address,
    settings: BackendTls | null,
    header: Buffer | null,
    onread: Reading | undefined,
  ): net.Socket {
    const context = settings === null ? 'no-settings' : settings.context;
    if (settings === null || typeof context === 'string') return this.#refuse(context as string);
    const address = `${to.address} ${to.port}`;
    const { serverName } = settings.row;
    const session = settings.sessionWith(address);
    const carrier = header === null ? null : net.connect(destination(to, undefined));
    // Before the handshake, and not part of it.
    if (header !== null) carrier?.write(header);
    const socket = tls.connect({
      ...(carrier === null ? destination(to, onread) : { socket: carrier }),
      secureContext: context,
      rejectUnauthorized: true,
      // RFC 6066 section 3: names only.
      ...(serverName === '' || isIP(serverName) !== 0 ? {} : { servername: serverName }),
      ...(settings.protocols.length === 0 ? {} : { ALPNProtocols: [...settings.protocols] }),
      ...(session === undefined ? {} : { session }),
      checkServerIdentity: (_name, certificate) => settings.identify(certificate),
    });
    // Node reads into the caller's memory only from sockets that it made itself.
    if (carrier !== null && onread !== undefined) readInto(socket, onread);
    if (header !== null && onread !== undefined) readInto(socket, onread);
    socket.on('connect', () => {
      this.#reached = true;
    });
    socket.on('secureConnect', () => {
      if (settings.protocols[0] === 'h2' && socket.alpnProtocol !== 'h2') {
        this.#broke('no-alpn-h2');
        socket.destroy();
      } else {
        this.#open();
      }
    });
    socket.on('session', (given: Buffer) => settings.remember(address, given, context));
    return socket;
  }

  #open(): void {
    if (!this.#pending) return;
    this.#pending = false;
    this.#thread.sweeper.delete(this);
    this.#ready();
  }

  #broke(code: string): void {
    this.#detail = code;
    if (this.#reached && this.secure && !neverTls.has(code)) this.alert = code;
    this.#fail();
  }

  #fail(): void {
    if (!this.#pending) return;
    this.#pending = false;
    this.#thread.sweeper.delete(this);
    this.#failed(this.#failure(), this.#detail);
  }

  #failure(): Failure {
    if (this.#timedOut) return 'connect-timeout';
    return this.secure && this.#reached && !neverTls.has(this.#detail) ? 'tls' : 'refused';
  }

  sweep(now: number): void {
    if (now <= this.#deadline) return;
    this.#timedOut = true;
    this.#fail();
    this.socket.destroy();
  }
}

function destination({ address, port }: Address, onread: Reading | undefined): net.TcpNetConnectOpts {
  return {
    host: address,
    port,
    noDelay: true,
    // A backend that has said everything may still be told something (an upgraded connection).
    allowHalfOpen: true,
    // Node takes undefined for the same memory again, its types do not.
    ...(onread === undefined ? {} : { onread: onread as net.OnReadOpts }),
  };
}

function readInto(socket: net.Socket, { buffer, callback }: Reading): void {
  let memory: Uint8Array | null = null;
  socket.on('data', (octets: Buffer) => {
    for (let at = 0; at < octets.length && !socket.destroyed;) {
      memory ??= buffer() ?? null;
      if (memory === null) return;
      const size = Math.min(memory.length, octets.length - at);
      memory.set(octets.subarray(at, at + size));
      at += size;
      callback(size);
      memory = buffer() ?? memory;
    }
  });
}

/** What is refused while Node writes has its reason in the message: `…:SSL routines:…:tlsv1 alert protocol version:…`. */
function codeOf({ code = 'unknown', message }: NodeJS.ErrnoException): string {
  if (code !== 'EPROTO') return code;
  return message.split('SSL routines:')[1]?.split(':')[1] ?? code;
}
