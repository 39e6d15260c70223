// Formats of schemas. The API server ignores the ones it does not know, and so does this.
import { isIPv4, isIPv6 } from 'node:net';

export interface Format {
  readonly accepts: (text: string) => boolean;
  readonly words: string;
}

export const formats: Readonly<Record<string, Format>> = {
  ipv4: { accepts: (text) => isIPv4(text) || isPadded(text) || isMapped(text), words: 'an IPv4 address' },
  ipv6: { accepts: (text) => isIPv6(text) && !text.includes('%'), words: 'an IPv6 address' },
};

/** Leading zeros are allowed, and mean nothing. */
function isPadded(text: string): boolean {
  return /^0*\d{1,3}(?:\.0*\d{1,3}){3}$/.test(text) && text.split('.').every((part) => Number(part) < 256);
}

/** ::ffff:192.0.2.1 counts as both. */
function isMapped(text: string): boolean {
  return isIPv6(text) && text.includes('.') && !text.includes('%');
}
