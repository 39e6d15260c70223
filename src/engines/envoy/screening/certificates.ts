// Key material that Envoy (BoringSSL) would refuse, found before it is sent.
import { createPrivateKey, X509Certificate } from 'node:crypto';
import type { CertificateSet } from '../../../routing/model.ts';

const block = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;
/** Bits. */
const SHORTEST_RSA = 2048;
const curves: ReadonlySet<string> = new Set(['prime256v1', 'secp384r1', 'secp521r1']);

/** Why Envoy would refuse the certificate; undefined: it takes it. */
export function refusedCertificate({ certificate, privateKey }: CertificateSet): string | undefined {
  const chain = certificate.match(block) ?? [];
  if (chain.length === 0) return 'there is no certificate in it';
  try {
    const [leaf] = chain.map((pem) => new X509Certificate(pem));
    const key = createPrivateKey(privateKey);
    if (leaf === undefined || !leaf.checkPrivateKey(key)) return 'the private key does not belong to the certificate';
    const { modulusLength, namedCurve } = key.asymmetricKeyDetails ?? {};
    switch (key.asymmetricKeyType) {
      case 'rsa':
        return (modulusLength ?? 0) < SHORTEST_RSA ? `RSA keys have ${SHORTEST_RSA} bits at least` : undefined;
      case 'ec':
        return curves.has(namedCurve ?? '') ? undefined : `keys on the curve ${namedCurve ?? '?'} are not served`;
      default:
        return `keys of type ${key.asymmetricKeyType ?? '?'} are not served`;
    }
  } catch (error) {
    return `cannot be read: ${error instanceof Error ? error.message : String(error)}`;
  }
}

/** The certificates of a bundle that can be read. */
export function readableAuthorities(text: string): readonly string[] {
  return (text.match(block) ?? []).filter((pem) => {
    try {
      return new X509Certificate(pem).raw.length > 0;
    } catch {
      return false;
    }
  });
}
