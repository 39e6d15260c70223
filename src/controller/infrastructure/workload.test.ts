import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BoundGateway } from '../../routing/bound.ts';
import type { Parameters } from '../../routing/parameters.ts';
import { list, record, texts } from '../../support/untrusted.ts';
import type { UnknownRecord } from '../../support/untrusted.ts';
import type { Owner } from './owned.ts';
import { metadataOf, resourceName } from './owned.ts';
import { serviceOfPods } from './service.ts';
import { deploymentOf, disruptionBudgetOf } from './workload.ts';

function owner(parameters: Parameters, more: Partial<BoundGateway> = {}): Owner {
  const ref = { group: 'gateway.networking.k8s.io', kind: 'Gateway', namespace: 'shop', name: 'gw' };
  const binds = (['tcp', 'udp'] as const).map((transport) => ({
    key: `shop/gw:53/${transport}`,
    gateway: 'shop/gw',
    port: 53,
    transport,
    security: 'none' as const,
    frontends: [],
  }));
  return {
    gateway: {
      key: 'shop/gw',
      ref,
      written: ref,
      className: 'portolan',
      managed: true,
      listeners: [],
      listenerSets: [],
      clusters: [],
      addresses: [],
      isDefault: false,
      binds,
      problems: [],
      parameters,
      ...more,
    },
    namespace: 'shop',
    reference: { apiVersion: 'gateway.networking.k8s.io/v1', kind: 'Gateway', name: 'gw', uid: 'u' },
    labels: { team: 'edge' },
    annotations: { note: 'gateway' },
  };
}

const options = {
  image: 'portolan:1',
  envoyImage: 'portolan-envoy:1',
  controller: 'portolan-controller.portolan.svc:9443',
};

function specOf(parameters: Parameters): UnknownRecord {
  return record(deploymentOf(owner(parameters), options)?.['spec']);
}

function podOf(parameters: Parameters): UnknownRecord {
  const template = record(specOf(parameters)['template']);
  return record(template['spec']);
}

test('a Pod may do nothing but serve: nobody, read-only, no capabilities, no token', () => {
  const pod = podOf({});
  const [container] = list(pod['containers']).map(record);
  assert.equal(pod['automountServiceAccountToken'], false);
  assert.deepEqual(pod['securityContext'], {
    runAsNonRoot: true,
    runAsUser: 65_532,
    runAsGroup: 65_532,
    fsGroup: 65_532,
    seccompProfile: { type: 'RuntimeDefault' },
    sysctls: [{ name: 'net.ipv4.ip_unprivileged_port_start', value: '0' }],
  });
  assert.deepEqual(container?.['securityContext'], {
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ['ALL'] },
  });
});

test('what is in flight has its time when a Pod ends, and a rollout takes none away before another is there', () => {
  const spec = specOf({ proxy: { drain: 120 } });
  const pod = record(record(spec['template'])['spec']);
  const [container] = list(pod['containers']).map(record);
  const args = list(container?.['args']);
  const grace = Number(args[args.indexOf('--grace') + 1]);
  assert.ok(grace > 0 && args[args.indexOf('--drain') + 1] === '120');
  assert.ok((pod['terminationGracePeriodSeconds'] as number) > 120 + grace);
  assert.deepEqual(record(spec['strategy'])['rollingUpdate'], { maxUnavailable: 0, maxSurge: 1 });
});

test('listeners, certificates and routes are not in the template: nothing restarts for them', () => {
  const parameters = { replicas: 2 };
  const before = deploymentOf(owner(parameters), options);
  const after = deploymentOf(owner(parameters, { binds: [], listeners: [], generation: 9 }), options);
  assert.deepEqual(after, before);
});

