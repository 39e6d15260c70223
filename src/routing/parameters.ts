// How the data plane of a Gateway runs: what GatewayConfigs of its class and its own say together. Engines do not read it; the
// controller makes Deployments, Services and arguments of it.

type Texts = Readonly<Record<string, string>>;
type Quantities = Readonly<Record<string, number | string>>;

/** What is absent has the default that docs/guides/cluster.md tells. */
export interface Parameters {
  readonly engine?: 'embedded' | 'envoy';
  readonly replicas?: number;
  readonly service?: ServiceParameters;
  readonly pod?: PodParameters;
  readonly proxy?: ProxyParameters;
  /** An address or a range of addresses. */
  readonly addressPool?: string;
}

export interface ServiceParameters {
  readonly type?: 'LoadBalancer' | 'ClusterIP' | 'NodePort';
  readonly annotations?: Texts;
  readonly externalTrafficPolicy?: 'Cluster' | 'Local';
  readonly loadBalancerClass?: string;
  readonly loadBalancerSourceRanges?: readonly string[];
}

export interface PodParameters {
  readonly labels?: Texts;
  readonly annotations?: Texts;
  readonly nodeSelector?: Texts;
  readonly priorityClassName?: string;
  readonly resources?: { readonly requests?: Quantities; readonly limits?: Quantities };
  /** As the API of Pods has them. */
  readonly tolerations?: readonly object[];
  readonly topologySpreadConstraints?: readonly { readonly labelSelector?: object }[];
  readonly affinity?: object;
}

export interface ProxyParameters {
  readonly workers?: number;
  readonly trustedHops?: number;
  readonly accessLog?: boolean;
  /** Seconds. */
  readonly drain?: number;
  /** By the names of the engine's limits. */
  readonly limits?: Readonly<Record<string, number>>;
}

/** Engines that parameters may name: those that Deployments can be of, or the one that serves all Gateways in the controller itself. */
export type Engines =
  | { readonly deployed: readonly ('embedded' | 'envoy')[] }
  | { readonly only: 'embedded' | 'envoy' };

/** Those limits that Envoy has as well. */
export const limitsOfEnvoy: ReadonlySet<string> = new Set([
  'headBytes',
  'headFields',
  'targetBytes',
  'headTimeout',
  'idleTimeout',
  'responseTimeout',
  'tunnelTimeout',
  'udpIdleTimeout',
  'connectTimeout',
  'poolTimeout',
  'replayBytes',
  'authTimeout',
  'authBodyBytes',
  'skipTimeout',
  'longestSkip',
  'streams',
  'streamWindow',
  'connectionWindow',
  'bufferBytes',
  'connections',
  'drainTimeout',
]);

/** `over` wins field by field; maps by key, lists as a whole. */
export function mergeParameters(under: Parameters, over: Parameters): Parameters {
  return merged(under, over) as Parameters;
}

function merged(under: unknown, over: unknown): unknown {
  if (over === undefined) return under;
  if (!isMap(under) || !isMap(over)) return over;
  const result: Record<string, unknown> = { ...under };
  for (const [key, value] of Object.entries(over)) result[key] = merged(under[key], value);
  return result;
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
