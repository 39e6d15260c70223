// The chart, installed by helm into the cluster of $KUBECONFIG, which has to have the images of the lab. Run by lab.ts.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { accessFrom } from '../../src/sources/cluster/access.ts';
import { ApiError, KubeClient } from '../../src/sources/cluster/client.ts';
import { list, record, text } from '../../src/support/untrusted.ts';
import type { UnknownRecord } from '../../src/support/untrusted.ts';
import { helm } from '../../scripts/manifests.ts';
import { objectsIn, root } from './manifests.ts';
import { asked, bindings } from './people.ts';
import { eventually } from '../eventually.ts';

const chart = join(root, 'deploy/helm/portolan');
const client = new KubeClient(accessFrom());
/** What the image portolan-envoy of the lab mounts. */
const envoyIsThere = globSync('.cache/envoy/lib/python*/site-packages/envoy/_bin/envoy', { cwd: root }).length > 0;

/** Milliseconds: images start slowly on a busy machine. */
const LONG = 120_000;

interface Ran {
  readonly status: number | null;
  readonly output: string;
}

function run(command: string, args: readonly string[], input = ''): Ran {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8', input, maxBuffer: 64 * 1_048_576 });
  return { status, output: `${stdout}${stderr}` };
}

function mustRun(command: string, args: readonly string[], input = ''): string {
  const { status, output } = run(command, args, input);
  assert.equal(status, 0, `${command} ${args.join(' ')}: ${output}`);
  return output;
}

function chartCommand(verb: string, ...values: readonly string[]): readonly string[] {
  return [verb, 'portolan', chart, '--namespace', 'portolan', ...values.flatMap((value) => ['--set', value])];
}

function apply(items: readonly UnknownRecord[]): void {
  const all = JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
  mustRun('kubectl', ['apply', '--server-side', '-f', '-'], all);
}

async function found(path: string): Promise<UnknownRecord | undefined> {
  try {
    return record(await client.request('GET', path));
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return undefined;
    throw error;
  }
}

/** What the world of the tests is made of: an application, and a Gateway that leads to it. */
const application = (port: number): string => `
apiVersion: apps/v1
kind: Deployment
metadata: { name: shop, namespace: shop }
spec:
  selector: { matchLabels: { app: shop } }
  template:
    metadata: { labels: { app: shop } }
    spec:
      containers:
      - name: echo
        image: registry.k8s.io/gateway-api/conformance/echo-basic:any
        env:
        - { name: POD_NAME, valueFrom: { fieldRef: { fieldPath: metadata.name } } }
        - { name: NAMESPACE, valueFrom: { fieldRef: { fieldPath: metadata.namespace } } }
---
apiVersion: v1
kind: Service
metadata: { name: shop, namespace: shop }
spec: { selector: { app: shop }, ports: [{ port: 80, targetPort: 3000 }] }
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: web, namespace: shop }
spec:
  gatewayClassName: portolan
  listeners: [{ name: http, protocol: HTTP, port: ${port} }]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: shop, namespace: shop }
spec:
  parentRefs: [{ name: web }]
  rules: [{ backendRefs: [{ name: shop, port: 80 }] }]
`;

async function gatewayAddress(): Promise<string | undefined> {
  const gateway = await found('/apis/gateway.networking.k8s.io/v1/namespaces/shop/gateways/web');
  const { conditions, addresses } = record(gateway?.['status']);
  const isProgrammed = list(conditions).some((condition) => {
    const { type, status } = record(condition);
    return type === 'Programmed' && status === 'True';
  });
  return isProgrammed ? text(record(list(addresses)[0])['value']) : undefined;
}

/** Of an answer; 0: there was none. */
function ask(address: string, port = 80): Promise<number> {
  return new Promise((resolve) => {
    const request = http.get({ host: address, port, path: '/', timeout: 5000, agent: false }, (response) => {
      response.resume();
      response.on('end', () => resolve(response.statusCode ?? 0));
      response.on('error', () => resolve(0));
    });
    request.on('timeout', () => request.destroy());
    request.on('error', () => resolve(0));
  });
}

/** The application is answered through the Gateway; at which address. */
async function served(port = 80): Promise<string> {
  let address: string | undefined;
  await eventually(async () => (address = await gatewayAddress()) !== undefined, 'the Gateway is programmed', LONG);
  await eventually(async () => (await ask(address as string, port)) === 200, 'the application answers', LONG);
  return address as string;
}

/** One request after the other, each on a connection of its own, until it is stopped. */
function startAsking(address: string): { stop(): Promise<{ done: number; failed: readonly string[] }> } {
  const failed: string[] = [];
  let done = 0;
  const enough = new AbortController();
  const asking = (async () => {
    while (!enough.signal.aborted) {
      const began = performance.now();
      const status = await ask(address);
      if (status !== 200) failed.push(`${status} after ${Math.round(performance.now() - began)} ms`);
      done++;
      await sleep(20);
    }
  })();
  return {
    stop: async () => {
      enough.abort();
      await asking;
      return { done, failed };
    },
  };
}

