// The command `proxy`, for the table of commands.
import type { Command, Flag } from './command.ts';
import { controller, serverName } from './stream-flags.ts';

const tlsDir: Flag = {
  name: 'tls-dir',
  value: 'DIR',
  help: 'Holds tls.crt and tls.key, the certificate of this proxy, and ca.crt, the authority of the controller. Read again for each connection.',
};
const node: Flag = {
  name: 'node',
  value: 'NAME',
  help: 'What it calls itself towards the controller. Default: the name of the machine.',
};
const state: Flag = {
  name: 'state',
  value: 'FILE|DIR',
  help: 'Where the last good configuration is kept, keys of certificates included, for its owner only. With it a restart serves without a controller.',
};
const sessionKeys: Flag = {
  name: 'session-keys',
  value: 'FILE',
  help: 'Keys of 32 octets, in hex or base64, one a line, that seal session tokens: the first seals, all of them open. Proxies that serve the same clients need the same. Default: one at random. Not with --engine envoy, which seals none.',
};
const grace: Flag = {
  name: 'grace',
  value: 'SECONDS',
  default: '5',
  help: 'How long new connections are still accepted when it is told to stop, for others to hear that it is going.',
};

export function proxyCommand(serving: readonly Flag[], misuse: readonly [number, string]): Command {
  return {
    name: 'proxy',
    summary: 'Serve one Gateway as a controller says, without a cluster of its own to ask.',
    usage: 'proxy --controller HOST:PORT --tls-dir DIR [flags]',
    description: [
      'The data plane alone. It asks a controller for the configuration of its Gateway, which its certificate names (spiffe://portolan.dev/gateway/NAMESPACE/NAME), and serves it; of a change only what differs travels, and each change is acknowledged once it is in force. Controllers start these for the Gateways of a cluster; there is seldom a reason to start one by hand.',
      'When the controller is gone it goes on serving what it has, and asks again for ever. /readyz says that a full configuration is in force; it stays ready without the controller, and is not while it stops.',
    ],
    operands: { min: 0, max: 0, what: '' },
    flags: [
      { title: 'The controller', flags: [controller, tlsDir, serverName, node] },
      { title: 'What is kept', flags: [state, sessionKeys] },
      { title: 'Stopping', flags: [grace] },
      { title: 'The data plane', flags: serving },
    ],
    examples: [
      {
        what: 'As a Pod does',
        command:
          'portolan proxy --controller portolan-controller.portolan:9443 --tls-dir /etc/portolan/identity --state /var/lib/portolan --admin :9902',
      },
    ],
    exitCodes: [[0, 'It was told to stop, and every request in flight ended.'], [1, 'It could not start.'], misuse],
  };
}
