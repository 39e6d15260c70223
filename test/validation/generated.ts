// A seed → mutated objects of every kind, each kind as often as any other; what only a cluster could judge is left out.
import type { Channel } from '../../src/api/kinds.ts';
import type { KubeObject } from '../../src/api/objects.ts';
import { isRecord } from '../../src/support/untrusted.ts';
import { equal } from '../../src/support/equal.ts';
import { Dice, mutated, mutationsOf, type Mutation } from './mutations.ts';

export interface Generated {
  readonly base: KubeObject;
  readonly mutations: readonly Mutation[];
  readonly object: KubeObject;
}

/** Clusters have it only by a feature gate. */
const absent: ReadonlySet<string> = new Set(['certificates.k8s.io/ClusterTrustBundle']);

export function generated(
  bases: ReadonlyMap<string, readonly KubeObject[]>,
  channel: Channel,
  { seed, count }: { readonly seed: number; readonly count: number },
): Generated[] {
  const kinds = [...bases.keys()].filter((kind) => !absent.has(kind)).toSorted();
  const dice = new Dice(seed);
  const found: Generated[] = [];
  while (found.length < count) {
    const base = dice.of(bases.get(dice.of(kinds)) ?? []);
    const mutations = withoutOverwritten(mutationsOf(base, channel, dice));
    const object = mutated(base, mutations);
    if (!hasOctetsAsList(object)) found.push({ base, mutations, object });
  }
  return found;
}

/** Go's decoder takes a list of numbers for base64; we do not, and nobody writes it. */
function hasOctetsAsList(object: KubeObject): boolean {
  return ['data', 'binaryData'].some((field) => {
    const data = object[field];
    return isRecord(data) && Object.values(data).some((value) => Array.isArray(value));
  });
}

function withoutOverwritten(mutations: readonly Mutation[]): Mutation[] {
  return mutations.filter((mutation, n) => !mutations.slice(n + 1, n + 2).some(({ at }) => equal(at, mutation.at)));
}
