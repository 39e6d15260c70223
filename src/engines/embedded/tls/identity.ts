// The names in a backend's certificate -> whether it is the backend that was meant (RFC 9525): only subject alternative names
// count, never the common name; a URI (SPIFFE) has to be the same to the letter.
import type { ClusterTls } from '../../../routing/model.ts';
import { normalizeHost } from '../../../routing/match/hostnames.ts';
import { coversName } from './certificates.ts';

export interface AlternativeNames {
  readonly dns: readonly string[];
  readonly uris: readonly string[];
}

/** Whether the certificate is for one of the names. @param alternativeNames as Node tells them: `DNS:a.example, URI:spiffe://b` */
export function isOneOf(names: ClusterTls['names'], alternativeNames: string | undefined): boolean {
  const { dns, uris } = parseAlternativeNames(alternativeNames ?? '');
  return names.some(({ type, value }) => {
    if (type === 'uri') return uris.includes(value);
    const host = normalizeHost(value);
    return dns.some((name) => coversName(name, host));
  });
}

/**
 * Node joins the names by `, ` and writes those that could be mistaken for several as a JSON string
 * (`DNS:"a, DNS:b"`); those of other types are left out.
 */
export function parseAlternativeNames(text: string): AlternativeNames {
  const dns: string[] = [];
  const uris: string[] = [];
  for (let at = 0; at < text.length;) {
    const end = endOfName(text, at);
    const colon = text.indexOf(':', at);
    if (colon > at && colon < end) {
      const type = text.slice(at, colon);
      const value = unquoted(text.slice(colon + 1, end));
      if (type === 'DNS' && value !== undefined) dns.push(value);
      else if (type === 'URI' && value !== undefined) uris.push(value);
    }
    at = end + 2;
  }
  return { dns, uris };
}

/** Where the name that begins at `from` ends: at the next `, ` outside of a JSON string. */
function endOfName(text: string, from: number): number {
  let quoted = false;
  for (let i = from; i < text.length; i++) {
    const c = text[i];
    if (quoted && c === '\\') i++;
    else if (c === '"') quoted = !quoted;
    else if (!quoted && c === ',' && text[i + 1] === ' ') return i;
  }
  return text.length;
}

function unquoted(value: string): string | undefined {
  if (!value.startsWith('"')) return value;
  try {
    const parsed: unknown = JSON.parse(value);
    return typeof parsed === 'string' ? parsed : undefined;
  } catch {
    return undefined;
  }
}
