// Key material and authorities -> Secrets, which listeners and clusters only name: a rotation touches neither.
import { createHash } from 'node:crypto';
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

const digests = new WeakMap<TrustBundle, string>();

/** What tells these authorities, in this order, from all others. */
export function trustDigest(bundles: readonly TrustBundle[]): string {
  const each = bundles.map((row) => {
    let digest = digests.get(row);
    if (digest === undefined) digests.set(row, (digest = digestOf(readableAuthorities(row.certificates).join('\n'))));
    return digest;
  });
  return digestOf(each.join(' '));
}

function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}
