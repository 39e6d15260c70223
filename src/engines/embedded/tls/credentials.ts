// What a worker knows of certificates and authorities: rows in, settings for backends out. Listeners choose their
// certificates by name (certificates.ts) and share the authorities.
import type { CertificateSet } from '../../../routing/model.ts';
import type { Update } from '../../../routing/update.ts';
import { Authorities } from './authorities.ts';
import { BackendTlsSettings, type Material } from './backend-tls.ts';

export class Credentials implements Material {
  readonly authorities: Authorities = new Authorities();
  readonly certificates: Map<string, CertificateSet> = new Map();
  readonly backends: BackendTlsSettings = new BackendTlsSettings(this);

  /** To be called before the rest of the update: connections that are opened from then on use the new rows. */
  apply({ certificates, trustBundles }: Update): void {
    const bundles = new Set<string>();
    for (const row of trustBundles?.set ?? []) if (this.authorities.set(row)) bundles.add(row.key);
    for (const key of trustBundles?.delete ?? []) if (this.authorities.delete(key)) bundles.add(key);
    const own = new Set<string>();
    for (const row of certificates?.set ?? []) {
      if (!isSame(this.certificates.get(row.key), row)) own.add(row.key);
      this.certificates.set(row.key, row);
    }
    for (const key of certificates?.delete ?? []) if (this.certificates.delete(key)) own.add(key);
    this.backends.changed(bundles, own);
  }
}

function isSame(a: CertificateSet | undefined, b: CertificateSet): boolean {
  return a?.certificate === b.certificate && a.privateKey === b.privateKey;
}
