// HAProxy and nginx as reverse proxies on ports of this machine, for as long as a test runs: what they make of a message is what
// most servers that stand next to a gateway make of it. Each keeps its connections to backends, where smuggled requests would show.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export type PeerKind = 'haproxy' | 'nginx';

/** Where a peer listens, and to whom it forwards what it gets there; both on this machine. */
export interface Hop {
  readonly listen: number;
  readonly to: number;
}

export interface Peer {
  close(): Promise<void>;
}

/** Adds `X-Peer` to every request, with a value that no client can know. Names the field that tells a request of its own. */
export const MARK = 'x-peer';

/** Undefined if it is installed, else what to do about it. */
export function missing(kind: PeerKind): string | undefined {
  const { error } = spawnSync(commandOf(kind), ['-v']);
  return error === undefined ? undefined : `${kind} is not installed`;
}

export async function startPeer(kind: PeerKind, hops: readonly Hop[]): Promise<Peer> {
  const folder = mkdtempSync(join(tmpdir(), `portolan-${kind}-`));
  const file = join(folder, 'peer.conf');
  writeFileSync(file, kind === 'haproxy' ? haproxyConfig(hops) : nginxConfig(hops, folder));
  const options =
    kind === 'haproxy' ? ['-db', '-f', file] : ['-p', folder, '-c', file, '-e', join(folder, 'error.log')];
  const process = spawn(commandOf(kind), options, { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  process.stderr.on('data', (octets: Buffer) => {
    said = (said + octets.toString()).slice(-4000);
  });
  const close = async (): Promise<void> => {
    if (process.exitCode === null && process.signalCode === null) {
      process.kill('SIGTERM');
      await once(process, 'exit');
    }
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    for (const { listen } of hops) await listening(listen, process);
  } catch (error) {
    await close();
    throw new Error(`${kind} does not start: ${said}`, { cause: error });
  }
  return { close };
}

function commandOf(kind: PeerKind): string {
  // Not in the path of everyone.
  return `/usr/sbin/${kind}`;
}

async function listening(port: number, process: ChildProcess): Promise<void> {
  for (let attempt = 0; attempt < 100; attempt++) {
    if (process.exitCode !== null) throw new Error('it ended');
    const open = await new Promise<boolean>((resolve) => {
      const socket = net.connect(port, '127.0.0.1');
      socket.on('connect', () => {
        socket.destroy();
        resolve(true);
      });
      socket.on('error', () => resolve(false));
    });
    if (open) return;
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
  throw new Error(`nobody listens on ${port}`);
}

function haproxyConfig(hops: readonly Hop[]): string {
  return `global
  maxconn 2000
  nbthread 1
defaults
  mode http
  timeout connect 5s
  timeout client 3s
  timeout server 4s
  timeout http-request 3s
  timeout http-keep-alive 3s
  http-reuse always
${hops
  .map(
    ({ listen, to }) => `listen hop${listen}
  bind 127.0.0.1:${listen}
  http-request set-header ${MARK} %[uuid]
  retries 0
  server backend 127.0.0.1:${to}
`,
  )
  .join('')}`;
}

function nginxConfig(hops: readonly Hop[], folder: string): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `  ${name}_temp_path ${join(folder, name)};\n`,
  );
  return `daemon off;
master_process off;
pid ${join(folder, 'pid')};
error_log ${join(folder, 'error.log')};
events { worker_connections 2000; }
http {
${temporary.join('')}  access_log off;
  client_header_timeout 3s;
  client_body_timeout 3s;
  keepalive_timeout 3s;
  proxy_read_timeout 4s;
  proxy_http_version 1.1;
  proxy_request_buffering off;
  proxy_buffering off;
  proxy_next_upstream off;
  proxy_set_header Connection "";
  proxy_set_header Host $http_host;
  proxy_set_header ${MARK} $request_id;
${hops
  .map(
    ({ listen, to }) => `  upstream backend${listen} { server 127.0.0.1:${to} max_fails=0; keepalive 16; }
  server {
    listen 127.0.0.1:${listen};
    location / { proxy_pass http://backend${listen}; }
  }
`,
  )
  .join('')}}
`;
}
