// Secrets of type kubernetes.io/tls → key material that an engine can use, or why it cannot. Only Secrets that a listener
// refers to are read, and what listeners see of one is its state: a rotation wakes no Gateway.
import { createPrivateKey, X509Certificate } from 'node:crypto';
import type { Secret } from '../../api/objects.ts';
import type { Sourced } from '../../api/sourced.ts';
import type { CertificateSet } from '../../routing/model.ts';

export type ParsedCertificate = { readonly set: CertificateSet } | { readonly wrong: string };

/** What listeners depend on. */
export type CertificateState = { readonly usable: true } | { readonly usable: false; readonly wrong: string };

export function parseCertificate(key: string, sourced: Sourced<Secret> | undefined): ParsedCertificate {
  if (sourced === undefined) return { wrong: 'the Secret does not exist' };
  const { type, data, stringData } = sourced.object;
  if (type !== undefined && type !== 'kubernetes.io/tls' && type !== 'Opaque') {
    return { wrong: `the Secret is of type ${type}, not kubernetes.io/tls` };
  }
  const certificate = valueOf('tls.crt', data, stringData);
  const privateKey = valueOf('tls.key', data, stringData);
  if (certificate === undefined) return { wrong: 'the Secret has no tls.crt' };
  if (privateKey === undefined) return { wrong: 'the Secret has no tls.key' };
  const leaf = parsed(() => new X509Certificate(certificate));
  if (leaf === undefined) return { wrong: 'tls.crt is not a PEM certificate' };
  const keyObject = parsed(() => createPrivateKey(privateKey));
  if (keyObject === undefined) return { wrong: 'tls.key is not a PEM private key' };
  if (parsed(() => leaf.checkPrivateKey(keyObject)) !== true) return { wrong: 'tls.key does not belong to tls.crt' };
  return {
    set: {
      key,
      certificate,
      privateKey,
      names: namesOf(leaf),
      notAfter: leaf.validToDate.toISOString(),
      fingerprint: leaf.fingerprint256.replaceAll(':', '').toLowerCase(),
    },
  };
}

export function stateOf(certificate: ParsedCertificate): CertificateState {
  return 'set' in certificate ? { usable: true } : { usable: false, wrong: certificate.wrong };
}

/** `stringData` wins over `data` for the same key, as in the API server. */
function valueOf(key: string, data: Secret['data'], stringData: Secret['stringData']): string | undefined {
  const text = stringData?.[key];
  if (text !== undefined) return text === '' ? undefined : text;
  const base64 = data?.[key];
  return base64 === undefined || base64 === '' ? undefined : Buffer.from(base64, 'base64').toString('utf8');
}

/** What a user wrote may be anything: an error of the parser says no more than that it is not what it should be. */
function parsed<T>(parse: () => T): T | undefined {
  try {
    return parse();
  } catch {
    return undefined;
  }
}

/** DNS names of the subject alternative names; without any, the common name, as older certificates have it. */
function namesOf(leaf: X509Certificate): readonly string[] {
  const names = [...(leaf.subjectAltName ?? '').matchAll(/DNS:([^,\s"]+)/g)].map(([, name]) =>
    (name ?? '').toLowerCase(),
  );
  if (names.length > 0) return names;
  const common = /^CN=(.+)$/m.exec(leaf.subject ?? '')?.[1];
  return common === undefined ? [] : [common.toLowerCase()];
}
