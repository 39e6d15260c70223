// Objects written in a current version: raw → checked, with the defaults of the CRD filled in, or refused with what is
// wrong. Old vintages and other dialects are left to the upgrade stages.
import type { Channel } from '../api/kinds.ts';
import { isVintage, kindOf } from '../api/kinds.ts';
import type { KubeObject } from '../api/objects.ts';
import { groupOf, versionOf } from '../api/objects.ts';
import type { Sourced, SourceRef } from '../api/sourced.ts';
import type { FieldProblem } from '../api/validate.ts';
import { validate } from '../api/validate.ts';
import type { ObjectRef } from '../routing/origin.ts';
import type { Problem } from '../routing/problem.ts';

type Named = { readonly metadata: KubeObject['metadata'] };

/** A refused object has no `sourced`. */
export interface Checked<T extends Named> {
  readonly ref: SourceRef;
  readonly sourced?: Sourced<T>;
  readonly problems: readonly Problem[];
}

/** Checks objects, each once: an object is checked when it arrives, and again only when another takes its place. */
export class Checks {
  readonly #channel: Channel;
  readonly #known = new WeakMap<KubeObject, Checked<Named> | 'vintage'>();

  constructor(channel: Channel) {
    this.#channel = channel;
  }

  /** Undefined for a vintage that has to be upgraded, and for kinds without a schema. */
  check<T extends Named>(object: KubeObject): Checked<T> | undefined {
    let checked = this.#known.get(object);
    if (checked === undefined) this.#known.set(object, (checked = check(object, this.#channel) ?? 'vintage'));
    // The schema of the kind has been checked, so the object has the shape of its generated type.
    return checked === 'vintage' ? undefined : (checked as Checked<T>);
  }
}

function check(object: KubeObject, channel: Channel): Checked<Named> | undefined {
  const ref: SourceRef = {
    group: groupOf(object.apiVersion),
    kind: object.kind,
    namespace: object.metadata.namespace ?? '',
    name: object.metadata.name,
  };
  const version = versionOf(object.apiVersion);
  const kind = kindOf(ref.group, ref.kind, channel);
  if (kind === undefined && kindOf(ref.group, ref.kind, 'experimental') !== undefined) {
    return { ref, problems: [notServed(ref, object, 'it belongs to the experimental channel')] };
  }
  if (kind === undefined || isVintage(ref.group, ref.kind, version)) return undefined;
  if (!kind.versions.some((known) => known.name === version)) {
    const reason = `version ${version} does not exist; the current one is ${kind.current}`;
    return { ref, problems: [notServed(ref, object, reason)] };
  }
  const result = validate(object, channel);
  const problems = result.warnings.map((warning) => problemOf(ref, warning));
  if (!result.ok) return { ref, problems: [...result.problems.map((problem) => problemOf(ref, problem)), ...problems] };
  if (version === kind.current) return { ref, problems, sourced: sourcedOf(result.object, ref) };
  // Beta versions differ from v1 in nothing but their name.
  const current = `${ref.group}/${kind.current}`;
  problems.push({
    code: 'DeprecatedVersion',
    at: { object: ref, path: 'apiVersion' },
    from: object.apiVersion,
    to: current,
  });
  return { ref, problems, sourced: sourcedOf({ ...result.object, apiVersion: current }, ref) };
}

function sourcedOf(object: KubeObject, written: SourceRef): Sourced<KubeObject> {
  return { object, written, mappings: [] };
}

function notServed(ref: ObjectRef, { apiVersion, kind }: KubeObject, reason: string): Problem {
  return { code: 'KindNotServed', at: { object: ref, path: 'apiVersion' }, apiVersion, kind, reason };
}

function problemOf(object: ObjectRef, { path, rule, message, kind, meant }: FieldProblem): Problem {
  const at = { object, path };
  return kind === 'unknown-field'
    ? { code: 'UnknownField', at, field: path, ...(meant === undefined ? {} : { meant }) }
    : { code: 'InvalidField', at, rule, message };
}
