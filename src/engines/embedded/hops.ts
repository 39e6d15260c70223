// Max-Forwards (RFC 9110 section 7.6.2): how many more intermediaries an OPTIONS or TRACE may pass. Of other methods it means
// nothing and goes on as it came.

/** What the field says; undefined when it is not one decimal number. */
export function maxForwards(value: string | undefined): number | undefined {
  return value !== undefined && /^\d{1,9}$/.test(value) ? Number(value) : undefined;
}

/** Whether a method is counted. */
export function countsHops(method: string): boolean {
  return method === 'OPTIONS' || method === 'TRACE';
}

/** The lines of a list, with the count one lower. */
export function forwarded(method: string, fields: string[]): string[] {
  if (!countsHops(method)) return fields;
  for (let i = 0; i < fields.length; i += 2) {
    if ((fields[i] as string).toLowerCase() !== 'max-forwards') continue;
    const left = maxForwards(fields[i + 1]);
    if (left !== undefined) fields[i + 1] = String(Math.max(0, left - 1));
  }
  return fields;
}
