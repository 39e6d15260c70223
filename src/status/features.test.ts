import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { features, supportedFeatures } from './features.ts';

/** pkg/features of v1.7.0. */
const official: ReadonlySet<string> = new Set(
  `BackendTLSPolicy BackendTLSPolicySANValidation ClusterTrustBundle GRPCRoute GRPCRouteNamedRouteRule
  GRPCRouteRequestHeaderModifier Gateway GatewayAddressEmpty GatewayAddressRoutability GatewayAddressRoutabilityCluster
  GatewayBackendClientCertificate GatewayFrontendClientCertificateValidation
  GatewayFrontendClientCertificateValidationInsecureFallback GatewayHTTPListenerIsolation
  GatewayHTTPSListenerDetectMisdirectedRequests GatewayInfrastructure GatewayListenerFilters GatewayPort8080
  GatewayRouteHostnameIntersectionPrecedence GatewayStaticAddresses HTTPRoute HTTPRoute303RedirectStatusCode
  HTTPRoute307RedirectStatusCode HTTPRoute308RedirectStatusCode HTTPRouteBackendProtocolH2C
  HTTPRouteBackendProtocolWebSocket HTTPRouteBackendRequestHeaderModification HTTPRouteBackendTimeout
  HTTPRouteBackendURLRewrite HTTPRouteCORS HTTPRouteDestinationPortMatching HTTPRouteHostRewrite HTTPRouteMethodMatching
  HTTPRouteNamedRouteRule HTTPRouteParentRefPort HTTPRoutePathRedirect HTTPRoutePathRewrite HTTPRoutePortRedirect
  HTTPRouteQueryParamMatching HTTPRouteRequestMirror HTTPRouteRequestMultipleMirrors HTTPRouteRequestPercentageMirror
  HTTPRouteRequestTimeout HTTPRouteResponseHeaderModification HTTPRouteRetryCodes HTTPRouteRetryConnectionError
  HTTPRouteSchemeRedirect ListenerSet Mesh MeshClusterIPMatching MeshConsumerRoute
  MeshHTTPRouteBackendRequestHeaderModification MeshHTTPRouteNamedRouteRule MeshHTTPRouteQueryParamMatching
  MeshHTTPRouteRedirectPath MeshHTTPRouteRedirectPort MeshHTTPRouteRewritePath MeshHTTPRouteSchemeRedirect ReferenceGrant
  TCPRoute TLSRoute TLSRouteModeMixed TLSRouteModeTerminate UDPRoute`.split(/\s+/),
);

test('only official names are published, sorted, each once, at most 64', () => {
  assert.equal(official.size, 64);
  for (const { name } of features) assert.ok(official.has(name), name);
  const published = supportedFeatures('embedded', 'experimental');
  assert.deepEqual(published, [...new Set(published)].toSorted());
  assert.ok(published.length <= 64);
  assert.ok(published.length > 30);
});

test('the test that shows a feature is there; a case of the front door names the feature itself', () => {
  for (const { name, shownBy } of features) {
    const path = join(import.meta.dirname, '../../test', shownBy);
    assert.ok(existsSync(path), `${name}: test/${shownBy}`);
    assert.match(
      readFileSync(path, 'utf8'),
      new RegExp(String.raw`\b${name}\b`, 'u'),
      `test/${shownBy} speaks of ${name}`,
    );
  }
});
