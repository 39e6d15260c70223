// A text -> the number by which it is given to one of several tables. Scripts of Envoy reckon the same (guard.ts, shard-filter.ts).

/** Below 65,536: of the octets of its UTF-8, from the first on. */
export function spread(text: string): number {
  let hash = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 127) return ofOctets(Buffer.from(text, 'utf8'));
    hash = (hash * 31 + code) & 0xff_ff;
  }
  return hash;
}

function ofOctets(octets: Uint8Array): number {
  let hash = 0;
  for (const octet of octets) hash = (hash * 31 + octet) & 0xff_ff;
  return hash;
}
