// A service account that may do what a controller must, but for reading some kinds; and its kubeconfig.
import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readFileSync } from 'node:fs';
import { absent } from '../../bench/cluster/cluster.ts';
import type { KubeObject } from '../../src/api/objects.ts';
import { record, text } from '../../src/support/untrusted.ts';
import { labKubeconfig } from '../lab/inside.ts';
import { namespace, type World } from './world.ts';

export interface LimitedAccess {
  readonly kubeconfig: string;
  /** Everything. */
  readonly allow: () => Promise<void>;
  /** Plurals of kinds of the Gateway API that may not be read. */
  readonly forbid: (plurals: readonly string[]) => Promise<void>;
  readonly remove: () => Promise<void>;
}

const name = 'faults-limited';
const kinds = [
  'gatewayclasses',
  'gateways',
  'listenersets',
  'httproutes',
  'grpcroutes',
  'tlsroutes',
  'tcproutes',
  'udproutes',
  'referencegrants',
  'backendtlspolicies',
];

export async function limitedAccess(world: World, plurals: readonly string[]): Promise<LimitedAccess> {
  const { cluster } = world;
  const forbid = (forbidden: readonly string[]): Promise<void> => cluster.apply(role(forbidden));
  await cluster.apply({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { namespace, name } });
  await forbid(plurals);
  await cluster.apply(binding());
  const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`;
  const made = await cluster.client.request('POST', path, {
    body: { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: {} },
  });
  const token = text(record(record(made)['status'])['token']) ?? '';
  const kubeconfig = join(tmpdir(), `portolan-faults-${process.pid}.kubeconfig`);
  const admin = readFileSync(labKubeconfig, 'utf8');
  writeFileSync(kubeconfig, admin.replace(/user: \{.*\}/, `user: {token: "${token}"}`), { mode: 0o600 });
  return {
    kubeconfig,
    forbid,
    allow: () => forbid([]),
    remove: async () => {
      await cluster.client.request('DELETE', `/apis/rbac.authorization.k8s.io/v1/clusterroles/${name}`).catch(absent);
      await cluster.client
        .request('DELETE', `/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/${name}`)
        .catch(absent);
    },
  };
}

function role(forbidden: readonly string[]): KubeObject {
  const read = ['get', 'list', 'watch'];
  const write = [...read, 'create', 'update', 'patch', 'delete'];
  return {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRole',
    metadata: { name },
    rules: [
      { apiGroups: [''], resources: ['namespaces', 'secrets', 'configmaps'], verbs: read },
      { apiGroups: [''], resources: ['services', 'serviceaccounts'], verbs: write },
      { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices', 'endpointslices/restricted'], verbs: write },
      { apiGroups: ['apiextensions.k8s.io'], resources: ['customresourcedefinitions'], verbs: read },
      { apiGroups: ['apps', 'policy', 'networking.k8s.io', 'portolan.dev'], resources: ['*'], verbs: write },
      { apiGroups: ['coordination.k8s.io'], resources: ['leases'], verbs: write },
      {
        apiGroups: ['gateway.networking.k8s.io'],
        resources: kinds.filter((kind) => !forbidden.includes(kind)),
        verbs: read,
      },
      {
        apiGroups: ['gateway.networking.k8s.io'],
        resources: [
          ...kinds.map((kind) => `${kind}/status`),
          'gatewayclasses',
          'gatewayclasses/finalizers',
          'gateways/finalizers',
        ],
        verbs: ['update', 'patch'],
      },
    ],
  };
}

function binding(): KubeObject {
  return {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRoleBinding',
    metadata: { name },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name },
    subjects: [{ kind: 'ServiceAccount', namespace, name }],
  };
}
