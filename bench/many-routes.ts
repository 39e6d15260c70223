// What benchmarks of many routes have in common: one Gateway, 100 Services, and as many routes as wanted, on a host each or on one.
import type { KubeObject } from '../src/api/objects.ts';
import { Pipeline } from '../src/pipeline/pipeline.ts';

export type Shape = 'many hosts' | 'one host';
export const shapes: readonly Shape[] = ['many hosts', 'one host'];

const SERVICES = 100;

/** With nothing in it. */
export function emptyPipeline(): Pipeline {
  return new Pipeline({
    channel: 'standard',
    controllerName: 'portolan.dev/gateway-controller',
    classes: 'any',
    presume: true,
    engine: 'embedded',
    awaitEngine: false,
  });
}

/** With so many routes, settled, and its bind at a port of loopback. */
export function filledPipeline(routes: number, shape: Shape, port: number): Pipeline {
  const pipeline = emptyPipeline();
  for (const object of baseObjects()) pipeline.apply(object);
  for (let at = 0; at < routes; at++) pipeline.apply(routeObject(at, shape, 0));
  pipeline.settle();
  pipeline.place([...pipeline.tables.binds.keys()].map((bind) => ({ bind, address: '127.0.0.1', port })));
  pipeline.settle();
  return pipeline;
}

export function baseObjects(): readonly KubeObject[] {
  return [
    {
      apiVersion: 'gateway.networking.k8s.io/v1',
      kind: 'Gateway',
      metadata: { name: 'gateway', namespace: 'default' },
      spec: { gatewayClassName: 'portolan', listeners: [{ name: 'http', port: 80, protocol: 'HTTP' }] },
    },
    ...Array.from({ length: SERVICES }, (_, at) => ({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: `service-${at}`, namespace: 'default' },
      spec: { ports: [{ port: 80, targetPort: 8080 }] },
    })),
  ];
}

/** @param version shows in its path: another one is a change */
export function routeObject(at: number, shape: Shape, version: number): KubeObject {
  return {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'HTTPRoute',
    metadata: { name: `route-${at}`, namespace: 'default', generation: version + 1 },
    spec: {
      parentRefs: [{ name: 'gateway' }],
      hostnames: [shape === 'one host' ? 'app.example.com' : `host-${at}.example.com`],
      rules: [
        {
          matches: [{ path: { type: 'PathPrefix', value: `/api/${at}/v${version}` } }],
          backendRefs: [{ name: `service-${at % SERVICES}`, port: 80 }],
        },
      ],
    },
  };
}

/** Of the changes of a run, one after the other: routes from everywhere. */
export function changedRoute(version: number, routes: number, shape: Shape): KubeObject {
  return routeObject((version * 7919) % routes, shape, version);
}
