// The features of the Gateway API that Portolan supports: one table, by engine and channel. The status of GatewayClasses
// publishes it, and the documentation is made from it. A feature is claimed only where a test shows it.

export type Engine = 'embedded';
export type Channel = 'standard' | 'experimental';

export interface Feature {
  /** An official name of the Gateway API (pkg/features): names of our own are for the documentation only. */
  readonly name: string;
  /** The channel whose CRDs it takes: one of the standard channel is supported with those of the experimental one as well. */
  readonly channel: Channel;
  readonly engines: readonly Engine[];
  /** The file of the test that shows it, below `test/`. */
  readonly shownBy: string;
}

/**
 * Sorted by name, as the API demands.
 * @param kinds `group/kind` of what the API server has: a feature of a kind that it lacks is not claimed. Absent: everything
 */
export function supportedFeatures(engine: Engine, channel: Channel, kinds?: readonly string[]): readonly string[] {
  const served = (name: string): boolean => kinds === undefined || kinds.includes(kindOf(name));
  return features
    .filter(
      (feature) =>
        feature.engines.includes(engine) &&
        (channel === 'experimental' || feature.channel === 'standard') &&
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
  embedded('BackendTLSPolicy', 'features/gateway-tls.test.ts'),
  embedded('BackendTLSPolicySANValidation', 'features/gateway-tls.test.ts'),
  experimental('ClusterTrustBundle', 'features/gateway-tls.test.ts'),
  embedded('GRPCRoute', 'features/grpc-calls.test.ts'),
  embedded('GRPCRouteNamedRouteRule', 'features/grpc-routes.test.ts'),
  embedded('GRPCRouteRequestHeaderModifier', 'features/grpc-routes.test.ts'),
  embedded('Gateway', 'golden/gateways/two-listeners.in.yaml'),
  embedded('GatewayAddressEmpty', 'features/cluster-controller.test.ts'),
  experimental('GatewayAddressRoutability', '../src/pipeline/outside-facts.test.ts'),
  embedded('GatewayBackendClientCertificate', 'features/gateway-tls.test.ts'),
  embedded('GatewayFrontendClientCertificateValidation', 'features/gateway-tls.test.ts'),
  embedded('GatewayFrontendClientCertificateValidationInsecureFallback', 'features/gateway-tls.test.ts'),
  embedded('GatewayHTTPListenerIsolation', 'features/http/hostnames.yaml'),
  embedded('GatewayHTTPSListenerDetectMisdirectedRequests', 'features/tls-misdirected.test.ts'),
  embedded('GatewayInfrastructure', 'features/cluster-controller.test.ts'),
  experimental('GatewayListenerFilters', 'features/experimental-http.test.ts'),
  embedded('GatewayPort8080', 'features/http/named-rules.yaml'),
  embedded('GatewayRouteHostnameIntersectionPrecedence', 'features/http/hostnames.yaml'),
  embedded('GatewayStaticAddresses', 'features/cluster-controller.test.ts'),
  embedded('HTTPRoute', 'features/http/path-matching.yaml'),
  embedded('HTTPRoute303RedirectStatusCode', 'features/http/redirects.yaml'),
  embedded('HTTPRoute307RedirectStatusCode', 'features/http/redirects.yaml'),
  embedded('HTTPRoute308RedirectStatusCode', 'features/http/redirects.yaml'),
  embedded('HTTPRouteBackendProtocolH2C', 'features/resilience.test.ts'),
  embedded('HTTPRouteBackendProtocolWebSocket', 'features/resilience.test.ts'),
  embedded('HTTPRouteBackendRequestHeaderModification', 'features/http/header-modifiers.yaml'),
  embedded('HTTPRouteBackendTimeout', 'features/resilience.test.ts'),
  embedded('HTTPRouteBackendURLRewrite', 'features/http/rewrites.yaml'),
  embedded('HTTPRouteCORS', 'features/http/cors.yaml'),
  experimental('HTTPRouteDestinationPortMatching', 'features/http/listener-sets.yaml'),
  embedded('HTTPRouteHostRewrite', 'features/http/rewrites.yaml'),
  embedded('HTTPRouteMethodMatching', 'features/http/method-matching.yaml'),
  embedded('HTTPRouteNamedRouteRule', 'features/http/named-rules.yaml'),
  embedded('HTTPRouteParentRefPort', 'features/http/named-rules.yaml'),
  embedded('HTTPRoutePathRedirect', 'features/http/redirects.yaml'),
  embedded('HTTPRoutePathRewrite', 'features/http/rewrites.yaml'),
  embedded('HTTPRoutePortRedirect', 'features/http/redirects.yaml'),
  embedded('HTTPRouteQueryParamMatching', 'features/http/query-matching.yaml'),
  embedded('HTTPRouteRequestMirror', 'features/resilience.test.ts'),
  embedded('HTTPRouteRequestMultipleMirrors', 'features/resilience.test.ts'),
  embedded('HTTPRouteRequestPercentageMirror', 'features/resilience.test.ts'),
  embedded('HTTPRouteRequestTimeout', 'features/resilience.test.ts'),
  embedded('HTTPRouteResponseHeaderModification', 'features/http/header-modifiers.yaml'),
  embedded('HTTPRouteRetryCodes', 'features/resilience.test.ts'),
  embedded('HTTPRouteRetryConnectionError', 'features/resilience.test.ts'),
  embedded('HTTPRouteSchemeRedirect', 'features/http/redirects.yaml'),
  embedded('ListenerSet', 'features/http/listener-sets.yaml'),
  embedded('ReferenceGrant', 'features/http/grants.yaml'),
  embedded('TCPRoute', 'features/streams.test.ts'),
  embedded('TLSRoute', 'features/streams.test.ts'),
  embedded('TLSRouteModeMixed', 'features/streams.test.ts'),
  embedded('TLSRouteModeTerminate', 'features/streams.test.ts'),
  embedded('UDPRoute', 'features/streams.test.ts'),
];

function embedded(name: string, shownBy: string): Feature {
  return { name, channel: 'standard', engines: ['embedded'], shownBy };
}

/** Of the experimental channel: its CRDs have the fields. */
function experimental(name: string, shownBy: string): Feature {
  return { name, channel: 'experimental', engines: ['embedded'], shownBy };
}
