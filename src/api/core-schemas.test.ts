import assert from 'node:assert/strict';
import { test } from 'node:test';
import { validate } from './validate.ts';

const backend = { service: { name: 'web', port: { number: 80 } } };

function ingress(spec: unknown): unknown {
  return { apiVersion: 'networking.k8s.io/v1', kind: 'Ingress', metadata: { name: 'a', namespace: 'b' }, spec };
}

function path(path: Readonly<Record<string, unknown>>): unknown {
  return ingress({ rules: [{ http: { paths: [{ pathType: 'Prefix', path: '/', backend, ...path }] } }] });
}

function service(spec: unknown): unknown {
  return { apiVersion: 'v1', kind: 'Service', metadata: { name: 'a', namespace: 'b' }, spec };
}

function slice(fields: Readonly<Record<string, unknown>>): unknown {
  const metadata = { name: 'a', namespace: 'b' };
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata,
    addressType: 'IPv4',
    endpoints: [],
    ...fields,
  };
}

function secret(fields: Readonly<Record<string, unknown>>): unknown {
  return { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'a', namespace: 'b' }, ...fields };
}
function configMap(fields: Readonly<Record<string, unknown>>): unknown {
  return { ...(secret(fields) as object), kind: 'ConfigMap' };
}

function ingressClass(spec: unknown): unknown {
  return { apiVersion: 'networking.k8s.io/v1', kind: 'IngressClass', metadata: { name: 'a' }, spec };
}

const accepted: readonly [what: string, object: unknown][] = [
  ['an Ingress with a rule', path({})],
  ['an Ingress with a default backend only', ingress({ defaultBackend: backend, ingressClassName: 'nginx' })],
  ['a port by name', path({ backend: { service: { name: 'web', port: { name: 'http-2' } } } })],
  ['a resource as backend', path({ backend: { resource: { apiGroup: 'a.com', kind: 'Bucket', name: 'b' } } })],
  ['no path, ImplementationSpecific', path({ pathType: 'ImplementationSpecific', path: undefined })],
  ['an expression, ImplementationSpecific', path({ pathType: 'ImplementationSpecific', path: '/a/(.*)//b' })],
  ['hosts', ingress({ rules: [{ host: 'a.com' }, { host: '*.a.com' }, { host: '' }] })],
  ['tls', ingress({ defaultBackend: backend, tls: [{ hosts: ['a.com', '*.b.com'], secretName: 'c' }, {}] })],
  ['fields that are not read', ingress({ defaultBackend: backend, other: [1] })],
  ['an IngressClass', ingressClass({ controller: 'k8s.io/ingress-nginx', parameters: { kind: 'A', name: 'b' } })],
  ['a Service', service({ ports: [{ port: 80, targetPort: 'http' }], selector: { app: 'web' } })],
  [
    'a Service with several ports',
    service({
      ports: [
        { name: 'a', port: 80 },
        { name: 'b', port: 81, targetPort: 8081 },
      ],
    }),
  ],
  [
    'one port by two protocols',
    service({
      ports: [
        { name: 'a', port: 53 },
        { name: 'b', port: 53, protocol: 'UDP' },
      ],
    }),
  ],
  ['a headless Service', service({ clusterIP: 'None' })],
  ['an ExternalName', service({ type: 'ExternalName', externalName: 'a.com' })],
  [
    'an EndpointSlice',
    slice({ endpoints: [{ addresses: ['192.0.2.1'], conditions: { ready: null } }], ports: [{ port: 80 }] }),
  ],
];

for (const [what, object] of accepted) {
  test(`accepts ${what}`, () => {
    const result = validate(object as never, 'standard');
    assert.deepEqual(result.ok ? [] : result.problems, []);
  });
}

