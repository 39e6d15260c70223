// The Deployment of portolan proxy that serves a Gateway, and the PodDisruptionBudget that keeps it up. What a Pod is told by the stream
// or reads anew by itself (listeners, certificates) is not in its template, so that it need not be replaced for that.
import type { Parameters, PodParameters, ProxyParameters } from '../../routing/parameters.ts';
import type { Owner, Provided } from './owned.ts';
import { metadataOf, selectorOf } from './owned.ts';

export interface WorkloadOptions {
  readonly image: string;
  /** The same with an Envoy on PATH. */
  readonly envoyImage?: string | undefined;
  /** HOST:PORT of the controller's stream. */
  readonly controller: string;
}

/** The Secret of the identity is mounted here. */
const identityFolder = '/etc/portolan/identity';
/** The last good configuration: with its private keys, in memory. */
const stateFolder = '/var/lib/portolan';
const adminPort = 9902;
/** Of people that are nobody, as distroless images have it. */
const user = 65_532;
/** Seconds that a Pod goes on taking connections when it is to end: until all load balancers have heard of it. */
const LINGER = 5;
/** Seconds beyond those that requests in flight have. */
const MARGIN = 5;
const DRAIN = 30;

/** Undefined: its engine has no image any more. What runs is left as it is. */
export function deploymentOf(owner: Owner, options: WorkloadOptions): Provided | undefined {
  const metadata = metadataOf(owner);
  const parameters = owner.gateway.parameters ?? {};
  const image = parameters.engine === 'envoy' ? options.envoyImage : options.image;
  if (image === undefined) return undefined;
  const pod = parameters.pod ?? {};
  const selector = selectorOf(owner.gateway);
  return {
    plural: 'deployments',
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata,
    spec: {
      // Without it an autoscaler may have it.
      ...(parameters.replicas === undefined ? {} : { replicas: parameters.replicas }),
      revisionHistoryLimit: 3,
      selector: { matchLabels: selector },
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } },
      template: {
        metadata: {
          labels: { ...pod.labels, ...metadata.labels },
          annotations: { ...metadata.annotations, ...pod.annotations },
        },
        spec: podSpec(metadata.name, parameters, selector, { ...options, image }),
      },
    },
  };
}

/** Undefined where one Pod is all there is: a budget would only keep its node from being drained. */
export function disruptionBudgetOf(owner: Owner): Provided | undefined {
  const { replicas } = owner.gateway.parameters ?? {};
  if (replicas !== undefined && replicas < 2) return undefined;
  return {
    plural: 'poddisruptionbudgets',
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata: metadataOf(owner),
    spec: { maxUnavailable: 1, selector: { matchLabels: selectorOf(owner.gateway) } },
  };
}

function podSpec(
  name: string,
  parameters: Parameters,
  selector: Readonly<Record<string, string>>,
  options: WorkloadOptions,
): object {
  const { pod = {}, proxy = {} } = parameters;
  const { nodeSelector, tolerations, affinity, priorityClassName } = pod;
  return {
    serviceAccountName: name,
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    terminationGracePeriodSeconds: LINGER + (proxy.drain ?? DRAIN) + MARGIN,
    securityContext: {
      runAsNonRoot: true,
      runAsUser: user,
      runAsGroup: user,
      fsGroup: user,
      seccompProfile: { type: 'RuntimeDefault' },
      // Ports below 1024 without a capability.
      sysctls: [{ name: 'net.ipv4.ip_unprivileged_port_start', value: '0' }],
    },
    containers: [container(parameters, options)],
    volumes: [
      { name: 'identity', secret: { secretName: name, defaultMode: 0o440 } },
      { name: 'state', emptyDir: { medium: 'Memory' } },
    ],
    topologySpreadConstraints: spreadOf(pod, selector),
    ...(nodeSelector === undefined ? {} : { nodeSelector }),
    ...(tolerations === undefined ? {} : { tolerations }),
    ...(affinity === undefined ? {} : { affinity }),
    ...(priorityClassName === undefined ? {} : { priorityClassName }),
  };
}

function container({ engine, pod = {}, proxy = {} }: Parameters, { image, controller }: WorkloadOptions): object {
  const probe = (path: string): object => ({ httpGet: { path, port: 'admin' } });
  return {
    name: 'proxy',
    image,
    args: argumentsOf(engine, proxy, controller),
    env: [
      { name: 'POD_NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
      // The sockets between the proxy and its Envoy, and nothing else that would lie in memory.
      ...(engine === 'envoy'
        ? [
            { name: 'TMPDIR', value: stateFolder },
            { name: 'NODE_DISABLE_COMPILE_CACHE', value: '1' },
          ]
        : []),
    ],
    ports: [{ name: 'admin', containerPort: adminPort, protocol: 'TCP' }],
    readinessProbe: { ...probe('/readyz'), periodSeconds: 2, failureThreshold: 2, timeoutSeconds: 2 },
    livenessProbe: { ...probe('/healthz'), periodSeconds: 10, failureThreshold: 3, timeoutSeconds: 5 },
    resources: pod.resources ?? { requests: { cpu: '100m', memory: engine === 'envoy' ? '256Mi' : '128Mi' } },
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    },
    volumeMounts: [
      { name: 'identity', mountPath: identityFolder, readOnly: true },
      { name: 'state', mountPath: stateFolder },
    ],
  };
}

function argumentsOf(engine: Parameters['engine'], proxy: ProxyParameters, controller: string): readonly string[] {
  const flags = {
    controller,
    'tls-dir': identityFolder,
    // Envoy seals no tokens.
    ...(engine === 'envoy' ? { engine } : { 'session-keys': `${identityFolder}/session-keys` }),
    state: stateFolder,
    admin: `:${adminPort}`,
    grace: `${LINGER}`,
    drain: `${proxy.drain ?? DRAIN}`,
  };
  return [
    'proxy',
    ...Object.entries(flags).flatMap(([flag, value]) => [`--${flag}`, value]),
    ...(proxy.workers === undefined ? [] : ['--workers', `${proxy.workers}`]),
    ...(proxy.trustedHops === undefined ? [] : ['--trusted-hops', `${proxy.trustedHops}`]),
    ...(proxy.accessLog === true ? ['--access-log'] : []),
    ...Object.entries(proxy.limits ?? {})
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .flatMap(([limit, value]) => ['--limit', `${dashed(limit)}=${value}`]),
  ];
}

function spreadOf({ topologySpreadConstraints }: PodParameters, selector: Readonly<Record<string, string>>): object[] {
  const labelSelector = { matchLabels: selector };
  if (topologySpreadConstraints !== undefined)
    return topologySpreadConstraints.map((constraint) => ({ labelSelector, ...constraint }));
  return ['kubernetes.io/hostname', 'topology.kubernetes.io/zone'].map((topologyKey) => ({
    labelSelector,
    topologyKey,
    maxSkew: 1,
    whenUnsatisfiable: 'ScheduleAnyway',
  }));
}

/** As on the command line: `head-bytes`. */
function dashed(limit: string): string {
  return limit.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
