// What a client received -> responses, read by the plainest rules of RFC 9112: what we write is well-formed or the reader says
// that it is not. Status lines may be as odd as those that peers hand on.

export interface Read {
  readonly status: number;
  /** Head with its status line. */
  readonly head: string;
  readonly content: string;
  /** All of it came. */
  readonly complete: boolean;
}

/** Interim responses are passed over. @param methods of the requests that they answer, in their order */
export function readResponses(text: string, methods: readonly string[]): readonly Read[] {
  const all: Read[] = [];
  let rest = text;
  while (rest !== '') {
    const end = rest.indexOf('\r\n\r\n') + 4;
    const head = rest.slice(0, end);
    const status = Number(/^HTTP\/1\.[01] (\d{3})(?: [^\r\n]*)?\r\n/.exec(head)?.[1]);
    if (end < 4 || Number.isNaN(status)) {
      all.push({ status: 0, head: '', content: rest, complete: false });
      break;
    }
    rest = rest.slice(end);
    if (status < 200) continue;
    const { content, size, complete } = contentOf(head, status, methods[all.length] ?? 'GET', rest);
    all.push({ status, head, content, complete });
    if (!complete) break;
    rest = rest.slice(size);
  }
  return all;
}

function contentOf(
  head: string,
  status: number,
  method: string,
  rest: string,
): { readonly content: string; readonly size: number; readonly complete: boolean } {
  if (method === 'HEAD' || status === 204 || status === 304) return { content: '', size: 0, complete: true };
  if (/\r\ntransfer-encoding:[ \t]*chunked[ \t]*\r\n/i.test(head)) return chunksOf(rest);
  const length = Number(/\r\ncontent-length:[ \t]*(\d+)[ \t]*\r\n/i.exec(head)?.[1] ?? Number.NaN);
  if (Number.isNaN(length)) return { content: rest, size: rest.length, complete: true };
  return { content: rest.slice(0, length), size: length, complete: rest.length >= length };
}

function chunksOf(rest: string): { content: string; size: number; complete: boolean } {
  let content = '';
  let at = 0;
  for (;;) {
    const line = /^([0-9a-fA-F]+)\r\n/.exec(rest.slice(at, at + 32));
    if (line === null) return { content, size: at, complete: false };
    const size = Number.parseInt(line[1] as string, 16);
    at += line[0].length;
    if (size === 0) break;
    content += rest.slice(at, at + size);
    at += size;
    if (rest.slice(at, at + 2) !== '\r\n') return { content, size: at, complete: false };
    at += 2;
  }
  const trailers = /^(?:[^\s:]+:[^\r\n]*\r\n)*\r\n/.exec(rest.slice(at));
  if (trailers === null) return { content, size: at, complete: false };
  return { content, size: at + trailers[0].length, complete: true };
}
