// A stored status and the one that we want → the one to write. What others wrote stays as it is, in its place: their conditions,
// and their entries in `parents` and `ancestors`. Ours are replaced whole; times move only when a condition flips.
import { equal } from '../support/equal.ts';
import { isRecord, list, record, text } from '../support/untrusted.ts';
import type { UnknownRecord } from '../support/untrusted.ts';

export interface Merging {
  readonly controllerName: string;
  /** RFC 3339, of conditions that flip. */
  readonly now: string;
}

/**
 * Of routes and policies: the list (`parents`, `ancestors`) with our entries, which are told by controllerName and `ref`.
 * @param most entries that the CRD takes; ours that come after it are left out
 */
export function mergeEntries(
  stored: UnknownRecord,
  wanted: UnknownRecord,
  {
    listName,
    ref,
    most,
    ...merging
  }: Merging & { readonly listName: string; readonly ref: string; readonly most: number },
): UnknownRecord {
  const ours = list(wanted[listName]).map(record);
  const left = new Set(ours);
  const entries: unknown[] = [];
  for (const entry of list(stored[listName]).map(record)) {
    if (entry['controllerName'] !== merging.controllerName) {
      entries.push(entry);
      continue;
    }
    const same = ours.find((candidate) => left.has(candidate) && equal(candidate[ref], entry[ref]));
    if (same === undefined) continue;
    left.delete(same);
    // All conditions of an entry of ours are ours, but for types that we do not know.
    entries.push({ ...same, conditions: mergeConditions(entry['conditions'], same['conditions'], merging) });
  }
  for (const entry of left) {
    if (entries.length >= most) break;
    entries.push({ ...entry, conditions: mergeConditions([], entry['conditions'], merging) });
  }
  return { ...stored, [listName]: entries };
}

/** Of classes, Gateways and ListenerSets: conditions by type, listeners by name, everything else as wanted. */
export function mergeStatus(stored: UnknownRecord, wanted: UnknownRecord, merging: Merging): UnknownRecord {
  const before = new Map(list(stored['listeners']).map((listener) => [record(listener)['name'], record(listener)]));
  const listeners = list(wanted['listeners'])
    .map(record)
    .map((listener) => ({
      ...listener,
      conditions: mergeConditions(before.get(listener['name'])?.['conditions'], listener['conditions'], merging),
    }));
  return {
    ...wanted,
    conditions: mergeConditions(stored['conditions'], wanted['conditions'], merging),
    ...(wanted['listeners'] === undefined ? {} : { listeners }),
  };
}

/** Every type that Portolan may set: of these, one that is not wanted any more goes. */
const types: ReadonlySet<string> = new Set([
  'Accepted',
  'AddressesAssigned',
  'Conflicted',
  'DefaultGateway',
  'InsecureFrontendValidationMode',
  'OverlappingTLSConfig',
  'PartiallyInvalid',
  'Programmed',
  'ResolvedRefs',
  'SupportedVersion',
  'portolan.dev/Complete',
]);

/** As many as the CRDs take. */
const CONDITIONS = 8;

function mergeConditions(stored: unknown, wanted: unknown, { now }: Merging): readonly unknown[] {
  const left = new Map(list(wanted).map((condition) => [record(condition)['type'], record(condition)]));
  const merged: unknown[] = [];
  for (const condition of list(stored)) {
    const type = text(record(condition)['type']) ?? '';
    const next = left.get(type);
    if (next === undefined) {
      if (!types.has(type)) merged.push(condition);
      continue;
    }
    left.delete(type);
    merged.push(timed(next, record(condition), now));
  }
  for (const condition of left.values()) merged.push(timed(condition, undefined, now));
  return merged.slice(0, CONDITIONS);
}

function timed(wanted: UnknownRecord, stored: UnknownRecord | undefined, now: string): UnknownRecord {
  const since =
    stored !== undefined && stored['status'] === wanted['status'] ? text(stored['lastTransitionTime']) : undefined;
  return { ...wanted, lastTransitionTime: since ?? now };
}

/** Whether somebody has stored a status of a newer generation than the one that is wanted: then it is not for us to write yet. */
export function isOutdated(stored: UnknownRecord, wanted: UnknownRecord): boolean {
  const newest = generationOf(stored);
  const own = generationOf(wanted);
  return newest !== undefined && own !== undefined && newest > own;
}

function generationOf(status: UnknownRecord): number | undefined {
  const generations = list(status['conditions'])
    .filter(isRecord)
    .filter(({ type }) => types.has(text(type) ?? ''))
    .map(({ observedGeneration }) => observedGeneration)
    .filter((generation) => typeof generation === 'number');
  return generations.length === 0 ? undefined : Math.max(...generations);
}
