// Parameters of Gateways: the Gateway's own before those of its class, and what becomes of a Gateway when they go wrong.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '../api/objects.ts';
import { Pipeline } from './pipeline.ts';
import type { PipelineOptions } from './pipeline.ts';

const group = 'gateway.networking.k8s.io';

function config(namespace: string, name: string, spec: object): KubeObject {
  return { apiVersion: 'portolan.dev/v1alpha1', kind: 'GatewayConfig', metadata: { namespace, name }, spec };
}

const gatewayClass: KubeObject = {
  apiVersion: `${group}/v1`,
  kind: 'GatewayClass',
  metadata: { name: 'edge' },
  spec: {
    controllerName: 'portolan.dev/gateway-controller',
    parametersRef: { group: 'portolan.dev', kind: 'GatewayConfig', namespace: 'system', name: 'edge' },
  },
};

function gateway(parameters?: string): KubeObject {
  const parametersRef = { group: 'portolan.dev', kind: 'GatewayConfig', name: parameters };
  return {
    apiVersion: `${group}/v1`,
    kind: 'Gateway',
    metadata: { namespace: 'shop', name: 'gw' },
    spec: {
      gatewayClassName: 'edge',
      ...(parameters === undefined ? {} : { infrastructure: { parametersRef } }),
      listeners: [{ name: 'http', port: 80, protocol: 'HTTP' }],
    },
  };
}

function settled(...objects: readonly KubeObject[]): Pipeline {
  return settledWith({}, ...objects);
}

function settledWith(options: Partial<PipelineOptions>, ...objects: readonly KubeObject[]): Pipeline {
  const pipeline = new Pipeline({
    channel: 'standard',
    controllerName: 'portolan.dev/gateway-controller',
    classes: 'by-controller',
    presume: false,
    engine: 'embedded',
    awaitEngine: false,
    ...options,
  });
  for (const object of objects) pipeline.apply(object);
  pipeline.settle();
  return pipeline;
}

function conditions(pipeline: Pipeline): readonly string[] {
  const status = pipeline.tables.statuses.get(`${group}/Gateway/shop/gw`)?.status;
  const found = status?.['conditions'] as
    | { type: string; status: string; reason: string; message: string }[]
    | undefined;
  return (found ?? []).map(
    ({ type, status, reason, message }) => `${type}=${status} ${reason}${reason === type ? '' : `: ${message}`}`,
  );
}

test('fields of the Gateway go before those of its class: maps by key, lists as a whole', () => {
  const pipeline = settled(
    gatewayClass,
    config('system', 'edge', {
      replicas: 3,
      service: { annotations: { a: 'class', b: 'class' } },
      pod: { tolerations: [{ key: 'a' }, { key: 'b' }], resources: { requests: { cpu: 1, memory: '1Gi' } } },
    }),
    config('shop', 'own', {
      service: { type: 'NodePort', annotations: { b: 'own' } },
      pod: { tolerations: [{ key: 'c' }], resources: { requests: { cpu: '500m' } } },
    }),
    gateway('own'),
  );
  assert.deepEqual(pipeline.tables.gateways.get('shop/gw')?.parameters, {
    replicas: 3,
    service: { type: 'NodePort', annotations: { a: 'class', b: 'own' } },
    pod: { tolerations: [{ key: 'c' }], resources: { requests: { cpu: '500m', memory: '1Gi' } } },
  });
});

test('a Gateway that was served goes on with its last good parameters, and says so; a new one is not served', () => {
  const broken = settled(gatewayClass, config('system', 'edge', { replicas: 2 }), gateway('gone'));
  assert.equal(broken.tables.gateways.get('shop/gw')?.parameters, undefined);
  assert.equal(broken.tables.binds.size, 0);
  broken.keepParameters('shop/gw', { replicas: 7 });
  broken.settle();
  assert.deepEqual(broken.tables.gateways.get('shop/gw')?.parameters, { replicas: 7 });
  assert.equal(broken.tables.binds.size, 1);
  assert.deepEqual(conditions(broken), [
    'Accepted=False InvalidParameters: spec.infrastructure.parametersRef: GatewayConfig shop/gone does not exist; the Gateway is served with its last good parameters; create it (its CRD is in deploy/crds), or remove parametersRef',
    'Programmed=True Programmed',
  ]);
  broken.apply(config('shop', 'gone', { replicas: 1 }));
  broken.settle();
  assert.deepEqual(broken.tables.gateways.get('shop/gw')?.parameters, { replicas: 1 });
});

