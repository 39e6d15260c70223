// API groups in references that are slips: the group of a well-known kind spelt almost right. A kind of the same name may
// exist in somebody else's group, so only groups that nobody else can have, or that are a letter or two off, are called so.
import { gatewayGroup, oldGatewayGroup } from '../../api/kinds.ts';
import { groupOf, type KubeObject } from '../../api/objects.ts';
import type { Finding } from './finding.ts';
import { referencesOf } from './references.ts';

export function lintGroups(objects: Iterable<KubeObject>): Finding[] {
  const findings: Finding[] = [];
  for (const object of objects) {
    const { kind, metadata } = object;
    const ref = { group: groupOf(object.apiVersion), kind, namespace: metadata.namespace ?? '', name: metadata.name };
    const isOurs = ref.group === gatewayGroup || ref.group === oldGatewayGroup;
    for (const reference of referencesOf(object)) {
      // Of other kinds only what policies target is known to be a reference as these are.
      if (!isOurs && !/^spec\.targetRefs?(\[\d+\])?$/.test(reference.path)) continue;
      if (reference.kind === undefined || reference.group === undefined) continue;
      const meant = misspelt(reference.kind, reference.group);
      if (meant === undefined) continue;
      findings.push({
        severity: 'error',
        code: 'MisspeltGroup',
        at: { object: ref, path: `${reference.path}.group` },
        message: `${reference.kind} is no kind of ${named(reference.group)}, so this refers to nothing`,
        fix: `write group: ${meant === '' ? '"" (the core group)' : meant}`,
        related: [],
      });
    }
  }
  return findings;
}

/** The group that was meant, when the one given is surely wrong. */
export function misspelt(kind: string, group: string): string | undefined {
  const right = Object.hasOwn(groupsOfKinds, kind) ? groupsOfKinds[kind] : undefined;
  if (right === undefined || group === right) return undefined;
  // Groups under k8s.io are Kubernetes' own, and a group without a dot is one of its first ones.
  const reserved = /(^|\.|-)k8s\.io$/.test(group) || !group.includes('.');
  return reserved || (right !== '' && isNear(group, right)) ? right : undefined;
}

/** What each kind of a reference belongs to. */
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

function named(group: string): string {
  return group === '' ? 'the core group' : `the group ${group}`;
}

/** At most two letters added, left out or replaced. */
function isNear(a: string, b: string): boolean {
  if (Math.abs(a.length - b.length) > 2) return false;
  let before = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (before[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min(replaced, (before[j] as number) + 1, (row[j - 1] as number) + 1));
    }
    before = row;
  }
  return (before[b.length] as number) <= 2;
}
