// A backend for tests that do without HTTP of Node's: whatever a test does with each connection, on a free port of this machine.
import { once } from 'node:events';
import net from 'node:net';

export interface Backend {
  readonly port: number;
  /** Ends its connections, too. */
  close(): void;
}

export async function startBackend(accept: (socket: net.Socket) => void): Promise<Backend> {
  const sockets = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    accept(socket);
  });
  server.listen(0, '127.0.0.1', 4096);
  await once(server, 'listening');
  return {
    port: (server.address() as net.AddressInfo).port,
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}
