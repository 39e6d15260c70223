// The command `config`, for the table of commands.
import type { Command, Flag, FlagGroup } from './command.ts';
import { controller, serverName } from './stream-flags.ts';

const bootstrap: Flag = {
  name: 'bootstrap',
  value: 'DIR',
  help: 'Write what an Envoy of your own is started with into this folder: bootstrap.json, and the files that say where its certificate is.',
};
const tlsDir: Flag = {
  name: 'tls-dir',
  value: 'DIR',
  help: 'Where that Envoy has tls.crt and tls.key, the certificate of its Gateway, and ca.crt, the authority of the controller: the Secret of the Gateway. A file that is moved into it is read at once.',
};
const node: Flag = {
  name: 'node',
  value: 'NAME',
  help: 'What it calls itself towards the controller; envoy --service-node goes before it. Default: the name of this machine.',
};
const admin: Flag = {
  name: 'admin',
  value: 'HOST:PORT|PATH',
  default: '127.0.0.1:9901',
  help: 'Its admin interface: a loopback address, or a socket in the file system. Whoever reaches it can stop the Envoy.',
};
const mountedAt: Flag = {
  name: 'mounted-at',
  value: 'DIR',
  help: 'Where that Envoy finds the files, when it is not the folder that they are written to.',
};

export interface SharedFlags {
  readonly objects: readonly FlagGroup[];
  readonly portOffset: Flag;
  readonly output: Flag;
}

export function configCommand(
  { objects, portOffset, output }: SharedFlags,
  misuse: readonly [number, string],
): Command {
  return {
    name: 'config',
    summary: 'Print what an engine is told, or write what an Envoy of your own is started with.',
    usage: 'config envoy (-f PATH… | --bootstrap DIR --controller HOST:PORT --tls-dir DIR) [flags]',
    description: [
      'Prints the resources that an Envoy gets for these files: listeners, routes, clusters, endpoints and secrets, as Envoy itself writes them. Private keys are left out.',
      'With --bootstrap it writes what an Envoy is started with that you run yourself, on a machine or in a Deployment of your own: it asks a controller for the configuration of its Gateway, which its certificate names, over delta xDS and mutual TLS, and goes on serving when the controller is gone. docs/guides/envoys.md tells the whole way.',
    ],
    operands: { min: 1, max: Number.POSITIVE_INFINITY, what: 'an engine' },
    flags: [
      ...objects,
      {
        title: 'Where it listens',
        flags: [
          { name: 'bind', value: 'ADDRESS', default: '127.0.0.1', help: 'The address of the listeners.' },
          portOffset,
        ],
      },
      { title: 'Output', flags: [output] },
      { title: 'An Envoy of your own', flags: [bootstrap, controller, tlsDir, serverName, node, admin, mountedAt] },
    ],
    examples: [
      { what: 'The configuration of an Envoy', command: 'portolan config envoy -f manifests' },
      {
        what: 'Start an Envoy on this machine that serves a Gateway of a cluster',
        command:
          'portolan config envoy --bootstrap /etc/portolan/envoy --controller portolan.example.com:9443 --tls-dir /etc/portolan/identity && envoy -c /etc/portolan/envoy/bootstrap.json',
      },
    ],
    exitCodes: [
      [0, 'It is printed, or written.'],
      [1, 'Nothing could be read, or the files could not be written.'],
      misuse,
    ],
  };
}
