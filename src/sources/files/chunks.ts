// The bytes of a file → chunks of text between document markers, each with what was made of it. Against an earlier version
// of the file only the chunks that an edit touched are cut and read anew, so that one edited route among 10,000 costs one.

export interface Chunk<Part> {
  /** A string of its own, not a slice of the file's. */
  readonly text: string;
  /** Octets. */
  readonly size: number;
  /** Line feeds in it. */
  readonly lines: number;
  readonly parts: readonly Part[];
}

export interface Chunks<Part> {
  readonly bytes: Buffer;
  readonly chunks: readonly Chunk<Part>[];
}

export interface Recut<Part> extends Chunks<Part> {
  /** Those of the earlier version that are gone, and those that came. */
  readonly removed: readonly Chunk<Part>[];
  readonly added: readonly Chunk<Part>[];
}

/** Octets of one chunk that are read: `parse` gets undefined for a longer one. A List may hold all objects of a cluster. */
export const maxChunkSize: number = 16 * 1024 * 1024;

export function cut<Part>(
  bytes: Buffer,
  parse: (text: string | undefined) => readonly Part[],
  before: Chunks<Part> = { bytes: Buffer.alloc(0), chunks: [] },
): Recut<Part> {
  const { head, tail, from, to } = unchanged(bytes, before);
  const removed = before.chunks.slice(head, before.chunks.length - tail);
  const known = new Map(removed.map((chunk) => [chunk.text, chunk]));
  const middle: Chunk<Part>[] = [];
  for (const { start, end } of spans(bytes, from, to)) {
    const text = end - start > maxChunkSize ? undefined : bytes.toString('utf8', start, end);
    const same = text === undefined ? undefined : known.get(text);
    if (same !== undefined) known.delete(same.text);
    const lines = text === undefined ? countLines(bytes.toString('latin1', start, end)) : countLines(text);
    middle.push(same ?? { text: text ?? '', size: end - start, lines, parts: parse(text) });
  }
  const moved = new Set(middle);
  const gone = new Set(removed);
  return {
    bytes,
    chunks: [...before.chunks.slice(0, head), ...middle, ...before.chunks.slice(before.chunks.length - tail)],
    removed: removed.filter((chunk) => !moved.has(chunk)),
    added: middle.filter((chunk) => !gone.has(chunk)),
  };
}

export function countLines(text: string): number {
  let count = 0;
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) count++;
  return count;
}

interface Unchanged {
  /** Chunks at the start and at the end that are as they were. */
  readonly head: number;
  readonly tail: number;
  /** What is to be cut: from behind a marker, to the marker before the tail. */
  readonly from: number;
  readonly to: number;
}

/** A marker is what it is by the octet before it and the one behind it, so that these must be as they were too. */
function unchanged<Part>(bytes: Buffer, before: Chunks<Part>): Unchanged {
  const { chunks } = before;
  const start = firstChunk(bytes);
  if (chunks.length === 0 || firstChunk(before.bytes) !== start)
    return { head: 0, tail: 0, from: start, to: bytes.length };
  const prefix = commonPrefix(bytes, before.bytes);
  const suffix = Math.min(commonSuffix(bytes, before.bytes), Math.min(bytes.length, before.bytes.length) - prefix);
  let head = 0;
  let from = start;
  while (head < chunks.length - 1 && from + (chunks[head] as Chunk<Part>).size + markerLength + 1 <= prefix) {
    from += (chunks[head] as Chunk<Part>).size + markerLength;
    head++;
  }
  let tail = 0;
  let fromEnd = 0;
  while (tail < chunks.length - head - 1) {
    const next = fromEnd + (chunks[chunks.length - 1 - tail] as Chunk<Part>).size + markerLength;
    if (next + 1 > suffix) break;
    fromEnd = next;
    tail++;
  }
  return { head, tail, from, to: bytes.length - fromEnd };
}

const block = 16 * 1024;

function commonPrefix(a: Buffer, b: Buffer): number {
  const length = Math.min(a.length, b.length);
  let at = 0;
  while (at + block <= length && a.compare(b, at, at + block, at, at + block) === 0) at += block;
  while (at < length && a[at] === b[at]) at++;
  return at;
}

function commonSuffix(a: Buffer, b: Buffer): number {
  const length = Math.min(a.length, b.length);
  const same = (from: number, to: number): boolean =>
    a.compare(b, b.length - to, b.length - from, a.length - to, a.length - from) === 0;
  let at = 0;
  while (at + block <= length && same(at, at + block)) at += block;
  while (at < length && a[a.length - 1 - at] === b[b.length - 1 - at]) at++;
  return at;
}

const markerLength = 3;

interface Span {
  readonly start: number;
  readonly end: number;
}

/** Behind a byte order mark and a first marker. */
function firstChunk(bytes: Buffer): number {
  const start = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
  return isMarker(bytes, start) ? start + markerLength : start;
}

/**
 * Between the lines that begin with `---` or `...`, which mark documents even inside a block scalar. A chunk begins right
 * behind its marker, since content may follow on the same line.
 */
function* spans(bytes: Buffer, from: number, to: number): Iterable<Span> {
  let start = from;
  for (const marker of markers(bytes, from, to)) {
    yield { start, end: marker };
    start = marker + markerLength;
  }
  yield { start, end: to };
}

function* markers(bytes: Buffer, from: number, to: number): Iterable<number> {
  const window = bytes.subarray(0, to);
  const find = (sign: string, at: number): number => {
    const found = window.indexOf(sign, at);
    return found < 0 ? to : found;
  };
  // The marker at `from` was a chunk's end: the line feed before it must not find it again.
  let dashes = find('\n---', from);
  let dots = find('\n...', from);
  while (dashes < to || dots < to) {
    const at = Math.min(dashes, dots) + 1;
    if (at < to && isMarker(bytes, at)) yield at;
    if (dashes < dots) dashes = find('\n---', at);
    else dots = find('\n...', at);
  }
}

function isMarker(bytes: Buffer, at: number): boolean {
  const sign = bytes[at];
  if ((sign !== 45 && sign !== 46) || bytes[at + 1] !== sign || bytes[at + 2] !== sign) return false;
  const after = bytes[at + markerLength];
  return after === undefined || after === 32 || after === 9 || after === 10 || after === 13;
}
