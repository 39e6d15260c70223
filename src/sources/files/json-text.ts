// JSON text → its values: one, or several behind each other as kubectl takes them. JSON.parse lets repeated keys pass,
// so they are looked for here. What is not JSON (a comment, a comma too many) is left to the YAML reader, which tells more.
import type { Reading } from './yaml-document.ts';

export interface JsonValue {
  /** Of its first character in the text. */
  readonly offset: number;
  readonly end: number;
  readonly reading: Reading;
}

/** undefined when the text is not JSON throughout. */
export function readJson(text: string): readonly JsonValue[] | undefined {
  const values: JsonValue[] = [];
  let offset = skipSpace(text, 0);
  while (offset < text.length) {
    const end = endOfValue(text, offset);
    if (end === undefined) return undefined;
    const value = parse(text.slice(offset, end));
    if (value === undefined) return undefined;
    const repeated = repeatedKey(text, offset, end);
    values.push({ offset, end, reading: repeated ?? { ok: true, value: value.value } });
    offset = skipSpace(text, end);
  }
  return values.length === 0 ? undefined : values;
}

function parse(text: string): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) as unknown };
  } catch {
    return undefined;
  }
}

function skipSpace(text: string, from: number): number {
  let at = from;
  while (at < text.length && ' \t\r\n'.includes(text[at] as string)) at++;
  return at;
}

/** Behind the bracket that closes the one at `from`; nothing but brackets and strings is looked at. */
function endOfValue(text: string, from: number): number | undefined {
  let depth = 0;
  for (let at = from; at < text.length; at++) {
    switch (text[at] ?? '') {
      case '"':
        at = endOfString(text, at) - 1;
        break;
      case '{':
      case '[':
        depth++;
        break;
      case '}':
      case ']':
        if (--depth === 0) return at + 1;
        break;
      default:
        if (depth === 0) return undefined;
    }
  }
  return undefined;
}

/** Behind the closing quote, or behind the text when there is none. */
function endOfString(text: string, from: number): number {
  for (let at = from + 1; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === 92) at++;
    else if (code === 34) return at + 1;
  }
  return text.length;
}

/** The text between `from` and `to` is valid JSON. */
function repeatedKey(text: string, from: number, to: number): (Reading & { readonly ok: false }) | undefined {
  const open: (Set<string> | undefined)[] = [];
  for (let at = from; at < to; at++) {
    switch (text[at] ?? '') {
      case '{':
        open.push(new Set());
        break;
      case '[':
        open.push(undefined);
        break;
      case '}':
      case ']':
        open.pop();
        break;
      case '"': {
        const end = endOfString(text, at);
        const keys = open.at(-1);
        if (keys !== undefined && text[skipSpace(text, end)] === ':') {
          const key = JSON.parse(text.slice(at, end)) as string;
          if (keys.has(key))
            return { ok: false, message: `the key ${JSON.stringify(key)} stands here twice`, offset: at };
          keys.add(key);
        }
        at = end - 1;
        break;
      }
      default:
    }
  }
  return undefined;
}
