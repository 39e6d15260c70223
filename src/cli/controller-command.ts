// The command `controller`, for the table of commands.
import type { Command, Flag } from './command.ts';

const kubeconfig: Flag = {
  name: 'kubeconfig',
  value: 'FILE',
  help: 'How to reach the cluster. Without it: $KUBECONFIG, else the service account of the Pod, else ~/.kube/config.',
};
const context: Flag = {
  name: 'context',
  value: 'NAME',
  help: 'A context of the kubeconfig. Default: its current one.',
};
const namespace: Flag = {
  name: 'namespace',
  short: 'n',
  value: 'NAME',
  repeatable: true,
  help: 'Only objects of this namespace. Repeatable. Default: all namespaces.',
};
const addressPool: Flag = {
  name: 'address-pool',
  value: 'RANGE',
  help: 'Addresses of this machine, as 10.0.0.0/24 or a single one. Each Gateway gets one of its own; a single one is shared.',
};
const controllerName: Flag = {
  name: 'controller-name',
  value: 'DOMAIN/PATH',
  default: 'portolan.dev/gateway-controller',
  help: 'GatewayClasses with this controllerName are served.',
};
const leaderElection: Flag = {
  name: 'no-leader-election',
  help: 'This is the only replica: write statuses without holding the Lease portolan-controller.',
};
const leaseNamespace: Flag = {
  name: 'lease-namespace',
  value: 'NAME',
  help: 'Where the Lease is. Default: the namespace of the Pod or of the context.',
};

export function controllerCommand(serving: readonly Flag[], misuse: readonly [number, string]): Command {
  return {
    name: 'controller',
    summary: 'Serve the Gateways of a Kubernetes cluster from this machine.',
    usage: 'controller --address-pool RANGE [flags]',
    description: [
      'Watches a cluster, serves every Gateway whose class names this controller at an address of the pool, and writes the statuses of Gateways, ListenerSets, routes and policies. Controller and data plane are one process; each Gateway also gets a Service, a ServiceAccount and an EndpointSlice. Several replicas may run: all of them serve, and one of them, which holds a Lease, writes.',
      'The CRDs of Gateway API have to be installed. Kinds that are installed later are picked up.',
    ],
    operands: { min: 0, max: 0, what: '' },
    flags: [
      { title: 'The cluster', flags: [kubeconfig, context, namespace, controllerName] },
      { title: 'Where it is served', flags: [addressPool] },
      { title: 'Replicas', flags: [leaderElection, leaseNamespace] },
      { title: 'The data plane', flags: serving },
    ],
    examples: [
      { what: 'With the current context, at one address', command: 'portolan controller --address-pool 192.0.2.10' },
      {
        what: 'An address for each Gateway',
        command: 'portolan controller --address-pool 10.200.0.0/24 --admin :9900',
      },
    ],
    exitCodes: [[0, 'It was told to stop, and every request in flight ended.'], [1, 'It could not start.'], misuse],
  };
}