test('a class that goes wrong keeps new Gateways waiting, and the others as they were', () => {
  const pipeline = settled(gatewayClass, gateway());
  assert.match(conditions(pipeline)[0] ?? '', /^Accepted=Unknown Pending/);
  pipeline.keepParameters('shop/gw', {});
  pipeline.settle();
  assert.match(conditions(pipeline)[0] ?? '', /^Accepted=True/);
  assert.equal(pipeline.tables.binds.size, 1);
});

test('the engine envoy needs an image, which the condition says, of a Gateway and of a class', () => {
  const objects = [gatewayClass, config('shop', 'own', { engine: 'envoy' }), gateway('own')];
  const without = settledWith({ engines: { deployed: ['embedded'] } }, config('system', 'edge', {}), ...objects);
  assert.match(conditions(without)[0] ?? '', /^Accepted=False InvalidParameters: .*--envoy-image/);
  const both = { engines: { deployed: ['embedded', 'envoy'] } } as const;
  const served = settledWith(both, config('system', 'edge', {}), ...objects);
  assert.equal(served.tables.gateways.get('shop/gw')?.parameters?.engine, 'envoy');
  assert.match(conditions(served)[0] ?? '', /^Accepted=True/);
  const ofClass = settledWith(
    { engines: { deployed: ['embedded'] } },
    config('system', 'edge', { engine: 'envoy' }),
    ...objects,
  );
  const status = JSON.stringify(ofClass.tables.statuses.get(`${group}/GatewayClass//edge`)?.status['conditions']);
  assert.match(status, /"InvalidParameters".*--envoy-image/);
});

test('where the controller serves by itself, a class or Gateway that names another engine is told how to get it', () => {
  const named = (engine: 'embedded' | 'envoy', only: 'embedded' | 'envoy'): Pipeline =>
    settledWith(
      { engine: only, engines: { only } },
      gatewayClass,
      config('system', 'edge', {}),
      config('shop', 'own', { engine }),
      gateway('own'),
    );
  assert.equal(
    conditions(named('envoy', 'embedded'))[0],
    'Accepted=False InvalidParameters: spec.infrastructure.parametersRef: spec.engine asks for envoy, and the controller serves all Gateways by itself, with the engine embedded; start the controller with --engine envoy, or leave the field out',
  );
  assert.match(conditions(named('embedded', 'envoy'))[0] ?? '', /InvalidParameters: .*--engine embedded, or leave/);
  for (const engine of ['embedded', 'envoy'] as const)
    assert.match(conditions(named(engine, engine))[0] ?? '', /^Accepted=True/);
  const engines = { only: 'embedded' } as const;
  const ofClass = settledWith({ engines }, config('system', 'edge', { engine: 'envoy' }), gatewayClass, gateway());
  const status = JSON.stringify(ofClass.tables.statuses.get(`${group}/GatewayClass//edge`)?.status['conditions']);
  assert.match(status, /"InvalidParameters".*--engine envoy/);
  const run = settledWith({}, config('system', 'edge', { engine: 'envoy' }), gatewayClass, gateway());
  assert.match(conditions(run)[0] ?? '', /^Accepted=True/);
});

test('limits that Envoy does not have are refused, also when class and Gateway say them together', () => {
  const both = { engines: { deployed: ['embedded', 'envoy'] } } as const;
  const limited = (limits: object): Pipeline =>
    settledWith(
      both,
      gatewayClass,
      config('system', 'edge', { engine: 'envoy' }),
      config('shop', 'own', { proxy: { limits } }),
      gateway('own'),
    );
  assert.match(conditions(limited({ bodyBytes: 5 }))[0] ?? '', /^Accepted=False InvalidParameters: .*bodyBytes/);
  assert.match(conditions(limited({ headBytes: 5 }))[0] ?? '', /^Accepted=True/);
});
