// Text of users (manifests, command lines) against field values of the wire: there a value is a string with one character
// per octet, as the parser reads and Node writes it; here it is Unicode, sent as UTF-8.

/** The UTF-8 octets of a text, one character each; the same string when it is ASCII. */
export function toOctets(text: string): string {
  return isAscii(text) ? text : Buffer.from(text, 'utf8').toString('latin1');
}

/** The text that the octets are the UTF-8 of; what is no UTF-8 becomes U+FFFD. The same string when it is ASCII. */
export function fromOctets(octets: string): string {
  return isAscii(octets) ? octets : Buffer.from(octets, 'latin1').toString('utf8');
}

function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 127) return false;
  return true;
}