/** All of its Pods are of its template, and no others are left. */
function isRolledOut(deployment: UnknownRecord | undefined, wanted: number): boolean {
  const { updatedReplicas, readyReplicas, replicas, observedGeneration } = record(deployment?.['status']);
  const isNew = observedGeneration === record(deployment?.['metadata'])['generation'];
  return isNew && updatedReplicas === wanted && readyReplicas === wanted && replicas === wanted;
}

/** Of every controller that there is. */
function logs(): string {
  return mustRun('kubectl', ['-n', 'portolan', 'logs', '-l', 'app.kubernetes.io/name=portolan', '--tail=-1']);
}

/** Nothing was refused, and nothing went wrong. A server whose CRDs are new may ask for patience, which is a warning. */
function assertQuiet(): void {
  const lines = logs().split('\n');
  assert.ok(lines.some((line) => line.includes('everything is listed')));
  assert.deepEqual(
    lines.filter((line) => /forbidden|"level":"error"/i.test(line)),
    [],
  );
}

function rollout(workload: string): void {
  mustRun('kubectl', ['-n', 'portolan', 'rollout', 'status', workload, `--timeout=${LONG / 1000}s`]);
}

test('helm finds nothing wrong with the chart, and the manifests are what it makes', () => {
  for (const mode of ['provisioned', 'all-in-one'])
    mustRun(helm(), ['lint', '--strict', chart, '--set', `mode=${mode}`]);
  mustRun(process.execPath, [join(root, 'scripts/manifests.ts'), '--check']);
});

test('whatever values there are, what comes out is YAML that the server takes', async (t) => {
  mustRun('kubectl', ['apply', '--server-side', '-f', join(root, 'deploy/crds')]);
  apply(['portolan', 'shop', 'infra'].map((name) => ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } })));
  const variants: Readonly<Record<string, readonly string[]>> = {
    'of one tenant': [
      'watch.namespaces={shop,infra}',
      'controllerName=tenant.example/controller',
      'rbac.personas=false',
    ],
    'by labels': ['watch.namespaceSelector=tenant=a', 'watch.selector=app in (a\\,b)', 'gatewayClass.create=false'],
    'with parameters': ['gatewayConfig.create=true', 'gatewayConfig.spec.replicas=2', 'image.tag=v1.2_3'],
    'with Envoy': [
      `envoyImage.repository=registry.example/portolan-envoy,envoyImage.digest=sha256:${'0'.repeat(64)}`,
      'gatewayConfig.create=true',
      'gatewayConfig.spec.engine=envoy',
    ],
    guarded: ['networkPolicy.create=true', 'networkPolicy.adminFrom[0].podSelector.matchLabels.app=prometheus'],
    placed: [
      'nodeSelector.disk=fast',
      'tolerations[0].operator=Exists',
      'priorityClassName=system-cluster-critical',
      'podDisruptionBudget.maxUnavailable=50%',
      'resources.limits.memory=1Gi',
      'podLabels.team=edge',
      'podAnnotations.note=x',
      'imagePullSecrets[0].name=registry',
    ],
    'all in one, a Deployment without low ports': [
      'mode=all-in-one',
      'allInOne.kind=Deployment',
      'allInOne.lowPorts=false',
      'allInOne.limits.body-bytes=10485760',
      'allInOne.accessLog=true',
      'allInOne.addressPool=10.200.0.0/16',
      'allInOne.adminAddress=::1',
    ],
    'all in one, with Envoy': [
      'mode=all-in-one',
      'allInOne.engine=envoy',
      'envoyImage.repository=registry.example/portolan-envoy',
      'allInOne.limits.head-bytes=16384',
    ],
    'all in one, on each node': ['mode=all-in-one', 'admin.port=9911', 'allInOne.adminAddress=0.0.0.0'],
  };
  for (const [name, values] of Object.entries(variants)) {
    await t.test(name, () => {
      const yaml = mustRun(helm(), chartCommand('template', ...values));
      assert.ok(objectsIn(yaml).length > 5);
      mustRun('kubectl', ['apply', '--dry-run=server', '-f', '-'], yaml);
    });
  }
});

