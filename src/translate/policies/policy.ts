// Objects of a kind that Portolan does not know, with spec.targetRef or spec.targetRefs (GEP-713) → BoundPolicy: what it
// targets and what it would set. Policies take effect in a later release; until then each says that it is not applied.
import type { KubeObject } from '../../api/objects.ts';
import { groupOf } from '../../api/objects.ts';
import { isGatewayApi } from '../unserved.ts';
import type { BoundPolicy } from '../../routing/bound.ts';
import type { ObjectRef } from '../../routing/origin.ts';
import { at } from '../../routing/origin.ts';
import type { Problem } from '../../routing/problem.ts';
import { isRecord, list, record, text } from '../../support/untrusted.ts';

/** Undefined for an object that is no policy, and for those of the Gateway API itself, which are known by their kind. */
export function bindPolicy(object: KubeObject, exists: (ref: ObjectRef) => boolean): BoundPolicy | undefined {
  if (isGatewayApi(groupOf(object.apiVersion))) return undefined;
  const spec = record(object['spec']);
  const single = isRecord(spec['targetRef']);
  const targetRefs = single ? [spec['targetRef']] : list(spec['targetRefs']);
  if (!targetRefs.some(isRecord)) return undefined;
  const { namespace = '', name } = object.metadata;
  const ref: ObjectRef = { group: groupOf(object.apiVersion), kind: object.kind, namespace, name };
  const problems: Problem[] = [];
  const targets = targetRefs.flatMap((target, index): BoundPolicy['targets'][number][] => {
    if (!isRecord(target)) return [];
    const origin = { object: ref, path: single ? 'spec.targetRef' : `spec.targetRefs[${index}]` };
    const targetRef = refOf(target, namespace);
    const sectionName = text(target['sectionName']);
    const found = exists(targetRef);
    problems.push(
      found
        ? { code: 'PolicyNotApplied', at: origin, target: targetRef }
        : { code: 'TargetNotFound', at: at(origin, 'name'), target: targetRef },
    );
    return [{ ref: targetRef, ...(sectionName === undefined ? {} : { sectionName }), found, origin }];
  });
  return {
    ref,
    targets,
    override: record(spec['override']),
    default: record(spec['default'] ?? spec['defaults']),
    problems,
  };
}

/** A group that was written as group/version, as some examples have it, is read as the group. */
function refOf(target: Readonly<Record<string, unknown>>, namespace: string): ObjectRef {
  const written = text(target['group']) ?? '';
  const slash = written.indexOf('/');
  return {
    group: slash < 0 ? written : written.slice(0, slash),
    kind: text(target['kind']) ?? '',
    namespace: clusterScoped.has(text(target['kind']) ?? '') ? '' : (text(target['namespace']) ?? namespace),
    name: text(target['name']) ?? '',
  };
}

const clusterScoped: ReadonlySet<string> = new Set(['GatewayClass', 'Namespace']);
