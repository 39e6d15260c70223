// RequestRedirect: the Location of the answer (HTTPRequestRedirectFilter).
import type { Redirect } from '../filters.ts';
import { changePath } from './path-change.ts';

export interface RedirectedRequest {
  readonly scheme: 'http' | 'https';
  /** Host as the client sent it, with or without port. */
  readonly authority: string;
  /** Normalised path. */
  readonly path: string;
  /** With its `?`, or ''. */
  readonly query: string;
  /** As declared by the listener. */
  readonly listenerPort: number;
  /** Frontend.publicPorts: where declared ports are really reached. */
  readonly publicPorts: Readonly<Record<string, number>>;
}

/**
 * Port: the filter's own; else, when it names a scheme, that scheme's well-known port; else the listener's. It is left
 * out when it is the well-known one of the scheme. A port that is served elsewhere becomes the one that clients reach.
 */
export function redirectLocation(redirect: Redirect, request: RedirectedRequest): string {
  const scheme = redirect.scheme ?? request.scheme;
  const host = redirect.hostname ?? hostOf(request.authority);
  const path = redirect.path === undefined ? request.path : changePath(request.path, redirect.path);
  // A client of HTTP/1.0 may name no host. A reference that begins with `//` would name one (RFC 3986 section 4.2).
  if (host === '') return `${path.startsWith('//') ? '/.' : ''}${path}${request.query}`;
  const { local } = redirectPorts(redirect, request);
  return `${scheme}://${host}${local === wellKnown[scheme] ? '' : `:${local}`}${path}${request.query}`;
}

/** The port that the redirect leads to: as declared, and the one that clients reach it at. */
export function redirectPorts(
  redirect: Redirect,
  request: Pick<RedirectedRequest, 'listenerPort' | 'publicPorts'>,
): { readonly declared: number; readonly local: number } {
  const declared = redirect.port ?? (redirect.scheme === undefined ? request.listenerPort : wellKnown[redirect.scheme]);
  return { declared, local: request.publicPorts[String(declared)] ?? declared };
}

const wellKnown: Readonly<Record<'http' | 'https', number>> = { http: 80, https: 443 };

function hostOf(authority: string): string {
  const colon = authority.lastIndexOf(':');
  return colon > authority.lastIndexOf(']') ? authority.slice(0, colon) : authority;
}
