// How TLS is spoken to the endpoints of clusters: one BackendTls for all clusters with the same settings, so that they share
// connections and nobody else does. Fails closed: without authorities, or without the client certificate that it names, there
// is nothing to connect with.
import tls from 'node:tls';
import type { CertificateSet, Cluster, ClusterTls } from '../../../routing/model.ts';
import { type Authorities, believeSystem } from './authorities.ts';
import { isOneOf } from './identity.ts';

/** Sessions kept per settings, one per address. */
const MOST_SESSIONS = 1024;

/** What connections with these settings belong to: told to close them when the settings are no more. */
export interface SecuredPools {
  retire(settings: BackendTls): void;
}

/** Where settings find what they name. */
export interface Material {
  readonly authorities: Authorities;
  readonly certificates: ReadonlyMap<string, CertificateSet>;
}

export class BackendTls {
  /** What tells these settings from others. */
  readonly key: string;
  readonly row: ClusterTls;
  /** In the order of preference; empty: none is offered. */
  readonly protocols: readonly string[];
  /** Clusters with these settings. */
  users = 0;
  readonly #material: Material;
  readonly #pools = new Set<SecuredPools>();
  readonly #sessions = new Map<string, Buffer>();
  /** Undefined: not made yet; a string: why it cannot be made. */
  #context: tls.SecureContext | string | undefined;

  constructor(row: ClusterTls, protocol: Cluster['protocol'], material: Material) {
    this.key = keyOf(row, protocol);
    this.row = row;
    this.protocols = alpnOf(protocol);
    this.#material = material;
  }

  /** What to shake hands with, or a word that says what is missing. */
  get context(): tls.SecureContext | string {
    return (this.#context ??= this.#createContext());
  }

  /** Undefined when the certificate is for one of the names. */
  identify(certificate: tls.PeerCertificate): Error | undefined {
    if (isOneOf(this.row.names, certificate.subjectaltname)) return undefined;
    return Object.assign(new Error('the certificate is for somebody else'), { code: 'ERR_TLS_CERT_ALTNAME_INVALID' });
  }

  /** The last session with an address, to be resumed. */
  sessionWith(address: string): Buffer | undefined {
    return this.#sessions.get(address);
  }

  /** @param context of its handshake: a session of before a change would bring back whom we trusted, and who we were, then */
  remember(address: string, session: Buffer, context: tls.SecureContext): void {
    if (context !== this.#context) return;
    this.#sessions.delete(address);
    if (this.#sessions.size >= MOST_SESSIONS) {
      for (const oldest of this.#sessions.keys()) {
        this.#sessions.delete(oldest);
        break;
      }
    }
    this.#sessions.set(address, session);
  }

  join(pools: SecuredPools): void {
    this.#pools.add(pools);
  }

  leave(pools: SecuredPools): void {
    this.#pools.delete(pools);
  }

  /** Whether it depends on one of these rows. */
  names(bundles: ReadonlySet<string>, certificates: ReadonlySet<string>): boolean {
    const { authorities, certificate } = this.row;
    if (certificate !== undefined && certificates.has(certificate)) return true;
    return authorities !== 'system' && authorities.some((key) => bundles.has(key));
  }

  /** What it names changed, or nobody uses it: nothing that was established or verified before is used again. */
  renew(): void {
    this.#context = undefined;
    this.#sessions.clear();
    for (const pools of this.#pools) pools.retire(this);
    this.#pools.clear();
  }

  #createContext(): tls.SecureContext | string {
    const { authorities, certificate: key } = this.row;
    const ca = authorities === 'system' ? null : this.#material.authorities.certificatesOf(authorities);
    if (ca === null) believeSystem();
    else if (ca.length === 0) return 'no-authorities';
    const own = key === undefined ? undefined : this.#material.certificates.get(key);
    if (key !== undefined && own === undefined) return 'no-client-certificate';
    try {
      return tls.createSecureContext({
        // A trust anchor need not be self-signed (RFC 5280 section 6.1.1).
        ...(ca === null ? {} : { ca: [...ca], allowPartialTrustChain: true }),
        ...(own === undefined ? {} : { cert: own.certificate, key: own.privateKey }),
        minVersion: 'TLSv1.2',
      });
    } catch {
      return 'unusable-credentials';
    }
  }
}

function alpnOf(protocol: Cluster['protocol']): readonly string[] {
  if (protocol === 'h2') return ['h2'];
  return protocol === 'http1' ? ['http/1.1'] : [];
}

function keyOf(row: ClusterTls, protocol: Cluster['protocol']): string {
  const { serverName, names, authorities, certificate } = row;
  const alternatives = names.map(({ type, value }) => [type, value]);
  return JSON.stringify([protocol, serverName, alternatives, authorities, certificate ?? '']);
}

/** The settings of all clusters, and the rows that they name. */
export class BackendTlsSettings {
  readonly #material: Material;
  readonly #settings = new Map<string, BackendTls>();

  constructor(material: Material) {
    this.#material = material;
  }

  /** To be released once for each call. */
  acquire(row: ClusterTls, protocol: Cluster['protocol']): BackendTls {
    const key = keyOf(row, protocol);
    let settings = this.#settings.get(key);
    if (settings === undefined) {
      settings = new BackendTls(row, protocol, this.#material);
      this.#settings.set(key, settings);
    }
    settings.users++;
    return settings;
  }

  release(settings: BackendTls): void {
    if (--settings.users > 0) return;
    this.#settings.delete(settings.key);
    settings.renew();
  }

  /** Rows with these keys came, changed or went. */
  changed(bundles: ReadonlySet<string>, certificates: ReadonlySet<string>): void {
    if (bundles.size === 0 && certificates.size === 0) return;
    for (const settings of this.#settings.values()) if (settings.names(bundles, certificates)) settings.renew();
  }
}
