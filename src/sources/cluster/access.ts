// How to reach an API server, and as whom: a kubeconfig as kubectl reads it, or the service account of the Pod that this runs in.
// Credentials that expire (tokens in files, plugins) are asked for anew.
import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import type * as Yaml from 'yaml';
import { list, record, text } from '../../support/untrusted.ts';

export interface Credentials {
  /** Value of the Authorization field. */
  readonly authorization?: string;
  /** PEM. */
  readonly certificate?: string;
  readonly key?: string;
}

export interface Access {
  /** Without a trailing slash. */
  readonly server: string;
  /** PEM; absent: the authorities of the system. */
  readonly authorities?: string;
  /** The server's certificate is for this name, not for the one in the URL. */
  readonly serverName?: string;
  /** The server is believed to be whoever it says. */
  readonly insecure: boolean;
  /** That objects go to when nothing else is said. */
  readonly namespace: string;
  readonly credentials: () => Promise<Credentials>;
}

/** What is wrong with a kubeconfig, for whoever wrote it. */
export class AccessError extends Error {
  readonly code = 'NO_ACCESS';
}

const account = '/var/run/secrets/kubernetes.io/serviceaccount';

/**
 * @param file of a kubeconfig; absent: $KUBECONFIG (its first file), else the service account, else ~/.kube/config
 * @param context absent: the current one
 * @throws AccessError
 */
export function accessFrom(file?: string, context?: string): Access {
  const given = file ?? process.env['KUBECONFIG']?.split(':').find((part) => part !== '');
  if (given !== undefined) return fromKubeconfig(given, context);
  if (process.env['KUBERNETES_SERVICE_HOST'] !== undefined && existsSync(`${account}/token`)) return inCluster();
  const usual = join(homedir(), '.kube', 'config');
  if (existsSync(usual)) return fromKubeconfig(usual, context);
  throw new AccessError(
    'no cluster is named: give --kubeconfig, set KUBECONFIG, or run in a Pod with a service account',
  );
}

function inCluster(): Access {
  const host = process.env['KUBERNETES_SERVICE_HOST'] ?? '';
  const port = process.env['KUBERNETES_SERVICE_PORT_HTTPS'] ?? process.env['KUBERNETES_SERVICE_PORT'] ?? '443';
  return {
    server: `https://${host.includes(':') ? `[${host}]` : host}:${port}`,
    authorities: readFileSync(`${account}/ca.crt`, 'utf8'),
    insecure: false,
    namespace: existsSync(`${account}/namespace`) ? readFileSync(`${account}/namespace`, 'utf8').trim() : 'default',
    credentials: tokenFile(`${account}/token`),
  };
}

function fromKubeconfig(file: string, context?: string): Access {
  const config = readConfig(file);
  const name = context ?? text(config['current-context']) ?? '';
  const chosen = named(config, 'context', name, file);
  const cluster = named(config, 'cluster', text(chosen['cluster']) ?? '', file);
  const userName = text(chosen['user']) ?? '';
  const user = userName === '' ? {} : named(config, 'user', userName, file);
  const server = text(cluster['server']);
  if (server === undefined || !/^https?:\/\//.test(server)) {
    throw new AccessError(`${file}: the cluster of context ${name} has no server with https:// or http://`);
  }
  if (text(cluster['proxy-url']) !== undefined) throw new AccessError(`${file}: proxy-url is not supported`);
  const authorities = data(cluster, 'certificate-authority', file);
  const serverName = text(cluster['tls-server-name']);
  return {
    server: server.replace(/\/+$/, ''),
    ...(authorities === undefined ? {} : { authorities }),
    ...(serverName === undefined ? {} : { serverName }),
    insecure: cluster['insecure-skip-tls-verify'] === true,
    namespace: text(chosen['namespace']) ?? 'default',
    credentials: credentialsOf(user, file),
  };
}

type Part = Readonly<Record<string, unknown>>;

const require = createRequire(import.meta.url);

function readConfig(file: string): Part {
  try {
    // Only where there is a kubeconfig: in a Pod there is none, and nothing else of a controller reads YAML.
    const { parse } = require('yaml') as typeof Yaml;
    return record(parse(readFileSync(file, 'utf8')));
  } catch (error) {
    throw new AccessError(`${file} cannot be read: ${(error as Error).message}`);
  }
}

function named(config: Part, field: 'context' | 'cluster' | 'user', name: string, file: string): Part {
  const entries = list(config[`${field}s`]);
  const found = entries.map(record).find((entry) => entry['name'] === name);
  if (found !== undefined) return record(found[field]);
  const known = entries.map((entry) => text(record(entry)['name']) ?? '');
  throw new AccessError(
    `${file}: there is no ${field} ${name === '' ? 'named' : name}; there are ${known.join(', ') || 'none'}`,
  );
}

