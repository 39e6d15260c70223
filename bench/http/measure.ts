// Processes pinned to a core, the CPU time that they used, and bursts of load from wrk.
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Running {
  readonly name: string;
  readonly pid: number;
  readonly child: ChildProcess;
}

/** Only what was started here is ever ended. */
const started = new Set<ChildProcess>();

export function stopAll(): void {
  for (const child of started) child.kill('SIGKILL');
  started.clear();
}

/** Starts a command on one core and waits until it answers on the port. @param core -1 leaves the choice to the system */
export async function start(
  name: string,
  command: readonly string[],
  options: { readonly core: number; readonly port: number; readonly folder: string },
): Promise<Running> {
  const log = openSync(join(options.folder, `${name}.log`), 'w');
  const [program, ...args] = options.core < 0 ? command : ['taskset', '-c', String(options.core), ...command];
  const child = spawn(program as string, args, { stdio: ['ignore', log, log] });
  closeSync(log);
  started.add(child);
  for (let attempt = 0; attempt < 300; attempt++) {
    if (child.exitCode !== null) break;
    if (await answers(options.port)) return { name, pid: child.pid as number, child };
    await sleep(100);
  }
  const said = readFileSync(join(options.folder, `${name}.log`), 'utf8').slice(-2000);
  throw new Error(`${name} does not answer on port ${options.port}: ${said}`);
}

export function stop(running: Running): void {
  running.child.kill('SIGKILL');
  started.delete(running.child);
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = request(
      { host: '127.0.0.1', port, path: '/', headers: { host: 'h0.example.com' }, timeout: 500 },
      (response) => {
        response.resume();
        resolve(response.statusCode === 200);
      },
    );
    probe.on('error', () => resolve(false));
    probe.on('timeout', () => probe.destroy());
    probe.end();
  });
}

export interface Cpu {
  /** Milliseconds. */
  readonly user: number;
  readonly system: number;
}

/** Of the process with all its threads, from /proc/PID/stat in clock ticks of 10 ms. */
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
  readonly hosts: number;
  readonly method: 'GET' | 'POST';
  /** Octets of the request's body. */
  readonly body: number;
}

export interface Burst {
  readonly requests: number;
  readonly errors: number;
  readonly perSecond: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
}

/** The lua program of a load: seven usual headers, a host and a path at random where there are several. */
export function loadProgram(folder: string, load: Load): string {
  const file = join(folder, `load-${load.hosts}-${load.method}-${load.body}.lua`);
  const hosts = load.hosts === 0 ? '"h0.example.com"' : `"h" .. math.random(0, ${load.hosts - 1}) .. ".example.com"`;
  writeFileSync(
    file,
    `local paths = {"/api/v1/users", "/api/v2/items", "/static/app.js", "/other"}
local headers = {["User-Agent"]="Mozilla/5.0 (X11; Linux x86_64)", ["Accept"]="text/html,application/json", ["Accept-Language"]="en",
  ["Accept-Encoding"]="gzip, deflate", ["Cookie"]="session=0123456789abcdef; theme=dark", ["Referer"]="http://example.com/"}
local body = ${load.body === 0 ? 'nil' : `string.rep("x", ${load.body})`}
request = function()
  headers["Host"] = ${hosts}
  return wrk.format("${load.method}", paths[math.random(#paths)], headers, body)
end
done = function(summary, latency)
  local e = summary.errors
  io.write(string.format("RESULT %d %d %d %f %f\\n", summary.requests, e.connect + e.read + e.write + e.status + e.timeout, summary.duration, latency:percentile(50), latency:percentile(99)))
end
`,
  );
  return file;
}

export function burst(
  program: string,
  port: number,
  options: { readonly seconds: number; readonly connections: number; readonly core: number },
): Promise<Burst> {
  const args = [
    '-c',
    String(options.core),
    'wrk',
    '-t1',
    `-c${options.connections}`,
    `-d${options.seconds}s`,
    '-s',
    program,
    `http://127.0.0.1:${port}/`,
  ];
  return new Promise((resolve, reject) => {
    execFile('taskset', args, { timeout: (options.seconds + 30) * 1000 }, (error, stdout) => {
      const found = /RESULT (\d+) (\d+) (\d+) ([\d.]+) ([\d.]+)/.exec(stdout);
      if (found === null) return reject(new Error(`wrk said nothing usable: ${error?.message ?? stdout}`));
      const [requests = 0, errors = 0, micros = 0, p50 = 0, p99 = 0] = found.slice(1).map(Number);
      return resolve({ requests, errors, perSecond: requests / (micros / 1e6), p50: p50 / 1000, p99: p99 / 1000 });
    });
  });
}

/** A backend of fixed answers: `small` octets on one port, 10 KiB on the next. */
export function backendConfig(folder: string, port: number): string {
  const file = join(folder, 'backend.conf');
  const server = (at: number, body: string): string =>
    `  server { listen 127.0.0.1:${at} backlog=4096; location / { default_type text/plain; return 200 "${body}"; } }\n`;
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
  client_body_temp_path ${folder}/bb; proxy_temp_path ${folder}/bp; fastcgi_temp_path ${folder}/bf; uwsgi_temp_path ${folder}/bu; scgi_temp_path ${folder}/bs;
${server(port, 'x'.repeat(100))}${server(port + 1, 'x'.repeat(4000))}}
`
      .replace('x'.repeat(4000), '$b$b$b')
      .replace('http {\n', `http {\n  map $host $b { default "${'x'.repeat(3413)}"; }\n`),
  );
  return file;
}
