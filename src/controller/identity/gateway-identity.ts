// What the Secret of a Gateway's data planes holds: the certificate by which they are known to controllers, the authorities of the
// controllers, and the keys that seal the tokens of sessions. Whatever is due is made anew; the rest stays as it is.
import { randomBytes, X509Certificate } from 'node:crypto';
import { issueLeaf } from '../../support/x509.ts';
import type { AuthorityState } from './authority-state.ts';
import { trustedBy } from './authority-state.ts';

const DAY = 86_400_000;
/** Milliseconds. A certificate is renewed after two thirds of it. */
export const identityLifetime: number = 9 * DAY;
/** How long keys of sessions seal; after that they still open for as long again. */
export const sessionKeyLifetime: number = 30 * DAY;
/** How long a new key of sessions only opens, until every data plane has it. */
const KEY_SETTLES = DAY;
/** Clocks differ. */
const BACKDATED = 3_600_000;
const KEY_OCTETS = 32;

export type IdentityValues = Readonly<Record<string, string>>;

export interface IdentityWish {
  readonly state: AuthorityState;
  readonly uri: string;
  readonly subject: string;
  readonly now: number;
}

/** The values as they should be, or undefined when they are. @param stored of the Secret; empty when there is none */
export async function renewedIdentity(stored: IdentityValues, wish: IdentityWish): Promise<IdentityValues | undefined> {
  const { state, uri, subject, now } = wish;
  const keys = renewedKeys(stored, now);
  const trusted = trustedBy(state);
  const isGood = isValid(stored['tls.crt'], wish) && stored['tls.key'] !== undefined;
  if (isGood && keys === undefined && stored['ca.crt'] === trusted) return undefined;
  const values = { ...stored, ...keys, 'ca.crt': trusted };
  if (isGood) return values;
  const leaf = await issueLeaf(state.current, {
    subject,
    names: [{ type: 'url', value: uri }],
    usages: ['client'],
    validity: { from: new Date(now - BACKDATED), to: new Date(now + identityLifetime) },
  });
  return { ...values, 'tls.crt': leaf.certificate, 'tls.key': leaf.privateKey };
}

function isValid(certificate: string | undefined, { state, uri, now }: IdentityWish): boolean {
  if (certificate === undefined) return false;
  try {
    const leaf = new X509Certificate(certificate);
    const issuer = new X509Certificate(state.current.certificate);
    const renewAt = leaf.validToDate.getTime() - identityLifetime / 3;
    return leaf.subjectAltName === `URI:${uri}` && leaf.verify(issuer.publicKey) && now < renewAt;
  } catch {
    return false;
  }
}

/**
 * Two generations of 32 octets, one a line in base64: the first seals, both open. A new one comes in as the second, is made the first
 * a day later, and the old one stays beside it until the next.
 */
function renewedKeys(stored: IdentityValues, now: number): IdentityValues | undefined {
  const keys = (stored['session-keys'] ?? '').split('\n').filter((line) => isKey(line));
  const [phase, time] = (stored['session-keys-since'] ?? '').split(' ');
  const since = Date.parse(time ?? '');
  const written = (phaseNow: 'opens' | 'seals', ...lines: readonly string[]): IdentityValues => ({
    'session-keys': `${lines.join('\n')}\n`,
    'session-keys-since': `${phaseNow} ${new Date(now).toISOString()}`,
  });
  const [first, second] = keys;
  if (first === undefined || second === undefined || Number.isNaN(since)) {
    return written('seals', first ?? newKey(), second ?? newKey());
  }
  if (phase === 'opens') return now < since + KEY_SETTLES ? undefined : written('seals', second, first);
  return now < since + sessionKeyLifetime ? undefined : written('opens', first, newKey());
}

function newKey(): string {
  return randomBytes(KEY_OCTETS).toString('base64');
}

function isKey(line: string): boolean {
  return Buffer.from(line, 'base64').length === KEY_OCTETS;
}