/** `field-data` in base64, or the file that `field` names, seen from the kubeconfig. */
function data(part: Part, field: string, file: string): string | undefined {
  const inline = text(part[`${field}-data`]);
  if (inline !== undefined && inline !== '') return Buffer.from(inline, 'base64').toString('utf8');
  const path = text(part[field]);
  if (path === undefined || path === '') return undefined;
  try {
    return readFileSync(resolve(dirname(file), path), 'utf8');
  } catch (error) {
    throw new AccessError(`${file}: ${field} cannot be read: ${(error as Error).message}`);
  }
}

function credentialsOf(user: Part, file: string): () => Promise<Credentials> {
  const token = text(user['token']);
  const path = text(user['tokenFile']);
  const certificate = data(user, 'client-certificate', file);
  const key = data(user, 'client-key', file);
  const identity = certificate !== undefined && key !== undefined ? { certificate, key } : {};
  if (user['exec'] !== undefined) return plugin(record(user['exec']), file);
  if (path !== undefined) return tokenFile(resolve(dirname(file), path));
  if (token !== undefined) return () => Promise.resolve({ ...identity, authorization: `Bearer ${token}` });
  const name = text(user['username']);
  if (name !== undefined) {
    const pair = Buffer.from(`${name}:${text(user['password']) ?? ''}`).toString('base64');
    return () => Promise.resolve({ ...identity, authorization: `Basic ${pair}` });
  }
  return () => Promise.resolve(identity);
}

/** A minute: kubelets renew tokens long before they expire. */
const TOKEN_AGE = 60_000;

function tokenFile(path: string): () => Promise<Credentials> {
  let credentials: Credentials = {};
  let read = -Infinity;
  return () => {
    const now = performance.now();
    if (now - read > TOKEN_AGE) {
      credentials = { authorization: `Bearer ${readFileSync(path, 'utf8').trim()}` };
      read = now;
    }
    return Promise.resolve(credentials);
  };
}

/** Renewed so long before they expire, so that no request is sent with one that expires on the way. */
const EARLY = 60_000;

/** client.authentication.k8s.io ExecCredential. */
function plugin(exec: Part, file: string): () => Promise<Credentials> {
  const command = text(exec['command']) ?? '';
  const args = list(exec['args']).flatMap((arg) => text(arg) ?? []);
  const env = Object.fromEntries(
    list(exec['env'])
      .map(record)
      .map(({ name, value }) => [text(name) ?? '', text(value) ?? '']),
  );
  const info = JSON.stringify({
    apiVersion: text(exec['apiVersion']) ?? 'client.authentication.k8s.io/v1',
    kind: 'ExecCredential',
    spec: { interactive: false },
  });
  // A command with a path is seen from the kubeconfig, as kubectl does it.
  const program = command.includes('/') ? resolve(dirname(file), command) : command;
  let current: Promise<Expiring> | undefined;
  return async () => {
    const known = await current?.catch(() => undefined);
    if (known === undefined || Date.now() > known.expires) {
      current = runPlugin(program, args, { ...process.env, ...env, KUBERNETES_EXEC_INFO: info });
    }
    return (await (current as Promise<Expiring>)).credentials;
  };
}

interface Expiring {
  readonly credentials: Credentials;
  /** Date.now(). */
  readonly expires: number;
}

function runPlugin(program: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<Expiring> {
  return new Promise((done, fail) => {
    execFile(program, args, { env, timeout: 30_000, maxBuffer: 1_048_576 }, (error, stdout) => {
      // Neither its output nor its arguments are repeated: they may hold secrets.
      if (error !== null) fail(new AccessError(`the credential plugin ${program} failed (${error.code ?? 'killed'})`));
      else done(readCredential(program, stdout));
    });
  });
}

function readCredential(program: string, stdout: string): Expiring {
  let status: Part;
  try {
    status = record(record(JSON.parse(stdout))['status']);
  } catch {
    throw new AccessError(`the credential plugin ${program} printed no ExecCredential`);
  }
  const token = text(status['token']);
  const certificate = text(status['clientCertificateData']);
  const key = text(status['clientKeyData']);
  const until = Date.parse(text(status['expirationTimestamp']) ?? '');
  return {
    credentials: {
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(certificate === undefined || key === undefined ? {} : { certificate, key }),
    },
    expires: Number.isNaN(until) ? Infinity : until - EARLY,
  };
}
