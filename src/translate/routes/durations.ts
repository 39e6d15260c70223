// Durations of the Gateway API (GEP-2257): `1h30m`, `500ms` → milliseconds.

const unit: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 };

/** Milliseconds, or undefined for what is not a duration. */
export function durationOf(text: string): number | undefined {
  if (!/^([0-9]{1,5}(h|m|s|ms)){1,4}$/.test(text)) return undefined;
  let sum = 0;
  for (const [, digits, name] of text.matchAll(/(\d+)(ms|h|m|s)/g)) sum += Number(digits) * (unit[name as string] ?? 0);
  return sum;
}
