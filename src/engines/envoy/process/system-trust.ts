// The authorities of the machine as one PEM file that Envoy can read.
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import tls from 'node:tls';

/** Where distributions keep them. */
const files = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem',
  '/etc/ssl/cert.pem',
];

/** @param folder where a file with Mozilla's is written when the machine has none */
export function systemTrustFile(folder: string): string {
  const found = [process.env['SSL_CERT_FILE'], ...files].find((file) => file !== undefined && existsSync(file));
  if (found !== undefined && process.env['NODE_EXTRA_CA_CERTS'] === undefined) return found;
  const written = join(folder, 'system.pem');
  const all = [...tls.getCACertificates(found === undefined ? 'bundled' : 'system'), ...tls.getCACertificates('extra')];
  writeFileSync(written, all.join('\n'), { mode: 0o600 });
  return written;
}
