// Certificates that have expired, or will soon: those of listeners, those that Gateways show to backends, and the authorities that
// vouch for clients and backends.
import { X509Certificate } from 'node:crypto';
import type { Tables } from '../../pipeline/tables.ts';
import type { Origin } from '../../routing/origin.ts';
import { compareText } from '../../support/sorted.ts';
import type { Finding } from './finding.ts';

const day = 24 * 60 * 60 * 1000;
/** Before this many days nobody has to do anything. */
const soon = 30;

/** @param now in ms since the epoch */
export function lintExpiry({ certificates, trustBundles }: Tables, now: number): Finding[] {
  const findings: Finding[] = [];
  for (const key of [...certificates.keys()].toSorted(compareText)) {
    const [namespace = '', name = ''] = key.split('/');
    const at = { object: { group: '', kind: 'Secret', namespace, name }, path: 'data[tls.crt]' };
    const notAfter = Date.parse(certificates.get(key)?.notAfter ?? '');
    const found = expiryOf(notAfter, now, { at, what: 'the certificate', fix: 'renew it' });
    if (found !== undefined) findings.push(found);
  }
  for (const key of [...trustBundles.keys()].toSorted(compareText)) {
    const found = bundleExpiry(key, trustBundles.get(key)?.certificates ?? '', now);
    if (found !== undefined) findings.push(found);
  }
  return findings;
}

/** While one authority of a bundle is good there is somebody to vouch: then the others are rests of a rotation. */
function bundleExpiry(key: string, certificates: string, now: number): Finding | undefined {
  const [kind = '', namespace = '', name = ''] = key.split('/');
  const group = kind === 'ConfigMap' ? '' : 'certificates.k8s.io';
  const at = {
    object: { group, kind, namespace, name },
    path: kind === 'ConfigMap' ? 'data[ca.crt]' : 'spec.trustBundle',
  };
  const ends = (certificates.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? []).map((text) =>
    new X509Certificate(text).validToDate.getTime(),
  );
  if (ends.length === 0) return undefined;
  const what = ends.length === 1 ? 'the certificate authority' : 'the last certificate authority of the bundle';
  const fix = 'add the authority that takes its place before it does not vouch for anybody any more';
  return expiryOf(Math.max(...ends), now, { at, what, fix });
}

function expiryOf(
  notAfter: number,
  now: number,
  { at, what, fix }: { readonly at: Origin; readonly what: string; readonly fix: string },
): Finding | undefined {
  if (!(notAfter < now + soon * day)) return undefined;
  const date = new Date(notAfter).toISOString().slice(0, 10);
  const left = Math.floor((notAfter - now) / day);
  const rest = { severity: 'warning', at, fix, related: [] } as const;
  return notAfter <= now
    ? { ...rest, code: 'ExpiredCertificate', message: `${what} expired on ${date}, so nobody believes it` }
    : {
        ...rest,
        code: 'ExpiringCertificate',
        message: `${what} expires on ${date}, in ${left === 1 ? '1 day' : `${left} days`}`,
      };
}
