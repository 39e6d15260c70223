import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect as connectHttp2 } from 'node:http2';
import { Agent, request } from 'node:https';
import type { IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { connect as connectTls } from 'node:tls';
import type { Authority } from './authority.ts';
import { temporaryAuthority } from './authority.ts';
import { startDatagramEcho } from './echo-datagrams.ts';
import { startEcho } from './echo-server.ts';
import { EchoTls } from './echo-tls.ts';

const authority: Authority = await temporaryAuthority();
const of = { namespace: 'shop', service: 'db', port: 5432 };

async function started(t: TestContext, spoken: 'http' | 'stream'): Promise<number> {
  const echo = await startEcho(of, { spoken, tls: new EchoTls(() => Promise.resolve(authority)) });
  t.after(() => echo.close());
  return echo.port;
}

/** What comes back until the other side ends, after `sent` and the end of this side. */
async function exchange(socket: NodeJS.ReadWriteStream, sent: string): Promise<string> {
  socket.end(sent);
  let text = '';
  for await (const chunk of socket) text += String(chunk);
  return text;
}

test('a stream comes back as it is, whatever it begins with', async (t) => {
  const port = await started(t, 'stream');
  for (const text of ['x', 'P', 'PRI * HTTP/2.0\r\n\r\nSM', 'GET / HTTP/1.1\r\n\r\n', 'y'.repeat(300_000)]) {
    assert.equal(await exchange(connect({ port, host: '127.0.0.1' }), text), text);
  }
});

test('the first octet comes back before the second is sent', async (t) => {
  const socket = connect({ port: await started(t, 'stream'), host: '127.0.0.1' });
  t.after(() => socket.destroy());
  socket.write('P');
  assert.equal(String((await once(socket, 'data'))[0]), 'P');
});

test('TLS: a certificate for the name that is asked for, and octets come back', async (t) => {
  const port = await started(t, 'stream');
  const ca = authority.certificate;
  for (const servername of ['a.example.com', 'b.example.com']) {
    const socket = connectTls({ port, host: '127.0.0.1', servername, ca });
    await once(socket, 'secureConnect');
    assert.ok(socket.authorized);
    assert.equal(await exchange(socket, 'hello'), 'hello');
  }
  const nameless = connectTls({ port, host: '127.0.0.1', ca, checkServerIdentity: () => undefined });
  await once(nameless, 'secureConnect');
  assert.equal(await exchange(nameless, 'hello'), 'hello');
});

test('TLS: clients that agree on HTTP get its answer', async (t) => {
  for (const spoken of ['stream', 'http'] as const) {
    const port = await started(t, spoken);
    const trust = { ca: authority.certificate, servername: 'a.example.com' };
    const agent = new Agent({ ALPNProtocols: ['http/1.1'] });
    const sent = request({ host: '127.0.0.1', port, ...trust, agent });
    sent.end();
    const [response] = (await once(sent, 'response')) as [IncomingMessage];
    response.resume();
    assert.equal(response.headers['x-echo-service'], 'db');
    const session = connectHttp2(`https://127.0.0.1:${port}`, trust);
    t.after(() => session.destroy());
    const stream = session.request({ ':path': '/' });
    const [headers] = (await once(stream, 'response')) as [Record<string, string>];
    assert.equal(headers['x-echo-service'], 'db');
  }
});

test('a client that does not trust the authority ends nothing but its own connection', async (t) => {
  const port = await started(t, 'stream');
  const wary = connectTls({ port, host: '127.0.0.1', servername: 'a.example.com' });
  await once(wary, 'error');
  assert.equal(await exchange(connect({ port, host: '127.0.0.1' }), 'still here'), 'still here');
});

test('datagrams come back', async (t) => {
  const echo = await startDatagramEcho();
  t.after(() => echo.close());
  const socket = createSocket('udp4');
  t.after(() => socket.close());
  for (const text of ['one', '', 'x'.repeat(1400)]) {
    const back = once(socket, 'message') as Promise<[Buffer]>;
    socket.send(text, echo.port, echo.address);
    assert.equal((await back)[0].toString(), text);
  }
});
