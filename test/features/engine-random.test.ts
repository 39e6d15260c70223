// Random conversations through the embedded engine: what a client says in any framing and any pieces arrives at the backend as it
// was meant, and what the backend says at the client, with Node's HTTP as the judge of both.
import assert from 'node:assert/strict';
import http from 'node:http';
import type net from 'node:net';
import { test } from './engine-tests.ts';
import fc from 'fast-check';
import { echo, type Echoed, httpBackend, rawBackend, RawClient, serve } from './engine-fixture.ts';

const text = (maxLength: number): fc.Arbitrary<string> =>
  fc.string({ unit: fc.constantFrom('a', 'b', 'c', ' ', 'x', '\r', '\n', '0', ':', ';'), maxLength });
const value = fc
  .string({ unit: fc.constantFrom('a', 'Z', '0', ' ', ',', ';', '=', '"', '\\', '/'), maxLength: 40 })
  .map((each) => each.trim());

/** A body and how it is framed. */
const body = fc.oneof(
  fc.constant({ framing: 'none' as const, pieces: [] as string[], trailer: '' }),
  fc.record({
    framing: fc.constant('fixed' as const),
    pieces: fc.array(text(2000), { maxLength: 3 }),
    trailer: fc.constant(''),
  }),
  fc.record({
    framing: fc.constant('chunked' as const),
    pieces: fc.array(text(3000), { maxLength: 5 }),
    trailer: fc.option(value, { nil: '' }),
  }),
);
type Body = typeof body extends fc.Arbitrary<infer T> ? T : never;

const message = fc.record({
  method: fc.constantFrom('GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'QUERY'),
  path: fc.webPath().map((path) => `/${path.replace(/^\/+/, '').replaceAll(/%|\.|[^\x21-\x7e]|["<>\\^`{|}]/g, '_')}`),
  header: value,
  body,
});

const plain = ({ pieces }: Body): string => pieces.join('');

/** Framing fields and the octets behind the head. */
function framed({ framing, pieces, trailer }: Body): { readonly fields: string; readonly octets: string } {
  if (framing === 'none') return { fields: '', octets: '' };
  const whole = pieces.join('');
  if (framing === 'fixed') return { fields: `Content-Length: ${whole.length}\r\n`, octets: whole };
  const chunks = pieces.filter((piece) => piece !== '').map((piece) => `${piece.length.toString(16)}\r\n${piece}\r\n`);
  const trailers = trailer === '' ? '' : `X-Trailer: ${trailer}\r\n`;
  return { fields: 'Transfer-Encoding: chunked\r\n', octets: `${chunks.join('')}0\r\n${trailers}\r\n` };
}

/** Writes the octets in pieces that end at the given fractions of them. */
async function writeInPieces(socket: net.Socket, octets: string, cuts: readonly number[]): Promise<void> {
  const ends = [...cuts.map((cut) => Math.floor(cut * octets.length)), octets.length].sort((a, b) => a - b);
  let from = 0;
  for (const end of ends) {
    if (end <= from) continue;
    socket.write(octets.slice(from, end), 'latin1');
    from = end;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const cuts = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 6 });

test('requests in any framing, pipelined and cut anywhere', async (t) => {
  const backend = await httpBackend(t, echo);
  const { port } = await serve(t, { routes: [{ backends: [{ to: backend }] }] });
  await fc.assert(
    fc.asyncProperty(fc.array(message, { minLength: 1, maxLength: 4 }), cuts, async (messages, at) => {
      const octets = messages
        .map((each) => {
          const { fields, octets: content } = framed(each.body);
          return `${each.method} ${each.path} HTTP/1.1\r\nHost: a\r\nX-Value: ${each.header}\r\n${fields}\r\n${content}`;
        })
        .join('');
      const client = new RawClient(port);
      try {
        await writeInPieces(client.socket, octets, at);
        const answers = readResponses(await client.until((all) => readResponses(all).length >= messages.length));
        messages.forEach((each, i) => {
          const said = JSON.parse(answers[i] as string) as Echoed;
          assert.equal(said.method, each.method);
          assert.equal(said.url, each.path);
          assert.equal(said.headers['x-value'], each.header);
          assert.equal(said.body, plain(each.body));
          assert.deepEqual(said.trailers, each.body.trailer === '' ? {} : { 'x-trailer': each.body.trailer });
        });
      } finally {
        client.close();
      }
    }),
    { numRuns: 80 },
  );
});

/** The bodies of complete responses with Content-Length at the beginning of a text. */
function readResponses(all: string): string[] {
  const bodies: string[] = [];
  let at = 0;
  for (;;) {
    const head = all.indexOf('\r\n\r\n', at);
    if (head < 0) return bodies;
    const length = Number(/content-length: (\d+)/i.exec(all.slice(at, head))?.[1]);
    if (head + 4 + length > all.length) return bodies;
    bodies.push(all.slice(head + 4, head + 4 + length));
    at = head + 4 + length;
  }
}

test('responses in any framing, cut anywhere', async (t) => {
  let answer = { octets: '', cuts: [] as readonly number[], close: false };
  const backend = await rawBackend(t, (socket) => {
    socket.on('data', () => {
      const { octets, cuts: at, close } = answer;
      void writeInPieces(socket, octets, at).then(() => {
        if (close) socket.end();
      });
    });
  });
  const { port } = await serve(t, { routes: [{ backends: [{ to: backend }] }] });
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  t.after(() => agent.destroy());
  const respond = fc.record({
    status: fc.constantFrom(200, 404, 500, 204, 304),
    header: value,
    body,
    toHead: fc.boolean(),
    early: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(respond, cuts, async (response, at) => {
      const bodiless = response.toHead || response.status === 204 || response.status === 304;
      const { fields, octets } = framed(response.body);
      const close = response.body.framing === 'none' && !bodiless;
      const interim = response.early ? 'HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n' : '';
      const content = bodiless ? '' : close ? 'until the end' : octets;
      const head = `HTTP/1.1 ${response.status} Whatever\r\nX-Value: ${response.header}\r\n${response.status === 204 ? '' : fields}\r\n`;
      answer = { octets: interim + head + content, cuts: at, close };
      const got = await new Promise<{ status: number; header: string; body: string; trailer: string }>(
        (resolve, reject) => {
          const request = http.request(
            { port, host: '127.0.0.1', agent, method: response.toHead ? 'HEAD' : 'GET' },
            (incoming) => {
              let all = '';
              incoming.on('data', (piece: Buffer) => (all += piece.toString('latin1')));
              incoming.on('error', reject);
              incoming.on('end', () =>
                resolve({
                  status: incoming.statusCode ?? 0,
                  header: String(incoming.headers['x-value']),
                  body: all,
                  trailer: incoming.trailers['x-trailer'] ?? '',
                }),
              );
            },
          );
          request.on('error', reject);
          request.end();
        },
      );
      assert.equal(got.status, response.status);
      assert.equal(got.header, response.header);
      assert.equal(got.body, bodiless ? '' : close ? 'until the end' : plain(response.body));
      assert.equal(got.trailer, bodiless ? '' : response.body.trailer);
    }),
    { numRuns: 120 },
  );
});
