// portolan config envoy --bootstrap: where a controller is, and an identity -> the files that an Envoy of the user's own is started with.
import { mkdirSync, writeFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { hostname } from 'node:os';
import path from 'node:path';
import { type Address, bootstrap, secretFiles } from '../../engines/envoy/bootstrap.ts';
import { defaultLimits } from '../../engines/envoy/limits.ts';
import { type Arguments, Misuse } from '../command.ts';
import { parseHostPort } from '../model/names.ts';

/** Of the node: what Envoy wants to be told, and nobody goes by. */
const CLUSTER = 'portolan';

/** @param folder to write to, made where it is missing @returns the exit code */
export function writeBootstrap(args: Arguments, folder: string): number {
  if (args.texts('filename').length > 0) {
    throw new Misuse('--bootstrap and -f go not together', 'the controller knows the objects');
  }
  const given = required(args, 'controller', 'as portolan-controller.portolan.svc:9443');
  const identity = path.resolve(required(args, 'tls-dir', 'the folder with tls.crt, tls.key and ca.crt'));
  const place = path.resolve(args.text('mounted-at') ?? folder);
  const secrets = secretFiles(identity);
  const files = {
    'identity.json': secrets.identity,
    'authorities.json': secrets.authorities,
    'bootstrap.json': bootstrap({
      node: { id: args.text('node') ?? hostname(), cluster: CLUSTER },
      xds: {
        ...parseHostPort('--controller', given),
        serverName: args.text('server-name') ?? 'portolan-controller',
        identity: path.join(place, 'identity.json'),
        authorities: path.join(place, 'authorities.json'),
      },
      admin: adminOf(args.text('admin') ?? ''),
      limits: defaultLimits,
    }),
  };
  try {
    mkdirSync(folder, { recursive: true });
    for (const [name, tree] of Object.entries(files)) {
      writeFileSync(path.join(folder, name), `${JSON.stringify(tree, undefined, 2)}\n`);
    }
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n`);
    return 1;
  }
  process.stdout.write(`wrote ${Object.keys(files).join(', ')} to ${folder}\n`);
  process.stdout.write(`start it with: envoy -c ${path.join(place, 'bootstrap.json')}\n`);
  return 0;
}

function adminOf(text: string): string | Address {
  if (text.startsWith('/')) return text;
  const { host, port } = parseHostPort('--admin', text);
  // No authentication stands before it.
  if (host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))) return { host, port };
  throw new Misuse(`--admin ${text} is not a loopback address`, '127.0.0.1:9901, or a path: /run/envoy/admin.sock');
}

function required(args: Arguments, flag: string, hint: string): string {
  const value = args.text(flag);
  if (value === undefined) throw new Misuse(`--${flag} is missing`, hint);
  return value;
}
