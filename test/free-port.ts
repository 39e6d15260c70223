// Ports for whoever is told where to listen, instead of asking the system for any (port 0). They are below those that the system gives
// away by itself, and each process of tests has a slice of its own: between being found and being used none goes to anybody else. (With
// SO_REUSEPORT two engines would share it, and each get some of the other's connections.)
import dgram from 'node:dgram';
import net from 'node:net';

const FIRST = 10_000;
/** net.ipv4.ip_local_port_range begins at 32,768 where nobody changed it. */
const LAST = 32_700;
const SLICE = 50;

let next = 0;
let end = 0;

/** A port that nothing listens at, for TCP; never the same twice in a process. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = await candidate();
    if (await takesTcp(port)) return port;
  }
}

/** Free for TCP, too: where workers share a port, the engine looks for that before it opens one for datagrams. */
export async function freeUdpPort(): Promise<number> {
  for (;;) {
    const port = await candidate();
    if ((await takesTcp(port)) && (await takesUdp(port))) return port;
  }
}

/** As many of `freePort`. */
export async function freePorts(count: number): Promise<readonly number[]> {
  const ports: number[] = [];
  while (ports.length < count) ports.push(await freePort());
  return ports;
}

async function candidate(): Promise<number> {
  if (next === end) {
    next = (await slice()) + 1;
    end = next + SLICE - 1;
  }
  return next++;
}

/** The first port of a slice that no other process has; it is held as long as this process lives. */
async function slice(): Promise<number> {
  const slices = Math.floor((LAST - FIRST) / SLICE);
  for (let i = 0; i < slices; i++) {
    const first = FIRST + ((process.pid + i) % slices) * SLICE;
    if (await takesTcp(first, 'held')) return first;
  }
  throw new Error('other processes have all ports of tests');
}

async function takesTcp(port: number, held?: 'held'): Promise<boolean> {
  const server = net.createServer();
  const listens = await new Promise<boolean>((resolve) => {
    server.once('error', () => resolve(false));
    server.listen({ port, host: '0.0.0.0', exclusive: true }, () => resolve(true));
  });
  if (listens && held !== undefined) server.unref();
  else if (listens) await new Promise((resolve) => server.close(resolve));
  return listens;
}

async function takesUdp(port: number): Promise<boolean> {
  const socket = dgram.createSocket('udp4');
  const binds = await new Promise<boolean>((resolve) => {
    socket.once('error', () => resolve(false));
    socket.bind({ port, address: '0.0.0.0', exclusive: true }, () => resolve(true));
  });
  await new Promise<void>((resolve) => socket.close(() => resolve()));
  return binds;
}
