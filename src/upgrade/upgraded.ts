// What an upgrade stage makes of one object: current objects with the way back to what was written, and what is to be
// said about it. Nothing is dropped silently: what has no current form becomes a problem.
import type { KubeObject } from '../api/objects.ts';
import { groupOf } from '../api/objects.ts';
import type { Mapping, Sourced, SourceRef } from '../api/sourced.ts';
import type { Origin } from '../routing/origin.ts';
import type { Problem, ProblemKind } from '../routing/problem.ts';

export interface Upgraded<T extends { readonly metadata: KubeObject['metadata'] }> {
  readonly ref: SourceRef;
  /** Row key -> current object. */
  readonly rows: readonly (readonly [key: string, row: Sourced<T>])[];
  readonly problems: readonly Problem[];
}

export function refOf(object: KubeObject): SourceRef {
  return {
    group: groupOf(object.apiVersion),
    kind: object.kind,
    namespace: object.metadata.namespace ?? '',
    name: object.metadata.name,
  };
}

/** Collects what is said about one written object, and where the fields of the current one came from. */
export class Notes {
  readonly ref: SourceRef;
  readonly problems: Problem[] = [];
  readonly mappings: Mapping[] = [];

  constructor(ref: SourceRef) {
    this.ref = ref;
  }

  say(path: string, problem: ProblemKind): void {
    this.problems.push({ at: this.at(path), ...problem });
  }

  /** A field of the current object came from a field of the written one. */
  map(path: string, from: string): void {
    this.mappings.push({ path, object: this.ref, from });
  }

  at(path: string): Origin {
    return { object: this.ref, path };
  }
}
