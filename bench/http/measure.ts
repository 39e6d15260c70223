// Processes pinned to a core, the CPU time that they used, and load: bursts as fast as it goes from wrk, and a fixed rate from
// h2load for latencies.
import { execFile, execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request as clearRequest, type IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Running {
  readonly name: string;
  readonly pid: number;
}

/** Only what was started here is ever ended. */
const started = new Set<ChildProcess>();

export async function stopAll(): Promise<void> {
  const ended = [...started]
    .filter((child) => child.exitCode === null && child.signalCode === null)
    .map((child) => once(child, 'exit'));
  for (const child of started) child.kill('SIGKILL');
  started.clear();
  await Promise.race([Promise.all(ended), sleep(2000)]);
}

/** Whether a program is there to be run. */
export function installed(program: string): boolean {
  try {
    execFileSync('sh', ['-c', 'command -v "$1"', 'sh', program], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** Starts a command on one core and waits until it answers on the port. @param options.folder where its output goes */
export async function start(
  name: string,
  command: readonly string[],
  options: {
    readonly core: number;
    /** 0: it is taken to run at once. */
    readonly port: number;
    readonly folder: string;
    readonly secure?: boolean;
  },
): Promise<Running> {
  const logFile = join(options.folder, `${name}.log`);
  const log = openSync(logFile, 'w');
  const child = spawn('taskset', ['-c', String(options.core), ...command], { stdio: ['ignore', log, log] });
  closeSync(log);
  started.add(child);
  for (let attempt = 0; attempt < 300 && child.exitCode === null; attempt++) {
    if (options.port === 0 || (await answers(options.port, options.secure === true)))
      return { name, pid: child.pid as number };
    await sleep(100);
  }
  throw new Error(`${name} does not answer on port ${options.port}: ${readFileSync(logFile, 'utf8').slice(-2000)}`);
}

function answers(port: number, secure: boolean): Promise<boolean> {
  return new Promise((resolve) => {
    const options = { host: '127.0.0.1', port, path: '/', headers: { host: hostName(0) }, agent: false, timeout: 500 };
    const answered = (response: IncomingMessage): void => {
      response.resume();
      resolve(response.statusCode === 200);
    };
    const probe = secure
      ? request({ ...options, rejectUnauthorized: false }, answered)
      : clearRequest(options, answered);
    probe.on('error', () => resolve(false));
    probe.on('timeout', () => probe.destroy());
    probe.end();
  });
}

export function hostName(at: number): string {
  return `h${at}.example.com`;
}

export interface Cpu {
  /** Milliseconds. */
  readonly user: number;
  readonly system: number;
}

/** Of the process with all its threads, those that ended too; /proc counts in ticks of 10 ms. */
export function cpuOf(pid: number): Cpu {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return { user: Number(fields[11]) * 10, system: Number(fields[12]) * 10 };
}

/** MiB resident. */
export function memoryOf(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024;
}

export interface Load {
  /** 0: one host. */
  readonly hosts: number;
  readonly method: 'GET' | 'POST';
  /** Octets of the request's body. */
  readonly body: number;
  /** The backend answers with 10 KiB instead of 100 octets. */
  readonly large: boolean;
}

const headers: readonly (readonly [name: string, value: string])[] = [
  ['User-Agent', 'Mozilla/5.0 (X11; Linux x86_64)'],
  ['Accept', 'text/html,application/json'],
  ['Accept-Language', 'en'],
  ['Accept-Encoding', 'gzip, deflate'],
  ['Cookie', 'session=0123456789abcdef; theme=dark'],
  ['Referer', 'http://example.com/'],
];

/** The lua program of a load: seven usual headers, a host and a path at random where there are several. */
export function loadProgram(folder: string, load: Load): string {
  const file = join(folder, `load-${load.hosts}-${load.method}-${load.body}-${load.large}.lua`);
  const host = load.hosts === 0 ? `"${hostName(0)}"` : `"h" .. math.random(0, ${load.hosts - 1}) .. ".example.com"`;
  const fixed = [...headers, ['X-Answer', load.large ? 'large' : 'small']];
  writeFileSync(
    file,
    `local paths = {"/api/v1/users", "/api/v2/items", "/static/app.js", "/other"}
local headers = {${fixed.map(([name, value]) => `["${name}"]="${value}"`).join(', ')}}
local body = ${load.body === 0 ? 'nil' : `string.rep("x", ${load.body})`}
request = function()
  headers["Host"] = ${host}
  return wrk.format("${load.method}", paths[math.random(#paths)], headers, body)
end
done = function(summary, latency)
  local e = summary.errors
  io.write(string.format("RESULT %d %d %d\\n", summary.requests, e.connect + e.read + e.write + e.status + e.timeout, summary.duration))
end
`,
  );
  return file;
}

export interface Burst {
  readonly requests: number;
  readonly errors: number;
  readonly perSecond: number;
}

export interface BurstOptions {
  readonly seconds: number;
  readonly connections: number;
  readonly core: number;
  /** Over TLS, as this configuration of OpenSSL says. */
  readonly tls?: string;
}

/** The same handshake with everybody: TLS 1.3, one suite, one group. */
export function tlsClientConfig(folder: string): string {
  const file = join(folder, 'openssl.cnf');
  writeFileSync(
    file,
    `openssl_conf = main
[main]
ssl_conf = ssl
[ssl]
system_default = all
[all]
MinProtocol = TLSv1.3
Ciphersuites = TLS_AES_128_GCM_SHA256
Groups = X25519
`,
  );
  return file;
}

/** As many requests as it takes, on connections that stay open. */
export async function burst(program: string, port: number, options: BurstOptions): Promise<Burst> {
  const said = await runToEnd(options, [
    'wrk',
    '-t1',
    `-c${options.connections}`,
    `-d${options.seconds}s`,
    '-s',
    program,
    `${options.tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}/`,
  ]);
  const found = /RESULT (\d+) (\d+) (\d+)/.exec(said);
  if (found === null) throw new Error(`wrk said nothing usable: ${said}`);
  const [requests = 0, errors = 0, micros = 0] = found.slice(1).map(Number);
  return { requests, errors, perSecond: requests / (micros / 1e6) };
}

/** Requests of HTTP/2: 16 at a time on each connection. */
export function streams(port: number, options: BurstOptions): Promise<Burst> {
  return h2load(port, options, ['-m16', `-c${options.connections}`, `-D${options.seconds}`]);
}

/** A connection, and its handshake, for each request: so many all in all, a tenth of them within each 20 ms. */
export function handshakes(port: number, options: BurstOptions & { readonly count: number }): Promise<Burst> {
  const { count } = options;
  const rate = Math.ceil(count / 10);
  return h2load(port, options, ['--h1', `-n${count}`, `-c${count}`, `-r${rate}`, '--rate-period=20ms']);
}

async function h2load(port: number, options: BurstOptions, how: readonly string[]): Promise<Burst> {
  const said = await runToEnd(options, [
    'h2load',
    '-t1',
    ...how,
    ...headers.flatMap(([name, value]) => ['-H', `${name}: ${value}`]),
    '-H',
    `:authority: ${hostName(0)}`,
    `https://127.0.0.1:${port}/api/v1/users`,
  ]);
  const [, perSecond = 0] = (/finished in [^,]+, ([\d.]+) req/.exec(said) ?? []).map(Number);
  const found = /requests: \d+ total, \d+ started, (\d+) done, (\d+) succeeded/.exec(said);
  if (found === null) throw new Error(`h2load said nothing usable: ${said}`);
  const [done = 0, succeeded = 0] = found.slice(1).map(Number);
  return { requests: succeeded, errors: done - succeeded, perSecond };
}

/** Datagrams that go there and back, from so many clients, each with one under way. @param program of streams.ts */
export async function datagrams(program: string, port: number, options: BurstOptions): Promise<Burst> {
  const count = String(options.connections);
  const said = await runToEnd(options, [process.execPath, program, String(port), count, String(options.seconds)]);
  const found = /RESULT (\d+) (\d+) (\d+)/.exec(said);
  if (found === null) throw new Error(`the clients said nothing usable: ${said}`);
  const [requests = 0, errors = 0, micros = 0] = found.slice(1).map(Number);
  return { requests, errors, perSecond: requests / (micros / 1e6) };
}

export interface Latencies {
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
  readonly errors: number;
}

/** Latencies at a fixed rate, each from when a request is sent. @param rate requests per second over all connections */
export async function paced(
  port: number,
  rate: number,
  options: BurstOptions & { readonly folder: string },
): Promise<Latencies> {
  const log = join(options.folder, 'latencies.log');
  rmSync(log, { force: true });
  const perClient = Math.max(1, Math.round(rate / options.connections));
  await runToEnd(options, [
    'h2load',
    '--h1',
    '-t1',
    `-c${options.connections}`,
    `--rps=${perClient}`,
    `-D${options.seconds}`,
    `--log-file=${log}`,
    ...headers.flatMap(([name, value]) => ['-H', `${name}: ${value}`]),
    '-H',
    `:authority: ${hostName(0)}`,
    `http://127.0.0.1:${port}/api/v1/users`,
  ]);
  const lines = readFileSync(log, 'utf8').trim().split('\n');
  const rows = lines.map((line) => line.split('\t').map(Number));
  const times = rows.map(([, , micros = 0]) => micros / 1000).toSorted((a, b) => a - b);
  const at = (share: number): number => times[Math.floor((times.length - 1) * share)] ?? Number.NaN;
  return { p50: at(0.5), p99: at(0.99), errors: rows.filter(([, status]) => status !== 200).length };
}

function runToEnd({ core, seconds, tls }: BurstOptions, command: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = execFile(
      'taskset',
      ['-c', String(core), ...command],
      {
        timeout: (seconds + 30) * 1000,
        killSignal: 'SIGKILL',
        env: { ...process.env, ...(tls === undefined ? {} : { OPENSSL_CONF: tls }) },
      },
      (error, stdout) => {
        started.delete(child);
        if (error === null) resolve(stdout);
        else reject(error);
      },
    );
    started.add(child);
  });
}

/** A backend of fixed answers: 100 octets, or 10 KiB where the request says `X-Answer: large`. */
export function backendConfig(folder: string, port: number): string {
  const file = join(folder, 'backend.conf');
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (each) => `${each}_temp_path ${folder}/${each};`,
  );
  writeFileSync(
    file,
    `daemon off;
master_process off;
pid ${folder}/backend.pid;
events { worker_connections 8192; }
http {
  access_log off;
  keepalive_requests 100000000;
  client_max_body_size 1m;
  ${paths.join(' ')}
  map $http_x_answer $third { large "${'x'.repeat(3413)}"; default ""; }
  map $http_x_answer $answer { large "$third$third$third."; default "${'x'.repeat(100)}"; }
  server {
    listen 127.0.0.1:${port} backlog=4096;
    location / { default_type text/plain; return 200 "$answer"; }
  }
}
`,
  );
  return file;
}
