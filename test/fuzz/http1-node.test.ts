// The same generated and damaged messages through our parser and through Node's: whatever we accept, Node must frame
// identically (method, target, fields, body, and where the next message begins); what only one of the two refuses is
// counted by class, and no class but the listed ones may appear.
import assert from 'node:assert/strict';
import { createServer, request as sendRequest, type IncomingMessage, type Server } from 'node:http';
import { Duplex } from 'node:stream';
import { after, before, describe, it } from 'node:test';
import * as fc from 'fast-check';
import { UNTIL_CLOSE } from '../../src/engines/embedded/http1/parser.ts';
import { read, requests, responses, runs, type Reading } from './http1-messages.ts';

interface NodeMessage {
  readonly line: string;
  readonly fields: readonly string[];
  readonly body: string;
}
interface NodeReading {
  readonly messages: readonly NodeMessage[];
  readonly error: string;
}

/** One end of a connection without a socket: what Node writes is dropped, what is pushed is what Node reads. */
class Wire extends Duplex {
  override _read(): void {}
  override _write(_chunk: unknown, _encoding: string, done: () => void): void {
    done();
  }
}

async function bodyOf(message: IncomingMessage): Promise<string> {
  let body = '';
  for await (const chunk of message) body += (chunk as Buffer).toString('latin1');
  return body;
}

const UNFINISHED = '(unfinished)';
const SENTINEL = 'GET /sentinel HTTP/1.1\r\nHost: sentinel\r\n\r\n';

interface Reader {
  readonly messages: NodeMessage[];
  error: string;
}
const readers = new WeakMap<object, Reader>();

async function readAsServer(server: Server, octets: Buffer): Promise<NodeReading> {
  const wire = new Wire();
  const reader: Reader = { messages: [], error: '' };
  readers.set(wire, reader);
  server.emit('connection', wire);
  wire.push(octets);
  // No input or output is involved, so a few turns of the loop are all that Node can need. No end of the stream: it
  // would cut off the last message.
  for (let turn = 0; turn < 8 && reader.error === ''; turn++) await new Promise(setImmediate);
  wire.destroy();
  return reader;
}

describe('requests', () => {
  let server: Server;
  before(() => {
    server = createServer({ maxHeaderSize: 65_536, keepAliveTimeout: 0 });
    server.on('request', (incoming, outgoing) => {
      const reader = readers.get(incoming.socket) as Reader;
      const index = reader.messages.length;
      const line = `${incoming.method} ${incoming.url} HTTP/${incoming.httpVersion}`;
      reader.messages.push({ line, fields: incoming.rawHeaders, body: UNFINISHED });
      bodyOf(incoming).then(
        (body) => {
          reader.messages[index] = { line, fields: incoming.rawHeaders, body };
          outgoing.end();
        },
        () => {},
      );
    });
    server.on('checkExpectation', (incoming, outgoing) => server.emit('request', incoming, outgoing));
    server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
      (readers.get(socket) as Reader).error = error.code ?? 'unknown';
    });
  });
  after(() => {
    server.close();
    server.closeAllConnections();
  });

  it('that we accept are framed identically by Node', async () => {
    const nodeRefused = new Map<string, Buffer>();
    let agreed = 0;
    await fc.assert(
      fc.asyncProperty(requests, async (octets) => {
        const ours = read('request', octets, []);
        if (ours.outcome !== 'done' || ours.head === undefined || ours.size === undefined) return;
        // Exactly the message, then another: both sides must agree where the second begins.
        const message = Buffer.concat([octets.subarray(0, ours.size), Buffer.from(SENTINEL)]);
        const { messages, error } = await readAsServer(server, message);
        const { method, target, minor, lines, keepAlive, upgrade } = ours.head;
        if (messages.length === 0) {
          nodeRefused.set(error, octets);
          return;
        }
        const [first, second] = messages as [NodeMessage, NodeMessage | undefined];
        if (error !== '' && first.body === UNFINISHED) {
          nodeRefused.set(error, octets);
          return;
        }
        assert.equal(first.line, `${method} ${target} HTTP/1.${minor}`);
        assert.deepEqual(first.fields, lines);
        assert.equal(first.body, ours.body);
        // Behind an upgrade Node reads no more messages.
        if (keepAlive && !upgrade) assert.equal(second?.line, 'GET /sentinel HTTP/1.1', `next message (${error})`);
        agreed++;
      }),
      runs(1000),
    );
    assert.ok(agreed > 100, `agreed on ${agreed}`);
    assertOnly(nodeRefused, STRICTER_THAN_US);
  });

  it('that we refuse and Node accepts are of these classes only', async () => {
    const stricter = new Map<string, Buffer>();
    await fc.assert(
      fc.asyncProperty(requests, async (octets) => {
        const { outcome } = read('request', octets, []);
        if (outcome === 'done' || outcome === 'incomplete') return;
        const { messages } = await readAsServer(server, octets);
        if (messages.some(({ body }) => body !== UNFINISHED)) stricter.set(outcome, octets);
      }),
      runs(1000),
    );
    assertOnly(stricter, STRICTER_THAN_NODE);
  });
});

