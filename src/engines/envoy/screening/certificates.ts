// Key material that Envoy (BoringSSL) would refuse, found before it is sent.
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
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
    if (!isNamed(leaf)) return 'the certificate names nobody: it has neither a common name nor alternative ones';
    return refusedKey(key);
  } catch (error) {
    return `cannot be read: ${error instanceof Error ? error.message : String(error)}`;
  }
}

function refusedKey({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): string | undefined {
  const { modulusLength, namedCurve } = asymmetricKeyDetails ?? {};
  switch (asymmetricKeyType) {
    case 'rsa':
      return (modulusLength ?? 0) < SHORTEST_RSA ? `RSA keys have ${SHORTEST_RSA} bits at least` : undefined;
    case 'ec':
      return curves.has(namedCurve ?? '') ? undefined : `keys on the curve ${namedCurve ?? '?'} are not served`;
    default:
      return `keys of type ${asymmetricKeyType ?? '?'} are not served`;
  }
}

function isNamed({ subject, subjectAltName }: X509Certificate): boolean {
  return /(?:^|\n)CN=./.test(subject ?? '') || /(?:DNS|URI|IP Address):/.test(subjectAltName ?? '');
}

type Material = Pick<CertificateSet, 'certificate' | 'privateKey'>;

/** As Envoy reads it: it stumbles over words around the blocks, and over keys in old clothes. */
export function plainMaterial(row: Material): Material {
  const chain = row.certificate.match(block) ?? [];
  try {
    return {
      certificate: chain.map(plainCertificate).join(''),
      privateKey: createPrivateKey(row.privateKey).export({ type: 'pkcs8', format: 'pem' }),
    };
  } catch {
    // Refused, and sent all the same: tests do.
    return row;
  }
}

/** The certificates of a bundle that can be read. */
export function readableAuthorities(text: string): readonly string[] {
  return (text.match(block) ?? []).flatMap((pem) => {
    try {
      return [plainCertificate(pem)];
    } catch {
      return [];
    }
  });
}

function plainCertificate(pem: string): string {
  return new X509Certificate(pem).toString();
}
