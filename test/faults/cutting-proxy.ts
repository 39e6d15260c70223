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
  /** Octets of answers until a connection is cut; Infinity: never. */
  after: () => number;
  readonly close: () => void;
}

export async function startCuttingProxy(after: () => number): Promise<CuttingProxy> {
  const sockets = new Set<net.Socket>();
  const server = net.createServer((client) => {
    const upstream = net.connect(6443, '10.244.0.1');
    let left = proxy.after();
    const both = [client, upstream];
    for (const socket of both) {
      sockets.add(socket);
      socket.on('close', () => {
        sockets.delete(socket);
        for (const each of both) each.destroy();
      });
      socket.on('error', () => {});
    }
    client.pipe(upstream);
    upstream.on('data', (chunk: Buffer) => {
      if (chunk.length > left) {
        client.write(chunk.subarray(0, left), () => client.resetAndDestroy());
        proxy.cuts++;
        left = 0;
        return;
      }
      left -= chunk.length;
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
    after,
    close: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
  return proxy;
}
