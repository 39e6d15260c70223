import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAllDocuments } from 'yaml';
import type { KubeObject } from '../../api/objects.ts';
import { Pipeline } from '../../pipeline/pipeline.ts';
import { explain } from './explain.ts';

test('why nothing listens, when it is the class that is refused', () => {
  const manifests = `
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: { name: edge }
spec:
  controllerName: portolan.dev/gateway-controller
  parametersRef: { group: portolan.dev, kind: GatewayConfig, namespace: portolan, name: gone }
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: web, namespace: shop }
spec:
  gatewayClassName: edge
  listeners: [{ name: http, port: 80, protocol: HTTP }]
`;
  const pipeline = new Pipeline({
    channel: 'standard',
    controllerName: 'portolan.dev/gateway-controller',
    classes: 'any',
    presume: true,
    engine: 'embedded',
    awaitEngine: false,
  });
  for (const document of parseAllDocuments(manifests)) pipeline.apply(document.toJS() as KubeObject);
  pipeline.settle();
  const explanation = explain(pipeline.tables, { method: 'GET', url: 'http://store.example.com/', headers: [] });
  assert.ok(!('misasked' in explanation));
  const [listener] = explanation.unreachable?.unserved ?? [];
  assert.equal(listener?.name, 'http');
  assert.deepEqual(
    listener.problems.map(({ code, at }) => [code, at.object.kind, at.path]),
    [
      ['GatewayClassNotAccepted', 'Gateway', 'spec.gatewayClassName'],
      ['InvalidParameters', 'GatewayClass', 'spec.parametersRef'],
    ],
  );
});