/** What Node refuses and we let through. */
const STRICTER_THAN_US: readonly string[] = [
  'HPE_INVALID_METHOD', // a method that is not on its list
  'HPE_INVALID_CONTENT_LENGTH', // Content-Length among the trailers: we drop it
  'HPE_INVALID_TRANSFER_ENCODING', // Transfer-Encoding among the trailers: we drop it
  'HPE_STRICT', // the grammar inside chunk extensions: we bound and drop them
  'HPE_INVALID_CHUNK_SIZE', // the same
];

/** What Node lets through and we do not. */
const STRICTER_THAN_NODE: readonly string[] = [
  'bad-connection', // any octets in Connection
  'bad-host', // any octets in Host
  'bad-method', // line feeds before a request
  'bad-target', // any target
  'bad-transfer-encoding', // codings in several lines, of which the last is chunked
  'bad-version', // two spaces before the version
  'bare-cr', // carriage returns before a request
  'duplicate-host',
  'fragment-in-target',
  'host-differs-from-target',
  'no-version', // HTTP/0.9
  'transfer-encoding-on-http-1.0',
  'unknown-transfer-encoding', // gzip, chunked
  'unsupported-version', // HTTP/2.0 and HTTP/0.9 in a request line
];

/** @param found an example of each class */
function assertOnly(found: ReadonlyMap<string, Buffer>, allowed: readonly string[]): void {
  const others = [...found].filter(([name]) => !allowed.includes(name));
  const shown = others.map(([name, octets]) => `${name}: ${JSON.stringify(octets.toString('latin1'))}`);
  assert.deepEqual(shown, [], 'classes that are not listed');
}

describe('responses', () => {
  it('that we accept are framed identically by Node', async () => {
    let agreed = 0;
    const nodeRefused = new Map<string, Buffer>();
    await fc.assert(
      fc.asyncProperty(responses, async (octets) => {
        const ours = read('response', octets, []);
        if (ours.outcome !== 'done' || ours.head === undefined || ours.head.status < 200) return;
        const theirs = await readAsClient(octets.subarray(0, ours.size), ours);
        if (typeof theirs === 'string') {
          nodeRefused.set(theirs, octets);
          return;
        }
        assert.equal(theirs.line, `HTTP/1.${ours.head.minor} ${ours.head.status}`);
        assert.deepEqual(theirs.fields, ours.head.lines);
        assert.equal(theirs.body, ours.body);
        agreed++;
      }),
      runs(500),
    );
    assert.ok(agreed > 50, `agreed on ${agreed}`);
    assertOnly(nodeRefused, STRICTER_THAN_US);
  });
});

/** Ends the connection only where the close is what ends the body; otherwise Node must see the end by itself. */
function readAsClient(octets: Buffer, ours: Reading): Promise<NodeMessage | string> {
  return new Promise((resolve) => {
    const wire = new Wire();
    const outgoing = sendRequest({ createConnection: () => wire, maxHeaderSize: 65_536 });
    const giveUp = setTimeout(() => resolve('no end'), 10_000);
    const settle = (result: NodeMessage | string): void => {
      clearTimeout(giveUp);
      resolve(result);
      wire.destroy();
    };
    outgoing.on('error', (error: NodeJS.ErrnoException) => settle(error.code ?? 'unknown'));
    outgoing.on('upgrade', () => settle('upgrade'));
    outgoing.on('response', (incoming) => {
      const line = `HTTP/${incoming.httpVersion} ${incoming.statusCode}`;
      bodyOf(incoming).then(
        (body) => settle({ line, fields: incoming.rawHeaders, body }),
        (error: NodeJS.ErrnoException) => settle(error.code ?? 'unknown'),
      );
    });
    outgoing.end();
    setImmediate(() => {
      wire.push(octets);
      if (ours.head?.framing === UNTIL_CLOSE) wire.push(null);
    });
  });
}
