// What lint finds of streams, ListenerSets, certificates and the references that they brought.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAllDocuments } from 'yaml';
import { temporaryAuthority } from '../../src/cli/run/authority.ts';
import type { KubeObject } from '../../src/api/objects.ts';
import { Pipeline } from '../../src/pipeline/pipeline.ts';
import { nameOf } from '../../src/routing/origin.ts';
import type { Finding } from '../../src/tools/lint/finding.ts';
import { lint } from '../../src/tools/lint/lint.ts';
import { toSarif } from '../../src/tools/lint/sarif.ts';

const group = 'gateway.networking.k8s.io';
const authority = await temporaryAuthority();
const issued = await authority.issue(['a.example.com']);

function findings(text: string, now?: number): readonly Finding[] {
  const pipeline = new Pipeline({
    channel: 'standard',
    controllerName: 'portolan.dev/gateway-controller',
    classes: 'any',
    presume: true,
    engine: 'embedded',
    awaitEngine: false,
  });
  for (const document of parseAllDocuments(text)) {
    const object = document.toJS() as KubeObject | null;
    if (object !== null) pipeline.apply({ ...object, metadata: { namespace: 'default', ...object.metadata } });
  }
  pipeline.settle();
  return lint(pipeline, [], now).findings;
}

function lines(text: string, now?: number): string[] {
  return findings(text, now).map(({ severity, code, at }) =>
    `${severity} ${code} ${nameOf(at.object)} ${at.path}`.trimEnd(),
  );
}

function yaml(...objects: readonly object[]): string {
  return objects.map((object) => JSON.stringify(object)).join('\n---\n');
}

const gateway = {
  apiVersion: `${group}/v1`,
  kind: 'Gateway',
  metadata: { name: 'gw' },
  spec: {
    gatewayClassName: 'any',
    allowedListeners: { namespaces: { from: 'All' } },
    listeners: [
      { name: 'tcp', port: 5432, protocol: 'TCP', allowedRoutes: { namespaces: { from: 'All' } } },
      { name: 'udp', port: 53, protocol: 'UDP', allowedRoutes: { namespaces: { from: 'All' } } },
      {
        name: 'tls',
        port: 443,
        protocol: 'TLS',
        tls: { mode: 'Passthrough' },
        allowedRoutes: { namespaces: { from: 'All' } },
      },
    ],
  },
};
const service = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'app' },
  spec: {
    ports: [
      { name: 'tcp', port: 1 },
      { name: 'udp', port: 1, protocol: 'UDP' },
    ],
  },
};

function stream(kind: string, name: string, more: object = {}, metadata: object = {}): object {
  const rules = [{ backendRefs: [{ name: 'app', port: 1 }] }];
  return {
    apiVersion: `${group}/v1`,
    kind,
    metadata: { name, ...metadata },
    spec: {
      parentRefs: [{ name: 'gw' }],
      ...(kind === 'TLSRoute' ? { hostnames: ['a.example.com'] } : {}),
      rules,
      ...more,
    },
  };
}

function set(name: string, listeners: readonly object[], parent: object = { name: 'gw' }): object {
  return { apiVersion: `${group}/v1`, kind: 'ListenerSet', metadata: { name }, spec: { parentRef: parent, listeners } };
}

test('a stream that an older one stands before takes no traffic', () => {
  const text = yaml(
    gateway,
    service,
    stream('TCPRoute', 'younger', {}, { creationTimestamp: '2026-02-01T00:00:00Z' }),
    stream('TCPRoute', 'older', {}, { creationTimestamp: '2026-01-01T00:00:00Z' }),
    stream('UDPRoute', 'b'),
    stream('UDPRoute', 'a'),
    stream('TLSRoute', 'one'),
    stream('TLSRoute', 'two', { hostnames: ['a.example.com', 'b.example.com'] }),
  );
  assert.deepEqual(lines(text), [
    'warning ShadowedStream TCPRoute default/younger spec.rules[0]',
    'info ShadowedStream TLSRoute default/two spec.rules[0]',
    'warning ShadowedStream UDPRoute default/b spec.rules[0]',
  ]);
  const [tcp, tls] = findings(text);
  assert.match(
    tcp?.message ?? '',
    /^the route takes no traffic on listener default\/gw\/tcp: TCPRoute default\/older goes before it, since it is older$/,
  );
  assert.match(tls?.message ?? '', /^the route takes no traffic on a\.example\.com \(listener default\/gw\/tls\): /);
  assert.equal(tcp?.related[0]?.at.object.name, 'older');
});

test('listeners without routes, those of ListenerSets too, and sets without a Gateway', () => {
  const text = yaml(
    gateway,
    service,
    stream('TCPRoute', 'db'),
    set('more', [{ name: 'web', port: 80, protocol: 'HTTP' }]),
    set('lost', [{ name: 'web', port: 80, protocol: 'HTTP' }], { name: 'nobody' }),
  );
  assert.deepEqual(lines(text), [
    'info UnusedListener Gateway default/gw spec.listeners[1]',
    'info UnusedListener Gateway default/gw spec.listeners[2]',
    'error ParentNotFound ListenerSet default/lost spec.parentRef',
    'info UnusedListener ListenerSet default/more spec.listeners[0]',
  ]);
  assert.deepEqual(
    findings(text)
      .filter(({ code }) => code === 'UnusedListener')
      .map(({ message }) => message.split(', so it ')[1]),
    ['drops every datagram', 'closes every connection', 'answers every request with 404'],
  );
});

test('a stream without a share of any backend', () => {
  const rules = [{ backendRefs: [{ name: 'app', port: 1, weight: 0 }] }];
  const found = findings(yaml(gateway, service, stream('TCPRoute', 'db', { rules }))).filter(
    ({ code }) => code === 'NoTraffic',
  );
  assert.equal(found.length, 1);
  assert.match(found[0]?.message ?? '', /closes every connection/);
});

