// The status of an object as a cluster would show it.
import type { ObjectRef } from '../routing/origin.ts';
import { refKey } from '../routing/origin.ts';

export interface Condition {
  readonly type: string;
  readonly status: 'True' | 'False' | 'Unknown';
  readonly reason: string;
  readonly message: string;
  readonly observedGeneration?: number;
  /** Absent here: set by the writer, only when status flips. */
  readonly lastTransitionTime?: string;
}

export interface ObjectStatus {
  readonly ref: ObjectRef;
  /** What the user wrote, when `ref` was made of something else (an Ingress, an old vintage) and may not exist. */
  readonly written?: ObjectRef;
  /** The `status` field of the object, in the shape of its CRD. */
  readonly status: Readonly<Record<string, unknown>>;
}

export function subjectOf({
  ref,
  written,
}: {
  readonly ref: ObjectRef;
  readonly written: ObjectRef;
}): Pick<ObjectStatus, 'ref' | 'written'> {
  return refKey(ref) === refKey(written) ? { ref } : { ref, written };
}
