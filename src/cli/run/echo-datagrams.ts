// Stands in for UDP backends that do not run here: every datagram goes back to where it came from.
import { createSocket } from 'node:dgram';
import type { Echo } from './echo-server.ts';

/** Listens on a free port of the loopback address. */
export function startDatagramEcho(): Promise<Echo> {
  const socket = createSocket('udp4');
  socket.on('message', (message, { address, port }) => socket.send(message, port, address, () => {}));
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.bind(0, '127.0.0.1', () => {
      socket.off('error', reject);
      // A peer that is gone (ICMP) is nobody's concern.
      socket.on('error', () => {});
      const { address, port } = socket.address();
      resolve({ address, port, close: () => socket.close() });
    });
  });
}
