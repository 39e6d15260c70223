// The TLS of echo servers: what a passthrough listener leads to, and backends that a BackendTLSPolicy is for. Certificates are
// issued for the name that the client asks for.
import type { Socket } from 'node:net';
import { createSecureContext, createServer } from 'node:tls';
import type { SecureContext, TLSSocket } from 'node:tls';
import type { Authority } from './authority.ts';

/** Names come from clients. */
const maxNames = 1000;
const dnsName = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
/** Of a client that sends no name (RFC 6066 section 3). */
const nameless = 'localhost';

/** What ALPN agreed on; undefined for a client that does not ask. */
export type Agreed = 'h2' | 'http/1.1' | undefined;

export class EchoTls {
  readonly #open: () => Promise<Authority>;
  readonly #contexts = new Map<string, Promise<SecureContext>>();
  #authority: Promise<Authority> | undefined;

  constructor(open: () => Promise<Authority>) {
    this.#open = open;
  }

  /** What takes connections whose first octets, a ClientHello, were not read yet or put back. */
  acceptor(secured: (socket: TLSSocket, agreed: Agreed) => void): (socket: Socket) => void {
    const server = createServer({
      ALPNProtocols: ['h2', 'http/1.1'],
      SNICallback: (name, done) => {
        this.#context(name).then(
          (context) => done(null, context),
          (error: unknown) => done(error instanceof Error ? error : new Error('no certificate')),
        );
      },
    });
    server.on('secureConnection', (socket) => {
      socket.on('error', () => socket.destroy());
      const agreed = socket.alpnProtocol;
      secured(socket, agreed === 'h2' || agreed === 'http/1.1' ? agreed : undefined);
    });
    let ready: Promise<void> | undefined;
    return (socket) => {
      ready ??= this.#issue(nameless).then((context) => server.setSecureContext(context));
      ready.then(
        () => server.emit('connection', socket),
        () => socket.destroy(),
      );
    };
  }

  #context(asked: string): Promise<SecureContext> {
    const isUsable = dnsName.test(asked) && asked.length <= 253;
    const name = isUsable && (this.#contexts.has(asked) || this.#contexts.size < maxNames) ? asked : nameless;
    let context = this.#contexts.get(name);
    if (context === undefined) this.#contexts.set(name, (context = this.#issue(name).then(createSecureContext)));
    return context;
  }

  async #issue(name: string): Promise<{ readonly cert: string; readonly key: string }> {
    this.#authority ??= this.#open();
    const { certificate, privateKey } = await (await this.#authority).issue([name]);
    return { cert: certificate, key: privateKey };
  }
}
