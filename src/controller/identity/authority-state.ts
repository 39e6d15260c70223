// The certificate authority of the streams between controllers and data planes, over time. A new one is trusted for a day before it
// signs, and the old one until its end, so that no peer ever meets a certificate that it does not know the authority of.
import { X509Certificate } from 'node:crypto';
import type { KeyPair } from '../../support/x509.ts';
import { makeAuthority } from '../../support/x509.ts';

export interface AuthorityState {
  /** Signs. */
  readonly current: KeyPair;
  /** Is trusted, and will sign. */
  readonly next?: KeyPair;
  /** PEM; is trusted until its end. */
  readonly previous?: string;
}

const DAY = 86_400_000;
/** Milliseconds that an authority is good for; the next one is made after two thirds of it. */
export const authorityLifetime: number = 365 * DAY;
/** How long the next one is only trusted: Secrets and files have to have reached every data plane by then. */
export const settlingTime: number = DAY;
/** Clocks differ. */
const BACKDATED = 3_600_000;

/** Undefined: it is as it should be. */
export async function nextState(
  state: AuthorityState | undefined,
  now: number = Date.now(),
): Promise<AuthorityState | undefined> {
  if (state === undefined || endOf(state.current.certificate) <= now) {
    // With the last one expired nobody can be reached by it: what there is begins anew.
    return { current: await fresh(now) };
  }
  const { current, next, previous } = state;
  if (previous !== undefined && endOf(previous) <= now) return { current, ...(next === undefined ? {} : { next }) };
  if (next === undefined) {
    const due = endOf(current.certificate) - authorityLifetime / 3;
    return due <= now ? { ...state, next: await fresh(now) } : undefined;
  }
  if (startOf(next.certificate) + BACKDATED + settlingTime > now) return undefined;
  return { current: next, previous: current.certificate };
}

/** PEM of every authority that is trusted. */
export function trustedBy({ current, next, previous }: AuthorityState): string {
  return [current.certificate, next?.certificate ?? '', previous ?? ''].join('');
}

function fresh(now: number): Promise<KeyPair> {
  const validity = { from: new Date(now - BACKDATED), to: new Date(now + authorityLifetime) };
  return makeAuthority('CN=Portolan data planes, O=Portolan', validity);
}

function startOf(certificate: string): number {
  return new X509Certificate(certificate).validFromDate.getTime();
}

function endOf(certificate: string): number {
  return new X509Certificate(certificate).validToDate.getTime();
}
