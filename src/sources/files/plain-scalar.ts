// A plain (unquoted) YAML scalar → the value that kubectl makes of it. kubectl reads YAML with a dialect of its own between
// 1.1 and 1.2 (`yes`, `on` and `y` are booleans, 010 is octal, 1_000 is a number, but 12:30 and dates stay text), so a
// manifest must not mean something else here than in a cluster.

const words = new Map<string, boolean | null>();
for (const text of ['y', 'Y', 'yes', 'Yes', 'YES', 'true', 'True', 'TRUE', 'on', 'On', 'ON']) words.set(text, true);
for (const text of ['n', 'N', 'no', 'No', 'NO', 'false', 'False', 'FALSE', 'off', 'Off', 'OFF']) words.set(text, false);
for (const text of ['', '~', 'null', 'Null', 'NULL']) words.set(text, null);

const integer = /^([-+]?)(?:0[bB]([01]+)|0[oO]?([0-7]+)|0[xX]([0-9a-fA-F]+)|(0|[1-9][0-9]*))$/;
const float = /^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$/;
/** JSON has no such numbers, so that kubectl refuses them. */
const notFinite = /^(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$/;

/** NaN and the infinities come back as numbers; the caller refuses them. */
export function resolvePlain(text: string): string | number | boolean | null {
  const first = text.charCodeAt(0);
  // Most scalars begin with a letter that begins none of the words, or with a slash.
  if (!(first <= 57 && first >= 43 && first !== 47 && first !== 44) && !mayBeWord(first)) return text;
  const word = words.get(text);
  if (word !== undefined) return word;
  return resolveNumber(text) ?? text;
}

function mayBeWord(first: number): boolean {
  switch (first) {
    case 89: // Y
    case 121: // y
    case 78: // N
    case 110: // n
    case 84: // T
    case 116: // t
    case 70: // F
    case 102: // f
    case 79: // O
    case 111: // o
    case 126: // ~
      return true;
    default:
      return Number.isNaN(first);
  }
}

function resolveNumber(text: string): number | undefined {
  if (notFinite.test(text)) return text.endsWith('n') || text.endsWith('N') ? Number.NaN : infinity(text);
  const first = text[0] as string;
  if (first !== '.' && (first < '0' || first > '9') && first !== '-' && first !== '+') return undefined;
  const digits = first === '.' ? text : text.replaceAll('_', '');
  const parts = integer.exec(digits);
  if (parts !== null) {
    const [, sign, binary, octal, hex, decimal] = parts;
    const magnitude =
      binary !== undefined
        ? Number.parseInt(binary, 2)
        : octal !== undefined
          ? Number.parseInt(octal, 8)
          : hex !== undefined
            ? Number.parseInt(hex, 16)
            : Number(decimal);
    return sign === '-' && magnitude !== 0 ? -magnitude : magnitude;
  }
  return float.test(digits) ? Number(digits) : undefined;
}

function infinity(text: string): number {
  return text.startsWith('-') ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
}
