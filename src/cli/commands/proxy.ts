// portolan proxy: a controller elsewhere → its Gateway, served here, until it is told to stop.
import fs from 'node:fs';
import { hostname } from 'node:os';
import path from 'node:path';
import type { LogEntry } from '../../controller/log.ts';
import type { TlsMaterial } from '../../engines/stream/credentials.ts';
import type { EngineEvents } from '../../routing/engine.ts';
import { Misuse } from '../command.ts';
import type { Arguments } from '../command.ts';
import { logLine } from '../log-line.ts';
import type { Run } from '../main.ts';
import { formatHostPort, parseHostPort, parseListen } from '../model/names.ts';
import { keepHeapsSmall, YOUNG_SPACE } from '../proxy/memory.ts';
import { ProxyNode } from '../proxy/node.ts';
import { readSessionKeys } from '../proxy/session-keys.ts';
import { startAdmin } from '../run/admin.ts';
import type { Admin } from '../run/admin.ts';
import type { LocalEngine } from '../run/engines.ts';
import { engineSettings, startLocalEngine } from '../run/engines.ts';
import { leaveSoon, stopSignal } from '../stop-signal.ts';
import { version } from '../version.ts';

export const run: Run = async (args) => {
  const controller = parseHostPort(
    '--controller',
    required(args, 'controller', 'as portolan-controller.portolan:9443'),
  );
  const tls = required(args, 'tls-dir', 'a folder with tls.crt, tls.key and ca.crt');
  const state = args.text('state');
  const keys = args.text('session-keys');
  if (keys !== undefined && args.text('engine') === 'envoy')
    throw new Misuse('--session-keys is not for --engine envoy', 'its session tokens are sealed with no key');
  const drain = args.number('drain', { min: 0, max: 3600 }) ?? 10;
  const grace = args.number('grace', { min: 0, max: 600 }) ?? 5;
  const credentials = (): TlsMaterial => materialIn(tls);
  check(credentials);
  keepHeapsSmall();
  const nodes: ProxyNode[] = [];
  const engine = await engineOf(args, keys, {
    onReport: (report) => nodes[0]?.reported(report),
    onLeftOut: (rows) => nodes[0]?.leftOut(rows),
  });
  const node = new ProxyNode({
    controller: formatHostPort(controller),
    serverName: args.text('server-name') ?? 'portolan-controller',
    credentials,
    node: args.text('node') ?? hostname(),
    version: version(),
    ...(state === undefined ? {} : { state }),
    engine,
    log,
  });
  nodes.push(node);
  const told = stopSignal();
  let stopRenewing = (): void => {};
  try {
    const admin = await openAdmin(args, node);
    node.connect();
    if (keys !== undefined) stopRenewing = renewKeys(keys, engine);
    await told;
    log('info', `stopping: for ${grace} s everything is still served, then requests in flight have ${drain} s`);
    node.retire();
    await new Promise((resolve) => setTimeout(resolve, grace * 1000));
    await node.stop(drain * 1000);
    admin?.close();
    return 0;
  } finally {
    stopRenewing();
    await engine.close();
    leaveSoon();
  }
};

/** @param keys the file of session keys */
function engineOf(
  args: Arguments,
  keys: string | undefined,
  events: Pick<EngineEvents, 'onReport' | 'onLeftOut'>,
): Promise<LocalEngine> {
  const settings = {
    ...engineSettings(args),
    embedded: { youngSpace: YOUNG_SPACE, ...(keys === undefined ? {} : { sessionKeys: readSessionKeys(keys) }) },
  };
  const say = (message: string, severity: 'error' | 'warning'): void =>
    log(severity === 'error' ? 'error' : 'warn', message);
  return startLocalEngine(args, settings, { ...events, say });
}

function log(level: LogEntry['level'], message: string): void {
  logLine({ level, message });
}

function required(args: Arguments, flag: string, hint: string): string {
  const value = args.text(flag);
  if (value === undefined) throw new Misuse(`--${flag} is missing`, hint);
  return value;
}

/** As they lie in a mounted Secret of the type kubernetes.io/tls. */
function materialIn(folder: string): TlsMaterial {
  const read = (name: string): Buffer => fs.readFileSync(path.join(folder, name));
  return { ca: read('ca.crt'), certificate: read('tls.crt'), key: read('tls.key') };
}

function check(credentials: () => TlsMaterial): void {
  try {
    credentials();
  } catch (error) {
    throw new Misuse(`--tls-dir: ${(error as Error).message}`, 'it has to hold tls.crt, tls.key and ca.crt');
  }
}

/** Milliseconds. A Secret that is mounted changes within a minute or two. */
const LOOK_AGAIN = 15_000;

/** Follows the file of session keys; one that cannot be read changes nothing. */
function renewKeys(file: string, engine: LocalEngine): () => void {
  let last = Buffer.concat(readSessionKeys(file));
  let complaint = '';
  const timer = setInterval(() => {
    try {
      const keys = readSessionKeys(file);
      const now = Buffer.concat(keys);
      complaint = '';
      if (now.equals(last)) return;
      last = now;
      engine.renewSessionKeys?.(keys);
      log('info', 'session keys are renewed');
    } catch (error) {
      const { message } = error as Error;
      if (message !== complaint) log('warn', `the session keys stay as they were: ${message}`);
      complaint = message;
    }
  }, LOOK_AGAIN);
  timer.unref();
  return () => clearInterval(timer);
}

async function openAdmin(args: Arguments, node: ProxyNode): Promise<Admin | undefined> {
  const text = args.text('admin');
  if (text === undefined) return undefined;
  const admin = await startAdmin(parseListen('--admin', text), {
    waiting: () => node.waiting(),
    metrics: () => node.metrics(),
    config: () => node.config(),
  });
  log('info', `admin at ${admin.url}: /healthz /readyz /metrics /config`);
  return admin;
}
