// Self-signed certificates for tests, made when asked for: none is checked in.
import '../../src/cli/run/reflect-metadata.ts';
import { X509Certificate, webcrypto } from 'node:crypto';
import {
  BasicConstraintsExtension,
  cryptoProvider,
  PemConverter,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
} from '@peculiar/x509';
import type { CertificateSet } from '../../src/routing/model.ts';

const algorithms = {
  ec: { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' },
  rsa: { name: 'RSASSA-PKCS1-v1_5', modulusLength: 2048, publicExponent: Uint8Array.of(1, 0, 1), hash: 'SHA-256' },
} as const;

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
    notBefore: new Date(Date.now() - 60_000),
    notAfter: new Date(Date.now() + 3_600_000),
    keys,
    signingAlgorithm: algorithm,
    extensions: [
      new BasicConstraintsExtension(false),
      new SubjectAlternativeNameExtension(names.map((value) => ({ type: 'dns', value }))),
    ],
  });
  const certificate = generated.toString('pem');
  const pkcs8 = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey);
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
