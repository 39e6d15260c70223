// TLS to backends and certificates of clients, from objects to sockets: BackendTLSPolicy, BackendTLSPolicySANValidation,
// GatewayBackendClientCertificate, GatewayFrontendClientCertificateValidation,
// GatewayFrontendClientCertificateValidationInsecureFallback and ClusterTrustBundle.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import https from 'node:https';
import { test } from './engine-tests.ts';
import type { TestContext } from './engine-tests.ts';
import type tls from 'node:tls';
import { parseAllDocuments } from 'yaml';
import type { KubeObject } from '../../src/api/objects.ts';
import type { CertificateSet } from '../../src/routing/model.ts';
import type { SecureBackend } from './engine-tls-fixture.ts';
import { secureBackend } from './engine-tls-fixture.ts';
import { ask, serveObjects } from './gateway-fixture.ts';
import type { Authority } from './tls-certificates.ts';
import { authority } from './tls-certificates.ts';

function objectsIn(yaml: string): readonly KubeObject[] {
  return parseAllDocuments(yaml).flatMap((document) => (document.toJS() as KubeObject | null) ?? []);
}

function secret(name: string, { certificate, privateKey }: CertificateSet): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name },
    type: 'kubernetes.io/tls',
    stringData: { 'tls.crt': certificate, 'tls.key': privateKey },
  };
}

function configMap(name: string, { certificate }: Authority): KubeObject {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data: { 'ca.crt': certificate } };
}

function backendObjects({ port }: SecureBackend, gateway = ''): readonly KubeObject[] {
  return objectsIn(`
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: gw }
spec:
  gatewayClassName: any
  ${gateway}
  listeners: [{ name: http, port: 80, protocol: HTTP }]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: app }
spec:
  parentRefs: [{ name: gw }]
  rules: [{ backendRefs: [{ name: app, port: 443 }] }]
---
apiVersion: v1
kind: Service
metadata: { name: app }
spec: { ports: [{ name: https, port: 443 }] }
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: app-1, labels: { kubernetes.io/service-name: app } }
addressType: IPv4
ports: [{ name: https, port: ${port} }]
endpoints: [{ addresses: [127.0.0.1] }]
`);
}

function policy(validation: object): KubeObject {
  return {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'BackendTLSPolicy',
    metadata: { name: 'app' },
    spec: { targetRefs: [{ group: '', kind: 'Service', name: 'app' }], validation },
  };
}

const roots = [{ group: '', kind: 'ConfigMap', name: 'roots' }];

test('BackendTLSPolicy: whoever the authorities vouch for is spoken to, and nobody else; a change of them holds at once', async (t) => {
  const [ours, others] = await Promise.all([authority('ours'), authority('others')]);
  const backend = await secureBackend(t, await ours.issue({ names: ['app.example.com'] }));
  const gateway = await serveObjects(t, [
    ...backendObjects(backend),
    policy({ hostname: 'app.example.com', caCertificateRefs: roots }),
  ]);
  const port = gateway.port('default/gw', 80);
  const status = async (): Promise<number> => (await ask({ port })).status;
  // The ConfigMap is not there: nothing is sent, and least of all in the clear.
  assert.ok((await status()) >= 500);
  await gateway.apply(configMap('roots', others));
  assert.ok((await status()) >= 500);
  assert.equal(backend.requests, 0);
  await gateway.apply(configMap('roots', ours));
  assert.equal(await status(), 200);
  assert.equal(backend.connections[0]?.servername, 'app.example.com');
  await gateway.apply(policy({ hostname: 'other.example.com', caCertificateRefs: roots }));
  assert.ok((await status()) >= 500);
});

test('BackendTLSPolicySANValidation: alternative names are who it has to be, the hostname is SNI only', async (t) => {
  const ours = await authority('ours');
  const backend = await secureBackend(
    t,
    await ours.issue({ names: ['app.internal'], uris: ['spiffe://example.com/app'] }),
  );
  const gateway = await serveObjects(t, [...backendObjects(backend), configMap('roots', ours)]);
  const port = gateway.port('default/gw', 80);
  const statusWith = async (subjectAltNames: readonly object[]): Promise<number> => {
    await gateway.apply(policy({ hostname: 'sni.example.com', caCertificateRefs: roots, subjectAltNames }));
    return (await ask({ port })).status;
  };
  assert.equal(await statusWith([{ type: 'URI', uri: 'spiffe://example.com/app' }]), 200);
  assert.equal(backend.connections.at(-1)?.servername, 'sni.example.com');
  assert.ok((await statusWith([{ type: 'URI', uri: 'spiffe://example.com/other' }])) >= 500);
  assert.equal(
    await statusWith([
      { type: 'URI', uri: 'spiffe://example.com/other' },
      { type: 'Hostname', hostname: 'app.internal' },
    ]),
    200,
  );
});