test('grants for what streams, ListenerSets and Gateways refer to', () => {
  const elsewhere = { rules: [{ backendRefs: [{ name: 'app', namespace: 'other', port: 1 }] }] };
  const ca = [{ group: '', kind: 'ConfigMap', name: 'ca', namespace: 'other' }];
  const secure = {
    ...gateway,
    spec: {
      ...gateway.spec,
      tls: { frontend: { default: { validation: { caCertificateRefs: ca } } } },
      listeners: [
        ...gateway.spec.listeners,
        { name: 'https', port: 8443, protocol: 'HTTPS', tls: { certificateRefs: [{ name: 'cert' }] } },
      ],
    },
  };
  const certificateRefs = [{ name: 'cert', namespace: 'other' }];
  const objects = [
    secure,
    stream('TCPRoute', 'tcp', elsewhere),
    stream('TLSRoute', 'tls', elsewhere),
    stream('UDPRoute', 'udp', elsewhere),
    set('more', [{ name: 'https', port: 443, protocol: 'HTTPS', hostname: 'x.example.com', tls: { certificateRefs } }]),
  ];
  const refused = findings(yaml(...objects)).filter(({ code }) => code === 'RefNotPermitted');
  const grants = [...new Set(refused.map(({ apply }) => apply))];
  assert.deepEqual(
    grants
      .map((grant) => (grant?.['spec'] as { from: { kind: string }[]; to: { kind: string }[] }) ?? {})
      .map(({ from, to }) => `${from[0]?.kind} to ${to[0]?.kind}`)
      .toSorted(),
    [
      'Gateway to ConfigMap',
      'ListenerSet to Secret',
      'TCPRoute to Service',
      'TLSRoute to Service',
      'UDPRoute to Service',
    ],
  );
  const granted = findings(yaml(...objects, ...(grants as object[])));
  assert.deepEqual(
    granted.filter(({ code }) => code === 'RefNotPermitted' || code === 'UnusedGrant'),
    [],
  );
});

const day = 24 * 60 * 60 * 1000;
const data = (name: string, text: string): Record<string, string> => ({ [name]: Buffer.from(text).toString('base64') });
const material = [
  {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'cert' },
    type: 'kubernetes.io/tls',
    data: { ...data('tls.crt', issued.certificate), ...data('tls.key', issued.privateKey) },
  },
  { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'ca' }, data: { 'ca.crt': authority.certificate } },
];

test('certificates that expire: of listeners, shown to backends, and of authorities', () => {
  const secure = {
    ...gateway,
    spec: {
      gatewayClassName: 'any',
      tls: { backend: { clientCertificateRef: { name: 'cert' } } },
      listeners: [{ name: 'http', port: 80, protocol: 'HTTP' }],
    },
  };
  const policy = {
    apiVersion: `${group}/v1`,
    kind: 'BackendTLSPolicy',
    metadata: { name: 'app' },
    spec: {
      targetRefs: [{ group: '', kind: 'Service', name: 'app' }],
      validation: { hostname: 'app', caCertificateRefs: [{ group: '', kind: 'ConfigMap', name: 'ca' }] },
    },
  };
  const route = {
    apiVersion: `${group}/v1`,
    kind: 'HTTPRoute',
    metadata: { name: 'web' },
    spec: { parentRefs: [{ name: 'gw' }], rules: [{ backendRefs: [{ name: 'app', port: 1 }] }] },
  };
  const text = yaml(secure, service, policy, route, ...material);
  const now = Date.now();
  assert.deepEqual(lines(text, now), []);
  assert.deepEqual(lines(text, now + 380 * day), ['warning ExpiringCertificate Secret default/cert data[tls.crt]']);
  assert.deepEqual(lines(text, now + 400 * day), ['warning ExpiredCertificate Secret default/cert data[tls.crt]']);
  assert.deepEqual(lines(text, now + 3640 * day), [
    'warning ExpiringCertificate ConfigMap default/ca data[ca.crt]',
    'warning ExpiredCertificate Secret default/cert data[tls.crt]',
  ]);
  assert.match(findings(text, now + 3649.5 * day)[0]?.message ?? '', /expires on \d{4}-\d\d-\d\d, in 0 days$/);
});

test('a certificate of a ListenerSet that is for another name', () => {
  const tls = { certificateRefs: [{ name: 'cert' }] };
  const listeners = [{ name: 'https', port: 443, protocol: 'HTTPS', hostname: 'b.example.com', tls }];
  const plain = { ...gateway, spec: { ...gateway.spec, listeners: [{ name: 'http', port: 80, protocol: 'HTTP' }] } };
  assert.ok(
    lines(yaml(plain, set('more', listeners), ...material)).includes(
      'warning CertificateMismatch ListenerSet default/more spec.listeners[0].tls.certificateRefs',
    ),
  );
});

test('fields of the new kinds that do not exist, with what was meant; SARIF knows every code', () => {
  const found = findings(yaml(gateway, service, stream('TCPRoute', 'db', { parentRef: [{ name: 'gw' }] })));
  const unknown = found.find(({ code }) => code === 'UnknownField');
  assert.equal(unknown?.fix, 'write parentRefs');
  const sarif = toSarif({ findings: found, counts: { error: 0, warning: 0, info: 0 } }, () => undefined, '0') as {
    runs: { tool: { driver: { rules: { id: string }[] } }; results: { ruleId: string }[] }[];
  };
  const rules = new Set(sarif.runs[0]?.tool.driver.rules.map(({ id }) => id));
  assert.ok((sarif.runs[0]?.results ?? []).every(({ ruleId }) => rules.has(ruleId)));
});
