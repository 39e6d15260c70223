// Certificate rows -> secure contexts to shake hands with. Which rows a name may choose from is termination.ts.
import { constants, randomBytes } from 'node:crypto';
import tls from 'node:tls';
import type { CertificateSet } from '../../../routing/model.ts';
import { type ClientTrust, ticketKeysOf } from './client-trust.ts';

/** A handshake for which no certificate has the name waits so long for one that is made for it. */
const NAME_TIMEOUT = 1000;
/** Handshakes that wait at a time; over it they get what there is. */
const MOST_WAITING = 64;

/** Told of a name that none of these certificates has. */
export type MissingName = (certificates: readonly string[], name: string) => void;

export class Certificates {
  readonly #ticketKeys: Buffer;
  readonly #missing: MissingName | undefined;
  /** Handshakes that wait for a certificate; each looks whether it is the one. */
  readonly #waiting = new Set<() => void>();
  readonly #rows = new Map<string, CertificateSet>();
  /** By key of the row and by trust, made when first asked for; null when OpenSSL refuses it. */
  readonly #contexts = new Map<string, WeakMap<ClientTrust, tls.SecureContext | null>>();

  /**
   * @param ticketKeys 48 octets that seal session tickets; workers that share a port must share them, or few sessions resume
   * @param missing when given, handshakes for names without a certificate are told of and wait for it
   */
  constructor(ticketKeys: Buffer = randomBytes(48), missing?: MissingName) {
    this.#ticketKeys = ticketKeys;
    this.#missing = missing;
  }

  /** A row came, or was replaced: from now on handshakes get the new one; connections keep what they have. */
  set(row: CertificateSet): void {
    this.#rows.set(row.key, row);
    this.#contexts.delete(row.key);
    for (const look of this.#waiting) look();
  }

  delete(key: string): void {
    this.#rows.delete(key);
    this.#contexts.delete(key);
  }

  /**
   * What to offer for a host, from the rows of one listener in their order: the first whose names cover the host, else the
   * first of all. Node offers one certificate per handshake, so kinds of keys are not weighed. Undefined when there is
   * nothing usable.
   * @param host normalised; '' = the client named none
   */
  contextFor(keys: readonly string[], host: string, trust: ClientTrust): tls.SecureContext | undefined {
    const row = this.#choose(keys, host);
    if (row === undefined) return undefined;
    let byTrust = this.#contexts.get(row.key);
    if (byTrust === undefined) this.#contexts.set(row.key, (byTrust = new WeakMap()));
    let context = byTrust.get(trust);
    if (context === undefined) byTrust.set(trust, (context = this.#createContext(row, trust)));
    return context ?? undefined;
  }

  /** Answers at once, except where somebody makes certificates for names (`missing`): then a name without one waits for it. */
  await(keys: readonly string[], host: string, answer: () => void): void {
    if (this.#missing === undefined || host === '' || this.#covers(keys, host) || this.#waiting.size >= MOST_WAITING) {
      answer();
      return;
    }
    const end = (): void => {
      clearTimeout(timer);
      this.#waiting.delete(look);
      answer();
    };
    const look = (): void => {
      if (this.#covers(keys, host)) end();
    };
    const timer = setTimeout(end, NAME_TIMEOUT);
    this.#waiting.add(look);
    this.#missing(keys, host);
  }

  #covers(keys: readonly string[], host: string): boolean {
    return keys.some((key) => this.#rows.get(key)?.names.some((name) => coversName(name, host)) === true);
  }

  /** The same as settings, for clients that name no host; without a certificate when there is nothing usable. */
  settingsFor(keys: readonly string[], trust: ClientTrust): tls.SecureContextOptions {
    const usable = this.contextFor(keys, '', trust) !== undefined;
    return this.#settings(usable ? this.#choose(keys, '') : undefined, trust);
  }

  #choose(keys: readonly string[], host: string): CertificateSet | undefined {
    let first: CertificateSet | undefined;
    for (const key of keys) {
      const row = this.#rows.get(key);
      if (row === undefined) continue;
      if (row.names.some((name) => coversName(name, host))) return row;
      first ??= row;
    }
    return first;
  }

  #createContext(row: CertificateSet, trust: ClientTrust): tls.SecureContext | null {
    try {
      return tls.createSecureContext(this.#settings(row, trust));
    } catch {
      // A key that is not the certificate's, or of a kind that OpenSSL does not take: translation reports it on the listener.
      return null;
    }
  }

  /** TLS 1.2 and later; Node's list of ciphers, in the server's order. */
  #settings(row: CertificateSet | undefined, trust: ClientTrust): tls.SecureContextOptions {
    return {
      ...(row === undefined ? {} : { cert: row.certificate, key: row.privateKey }),
      // An empty list is not the default: nobody is believed.
      ...(trust.mode === 'none' ? {} : { ca: [...trust.authorities], allowPartialTrustChain: true }),
      minVersion: 'TLSv1.2',
      honorCipherOrder: true,
      secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
      ticketKeys: ticketKeysOf(trust, this.#ticketKeys),
    };
  }
}

/** RFC 9525 section 6.3: a wildcard stands for exactly one label, the leftmost. */
export function coversName(pattern: string, host: string): boolean {
  const name = pattern.toLowerCase();
  if (!name.startsWith('*.')) return name === host;
  const dot = host.indexOf('.');
  return dot > 0 && host.slice(dot) === name.slice(1);
}
