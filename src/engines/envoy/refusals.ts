// What Envoy says of a resource that it refused -> what people are told. It repeats the resource in front of what is wrong with it, and
// cuts the end off when that is long: none of it is passed on, since it may be a private key.

const LONGEST = 500;

export function reasonIn(message: string): string {
  const at = message.lastIndexOf('\n: ');
  if (at >= 0)
    return message
      .slice(at + 3)
      .trim()
      .slice(0, LONGEST);
  const repeats = /goo\.gle\/debug|inline_bytes|PRIVATE KEY/.test(message);
  return repeats ? 'the resource is not valid; the log of Envoy says why' : message.trim().slice(0, LONGEST);
}

/** The operating system's word for why a listener could not listen, in what Envoy says of it. */
export function codeOf(message: string): string | undefined {
  if (message.includes('Address already in use')) return 'EADDRINUSE';
  if (message.includes('Permission denied')) return 'EACCES';
  return message.includes('Cannot assign requested address') ? 'EADDRNOTAVAIL' : undefined;
}
