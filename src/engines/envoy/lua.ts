// Scripts of Lua as filters of Envoy.
import { extension, type Message } from './tree.ts';

/** The name of such filters, and of what metadata says to them. */
export const GUARD = 'envoy.filters.http.lua';

export function luaFilter(script: string): Message {
  return extension(GUARD, 'envoy.extensions.filters.http.lua.v3.Lua', {
    default_source_code: { inline_string: script },
  });
}

/** A text as Lua reads it: whatever is not plain by number. */
export function luaText(text: string): string {
  let octets = '';
  for (const octet of Buffer.from(text, 'utf8')) {
    const character = String.fromCharCode(octet);
    octets += /[A-Za-z0-9 _./:*|-]/.test(character) ? character : `\\${String(octet).padStart(3, '0')}`;
  }
  return `"${octets}"`;
}
