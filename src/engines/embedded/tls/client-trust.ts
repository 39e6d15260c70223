// What a listener asks of its clients (GEP-91) -> whom it believes now: listeners that ask the same share handshakes and
// sessions, and with nobody else. A changed bundle makes another trust, so that no session outlives it.
import { hkdfSync } from 'node:crypto';
import type { ClientValidation, Frontend } from '../../../routing/model.ts';
import type { Authorities } from './authorities.ts';

export interface ClientTrust {
  /** validationOf the listeners; '' when they ask for nothing. */
  readonly validation: string;
  readonly mode: ClientValidation['mode'] | 'none';
  /** PEM. Empty: nobody is believed. */
  readonly authorities: readonly string[];
  /** Differs whenever what an authority stands for differs. */
  readonly fingerprint: string;
}

/** Tells listeners apart that ask different things of their clients; '' = nothing. */
export function validationOf(tls: Frontend['tls']): string {
  if (tls?.mode !== 'terminate' || tls.clients === undefined) return '';
  return JSON.stringify([tls.clients.mode, ...tls.clients.authorities]);
}

export function trustOf(tls: Frontend['tls'], authorities: Authorities): ClientTrust {
  const validation = validationOf(tls);
  if (tls?.mode !== 'terminate' || tls.clients === undefined)
    return { validation, mode: 'none', authorities: [], fingerprint: '' };
  const { mode, authorities: keys } = tls.clients;
  return {
    validation,
    mode,
    authorities: authorities.certificatesOf(keys),
    fingerprint: authorities.fingerprintOf(keys),
  };
}

/** What seals session tickets: those of one trust cannot be opened by another. 48 octets, the same in all workers. */
export function ticketKeysOf(trust: ClientTrust, base: Buffer): Buffer {
  if (trust.mode === 'none') return base;
  return Buffer.from(hkdfSync('sha256', base, '', `${trust.validation}\n${trust.fingerprint}`, base.length));
}
