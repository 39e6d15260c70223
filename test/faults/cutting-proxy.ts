// Between a controller and its API server: octets pass as they are, and every connection is cut off after so many of them, be it in the
// middle of a list, of an event or of an answer to a write.
import net from 'node:net';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { tmpdir } from 'node:os';
import { labKubeconfig } from '../lab/inside.ts';

export interface CuttingProxy {
  /** Of a kubeconfig that leads through here. */
  readonly kubeconfig: string;
  cuts: number;
  /** Octets of answers until a connection is cut, of those that stand counted from now on; Infinity: never. */
  readonly cutAfter: (octets: () => number) => void;
  readonly close: () => void;
}

export async function startCuttingProxy(octets: () => number): Promise<CuttingProxy> {
  const sockets = new Set<net.Socket>();
  const connections = new Set<{ left: number }>();
  const server = net.createServer((client) => {
    const upstream = net.connect(6443, '10.244.0.1');
    const connection = { left: octets() };
    connections.add(connection);
    const both = [client, upstream];
    for (const socket of both) {
      sockets.add(socket);
      socket.on('close', () => {
        sockets.delete(socket);
        connections.delete(connection);
        for (const each of both) each.destroy();
      });
      socket.on('error', () => {});
    }
    client.pipe(upstream);
    upstream.on('data', (chunk: Buffer) => {
      if (chunk.length > connection.left) {
        client.write(chunk.subarray(0, connection.left), () => client.resetAndDestroy());
        proxy.cuts++;
        connection.left = 0;
        return;
      }
      connection.left -= chunk.length;
      client.write(chunk);
    });
    upstream.on('end', () => client.end());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as net.AddressInfo;
  const kubeconfig = join(tmpdir(), `portolan-faults-${port}.kubeconfig`);
  const text = readFileSync(labKubeconfig, 'utf8').replace(
    /server: *"?[^",}\n]*"?/,
    `server: "https://127.0.0.1:${port}"`,
  );
  writeFileSync(kubeconfig, text, { mode: 0o600 });
  const proxy: CuttingProxy = {
    kubeconfig,
    cuts: 0,
    cutAfter: (next) => {
      octets = next;
      for (const connection of connections) connection.left = next();
    },
    close: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
  return proxy;
}