test('parameters of Pods', () => {
  const toleration = { key: 'edge', operator: 'Exists' };
  const pod = podOf({
    pod: {
      nodeSelector: { edge: 'yes' },
      tolerations: [toleration],
      priorityClassName: 'high',
      resources: { limits: { memory: '1Gi' } },
      topologySpreadConstraints: [{ labelSelector: {} }],
    },
    proxy: { accessLog: true, trustedHops: 1, limits: { headBytes: 1, connections: 2 } },
  });
  const [container] = list(pod['containers']).map(record);
  assert.deepEqual(pod['nodeSelector'], { edge: 'yes' });
  assert.deepEqual(pod['tolerations'], [toleration]);
  assert.equal(pod['priorityClassName'], 'high');
  assert.deepEqual(pod['topologySpreadConstraints'], [{ labelSelector: {} }]);
  assert.deepEqual(container?.['resources'], { limits: { memory: '1Gi' } });
  assert.match(
    list(container?.['args']).join(' '),
    /--trusted-hops 1 --access-log --limit connections=2 --limit head-bytes=1$/,
  );
});

test('a Pod of the engine envoy: its image, a folder for its sockets, no session keys; the rest as it is', () => {
  const of = (parameters: Parameters): UnknownRecord => record(list(podOf(parameters)['containers'])[0]);
  const [embedded, envoy] = [of({}), of({ engine: 'envoy' })];
  assert.deepEqual([embedded['image'], envoy['image']], ['portolan:1', 'portolan-envoy:1']);
  assert.match(list(envoy['args']).join(' '), /--engine envoy/);
  assert.doesNotMatch(list(envoy['args']).join(' '), /session-keys/);
  assert.doesNotMatch(list(embedded['args']).join(' '), /--engine/);
  const folder = list(envoy['env']).map(record);
  const mounted = list(envoy['volumeMounts']).map((mount) => record(mount)['mountPath']);
  assert.ok(mounted.includes(folder.find(({ name }) => name === 'TMPDIR')?.['value']));
  for (const same of ['securityContext', 'readinessProbe', 'livenessProbe', 'volumeMounts'])
    assert.deepEqual(envoy[same], embedded[same]);
  assert.deepEqual(envoy['resources'], { requests: { cpu: '100m', memory: '256Mi' } });
  assert.equal(deploymentOf(owner({ engine: 'envoy' }), { ...options, envoyImage: undefined }), undefined);
});

test('one Pod has no budget; of several, one may go at a time', () => {
  assert.equal(disruptionBudgetOf(owner({ replicas: 1 })), undefined);
  assert.equal(record(disruptionBudgetOf(owner({ replicas: 2 }))?.['spec'])['maxUnavailable'], 1);
  // An autoscaler decides.
  assert.ok(disruptionBudgetOf(owner({})) !== undefined);
});

test('a Service has the fields that its type has, and a port for each transport', () => {
  const service = { loadBalancerClass: 'edge', externalTrafficPolicy: 'Local', annotations: { note: 'own' } } as const;
  const of = (parameters: Parameters['service']): UnknownRecord =>
    record(serviceOfPods(owner({ service: { ...service, ...parameters } }))?.['spec']);
  assert.equal(of({})['type'], 'LoadBalancer');
  assert.equal(of({})['loadBalancerClass'], 'edge');
  assert.deepEqual(Object.keys(of({ type: 'ClusterIP' })), ['type', 'ports', 'selector']);
  assert.deepEqual(Object.keys(of({ type: 'NodePort' })), ['type', 'externalTrafficPolicy', 'ports', 'selector']);
  assert.deepEqual(
    list(of({})['ports']).map((port) => record(port)['protocol']),
    ['TCP', 'UDP'],
  );
  const provided = serviceOfPods(owner({ service }));
  assert.equal(texts(provided?.metadata.annotations)['note'], 'own');
  assert.equal(serviceOfPods(owner({}, { binds: [] })), undefined);
});

test('names are Services’ names, whatever the Gateway is called, and differ when Gateways do', () => {
  const named = (name: string, className = 'portolan'): string =>
    resourceName({ ref: { group: '', kind: 'Gateway', namespace: 'shop', name }, className });
  const long = 'a'.repeat(250);
  assert.match(named('1.2'), /^gw-1-2-portolan$/);
  assert.ok(named(long).length <= 63 && /^[a-z]([-a-z0-9]*[a-z0-9])?$/.test(named(long)));
  assert.notEqual(named(`${long}x`), named(`${long}y`));
  const { labels } = metadataOf(owner({}, { className: long }));
  assert.ok(Object.values(labels).every((value) => value.length <= 63));
});
