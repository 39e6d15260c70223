// The certificate of a peer -> who it is. What a peer says of itself in messages is never asked.
import type { PeerCertificate } from 'node:tls';

export type Identity =
  /** A data plane of the gateway `namespace/name`. */
  | { readonly kind: 'gateway'; readonly gateway: string }
  /** Another replica of the controller. */
  | { readonly kind: 'controller' };

const domain = 'spiffe://portolan.dev';

/** The URI that stands in the certificate of a data plane. @param gateway `namespace/name` */
export function gatewayUri(gateway: string): string {
  return `${domain}/gateway/${gateway}`;
}

/** In the certificate of a controller that reports to another one. */
export const controllerUri: string = `${domain}/controller`;

/** Of a certificate that was verified; undefined: it names nobody, or more than one. */
export function identityOf(certificate: Pick<PeerCertificate, 'subjectaltname'>): Identity | undefined {
  // Node puts names with commas or quotes into quotes, so that none can pretend to be two.
  const names = (certificate.subjectaltname ?? '').split(', ');
  const uris = names.filter((name) => name.startsWith('URI:')).map((name) => name.slice('URI:'.length));
  const [uri] = uris;
  if (uri === undefined || uris.length > 1) return undefined;
  if (uri === controllerUri) return { kind: 'controller' };
  const [, gateway] = /^spiffe:\/\/portolan\.dev\/gateway\/([a-z0-9-]{1,63}\/[a-z0-9.-]{1,253})$/.exec(uri) ?? [];
  return gateway === undefined ? undefined : { kind: 'gateway', gateway };
}
