// A backend that says which messages it got: a reader of its own, which takes only what is beyond doubt, so that everything
// that was forwarded to it is held to the plainest form of RFC 9112. It answers each message with what it understood.
import net from 'node:net';

export interface Message {
  /** Which connection of the backend, and the how many-eth message on it. */
  readonly connection: number;
  readonly method: string;
  readonly target: string;
  /** Lines as they came. */
  readonly lines: readonly string[];
  readonly content: string;
  /** Lines behind the last chunk. */
  readonly trailers: readonly string[];
}

export interface Witness {
  readonly port: number;
  readonly messages: readonly Message[];
  /** What it could not read, or what others could read in another way. */
  readonly doubts: readonly string[];
  /** Forgets what it saw. */
  clear(): void;
  close(): void;
}

export interface Response {
  /** Each is seen by itself at the other end. */
  readonly pieces: readonly string[];
  /** The end of the connection follows. */
  readonly closes?: boolean;
}

export async function startWitness(answer: (message: Message) => Response = understood): Promise<Witness> {
  const messages: Message[] = [];
  const doubts: string[] = [];
  const sockets = new Set<net.Socket>();
  let connections = 0;
  const server = net.createServer({ noDelay: true }, (socket) => {
    const connection = connections++;
    let text = '';
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    socket.on('data', (octets) => {
      text += octets.toString('latin1');
      for (;;) {
        const read = readMessage(text, connection, doubts);
        if (read === undefined) return;
        if (typeof read === 'string') {
          doubts.push(read);
          socket.destroy();
          return;
        }
        text = text.slice(read.size);
        messages.push(read.message);
        void say(socket, answer(read.message));
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as net.AddressInfo).port,
    messages,
    doubts,
    clear: () => {
      messages.length = doubts.length = 0;
    },
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

/** As requests.yaml writes messages down. */
export function textOf({ method, target, content }: Message): string {
  return `${method} ${target} ${content}`;
}

/** The message itself as content. */
export function understood(message: Message): Response {
  const text = textOf(message);
  const content = message.method === 'HEAD' ? '' : text;
  return { pieces: [`HTTP/1.1 200 OK\r\nContent-Length: ${text.length}\r\n\r\n${content}`] };
}

/** Two turns of the loop lie between two pieces: enough for a reader in the same thread to have read the first alone. */
async function say(socket: net.Socket, { pieces, closes = false }: Response): Promise<void> {
  for (const [index, piece] of pieces.entries()) {
    if (index > 0) for (let turn = 0; turn < 2; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
    socket.write(piece, 'latin1');
  }
  if (closes) socket.end();
}

const START = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,64} [!-~]+ HTTP\/1\.1$/;
const LINE = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t -~\x80-\xff]*$/;
/** The one way to write framing that nobody misreads. */
export const FRAMING: RegExp = /^(?:content-length: (?:0|[1-9]\d*)|transfer-encoding: chunked)$/i;

/** The first message of `text`, undefined if it is not all there, or why it cannot be told. What is odd but clear goes to `doubts`. */
function readMessage(
  text: string,
  connection: number,
  doubts: string[],
): { readonly message: Message; readonly size: number } | string | undefined {
  const end = text.indexOf('\r\n\r\n');
  if (end < 0) return undefined;
  const [start = '', ...lines] = text.slice(0, end).split('\r\n');
  const lengths = valuesOf(lines, 'content-length');
  const codings = valuesOf(lines, 'transfer-encoding');
  if (lengths.length + codings.length > 1) return `framed twice: ${JSON.stringify(lines)}`;
  const [length = '0'] = lengths;
  if (!/^\d+$/.test(length)) return `no length: ${JSON.stringify(length)}`;
  if (codings.length === 1 && codings[0]?.toLowerCase() !== 'chunked') return `no coding: ${codings[0]}`;
  const oddities: string[] = [];
  const body = codings.length === 1 ? readChunks(text, end + 4, oddities) : readFixed(text, end + 4, Number(length));
  if (typeof body !== 'object') return body;
  if (!START.test(start)) oddities.push(`no request line: ${JSON.stringify(start)}`);
  if (valuesOf(lines, 'host').length !== 1) oddities.push(`not one Host: ${JSON.stringify(lines)}`);
  for (const line of lines) {
    if (!LINE.test(line)) oddities.push(`no field line: ${JSON.stringify(line)}`);
    if (/^(?:content-length|transfer-encoding):/i.test(line) && !FRAMING.test(line))
      oddities.push(`framed in an odd way: ${JSON.stringify(line)}`);
  }
  doubts.push(...oddities);
  const [method = '', target = ''] = start.split(' ');
  return {
    message: { connection, method, target, lines, content: body.content, trailers: body.trailers },
    size: body.end,
  };
}

interface Body {
  readonly content: string;
  readonly trailers: readonly string[];
  readonly end: number;
}

function readFixed(text: string, from: number, length: number): Body | undefined {
  return text.length < from + length
    ? undefined
    : { content: text.slice(from, from + length), trailers: [], end: from + length };
}

function readChunks(text: string, from: number, doubts: string[]): Body | string | undefined {
  let at = from;
  let content = '';
  for (;;) {
    const end = text.indexOf('\r\n', at);
    if (end < 0) return undefined;
    const size = text.slice(at, end);
    if (!/^[0-9a-fA-F]{1,15}$/.test(size)) return `no size of a chunk: ${JSON.stringify(size)}`;
    const length = Number.parseInt(size, 16);
    at = end + 2;
    if (length === 0) break;
    if (text.length < at + length + 2) return undefined;
    content += text.slice(at, at + length);
    at += length + 2;
    if (text.slice(at - 2, at) !== '\r\n') return `no end of a chunk: ${JSON.stringify(text.slice(at - 2, at))}`;
  }
  if (text.startsWith('\r\n', at)) return { content, trailers: [], end: at + 2 };
  const end = text.indexOf('\r\n\r\n', at);
  if (end < 0) return undefined;
  const trailers = text.slice(at, end).split('\r\n');
  for (const line of trailers) {
    if (!LINE.test(line) || /^(?:content-length|transfer-encoding|host):/i.test(line))
      doubts.push(`no trailer: ${JSON.stringify(line)}`);
  }
  return { content, trailers, end: end + 4 };
}

export function valuesOf(lines: readonly string[], name: string): readonly string[] {
  return lines
    .filter((line) => line.slice(0, line.indexOf(':')).toLowerCase() === name)
    .map((line) => line.slice(line.indexOf(':') + 1).replace(/^[\t ]+|[\t ]+$/g, ''));
}
