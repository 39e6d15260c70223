// ReferenceGrants: groups that are spelt almost like one that exists, grants that nothing needs, and the grant that would
// permit a reference.
import { gatewayGroup } from '../../api/kinds.ts';
import { keyOf, type KubeObject } from '../../api/objects.ts';
import type { Tables } from '../../pipeline/tables.ts';
import { at, type ObjectRef, type Origin } from '../../routing/origin.ts';
import { list, record, text } from '../../support/untrusted.ts';
import type { Finding } from './finding.ts';

/** The grant that would permit a reference, in the namespace of what is referred to. */
export function grantFor(from: ObjectRef, target: ObjectRef): KubeObject {
  return {
    apiVersion: `${gatewayGroup}/v1`,
    kind: 'ReferenceGrant',
    metadata: { name: `${from.kind.toLowerCase()}-from-${from.namespace}`, namespace: target.namespace },
    spec: {
      from: [{ group: from.group, kind: from.kind, namespace: from.namespace }],
      to: [{ group: target.group, kind: target.kind, name: target.name }],
    },
  };
}

export function lintGrants(objects: Iterable<KubeObject>, tables: Tables): Finding[] {
  const uses = referencesAcross(tables);
  const findings: Finding[] = [];
  for (const object of objects) {
    if (object.kind !== 'ReferenceGrant' && object.kind !== 'ReferencePolicy') continue;
    const here: Origin = {
      object: {
        group: gatewayGroup,
        kind: object.kind,
        namespace: object.metadata.namespace ?? '',
        name: object.metadata.name,
      },
      path: 'spec',
    };
    const spec = record(object['spec']);
    const misspelt = [...misspeltGroups(spec['from'], at(here, 'from')), ...misspeltGroups(spec['to'], at(here, 'to'))];
    findings.push(...misspelt);
    if (misspelt.length === 0 && !isUsed(spec, object, uses)) {
      findings.push({
        severity: 'info',
        code: 'UnusedGrant',
        at: { ...here, path: '' },
        message: `no reference needs ReferenceGrant ${keyOf(object)}`,
        fix: 'check group, kind and namespace of its from and to, or remove it',
        related: [],
      });
    }
  }
  return findings;
}

interface Reference {
  readonly from: ObjectRef;
  readonly target: ObjectRef;
}

/** References into another namespace, whether they were permitted or not. */
function referencesAcross(tables: Tables): Reference[] {
  const found: Reference[] = [];
  for (const key of tables.routes.keys()) {
    const route = tables.routes.get(key);
    if (route === undefined) continue;
    for (const { backend } of route.clusters) {
      found.push({
        from: route.ref,
        target: { group: '', kind: backend.kind, namespace: backend.namespace, name: backend.name },
      });
    }
    for (const problem of [...route.problems, ...route.parents.flatMap(({ problems }) => problems)]) {
      if (problem.code === 'RefNotPermitted') found.push({ from: problem.from, target: problem.target });
    }
  }
  for (const key of tables.gateways.keys()) {
    const gateway = tables.gateways.get(key);
    for (const listener of gateway?.listeners ?? []) {
      const tls = listener.frontend?.tls;
      const certificates = tls?.mode === 'terminate' ? tls.certificates : [];
      for (const certificate of certificates) {
        const [namespace = '', name = ''] = certificate.split('/');
        found.push({
          from: (gateway as { ref: ObjectRef }).ref,
          target: { group: '', kind: 'Secret', namespace, name },
        });
      }
      for (const problem of listener.problems) {
        if (problem.code === 'RefNotPermitted') found.push({ from: problem.from, target: problem.target });
        if (problem.code === 'InvalidCertificateRef') found.push({ from: problem.at.object, target: problem.target });
      }
    }
  }
  return found.filter(({ from, target }) => from.namespace !== target.namespace);
}

function isUsed(spec: Readonly<Record<string, unknown>>, grant: KubeObject, uses: readonly Reference[]): boolean {
  const from = list(spec['from']).map(record);
  const to = list(spec['to']).map(record);
  return uses.some(
    (use) =>
      use.target.namespace === grant.metadata.namespace &&
      from.some(
        (each) =>
          each['group'] === use.from.group &&
          each['kind'] === use.from.kind &&
          each['namespace'] === use.from.namespace,
      ) &&
      to.some(
        (each) =>
          each['group'] === use.target.group &&
          each['kind'] === use.target.kind &&
          (each['name'] ?? use.target.name) === use.target.name,
      ),
  );
}

/** What each kind of a reference belongs to; a group made of the same words in another order, or a letter off, is a slip. */
const groupsOfKinds: Readonly<Record<string, string>> = {
  Gateway: gatewayGroup,
  HTTPRoute: gatewayGroup,
  GRPCRoute: gatewayGroup,
  TLSRoute: gatewayGroup,
  TCPRoute: gatewayGroup,
  UDPRoute: gatewayGroup,
  ListenerSet: gatewayGroup,
  Service: '',
  Secret: '',
  ConfigMap: '',
};

function misspeltGroups(entries: unknown, where: Origin): Finding[] {
  return list(entries).flatMap((entry, index) => {
    const kind = text(record(entry)['kind']) ?? '';
    const group = text(record(entry)['group']) ?? '';
    const meant = groupsOfKinds[kind];
    if (meant === undefined || group === meant) return [];
    const right = meant === '' ? '"" (the core group)' : meant;
    return [
      {
        severity: 'error' as const,
        code: 'MisspeltGroup',
        at: at(where, index, 'group'),
        message: `${group === '' ? 'the core group' : `group ${group}`} has no kind ${kind}, so this grants nothing`,
        fix: `write group: ${right}`,
        related: [],
      },
    ];
  });
}
