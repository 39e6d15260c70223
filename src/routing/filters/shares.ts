// Who gets a request when chance decides: one of several backends by weight, a mirror by its fraction. The random number,
// at least 0 and less than 1, comes from the caller.

/**
 * The index of the backend that takes the request; -1 when no weight is above 0 (the request is answered 500).
 * @param total the sum of the weights
 */
export function pickByWeight(weights: readonly number[], total: number, random: number): number {
  let left = random * total;
  let last = -1;
  for (let i = 0; i < weights.length; i++) {
    const weight = weights[i] as number;
    if (weight <= 0) continue;
    if (left < weight) return i;
    left -= weight;
    last = i;
  }
  // Only rounding gets here.
  return last;
}

/** Whether a mirror gets a copy: `numerator` of `denominator` requests do. */
export function isMirrored(
  mirror: { readonly numerator: number; readonly denominator: number },
  random: number,
): boolean {
  return random * mirror.denominator < mirror.numerator;
}

/** Per backend, its share of the requests between 0 and 1; all 0 when no weight is above 0. */
export function shares(weights: readonly number[]): number[] {
  const total = weights.reduce((sum, weight) => sum + Math.max(0, weight), 0);
  return weights.map((weight) => (total === 0 ? 0 : Math.max(0, weight) / total));
}
