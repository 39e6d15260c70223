// Certificates for mTLS on both sides of a stream, which may change while streams stand.
import { ServerCredentials } from '@grpc/grpc-js';

/** PEM. */
export interface TlsMaterial {
  /** Authorities that peers have to have their certificates from. */
  readonly ca: Buffer;
  readonly certificate: Buffer;
  readonly key: Buffer;
}

/** Milliseconds from accepting a connection to the end of the handshake. */
const HANDSHAKE_TIMEOUT = 10_000;

/** Of a server that lets in only peers with a certificate of its authorities. */
export class ReloadableServerCredentials extends ServerCredentials {
  constructor(material: TlsMaterial) {
    super({ requestCert: true, rejectUnauthorized: true, handshakeTimeout: HANDSHAKE_TIMEOUT }, contextOf(material));
  }

  /** For connections from now on; those that stand are not touched. */
  update(material: TlsMaterial): void {
    this.updateSecureContextOptions(contextOf(material));
  }

  override _equals(other: ServerCredentials): boolean {
    return this === other;
  }
}

function contextOf({ ca, certificate, key }: TlsMaterial): {
  readonly ca: Buffer;
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly minVersion: 'TLSv1.2';
} {
  return { ca, cert: certificate, key, minVersion: 'TLSv1.2' };
}