test('values that are wrong are refused by name', () => {
  const allInOneEnvoy = 'mode=all-in-one,allInOne.engine=envoy,envoyImage.repository=portolan-envoy';
  for (const [value, named] of [
    ['mode=sidecar', '/mode'],
    ['replicas=-1', '/replicas'],
    ['replica=3', 'replica'],
    ['image.repo=x', 'repo'],
    ['image.digest=sha256:12', '/image/digest'],
    ['envoyImage.tag=1.0', '/envoyImage/repository'],
    ['controllerName=portolan', '/controllerName'],
    ['stream.port=443', '/stream/port'],
    ['allInOne.addressPool=eth0', '/allInOne/addressPool'],
    ['allInOne.limits.body-bytes=many', '/allInOne/limits/body-bytes'],
    ['allInOne.limits.body-octets=5', "at '/allInOne/limits': additional properties 'body-octets'"],
    ['mode=all-in-one,allInOne.engine=nginx', '/allInOne/engine'],
    ['mode=all-in-one,allInOne.engine=envoy', '/envoyImage/repository'],
    [`${allInOneEnvoy},allInOne.limits.body-bytes=5`, "'/allInOne/limits': additional properties 'body-bytes'"],
    ['admin.port=9443', 'stream.port and admin.port are both 9443'],
    ['gatewayConfig.spec.replicas=3', '/gatewayConfig/spec'],
    ['podDisruptionBudget.maxUnavailable=0', '/podDisruptionBudget/maxUnavailable'],
    ['gatewayClass.create=false,gatewayConfig.create=true', '/gatewayClass/create'],
    ['watch.namespaces={a},watch.namespaceSelector=b=c', '/watch'],
  ] as const) {
    const { status, output } = run(helm(), chartCommand('template', value));
    assert.equal(status, 1, value);
    assert.ok(output.includes(named), `${value}: ${output}`);
  }
});

test('provisioned: helm install, and traffic goes through data planes; nothing is refused to the controller', async () => {
  mustRun(helm(), [...chartCommand('install'), '--wait', '--timeout', '120s']);
  apply(objectsIn(application(80)));
  await served();
  const pods = record(
    await client.request('GET', '/api/v1/namespaces/portolan/pods', {
      query: { labelSelector: 'app.kubernetes.io/component=controller' },
    }),
  );
  assert.equal(list(pods['items']).length, 2);
  assertQuiet();
});

test('people may do what the guide says', async (t) => {
  apply(bindings());
  const rows = asked();
  await eventually(
    async () => {
      const role = await found('/apis/rbac.authorization.k8s.io/v1/clusterroles/portolan-cluster-operator');
      const edit = await found('/apis/rbac.authorization.k8s.io/v1/clusterroles/edit');
      return list(role?.['rules']).length > 3 && JSON.stringify(edit).includes('httproutes');
    },
    'roles are aggregated',
    LONG,
  );
  const wrong: string[] = [];
  await Promise.all(
    rows.map(async ({ user, verb, resource: named, namespace, may }) => {
      const [whole = '', subresource] = named.split('/');
      const [resource = '', ...group] = whole.split('.');
      const review = await client.request('POST', '/apis/authorization.k8s.io/v1/subjectaccessreviews', {
        body: {
          apiVersion: 'authorization.k8s.io/v1',
          kind: 'SubjectAccessReview',
          spec: {
            user,
            groups: ['system:authenticated'],
            resourceAttributes: {
              verb,
              group: group.join('.'),
              resource,
              ...(namespace === '' ? {} : { namespace }),
              ...(subresource === undefined ? {} : { subresource }),
            },
          },
        },
      });
      const allowed = record(record(review)['status'])['allowed'];
      if (allowed !== may) wrong.push(`${user} ${verb} ${named} ${namespace}: ${String(allowed)}`);
    }),
  );
  t.diagnostic(`${rows.length} questions`);
  assert.deepEqual(wrong, []);
});

test('an upgrade of the controller costs no request', async () => {
  const load = startAsking(await served());
  mustRun(helm(), chartCommand('upgrade', 'podAnnotations.again=yes'));
  await eventually(
    async () => {
      const deployment = await found('/apis/apps/v1/namespaces/portolan/deployments/portolan-controller');
      return isRolledOut(deployment, 2);
    },
    'controllers are replaced',
    LONG,
  );
  const { done, failed } = await load.stop();
  assert.ok(done > 50, `${done} requests`);
  assert.deepEqual(failed, []);
  assertQuiet();
});

