// Which fields may stand in a trailer section: RFC 9110 section 6.5.1 leaves out what frames, routes, authenticates or
// says how to treat the content, which a recipient must know before the content. The rest may pass.
const forbidden: ReadonlySet<string> = new Set([
  // Framing and connection.
  'connection',
  'content-length',
  'http2-settings',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  // Routing and where the request came from.
  'forwarded',
  'host',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-port',
  'x-forwarded-proto',
  'x-real-ip',
  // Authentication and cookies.
  'authorization',
  'cookie',
  'proxy-authenticate',
  'proxy-authorization',
  'set-cookie',
  'www-authenticate',
  // Request modifiers.
  'cache-control',
  'expect',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-range',
  'if-unmodified-since',
  'max-forwards',
  'pragma',
  'range',
  // Response control.
  'age',
  'date',
  'expires',
  'location',
  'retry-after',
  'vary',
  // How to read the content.
  'content-encoding',
  'content-range',
  'content-type',
]);

/** @param name in lower case */
export function mayTrail(name: string): boolean {
  return !forbidden.has(name);
}
