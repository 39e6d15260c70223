// Rows of trust bundles -> the certificates that vouch for a peer, as OpenSSL takes them.
import { createHash, X509Certificate } from 'node:crypto';
import tls from 'node:tls';
import type { TrustBundle } from '../../../routing/model.ts';

interface Bundle {
  readonly text: string;
  /** One PEM certificate each. */
  readonly certificates: readonly string[];
}

const block = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

export class Authorities {
  readonly #bundles = new Map<string, Bundle>();

  /** False when it says the same as before. */
  set(row: TrustBundle): boolean {
    if (this.#bundles.get(row.key)?.text === row.certificates) return false;
    this.#bundles.set(row.key, { text: row.certificates, certificates: certificatesIn(row.certificates) });
    return true;
  }

  delete(key: string): boolean {
    return this.#bundles.delete(key);
  }

  /** The certificates of those bundles that stand there; empty: nobody is vouched for. */
  certificatesOf(keys: readonly string[]): readonly string[] {
    return keys.flatMap((key) => this.#bundles.get(key)?.certificates ?? []);
  }

  /** Tells what stands behind the keys now from what stood there before. */
  fingerprintOf(keys: readonly string[]): string {
    const hash = createHash('sha256');
    for (const key of keys) hash.update(`${key}\0${this.#bundles.get(key)?.text ?? ''}\0`);
    return hash.digest('hex');
  }
}

let known = false;

/**
 * From then on contexts of this thread that name no authorities believe those that the system of this machine trusts (on Linux:
 * OpenSSL's files, or SSL_CERT_FILE and SSL_CERT_DIR) and those of NODE_EXTRA_CA_CERTS; where the system has none, as in a
 * bare container, those of Mozilla that Node brings. One store for all contexts: reading hundreds of certificates for each
 * would stop the traffic for as long as it takes. As they are now: later changes of the system count after a restart.
 */
export function believeSystem(): void {
  if (known) return;
  known = true;
  const system = [...tls.getCACertificates('system'), ...tls.getCACertificates('extra')];
  tls.setDefaultCACertificates(system.length > 0 ? system : tls.getCACertificates('bundled'));
}

/** What cannot be read is left out: translation reports it. */
function certificatesIn(text: string): string[] {
  return (text.match(block) ?? []).filter((pem) => {
    try {
      return new X509Certificate(pem).raw.length > 0;
    } catch {
      return false;
    }
  });
}