test('a class that turns to Envoy: the Pods of its Gateway are replaced by such, and no request fails', async (t) => {
  if (!envoyIsThere) {
    t.skip('no Envoy for the image portolan-envoy of the lab: scripts/envoy.sh');
    return;
  }
  const load = startAsking(await served());
  const values = [
    'envoyImage.repository=portolan-envoy',
    'gatewayConfig.create=true',
    'gatewayConfig.spec.engine=envoy',
  ];
  mustRun(helm(), chartCommand('upgrade', ...values));
  await eventually(
    async () => {
      const deployment = await found('/apis/apps/v1/namespaces/shop/deployments/web-portolan');
      const [container] = list(record(record(record(deployment?.['spec'])['template'])['spec'])['containers']).map(
        record,
      );
      return text(container?.['image']) === 'portolan-envoy:0.1.0' && isRolledOut(deployment, 1);
    },
    'its Pod is one with an Envoy',
    LONG,
  );
  await sleep(2000);
  const { done, failed } = await load.stop();
  assert.ok(done > 50, `${done} requests`);
  assert.deepEqual(failed, []);
  const pods = record(await client.request('GET', '/api/v1/namespaces/shop/pods', {}));
  const serving = list(pods['items']).filter((pod) => JSON.stringify(pod).includes('portolan-envoy:'));
  assert.equal(serving.length, 1);
  assertQuiet();
});

test('uninstalled in the order of the guide, nothing of it stays', async () => {
  mustRun('kubectl', ['-n', 'shop', 'delete', 'gateway', 'web', '--timeout=60s']);
  mustRun('kubectl', ['delete', 'gatewayclass', 'portolan', '--timeout=60s']);
  mustRun(helm(), ['uninstall', 'portolan', '--namespace', 'portolan', '--wait']);
  mustRun('kubectl', ['-n', 'portolan', 'delete', 'secret/portolan-ca', 'lease/portolan-controller']);
  await eventually(
    async () => {
      const left = mustRun('kubectl', ['-n', 'shop', 'get', 'deploy,svc,sa,pdb,secret', '-o', 'name']);
      return !left.includes('web-portolan');
    },
    'what the Gateway was given is gone',
    LONG,
  );
  const people = ['platform-provider', 'cluster-operator', 'application-developer'].map((name) => `portolan-${name}`);
  await eventually(
    async () => {
      const roles = await Promise.all(
        people.map((name) => found(`/apis/rbac.authorization.k8s.io/v1/clusterroles/${name}`)),
      );
      return roles.every((role) => role !== undefined && list(role['rules']).length === 0);
    },
    'roles of people give nothing',
    LONG,
  );
  mustRun('kubectl', ['delete', 'clusterrole', ...people]);
  const roles = mustRun('kubectl', ['get', 'clusterroles,clusterrolebindings', '-o', 'name']);
  assert.doesNotMatch(roles, /portolan/);
});

test('all in one: the plain manifests, and traffic goes through the one process', async () => {
  const yaml = readFileSync(join(root, 'deploy/manifests/portolan-all-in-one.yaml'), 'utf8');
  mustRun('kubectl', ['apply', '--server-side', '-f', '-'], yaml);
  rollout('daemonset/portolan-controller');
  apply(objectsIn(application(80)));
  await served();
  assertQuiet();
  await eventually(() => logs().includes('writes statuses now'), 'one of them leads');
});

test('all in one, as nobody and with addresses of a pool', async () => {
  mustRun('kubectl', ['-n', 'shop', 'delete', 'gateway', 'web', '--timeout=60s']);
  mustRun('kubectl', ['delete', '-f', join(root, 'deploy/manifests/portolan-all-in-one.yaml'), '--timeout=120s']);
  const values = ['kind=Deployment', 'lowPorts=false', 'addressPool=10.200.0.0/16'].map((value) => `allInOne.${value}`);
  mustRun(helm(), [
    ...chartCommand('install', 'mode=all-in-one', 'replicas=1', ...values),
    '--create-namespace',
    '--wait',
    '--timeout',
    '120s',
  ]);
  apply(objectsIn(application(8080)));
  assert.match(await served(8080), /^10\.200\./);
  assertQuiet();
});

test('all in one, with an Envoy: as user 0 at a low port, and as nobody', async (t) => {
  if (!envoyIsThere) {
    t.skip('no Envoy for the image portolan-envoy of the lab: scripts/envoy.sh');
    return;
  }
  for (const [lowPorts, port] of [
    [true, 80],
    [false, 8080],
  ] as const) {
    const engine = ['engine=envoy', 'kind=Deployment', `lowPorts=${lowPorts}`].map((value) => `allInOne.${value}`);
    const values = ['mode=all-in-one', 'replicas=1', 'envoyImage.repository=portolan-envoy', ...engine];
    mustRun('kubectl', ['-n', 'shop', 'delete', 'gateway', 'web', '--ignore-not-found', '--timeout=60s']);
    mustRun(helm(), [...chartCommand('upgrade', ...values), '--install', '--reset-values']);
    rollout('deployment/portolan-controller');
    apply(objectsIn(application(port)));
    await served(port);
    const metrics = await fetch('http://127.0.0.1:9901/metrics').then((answer) => answer.text());
    assert.match(metrics, /^envoy_server_uptime/m);
    assertQuiet();
  }
});
