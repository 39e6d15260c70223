// Query parameters of a request, read one at a time and only when a match asks for one: no map is built.

/**
 * The first value of a parameter, decoded as application/x-www-form-urlencoded (WHATWG URL): `+` is a space, UTF-8 behind
 * `%`, a broken encoding stays as written. Names are case-sensitive; `?a` and `?a=` give ''.
 * @param query of the target, with or without its `?`
 */
export function queryParameter(query: string, name: string): string | undefined {
  let start = query.charCodeAt(0) === QUESTION ? 1 : 0;
  while (start < query.length) {
    let end = query.indexOf('&', start);
    if (end < 0) end = query.length;
    let equals = query.indexOf('=', start);
    if (equals < 0 || equals > end) equals = end;
    if (end > start && isNamed(query, start, equals, name))
      return decodeParameter(query.slice(Math.min(equals + 1, end), end));
    start = end + 1;
  }
  return undefined;
}

const QUESTION = 63;

function isNamed(query: string, start: number, end: number, name: string): boolean {
  // Decoding never makes a text longer.
  if (end - start < name.length) return false;
  const written = query.slice(start, end);
  return (isEncoded(written) ? decodeParameter(written) : written) === name;
}

/** As `queryParameter` reads names and values. */
export function decodeParameter(text: string): string {
  if (!isEncoded(text)) return text;
  const spaced = text.replaceAll('+', ' ');
  if (!spaced.includes('%')) return spaced;
  const octets = spaced.replaceAll(/%[0-9A-Fa-f]{2}/g, (code) => String.fromCharCode(parseInt(code.slice(1), 16)));
  return Buffer.from(octets, 'latin1').toString('utf8');
}

function isEncoded(text: string): boolean {
  return text.includes('%') || text.includes('+');
}