test('GatewayBackendClientCertificate: the Gateway shows its certificate to backends that ask', async (t) => {
  const ours = await authority('ours');
  const backend = await secureBackend(
    t,
    await ours.issue({ names: ['app.example.com'] }),
    { requestCert: true, rejectUnauthorized: true, ca: ours.certificate },
    (request, response) => {
      response.end((request.socket as tls.TLSSocket).getPeerCertificate().subject.CN);
    },
  );
  const clientCertificate = 'tls: { backend: { clientCertificateRef: { group: "", kind: Secret, name: client } } }';
  const gateway = await serveObjects(t, [
    ...backendObjects(backend, clientCertificate),
    configMap('roots', ours),
    policy({ hostname: 'app.example.com', caCertificateRefs: roots }),
  ]);
  const port = gateway.port('default/gw', 80);
  assert.ok((await ask({ port })).status >= 500);
  await gateway.apply(secret('client', await ours.issue({ commonName: 'gateway' })));
  const answer = await ask({ port });
  assert.deepEqual([answer.status, answer.body], [200, 'gateway']);
});

test('ClusterTrustBundle: the authorities of the cluster vouch for backends', async (t) => {
  const ours = await authority('ours');
  const backend = await secureBackend(t, await ours.issue({ names: ['app.example.com'] }));
  const bundle: KubeObject = {
    apiVersion: 'certificates.k8s.io/v1',
    kind: 'ClusterTrustBundle',
    metadata: { name: 'roots' },
    spec: { trustBundle: ours.certificate },
  };
  const refs = [{ group: 'certificates.k8s.io', kind: 'ClusterTrustBundle', name: 'roots' }];
  const gateway = await serveObjects(
    t,
    [...backendObjects(backend), bundle, policy({ hostname: 'app.example.com', caCertificateRefs: refs })],
    { channel: 'experimental' },
  );
  const port = gateway.port('default/gw', 80);
  assert.equal((await ask({ port })).status, 200);
  await gateway.delete(bundle);
  assert.ok((await ask({ port })).status >= 500);
});

interface Shown {
  readonly certificate?: CertificateSet;
  readonly ca: Authority;
  readonly port: number;
}

/** The status of a GET, or `refused` when the handshake fails. */
async function getWith({ certificate, ca, port }: Shown): Promise<number | 'refused'> {
  const request = https.get({
    host: '127.0.0.1',
    port,
    servername: 'web.example.com',
    headers: { host: 'web.example.com' },
    ca: ca.certificate,
    agent: false,
    ...(certificate === undefined ? {} : { cert: certificate.certificate, key: certificate.privateKey }),
  });
  try {
    const [response] = (await once(request, 'response')) as [{ readonly statusCode: number; resume: () => void }];
    response.resume();
    return response.statusCode;
  } catch {
    return 'refused';
  }
}

async function frontend(t: TestContext, ours: Authority, mode: string): ReturnType<typeof serveObjects> {
  return serveObjects(t, [
    ...objectsIn(`
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: gw }
spec:
  gatewayClassName: any
  tls:
    frontend:
      default: { validation: { mode: ${mode}, caCertificateRefs: [{ group: "", kind: ConfigMap, name: roots }] } }
      perPort: [{ port: 8443, tls: {} }]
  listeners:
    - { name: checked, port: 443, protocol: HTTPS, tls: { certificateRefs: [{ name: web }] } }
    - { name: open, port: 8443, protocol: HTTPS, tls: { certificateRefs: [{ name: web }] } }
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: web }
spec:
  parentRefs: [{ name: gw }]
  rules: [{ backendRefs: [{ name: web, port: 80 }] }]
---
apiVersion: v1
kind: Service
metadata: { name: web }
spec: { ports: [{ port: 80 }] }
`),
    secret('web', await ours.issue({ names: ['web.example.com'] })),
    configMap('roots', ours),
  ]);
}

test('GatewayFrontendClientCertificateValidation: by port, and only with a certificate of the authorities', async (t) => {
  const [ours, others] = await Promise.all([authority('ours'), authority('others')]);
  const gateway = await frontend(t, ours, 'AllowValidOnly');
  const checked = gateway.port('default/gw', 443);
  const open = gateway.port('default/gw', 8443);
  const good = await ours.issue({ commonName: 'client' });
  const bad = await others.issue({ commonName: 'client' });
  assert.equal(await getWith({ ca: ours, port: checked, certificate: good }), 200);
  assert.equal(await getWith({ ca: ours, port: checked, certificate: bad }), 'refused');
  assert.equal(await getWith({ ca: ours, port: checked }), 'refused');
  assert.equal(await getWith({ ca: ours, port: open }), 200);
  await gateway.apply(configMap('roots', others));
  assert.equal(await getWith({ ca: ours, port: checked, certificate: good }), 'refused');
  assert.equal(await getWith({ ca: ours, port: checked, certificate: bad }), 200);
});

test('GatewayFrontendClientCertificateValidationInsecureFallback: everybody is let in', async (t) => {
  const [ours, others] = await Promise.all([authority('ours'), authority('others')]);
  const gateway = await frontend(t, ours, 'AllowInsecureFallback');
  const port = gateway.port('default/gw', 443);
  assert.equal(await getWith({ ca: ours, port, certificate: await ours.issue({ commonName: 'client' }) }), 200);
  assert.equal(await getWith({ ca: ours, port, certificate: await others.issue({ commonName: 'client' }) }), 200);
  assert.equal(await getWith({ ca: ours, port }), 200);
});
