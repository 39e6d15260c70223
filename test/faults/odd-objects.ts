// Objects as large and as odd as the API server lets them through, most of them on the Gateway that serves.
import type { KubeObject } from '../../src/api/objects.ts';
import { gatewayObject } from '../../bench/cluster/cluster.ts';
import { gatewayName, namespace } from './world.ts';

const parent = { name: gatewayName };
const backend = { name: 'echo', port: 80 };

export function oddObjects(): KubeObject[] {
  return [
    ...oddRoutes(),
    gatewayObject(namespace, 'g'.repeat(253), oddListeners()),
    gatewayObject(namespace, 'empty-selector', [
      {
        name: 'a',
        port: 65_535,
        protocol: 'HTTP',
        allowedRoutes: {
          namespaces: { from: 'Selector', selector: { matchExpressions: [{ key: 'a', operator: 'Exists' }] } },
        },
      },
      { name: 'odd', port: 1, protocol: 'example.com/none' },
    ]),
    secret('garbage', 'x'.repeat(600_000)),
    secret('many', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'.repeat(9000)),
    slice('many', { addressType: 'IPv4', endpoints: Array.from({ length: 1000 }, (_, n) => endpoint(n)) }),
    slice('names', { addressType: 'FQDN', endpoints: [{ addresses: ['a.example.com'] }] }),
    slice('nothing', { addressType: 'IPv6', endpoints: [], ports: [{ port: 0 }, { name: 'a', port: 99_999 }] }),
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { namespace, name: 'odd', annotations: { a: 'ü'.repeat(100_000) } },
      spec: {
        ports: Array.from({ length: 300 }, (_, n) => ({
          name: `p${n}`,
          port: n + 1,
          targetPort: n % 2 === 0 ? 'http' : n + 1,
        })),
      },
    },
    {
      apiVersion: 'gateway.networking.k8s.io/v1',
      kind: 'ReferenceGrant',
      metadata: { namespace, name: 'odd' },
      spec: {
        from: Array.from({ length: 16 }, (_, n) => ({ group: `g${n}.example.com`, kind: 'Odd', namespace: `n${n}` })),
        to: [{ group: '', kind: 'Secret', name: 'nowhere' }],
      },
    },
    {
      apiVersion: 'gateway.networking.k8s.io/v1',
      kind: 'BackendTLSPolicy',
      metadata: { namespace, name: 'odd' },
      spec: {
        targetRefs: Array.from({ length: 16 }, (_, n) => ({ group: '', kind: 'Service', name: `of-nothing-${n}` })),
        validation: {
          hostname: 'a.example.com',
          caCertificateRefs: [{ group: '', kind: 'ConfigMap', name: 'missing' }],
        },
        options: Object.fromEntries(
          Array.from({ length: 16 }, (_, n) => [
            `example.com/${'k'.repeat(60)}${n % 10}${n > 9 ? 'b' : 'a'}`,
            'v'.repeat(4096),
          ]),
        ),
      },
    },
  ];
}

function oddRoutes(): KubeObject[] {
  const expressions = ['(?=a)b', '(a+)+$', '[', '(?P<n>a)', '\\p{Greek}', '(?:a{1,1000}){1,9}', '^$', '\\Q'];
  return [
    odd('r'.repeat(253), { hostnames: ['very-long.example.com'], rules: [{ backendRefs: [backend] }] }),
    odd('expressions', {
      hostnames: ['expressions.example.com'],
      rules: expressions.map((value) => ({
        matches: [
          { path: { type: 'RegularExpression', value }, headers: [{ type: 'RegularExpression', name: 'x', value }] },
        ],
        backendRefs: [backend],
      })),
    }),
    odd('most-rules', {
      hostnames: Array.from({ length: 16 }, (_, n) =>
        `h${n}.${'a.'.repeat(100)}example.com`.slice(-250).replace(/^[.-]+/, ''),
      ),
      rules: Array.from({ length: 16 }, (_, n) => ({
        matches: Array.from({ length: 8 }, (_, m) => ({
          path: { type: 'PathPrefix', value: `/${n}/${'x'.repeat(1000)}${m}` },
          headers: Array.from({ length: 16 }, (_, h) => ({ name: `x-${h}`, value: 'v'.repeat(250) })),
        })),
        backendRefs: Array.from({ length: 16 }, (_, b) => ({ name: `nowhere-${b}`, port: b + 1, weight: 1_000_000 })),
      })),
    }),
    odd('no-rules', { hostnames: ['no-rules.example.com'] }),
    odd('other-kinds', {
      hostnames: ['other-kinds.example.com'],
      rules: [
        { backendRefs: [{ group: 'example.com', kind: 'Bucket', name: 'a' }] },
        { backendRefs: [{ name: 'echo', port: 80, weight: 0 }] },
        { backendRefs: [{ name: 'echo', namespace: 'not-there', port: 80 }] },
        { filters: [{ type: 'ExtensionRef', extensionRef: { group: 'example.com', kind: 'Odd', name: 'x' } }] },
        {
          filters: [
            { type: 'URLRewrite', urlRewrite: { path: { type: 'ReplaceFullPath', replaceFullPath: '\u0000 ü\n' } } },
          ],
        },
        {
          filters: [
            { type: 'RequestHeaderModifier', requestHeaderModifier: { set: [{ name: 'x', value: 'a\r\nb: c' }] } },
          ],
        },
      ],
    }),
    odd('many-parents', {
      parentRefs: Array.from({ length: 32 }, (_, n) =>
        n === 0 ? { ...parent, sectionName: 'http' } : { name: gatewayName, sectionName: `s${n}` },
      ),
      hostnames: ['*.many-parents.example.com'],
      rules: [{ backendRefs: [backend] }],
    }),
    odd('odd-parents', {
      parentRefs: [
        { group: 'example.com', kind: 'Mesh', name: 'm' },
        { kind: 'Service', group: '', name: 'echo' },
        { name: gatewayName, namespace: 'not-there' },
        { name: gatewayName, port: 65_535 },
      ],
      rules: [{}],
    }),
  ];
}

function odd(name: string, spec: Readonly<Record<string, unknown>>): KubeObject {
  return {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'HTTPRoute',
    metadata: { namespace, name },
    spec: { parentRefs: [parent], ...spec },
  };
}

function oddListeners(): object[] {
  return Array.from({ length: 64 }, (_, n) => ({
    name: `l${n}`,
    port: 1000 + n,
    protocol: ['HTTP', 'HTTPS', 'TLS', 'TCP', 'UDP'][n % 5],
    ...(n % 5 === 1 ? { tls: { certificateRefs: [{ name: n % 2 === 0 ? 'garbage' : 'many' }] } } : {}),
    ...(n % 5 === 2 ? { tls: { mode: 'Passthrough' } } : {}),
  }));
}

function secret(name: string, text: string): KubeObject {
  const data = Buffer.from(text).toString('base64');
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { namespace, name },
    type: 'kubernetes.io/tls',
    data: {
      'tls.crt': name === 'garbage' ? data : Buffer.from(text.slice(0, 500_000)).toString('base64'),
      'tls.key': '',
    },
  };
}

function slice(name: string, fields: Readonly<Record<string, unknown>>): KubeObject {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { namespace, name: `odd-${name}`, labels: { 'kubernetes.io/service-name': 'odd' } },
    addressType: 'IPv4',
    ports: [{ port: 80 }],
    ...fields,
  };
}

function endpoint(n: number): object {
  const address = `10.250.${n >> 8}.${n & 255}`;
  return { addresses: [address], conditions: { ready: n % 2 === 0 }, hints: { forZones: [{ name: `z${n % 3}` }] } };
}
