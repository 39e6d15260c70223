// What flags name: a Gateway or a Service with or without its namespace, an address with a port, a listener.
import { isIPv6 } from 'node:net';
import { Misuse } from '../command.ts';

export interface NamespacedName {
  /** Absent when only the name was given. */
  readonly namespace?: string;
  readonly name: string;
}

/** `name` or `namespace/name`. */
export function parseName(flag: string, text: string): NamespacedName {
  const parts = text.split('/');
  const [first = '', second] = parts;
  if (parts.length > 2 || !parts.every(isName)) throw new Misuse(`${flag} takes NAME or NAMESPACE/NAME, not "${text}"`);
  return second === undefined ? { name: first } : { namespace: first, name: second };
}

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** `host:port`, `1.2.3.4:80`, `[::1]:80`. */
export function parseHostPort(flag: string, text: string): HostPort {
  const [, bracketed, plain, digits] = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]\s/]+)):(\d{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  const port = Number(digits);
  if (host === undefined || (bracketed !== undefined && !isIPv6(bracketed)) || port > 65_535) {
    throw new Misuse(`${flag} takes HOST:PORT, not "${text}"`, 'an IPv6 address stands in brackets: [::1]:8080');
  }
  return { host, port };
}

/** Where to listen: without a host, as `:9900`, on all addresses (host ''). */
export function parseListen(flag: string, text: string): HostPort {
  const [, digits] = /^:(\d{1,5})$/.exec(text) ?? [];
  return digits !== undefined && Number(digits) <= 65_535
    ? { host: '', port: Number(digits) }
    : parseHostPort(flag, text);
}

export function formatHostPort({ host, port }: HostPort): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

export function isName(text: string): boolean {
  return /^[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?$/.test(text);
}

/** The Gateway or ListenerSet that a listener stands in, by the key of its frontend, and its name there. */
export function listenerOf(frontend: string): {
  readonly owner: { readonly kind: 'Gateway' | 'ListenerSet'; readonly namespace: string; readonly name: string };
  readonly listener: string;
} {
  const parts = frontend.split('/');
  const [namespace = '', name = '', listener = ''] = parts.slice(-3);
  return { owner: { kind: parts.length > 3 ? 'ListenerSet' : 'Gateway', namespace, name }, listener };
}

/** `shop/web/http`; of a ListenerSet `shop/extra/http (on infra/web)`. */
export function formatListener(frontend: string): string {
  const { owner, listener } = listenerOf(frontend);
  const name = `${owner.namespace}/${owner.name}/${listener}`;
  return owner.kind === 'Gateway' ? name : `${name} (on ${frontend.split('/').slice(0, 2).join('/')})`;
}
