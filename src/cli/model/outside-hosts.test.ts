import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Pipeline } from '../../pipeline/pipeline.ts';
import { OutsideHosts } from './outside-hosts.ts';

const backend = {
  apiVersion: 'gateway.networking.x-k8s.io/v1alpha1',
  kind: 'XBackend',
  metadata: { name: 'api', namespace: 'default' },
  spec: {
    type: 'ExternalHostname',
    port: { number: 443 },
    protocol: 'HTTP',
    externalHostname: { hostname: 'api.example.com' },
  },
};
const route = {
  apiVersion: 'gateway.networking.k8s.io/v1',
  kind: 'HTTPRoute',
  metadata: { name: 'web', namespace: 'default' },
  spec: {
    parentRefs: [{ name: 'gw' }],
    rules: [{ backendRefs: [{ group: 'gateway.networking.x-k8s.io', kind: 'XBackend', name: 'api' }] }],
  },
};
const gateway = {
  apiVersion: 'gateway.networking.k8s.io/v1',
  kind: 'Gateway',
  metadata: { name: 'gw', namespace: 'default' },
  spec: { gatewayClassName: 'any', listeners: [{ name: 'http', port: 80, protocol: 'HTTP' }] },
};

test('hosts that are wanted are asked for, once at a time, and no more when they are not', async () => {
  const pipeline = new Pipeline({
    channel: 'experimental',
    controllerName: 'portolan.dev/gateway-controller',
    classes: 'any',
    presume: true,
    engine: 'embedded',
    awaitEngine: false,
  });
  const asked: string[] = [];
  const hosts = new OutsideHosts(pipeline, (host) => {
    asked.push(host);
    return Promise.resolve(['192.0.2.7']);
  });
  const settle = (): void => hosts.note(pipeline.settle().changes);
  const endpoints = (): string[] =>
    [...pipeline.tables.endpoints.keys()].flatMap(
      (key) => pipeline.tables.endpoints.get(key)?.endpoints.map(({ address, port }) => `${address}:${port}`) ?? [],
    );
  for (const object of [gateway, backend, route]) pipeline.apply(object);
  settle();
  assert.deepEqual([asked, endpoints()], [[], []]);
  let changes = 0;
  await hosts.follow(() => changes++);
  settle();
  assert.deepEqual([asked, endpoints(), changes], [['api.example.com'], ['192.0.2.7:443'], 1]);
  pipeline.delete(route);
  settle();
  pipeline.apply(route);
  settle();
  await new Promise((resume) => setImmediate(resume));
  settle();
  assert.deepEqual([asked.length, endpoints()], [2, ['192.0.2.7:443']]);
  hosts.close();
});