const refused: readonly [what: string, object: unknown, path: string, words: RegExp][] = [
  ['an Ingress without spec', ingress(undefined), 'spec', /either defaultBackend or rules/],
  ['an Ingress with nothing to do', ingress({}), 'spec', /either defaultBackend or rules/],
  ['a relative path', path({ path: 'a' }), 'spec.rules[0].http.paths[0].path', /path must be absolute/],
  ['no path', path({ path: undefined }), 'spec.rules[0].http.paths[0].path', /path must be absolute/],
  ['//', path({ path: '/a//b' }), 'spec.rules[0].http.paths[0].path', /must not contain/],
  [
    'an encoded slash',
    path({ path: '/a%2Fb', pathType: 'Exact' }),
    'spec.rules[0].http.paths[0].path',
    /must not contain/,
  ],
  ['a dot segment at the end', path({ path: '/a/..' }), 'spec.rules[0].http.paths[0].path', /must not contain/],
  ['no pathType', path({ pathType: undefined }), 'spec.rules[0].http.paths[0].pathType', /is required/],
  ['another pathType', path({ pathType: 'Regex' }), 'spec.rules[0].http.paths[0].pathType', /one of Exact, Prefix/],
  ['no backend', path({ backend: undefined }), 'spec.rules[0].http.paths[0].backend', /exactly one/],
  ['an empty backend', path({ backend: {} }), 'spec.rules[0].http.paths[0].backend', /exactly one of service and res/],
  [
    'a service and a resource',
    ingress({ defaultBackend: { ...backend, resource: { kind: 'A', name: 'b' } } }),
    'spec.defaultBackend',
    /exactly one of service and resource/,
  ],
  [
    'a port by name and number',
    ingress({ defaultBackend: { service: { name: 'a', port: { name: 'http', number: 80 } } } }),
    'spec.defaultBackend',
    /exactly one of service.port.name and service.port.number/,
  ],
  ['no port', ingress({ defaultBackend: { service: { name: 'a', port: {} } } }), 'spec.defaultBackend', /exactly one/],
  [
    'the name of a port without letter',
    ingress({ defaultBackend: { service: { name: 'a', port: { name: '80' } } } }),
    'spec.defaultBackend.service.port.name',
    /a letter among them/,
  ],
  ['no paths', ingress({ rules: [{ http: { paths: [] } }] }), 'spec.rules[0].http.paths', /at least 1 item/],
  ['a host that is an address', ingress({ rules: [{ host: '192.0.2.1' }] }), 'spec.rules[0].host', /not an IP address/],
  ['a wildcard in the middle', ingress({ rules: [{ host: 'a.*.com' }] }), 'spec.rules[0].host', /host name/],
  ['a host with port', ingress({ rules: [{ host: 'a.com:80' }] }), 'spec.rules[0].host', /without port/],
  [
    'a tls host',
    ingress({ defaultBackend: backend, tls: [{ hosts: ['A.com'] }] }),
    'spec.tls[0].hosts[0]',
    /lower case/,
  ],
  ['an IngressClass without controller', ingressClass({}), 'spec.controller', /is required/],
  [
    'a controller that is no path',
    ingressClass({ controller: 'nginx' }),
    'spec.controller',
    /a domain, '\/' and a path/,
  ],
  ['a Service without ports', service({ selector: { app: 'web' } }), 'spec.ports', /ports are required/],
  [
    'ports without names',
    service({ ports: [{ name: 'a', port: 80 }, { port: 81 }] }),
    'spec.ports[1].name',
    /must have a name/,
  ],
  [
    'names of ports twice',
    service({
      ports: [
        { name: 'a', port: 80 },
        { name: 'a', port: 81 },
      ],
    }),
    'spec.ports[1].name',
    /unique/,
  ],
  [
    'a port twice',
    service({
      ports: [
        { name: 'a', port: 80 },
        { name: 'b', port: 80 },
      ],
    }),
    'spec.ports[1]',
    /repeats port 80/,
  ],
  ['a port that is none', service({ ports: [{ port: 0 }] }), 'spec.ports[0].port', /1 to 65535/],
  ['an ExternalName without name', service({ type: 'ExternalName' }), 'spec.externalName', /externalName is required/],
  ['an EndpointSlice without type', slice({ addressType: undefined }), 'addressType', /is required/],
  [
    'an endpoint without addresses',
    slice({ endpoints: [{ addresses: [] }] }),
    'endpoints[0].addresses',
    /at least 1 item/,
  ],
  [
    'the ports of a slice by one name',
    slice({ ports: [{ port: 80 }, { port: 81, name: '' }] }),
    'ports[1].name',
    /unique/,
  ],
  ['a null among the ports of a Service', service({ ports: [null] }), 'spec.ports[0].port', /is required/],
  [
    'a selector that selects nothing',
    service({ ports: [{ port: 80 }], selector: { 'a b': 'c' } }),
    'spec.selector',
    /a key must be a qualified name/,
  ],
  [
    'the name of a target port',
    service({ ports: [{ port: 80, targetPort: 'a--b' }] }),
    'spec.ports[0].targetPort',
    /--/,
  ],
  [
    'an address of the other family',
    slice({ endpoints: [{ addresses: ['2001:db8::1'] }] }),
    'endpoints[0].addresses',
    /addresses of IPv4/,
  ],
  [
    'a name where an address must be',
    slice({ endpoints: [{ addresses: ['a.b'] }] }),
    'endpoints[0].addresses[0]',
    /IP/,
  ],
  [
    'an address that is none',
    slice({ endpoints: [{ addresses: ['0.0.0.0'] }] }),
    'endpoints[0].addresses[0]',
    /endpoint/,
  ],
  ['data that is not base64', secret({ data: { a: 'x' } }), 'data.a', /base64/],
  ['a key that is no file name', secret({ stringData: { 'a/b': 'x' } }), 'stringData.a/b', /letters, digits/],
  [
    'a TLS Secret without key',
    secret({ type: 'kubernetes.io/tls', stringData: { 'tls.crt': '' } }),
    'data.tls.key',
    /TLS|tls/,
  ],
  ['the same key twice', configMap({ data: { a: '' }, binaryData: { a: '' } }), 'data.a', /as well/],
  [
    'parameters with a namespace',
    ingressClass({ controller: 'a.b/c', parameters: { kind: 'A', name: 'b', namespace: 'c' } }),
    'spec.parameters.namespace',
    /scope 'Cluster'/,
  ],
];

for (const [what, object, path, words] of refused) {
  test(`refuses ${what}`, () => {
    const result = validate(object as never, 'standard');
    const problems = result.ok ? [] : result.problems;
    assert.ok(
      problems.some((problem) => problem.path === path && words.test(problem.message)),
      JSON.stringify(problems),
    );
  });
}

test('defaults of core kinds', () => {
  const result = validate(service({ ports: [{ port: 80 }] }) as never, 'standard');
  assert.ok(result.ok);
  assert.deepEqual(result.object['spec'], { ports: [{ port: 80, protocol: 'TCP' }] });
});
