// Certificates that are not for the names that their listener serves: every client would refuse them.
import type { Tables } from '../../pipeline/tables.ts';
import { isWildcard } from '../../routing/match/hostnames.ts';
import { at } from '../../routing/origin.ts';
import { listenersOf } from '../listeners.ts';
import type { Finding } from './finding.ts';

export function lintCertificates(tables: Tables): Finding[] {
  const findings: Finding[] = [];
  for (const key of tables.gateways.keys()) {
    const gateway = tables.gateways.get(key);
    for (const { listener } of gateway === undefined ? [] : listenersOf(gateway)) {
      const { name, hostname, frontend, origin } = listener;
      if (frontend?.tls?.mode !== 'terminate' || hostname === '') continue;
      const sets = frontend.tls.certificates.map((certificate) => tables.certificates.get(certificate));
      const names = sets.flatMap((set) => set?.names ?? []).map((each) => each.toLowerCase());
      if (sets.length === 0 || sets.includes(undefined) || names.some((each) => isFor(each, hostname))) continue;
      findings.push({
        severity: 'warning',
        code: 'CertificateMismatch',
        at: at(origin, 'tls', 'certificateRefs'),
        message: `no certificate of listener ${name} is for ${hostname}; they are for ${names.length === 0 ? 'no DNS name' : shown(names)}`,
        fix: `name a Secret with a certificate for ${hostname}, or correct the hostname`,
        related: [],
      });
    }
  }
  return findings;
}

/** RFC 6125 section 6.4.3: the `*` of a certificate stands for one label. A wildcard listener wants that very wildcard. */
function isFor(name: string, hostname: string): boolean {
  if (name === hostname) return true;
  return !isWildcard(hostname) && isWildcard(name) && hostname.slice(hostname.indexOf('.')) === name.slice(1);
}

const shownNames = 5;

function shown(names: readonly string[]): string {
  const rest = names.length - shownNames;
  return names.slice(0, shownNames).join(', ') + (rest > 0 ? ` and ${rest} more` : '');
}
