// Certificates for tests, made when asked for: none is checked in. Self-signed ones, and authorities that issue others.
import '../../src/support/reflect-metadata.ts';
import { X509Certificate, webcrypto } from 'node:crypto';
import {
  BasicConstraintsExtension,
  cryptoProvider,
  PemConverter,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
} from '@peculiar/x509';
import type { CertificateSet, TrustBundle } from '../../src/routing/model.ts';

const algorithms = {
  ec: { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' },
  rsa: { name: 'RSASSA-PKCS1-v1_5', modulusLength: 2048, publicExponent: Uint8Array.of(1, 0, 1), hash: 'SHA-256' },
} as const;

const MINUTE = 60_000;
const HOUR = 3_600_000;

export async function certificateFor(
  key: string,
  names: readonly string[],
  kind: 'ec' | 'rsa' = 'ec',
): Promise<CertificateSet> {
  cryptoProvider.set(webcrypto);
  const algorithm = algorithms[kind];
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const generated = await X509CertificateGenerator.createSelfSigned({
    name: `CN=${names[0]}`,
    notBefore: new Date(Date.now() - MINUTE),
    notAfter: new Date(Date.now() + HOUR),
    keys,
    signingAlgorithm: algorithm,
    extensions: [
      new BasicConstraintsExtension(false),
      new SubjectAlternativeNameExtension(names.map((value) => ({ type: 'dns', value }))),
    ],
  });
  return setOf(key, names, generated.toString('pem'), keys.privateKey);
}

export interface Leaf {
  /** Key of the row. */
  readonly key?: string;
  readonly names?: readonly string[];
  readonly uris?: readonly string[];
  /** Subject; by default the first name. */
  readonly commonName?: string;
  /** Its time is over. */
  readonly expired?: boolean;
  /** Milliseconds from now; default an hour. */
  readonly lifetime?: number;
}

export interface Authority {
  /** PEM. */
  readonly certificate: string;
  readonly subject: string;
  readonly signingKey: webcrypto.CryptoKey;
  readonly bundle: (key: string) => TrustBundle;
  readonly issue: (leaf: Leaf) => Promise<CertificateSet>;
}

/** A certificate authority of its own, or one that another vouches for. */
export async function authority(name: string, above?: Authority): Promise<Authority> {
  cryptoProvider.set(webcrypto);
  const algorithm = algorithms.ec;
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const common = {
    notBefore: new Date(Date.now() - 2 * HOUR),
    notAfter: new Date(Date.now() + HOUR),
    signingAlgorithm: algorithm,
    extensions: [new BasicConstraintsExtension(true, undefined, true)],
  };
  const root =
    above === undefined
      ? await X509CertificateGenerator.createSelfSigned({ ...common, name: `CN=${name}`, keys })
      : await X509CertificateGenerator.create({
          ...common,
          subject: `CN=${name}`,
          issuer: above.subject,
          publicKey: keys.publicKey,
          signingKey: above.signingKey,
        });
  const certificate = root.toString('pem');
  return {
    certificate,
    subject: root.subject,
    signingKey: keys.privateKey,
    bundle: (key) => ({ key, certificates: certificate }),
    issue: async ({ key = 'test/leaf', names = [], uris = [], commonName, expired = false, lifetime = HOUR }) => {
      const own = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
      const alternatives = [
        ...names.map((value) => ({ type: 'dns' as const, value })),
        ...uris.map((value) => ({ type: 'url' as const, value })),
      ];
      const issued = await X509CertificateGenerator.create({
        subject: `CN=${commonName ?? names[0] ?? 'leaf'}`,
        issuer: root.subject,
        notBefore: new Date(Date.now() - HOUR),
        notAfter: new Date(Date.now() + (expired ? -MINUTE : lifetime)),
        publicKey: own.publicKey,
        signingKey: keys.privateKey,
        signingAlgorithm: algorithm,
        extensions: [
          new BasicConstraintsExtension(false),
          ...(alternatives.length > 0 ? [new SubjectAlternativeNameExtension(alternatives)] : []),
        ],
      });
      return setOf(key, names, issued.toString('pem'), own.privateKey);
    },
  };
}

async function setOf(
  key: string,
  names: readonly string[],
  certificate: string,
  privateKey: webcrypto.CryptoKey,
): Promise<CertificateSet> {
  const pkcs8 = await webcrypto.subtle.exportKey('pkcs8', privateKey);
  const { validToDate, fingerprint256 } = new X509Certificate(certificate);
  return {
    key,
    certificate,
    privateKey: PemConverter.encode(pkcs8, 'PRIVATE KEY'),
    names,
    notAfter: validToDate.toISOString(),
    fingerprint: fingerprint256.replaceAll(':', '').toLowerCase(),
  };
}
