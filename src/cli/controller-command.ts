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
const namespaceSelector: Flag = {
  name: 'namespace-selector',
  value: 'LABELS',
  help: 'Only objects of namespaces that this label selector takes, as in tenant=a. It follows labels that change.',
};
const selector: Flag = {
  name: 'selector',
  value: 'LABELS',
  help: 'Of Gateways, ListenerSets, routes, policies and Ingresses, only those that this label selector takes. Others do not exist here: a route whose Gateway is left out attaches to nothing.',
};
const addressPool: Flag = {
  name: 'address-pool',
  value: 'RANGE',
  help: 'Serve in this process, at addresses of this machine, as 10.0.0.0/24 or a single one. Each Gateway gets one of its own; a single one is shared. Without it every Gateway gets a Deployment.',
};
const proxyImage: Flag = {
  name: 'proxy-image',
  value: 'IMAGE',
  help: 'The image of data planes, whose entry point is portolan. Default: $PORTOLAN_IMAGE.',
};
const envoyImage: Flag = {
  name: 'envoy-image',
  value: 'IMAGE',
  help: 'The image of data planes for GatewayConfigs with engine: envoy. Its entry point is portolan, and there is an Envoy on PATH. Default: $PORTOLAN_ENVOY_IMAGE; without either such a GatewayConfig is refused.',
};
const streamAddress: Flag = {
  name: 'stream-address',
  value: '[HOST]:PORT',
  default: ':9443',
  help: 'Where this replica listens for data planes and other replicas.',
};
const advertise: Flag = {
  name: 'advertise',
  value: 'HOST:PORT',
  help: 'What data planes dial. Default: the Service portolan-controller in the namespace of the controller, at port 9443.',
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
  help: 'The namespace of the controller: its Lease, the authority of its data planes, and what Ingresses need are here. Default: the namespace of the Pod or of the context.',
};

export function controllerCommand(serving: readonly Flag[], misuse: readonly [number, string]): Command {
  return {
    name: 'controller',
    summary: 'Serve the Gateways of a Kubernetes cluster.',
    usage: 'controller [--address-pool RANGE] [flags]',
    description: [
      'Watches a cluster, serves every Gateway whose class names this controller, and writes the statuses of Gateways, ListenerSets, routes, policies and Ingresses. There are two ways to serve. With --proxy-image (or $PORTOLAN_IMAGE), each Gateway gets data planes of its own: a Deployment of portolan proxy, a Service, a ServiceAccount, a PodDisruptionBudget and an identity; GatewayConfigs, which classes and Gateways name in parametersRef, say how many, how large, and behind which kind of Service. With --address-pool, controller and data plane are this one process, for edges and single machines.',
      'Several replicas may run: all of them serve, and the one that holds a Lease writes. The CRDs of Gateway API have to be installed, and that of GatewayConfigs for those who use them. Kinds that are installed later are picked up.',
    ],
    operands: { min: 0, max: 0, what: '' },
    flags: [
      { title: 'The cluster', flags: [kubeconfig, context, controllerName] },
      { title: 'What is left out', flags: [namespace, namespaceSelector, selector] },
      { title: 'Data planes of their own', flags: [proxyImage, envoyImage, advertise, streamAddress] },
      { title: 'Replicas', flags: [leaderElection, leaseNamespace] },
      { title: 'All in one process', flags: [addressPool] },
      { title: 'The data plane of this process', flags: serving.filter(({ name }) => name !== 'admin') },
      { title: 'Observation', flags: serving.filter(({ name }) => name === 'admin') },
    ],
    examples: [
      {
        what: 'In a Pod: a Deployment for each Gateway',
        command: 'portolan controller --proxy-image registry.example/portolan:0.1.0 --admin :9901',
      },
      { what: 'With the current context, at one address', command: 'portolan controller --address-pool 192.0.2.10' },
      {
        what: 'An address for each Gateway, of one tenant only',
        command: 'portolan controller --address-pool 10.200.0.0/24 --namespace-selector tenant=a --admin :9900',
      },
    ],
    exitCodes: [[0, 'It was told to stop, and every request in flight ended.'], [1, 'It could not start.'], misuse],
  };
}
