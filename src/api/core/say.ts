// What the checks of core kinds say, and the small ones that they share. A path is as the API server writes it, but that keys of maps
// follow a dot.
import { isIP } from 'node:net';
import { isRecord } from '../../support/untrusted.ts';
import { isDns1123Subdomain, isLabelValue, isQualifiedName } from '../names.ts';
import { quote } from '../words.ts';

/** @param rule a word for what was broken, as `required` */
export type Say = (path: string, rule: string, message: string) => void;

export const words = {
  label: "a DNS label: at most 63 lower-case letters, digits and '-', starting and ending with a letter or digit",
  subdomain:
    "a DNS name: at most 253 lower-case letters, digits, '-' and '.', starting and ending with a letter or digit",
  qualifiedName:
    "a qualified name: an optional DNS name and '/', then at most 63 letters, digits, '-', '_' and '.', starting and ending with a letter or digit",
  labelValue: "at most 63 letters, digits, '-', '_' and '.', starting and ending with a letter or digit, or empty",
  portName: "the name of a port: at most 15 lower-case letters, digits and '-', a letter among them, no '--'",
} as const;

/** The fields of each item of a list, with where it stands; a null item has none, as for the API server. */
export function itemsOf(value: unknown, path: string): { readonly item: Fields; readonly path: string }[] {
  return Array.isArray(value)
    ? value.map((item: unknown, at) => ({ item: fieldsOf(item), path: `${path}[${at}]` }))
    : [];
}

export type Fields = Readonly<Record<string, unknown>>;

export function fieldsOf(value: unknown): Fields {
  return isRecord(value) ? value : {};
}

/** A text; absent is the same as empty. */
export function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

export function checkPort(port: unknown, path: string, say: Say): void {
  const number = typeof port === 'number' ? port : 0;
  if (number < 1 || number > 65_535)
    say(path, 'range', port === undefined ? 'is required' : `is ${number}; must be 1 to 65535`);
}

/** RFC 6335 section 5.1. */
export function checkPortName(name: string, path: string, say: Say): void {
  const fits = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?$/.test(name) && name.length <= 15;
  if (!fits || !/[a-z]/.test(name) || name.includes('--'))
    say(path, 'pattern', `is ${quote(name)}; must be ${words.portName}`);
}

export function checkAppProtocol(value: unknown, path: string, say: Say): void {
  if (typeof value === 'string' && !isQualifiedName(value))
    say(path, 'pattern', `is ${quote(value)}; must be ${words.qualifiedName}`);
}

export function checkSubdomain(value: string, path: string, say: Say): void {
  if (!isDns1123Subdomain(value)) say(path, 'pattern', `is ${quote(value)}; must be ${words.subdomain}`);
}

export function checkLabelValue(value: string, path: string, say: Say): void {
  if (!isLabelValue(value)) say(path, 'pattern', `is ${quote(value)}; must be ${words.labelValue}`);
}

/** As `supported`, when it is not one of them. */
export function checkOneOf(value: string, supported: readonly string[], path: string, say: Say): void {
  if (!supported.includes(value)) say(path, 'enum', `is ${quote(value)}; must be one of ${supported.join(', ')}`);
}

/** Of the API server's paths. */
export function checkPathSegment(value: string, path: string, say: Say): void {
  if (value === '') say(path, 'required', 'is required');
  else if (value === '.' || value === '..') say(path, 'pattern', `must not be ${quote(value)}`);
  else if (/[/%]/.test(value)) say(path, 'pattern', `is ${quote(value)}; must not contain '/' or '%'`);
}

/** 4, 6, or 0 for what is no address; one with a zone, with leading zeros or of IPv4 mapped into IPv6 is none. */
export function familyOf(address: string): 0 | 4 | 6 {
  return /%|^::ffff:.*\./i.test(address) ? 0 : (isIP(address) as 0 | 4 | 6);
}
