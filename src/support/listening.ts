// Whether a port is to be had: found by listening there for a moment.
import net from 'node:net';

export interface ListeningPlace {
  readonly address: string;
  readonly port: number;
}

/** TCP, without sharing the port. Resolves with the error of the operating system, or null when it listened. */
export function tryToListen({ address, port }: ListeningPlace): Promise<NodeJS.ErrnoException | null> {
  return new Promise((resolve) => {
    const server = net.createServer();
    server.once('error', resolve);
    server.listen({ host: address, port, exclusive: true }, () => server.close(() => resolve(null)));
  });
}
