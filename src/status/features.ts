// The features of the Gateway API that Portolan supports: one table, by engine and channel. The status of GatewayClasses
// publishes it, and the documentation is made from it. A feature is claimed only where a test shows it.

export type Engine = 'embedded' | 'envoy';
export type Channel = 'standard' | 'experimental';

export interface Feature {
  /** An official name of the Gateway API (pkg/features): names of our own are for the documentation only. */
  readonly name: string;
  /** The channel whose CRDs it takes: one of the standard channel is supported with those of the experimental one as well. */
  readonly channel: Channel;
  readonly engines: readonly Engine[];
  /** The file of the test that shows it, below `test/`. */
  readonly shownBy: string;
  /** It takes Gateways that have a Deployment and a Service of their own. */
  readonly provisioned?: true;
}

/** What is known of where Portolan runs. Absent: as if it were so. */
export interface Surroundings {
  /** `group/kind` of what the API server has: a feature of a kind that it lacks is not claimed. */
  readonly kinds?: readonly string[] | undefined;
  /** Whether each Gateway has a Deployment and a Service. */
  readonly provisioned?: boolean;
}

/** Sorted by name, as the API demands. */
export function supportedFeatures(
  engine: Engine,
  channel: Channel,
  { kinds, provisioned = true }: Surroundings = {},
): readonly string[] {
  const served = (name: string): boolean => kinds === undefined || kinds.includes(kindOf(name));
  return features
    .filter(
      (feature) =>
        feature.engines.includes(engine) &&
        (channel === 'experimental' || feature.channel === 'standard') &&
        (provisioned || feature.provisioned !== true) &&
        served(feature.name),
    )
    .map(({ name }) => name)
    .toSorted();
}

/** The names of features begin with the kind that they are of. */
const kindsOfFeatures = [
  'BackendTLSPolicy',
  'ClusterTrustBundle',
  'GRPCRoute',
  'Gateway',
  'HTTPRoute',
  'ListenerSet',
  'ReferenceGrant',
  'TCPRoute',
  'TLSRoute',
  'UDPRoute',
];

function kindOf(feature: string): string {
  const kind = kindsOfFeatures.find((name) => feature.startsWith(name)) ?? 'Gateway';
  return `${kind === 'ClusterTrustBundle' ? 'certificates.k8s.io' : 'gateway.networking.k8s.io'}/${kind}`;
}

export const features: readonly Feature[] = [
  standard('BackendTLSPolicy', 'features/gateway-tls.test.ts'),
  standard('BackendTLSPolicySANValidation', 'features/gateway-tls.test.ts'),
  experimental('ClusterTrustBundle', 'features/gateway-tls.test.ts'),
  standard('GRPCRoute', 'features/grpc-calls.test.ts'),
  standard('GRPCRouteNamedRouteRule', 'features/grpc-routes.test.ts'),
  standard('GRPCRouteRequestHeaderModifier', 'features/grpc-routes.test.ts'),
  standard('Gateway', 'golden/gateways/two-listeners.in.yaml'),
  standard('GatewayAddressEmpty', 'features/cluster-controller.test.ts'),
  experimental('GatewayAddressRoutability', '../src/pipeline/outside-facts.test.ts'),
  { ...experimental('GatewayAddressRoutabilityCluster', 'features/cluster-addresses.test.ts'), provisioned: true },
  standard('GatewayBackendClientCertificate', 'features/gateway-tls.test.ts'),
  standard('GatewayFrontendClientCertificateValidation', 'features/gateway-tls.test.ts'),
  standard('GatewayFrontendClientCertificateValidationInsecureFallback', 'features/gateway-tls.test.ts'),
  standard('GatewayHTTPListenerIsolation', 'features/http/hostnames.yaml'),
  standard('GatewayHTTPSListenerDetectMisdirectedRequests', 'features/tls-misdirected.test.ts'),
  standard('GatewayInfrastructure', 'features/cluster-controller.test.ts'),
  experimental('GatewayListenerFilters', 'features/experimental-http.test.ts'),
  standard('GatewayPort8080', 'features/http/named-rules.yaml'),
  standard('GatewayRouteHostnameIntersectionPrecedence', 'features/http/hostnames.yaml'),
  standard('GatewayStaticAddresses', 'features/cluster-controller.test.ts'),
  standard('HTTPRoute', 'features/http/path-matching.yaml'),
  standard('HTTPRoute303RedirectStatusCode', 'features/http/redirects.yaml'),
  standard('HTTPRoute307RedirectStatusCode', 'features/http/redirects.yaml'),
  standard('HTTPRoute308RedirectStatusCode', 'features/http/redirects.yaml'),
  standard('HTTPRouteBackendProtocolH2C', 'features/resilience.test.ts'),
  standard('HTTPRouteBackendProtocolWebSocket', 'features/resilience.test.ts'),
  standard('HTTPRouteBackendRequestHeaderModification', 'features/http/header-modifiers.yaml'),
  standard('HTTPRouteBackendTimeout', 'features/resilience.test.ts'),
  standard('HTTPRouteBackendURLRewrite', 'features/http/rewrites.yaml'),
  standard('HTTPRouteCORS', 'features/http/cors.yaml'),
  experimental('HTTPRouteDestinationPortMatching', 'features/http/listener-sets.yaml'),
  standard('HTTPRouteHostRewrite', 'features/http/rewrites.yaml'),
  standard('HTTPRouteMethodMatching', 'features/http/method-matching.yaml'),
  standard('HTTPRouteNamedRouteRule', 'features/http/named-rules.yaml'),
  standard('HTTPRouteParentRefPort', 'features/http/named-rules.yaml'),
  standard('HTTPRoutePathRedirect', 'features/http/redirects.yaml'),
  standard('HTTPRoutePathRewrite', 'features/http/rewrites.yaml'),
  standard('HTTPRoutePortRedirect', 'features/http/redirects.yaml'),
  standard('HTTPRouteQueryParamMatching', 'features/http/query-matching.yaml'),
  standard('HTTPRouteRequestMirror', 'features/resilience.test.ts'),
  standard('HTTPRouteRequestMultipleMirrors', 'features/resilience.test.ts'),
  standard('HTTPRouteRequestPercentageMirror', 'features/resilience.test.ts'),
  standard('HTTPRouteRequestTimeout', 'features/resilience.test.ts'),
  standard('HTTPRouteResponseHeaderModification', 'features/http/header-modifiers.yaml'),
  standard('HTTPRouteRetryCodes', 'features/resilience.test.ts'),
  standard('HTTPRouteRetryConnectionError', 'features/resilience.test.ts'),
  standard('HTTPRouteSchemeRedirect', 'features/http/redirects.yaml'),
  standard('ListenerSet', 'features/http/listener-sets.yaml'),
  standard('ReferenceGrant', 'features/http/grants.yaml'),
  standard('TCPRoute', 'features/streams.test.ts'),
  standard('TLSRoute', 'features/streams.test.ts'),
  standard('TLSRouteModeMixed', 'features/streams.test.ts'),
  standard('TLSRouteModeTerminate', 'features/streams.test.ts'),
  standard('UDPRoute', 'features/streams.test.ts'),
];

function standard(name: string, shownBy: string): Feature {
  return { name, channel: 'standard', engines: ['embedded', 'envoy'], shownBy };
}

/** Of the experimental channel: its CRDs have the fields. */
function experimental(name: string, shownBy: string): Feature {
  return { name, channel: 'experimental', engines: ['embedded', 'envoy'], shownBy };
}
