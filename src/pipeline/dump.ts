// The model as plain JSON, sorted by key and with key material redacted: for people, golden cases and /config.
import type { Table } from '../incremental/table.ts';
import type { CertificateSet, TrustBundle } from '../routing/model.ts';
import { compareText } from '../support/sorted.ts';
import type { Tables } from './tables.ts';

export type Dump = { readonly [T in (typeof dumped)[number]]: Readonly<Record<string, unknown>> };

const dumped = [
  'binds',
  'placements',
  'frontends',
  'virtualHosts',
  'rules',
  'clusters',
  'endpoints',
  'certificates',
  'trustBundles',
] as const;

export function dump(tables: Tables): Dump {
  return {
    binds: rowsOf(tables.binds),
    placements: rowsOf(tables.placements),
    frontends: rowsOf(tables.frontends),
    virtualHosts: rowsOf(tables.virtualHosts),
    rules: rowsOf(tables.rules),
    clusters: rowsOf(tables.clusters),
    endpoints: rowsOf(tables.endpoints),
    certificates: rowsOf(tables.certificates, redacted),
    trustBundles: rowsOf(tables.trustBundles, counted),
  };
}

function rowsOf<T>(table: Table<T>, shown: (row: T) => unknown = asItIs): Readonly<Record<string, unknown>> {
  const rows: Record<string, unknown> = {};
  for (const key of [...table.keys()].toSorted(compareText)) {
    const row = table.get(key);
    if (row !== undefined) rows[key] = shown(row);
  }
  return rows;
}

function asItIs(row: unknown): unknown {
  return row;
}

/** No secret, but long. */
function counted({ key, certificates }: TrustBundle): { readonly key: string; readonly certificates: number } {
  return { key, certificates: certificates.split('-----BEGIN CERTIFICATE-----').length - 1 };
}

/** Names, validity and fingerprint say which certificate it is; the certificate and its key stay where they are. */
function redacted({
  key,
  names,
  notAfter,
  fingerprint,
}: CertificateSet): Omit<CertificateSet, 'certificate' | 'privateKey'> {
  return { key, names, notAfter, fingerprint };
}
