// Key material and authorities -> Secrets, which listeners and clusters only name: a rotation touches neither.
import type { CertificateSet, TrustBundle } from '../../routing/model.ts';
import { nobody } from './nobody.ts';
import { plainMaterial, readableAuthorities } from './screening/certificates.ts';
import type { Message } from './tree.ts';

const utf8 = (text: string): Uint8Array => Buffer.from(text, 'utf8');

export function certificateResource(name: string, row: CertificateSet): Message {
  const { certificate, privateKey } = plainMaterial(row);
  return {
    name,
    tls_certificate: {
      certificate_chain: { inline_bytes: utf8(certificate) },
      private_key: { inline_bytes: utf8(privateKey) },
    },
  };
}

/** @param bundles those that stand there; of none nobody is believed */
export function trustResource(name: string, bundles: readonly TrustBundle[]): Message {
  const pem = bundles.flatMap(({ certificates }) => readableAuthorities(certificates));
  return {
    name,
    validation_context: { trusted_ca: { inline_bytes: utf8(`${pem.length > 0 ? pem.join('\n') : nobody}\n`) } },
  };
}
