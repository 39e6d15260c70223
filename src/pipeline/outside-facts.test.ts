// Facts that come from outside and are no objects: addresses of hosts by DNS, and where a Gateway is placed.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAllDocuments } from 'yaml';
import type { KubeObject } from '../api/objects.ts';
import type { Condition } from '../status/object-status.ts';
import { Pipeline } from './pipeline.ts';

function pipelineOf(yaml: string, presume = true): Pipeline {
  const pipeline = new Pipeline({
    channel: 'experimental',
    controllerName: 'portolan.dev/gateway-controller',
    classes: 'any',
    presume,
    engine: 'embedded',
    awaitEngine: false,
  });
  for (const document of parseAllDocuments(yaml)) pipeline.apply(document.toJS() as KubeObject);
  pipeline.settle();
  return pipeline;
}

const outside = `
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: { name: portolan }
spec: { controllerName: portolan.dev/gateway-controller }
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: gw, namespace: default }
spec:
  gatewayClassName: portolan
  listeners: [{ name: http, port: 80, protocol: HTTP }]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: web, namespace: default }
spec:
  parentRefs: [{ name: gw }]
  rules: [{ backendRefs: [{ group: gateway.networking.x-k8s.io, kind: XBackend, name: api }] }]
---
apiVersion: gateway.networking.x-k8s.io/v1alpha1
kind: XBackend
metadata: { name: api, namespace: default }
spec:
  type: ExternalHostname
  externalHostname: { hostname: api.example.com }
  port: { number: 8080 }
`;

function addressesOf(pipeline: Pipeline): readonly string[] {
  const set = pipeline.tables.endpoints.get('XBackend/default/api');
  return (set?.endpoints ?? []).map(({ address, port }) => `${address} ${port}`);
}

test('a host outside is wanted for as long as something leads to it, and has the addresses that DNS gave', () => {
  const pipeline = pipelineOf(outside);
  assert.deepEqual([...pipeline.tables.wantedHosts.keys()], ['api.example.com']);
  assert.deepEqual(addressesOf(pipeline), []);
  pipeline.resolve('api.example.com', ['192.0.2.7', '2001:db8::1', '192.0.2.7']);
  pipeline.settle();
  assert.deepEqual(addressesOf(pipeline), ['192.0.2.7 8080', '2001:db8::1 8080']);
  const { update } = (pipeline.resolve('api.example.com', ['192.0.2.8']), pipeline.settle());
  // Only the endpoints change: no cluster, rule or virtual host.
  assert.deepEqual(Object.keys(update).toSorted(), ['endpoints', 'version']);
  pipeline.delete({
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'HTTPRoute',
    metadata: { name: 'web', namespace: 'default' },
  });
  pipeline.settle();
  assert.deepEqual([...pipeline.tables.wantedHosts.keys()], []);
});

test('in a cluster a name outside must not lead to this machine or its link', () => {
  const pipeline = pipelineOf(outside, false);
  pipeline.resolve('api.example.com', ['127.0.0.1', '169.254.169.254', '::1', '192.0.2.7']);
  pipeline.settle();
  assert.deepEqual(addressesOf(pipeline), ['192.0.2.7 8080']);
});

interface Told {
  readonly conditions: readonly string[];
  readonly messages: readonly string[];
  readonly addresses: unknown;
}

function statusWith(addresses: string): Told {
  const pipeline = pipelineOf(
    outside.replace('gatewayClassName: portolan', `gatewayClassName: portolan\n  addresses: ${addresses}`),
  );
  pipeline.place([{ bind: 'default/gw:80/tcp', address: '192.0.2.1', port: 80 }]);
  pipeline.settle();
  const { status } = pipeline.tables.statuses.get('gateway.networking.k8s.io/Gateway/default/gw') ?? { status: {} };
  const { conditions, addresses: given } = status as { conditions: readonly Condition[]; addresses?: unknown };
  return {
    conditions: conditions.map(({ type, status, reason }) => `${type}=${status} ${reason}`),
    messages: conditions.map(({ message }) => message),
    addresses: given,
  };
}

test('GatewayAddressRoutability: addresses and their routability (GEP-5093)', () => {
  const statusOf = (asked: string): Omit<Told, 'messages'> => {
    const { conditions, addresses } = statusWith(asked);
    return { conditions, addresses };
  };
  assert.deepEqual(statusOf('[]'), {
    conditions: ['Accepted=True Accepted', 'Programmed=True Programmed', 'AddressesAssigned=True AddressesAssigned'],
    addresses: [{ type: 'IPAddress', value: '192.0.2.1', routability: '' }],
  });
  assert.deepEqual(statusWith('[{ type: IPAddress, routability: testing.x-k8s.io/sentinel }]').addresses, [
    { type: 'IPAddress', value: '192.0.2.1', routability: 'testing.x-k8s.io/sentinel' },
  ]);
  assert.deepEqual(
    statusOf('[{ type: IPAddress, value: 192.0.2.1 }, { type: IPAddress, value: 192.0.2.9, routability: Cluster }]'),
    {
      conditions: ['Accepted=True Accepted', 'Programmed=True Programmed', 'AddressesAssigned=False PartiallyAssigned'],
      addresses: [{ type: 'IPAddress', value: '192.0.2.1', routability: '' }],
    },
  );
  assert.deepEqual(statusOf('[{ type: IPAddress, routability: Cluster }]'), {
    conditions: [
      'Accepted=True Accepted',
      'Programmed=False AddressNotAssigned',
      'AddressesAssigned=False NotAssigned',
    ],
    addresses: undefined,
  });
  const { messages } = statusWith('[{ type: example.com/thing, value: x }]');
  assert.match(messages.at(-1) ?? '', /^spec\.addresses\[0\]: addresses of type example\.com\/thing are not supported/);
});
