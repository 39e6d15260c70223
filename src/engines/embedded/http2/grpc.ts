// The deadline that a gRPC call brings along. It is passed on, and the gateway keeps it too, so that a call does not outlive its
// caller's interest in it.

/** Milliseconds per unit of `grpc-timeout`: hours, minutes, seconds, milli-, micro- and nanoseconds. */
const units: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 1e-3, n: 1e-6 };

/** Milliseconds, at least 1, of a `grpc-timeout` of up to eight digits and a unit; undefined if it is none. */
export function grpcTimeout(value: string | undefined): number | undefined {
  if (value === undefined || value.length < 2 || value.length > 9) return undefined;
  const unit = units[value.charAt(value.length - 1)];
  if (unit === undefined) return undefined;
  let amount = 0;
  for (let i = 0; i < value.length - 1; i++) {
    const digit = value.charCodeAt(i) - 0x30;
    if (digit < 0 || digit > 9) return undefined;
    amount = amount * 10 + digit;
  }
  return Math.max(1, Math.ceil(amount * unit));
}

/** The shorter of what a rule allows and what the call asks for. @param allowed milliseconds, 0 = any */
export function callTimeout(allowed: number, asked: string | undefined): number {
  const own = grpcTimeout(asked);
  if (own === undefined) return allowed;
  return allowed > 0 ? Math.min(allowed, own) : own;
}
