// Small pieces of the sentences in which validation speaks of values.

/** The value as JSON, cut to a length that one reads. */
export function quote(value: unknown): string {
  // YAML has numbers that JSON has not.
  const text = typeof value === 'number' ? String(value) : (JSON.stringify(value) ?? String(value));
  return text.length > 80 ? `${text.slice(0, 77)}…"` : text;
}

/** What a value of the wrong type is: `number 5`, `an array`. */
export function described(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  return typeof value === 'object' ? 'an object' : `${typeof value} ${quote(value)}`;
}

/** `1 item`, `2 items`, `2 entries`. */
export function count(number: number, noun: string): string {
  if (number === 1) return `1 ${noun}`;
  return `${number} ${noun.endsWith('y') ? `${noun.slice(0, -1)}ies` : `${noun}s`}`;
}

/** `one of A, B, C`, or the only one. */
export function oneOf(values: readonly unknown[]): string {
  const texts = values.map((value) => (typeof value === 'string' && value !== '' ? value : JSON.stringify(value)));
  return texts.length === 1 ? `${texts[0]}` : `one of ${texts.join(', ')}`;
}

/** The name that was probably meant: the same in other letters' case, or one letter off. */
export function similar(name: string, known: Iterable<string>): string | undefined {
  const all = [...known];
  return all.find((each) => each.toLowerCase() === name.toLowerCase()) ?? all.find((each) => oneEditApart(each, name));
}

/** One letter added, left out or replaced, or two neighbours swapped. */
function oneEditApart(a: string, b: string): boolean {
  const [short, long] = a.length <= b.length ? [a, b] : [b, a];
  if (short.length < 3 || long.length - short.length > 1) return false;
  let at = 0;
  while (at < short.length && short[at] === long[at]) at++;
  if (short.length < long.length) return short.slice(at) === long.slice(at + 1);
  return (
    short.slice(at + 1) === long.slice(at + 1) ||
    (short[at] === long[at + 1] && short[at + 1] === long[at] && short.slice(at + 2) === long.slice(at + 2))
  );
}
