// The head parser on single messages: what it finds, what it refuses and as which class. Splits, mutations and the
// comparison with Node's parser are in test/fuzz.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as field from './fields.ts';
import { NAME_END, STRIDE, VALUE_END, VALUE_START } from './lines.ts';
import * as parser from './parser.ts';
import { DONE, INCOMPLETE, refusalOf } from './refusals.ts';

const { Head } = parser;

function octets(text: string): Buffer {
  return Buffer.from(text, 'latin1');
}

function verdict(head: parser.Head, text: string): string {
  const code = head.parse(octets(text), 0, text.length);
  return code === DONE ? 'done' : code === INCOMPLETE ? 'incomplete' : refusalOf(code).reason;
}

function lines(head: parser.Head, text: string): string[] {
  const found: string[] = [];
  for (let i = 0, k = 0; i < head.count; i++, k += STRIDE) {
    const name = text.slice(head.fields[k], head.fields[k + NAME_END]);
    found.push(`${name}=${text.slice(head.fields[k + VALUE_START], head.fields[k + VALUE_END])}`);
  }
  return found;
}

function forwarded(head: parser.Head, text: string): string {
  let out = '';
  for (let pair = 0, n = head.kept(); pair < n; pair++) out += text.slice(head.runs[2 * pair], head.runs[2 * pair + 1]);
  return out;
}

const get = (fields: string): string => `GET / HTTP/1.1\r\nHost: a\r\n${fields}\r\n`;
const post = (fields: string): string => `POST / HTTP/1.1\r\nHost: a\r\n${fields}\r\n`;

describe('a request head', () => {
  it('is split into method, target, version and lines', () => {
    const text = 'GET /a/b?x=1&y HTTP/1.1\r\nHost: example.com:8080\r\nX-Empty:\r\nx-Padded: \t v  w \t\r\n\r\nbody';
    const head = new Head('request');
    assert.equal(verdict(head, text), 'done');
    assert.equal(head.method, parser.GET);
    assert.equal(text.slice(head.methodStart, head.methodEnd), 'GET');
    assert.equal(text.slice(head.targetStart, head.targetEnd), '/a/b?x=1&y');
    assert.equal(text.slice(head.pathStart, head.pathEnd), '/a/b');
    assert.equal(text.slice(head.hostStart, head.hostEnd), 'example.com:8080');
    assert.equal(head.minor, 1);
    assert.equal(text.slice(head.size), 'body');
    assert.deepEqual(lines(head, text), ['Host=example.com:8080', 'X-Empty=', 'x-Padded=v  w']);
    assert.equal(text.slice(head.fieldsStart, head.fieldsStart + 4), 'Host');
    assert.equal(head.framing, parser.NO_BODY);
    assert.ok(head.keepAlive);
  });

  it('may begin anywhere in a buffer, behind one empty line', () => {
    const text = `xxxx\r\n${get('')}`;
    const head = new Head('request');
    assert.equal(head.parse(octets(text), 4, text.length), DONE);
    assert.equal(text.slice(4 + head.methodStart, 4 + head.methodEnd), 'GET');
    assert.equal(4 + head.size, text.length);
    assert.equal(verdict(head, `\r\n\r\n${get('')}`), 'bad-method');
  });

  it('may move in memory between two calls', () => {
    const text = get('X: 1\r\nContent-Type: text/plain\r\n');
    const head = new Head('request');
    assert.equal(head.parse(octets(text.slice(0, 30)), 0, 30), INCOMPLETE);
    assert.ok(head.begun);
    assert.equal(head.parse(octets(`moved${text}`), 5, 5 + text.length), DONE);
    assert.deepEqual(lines(head, text), ['Host=a', 'X=1', 'Content-Type=text/plain']);
    assert.ok(!head.begun);
  });

  it('recognises the fields that the proxy needs, in any case', () => {
    const text = get(
      'CONTENT-TYPE: x\r\nx-forwarded-for: 1.2.3.4\r\nX-Request-ID: r\r\nTraceParent: t\r\nOrigin: o\r\n',
    );
    const head = new Head('request');
    verdict(head, text);
    for (const [index, id] of [
      field.HOST,
      field.CONTENT_TYPE,
      field.X_FORWARDED_FOR,
      field.X_REQUEST_ID,
      field.TRACEPARENT,
      field.ORIGIN,
    ].entries()) {
      assert.equal(head.line(id), index);
    }
    assert.equal(head.line(field.DATE), -1);
    assert.equal(head.find(octets(text), 'x-request-id'), 3);
    assert.equal(head.find(octets(text), 'x-request'), -1);
  });

  it('keeps the lines of one hop from the next', () => {
    const text = get(
      'A: 1\r\nConnection: keep-alive, X-Gone ,, te\r\nX-Gone: 2\r\nB: 3\r\nTE: trailers\r\nKeep-Alive: timeout=5\r\n' +
        'C: 4\r\nx-gone: 5\r\nProxy-Connection: close\r\nHTTP2-Settings: AAA\r\nUpgrade: h2c\r\n',
    );
    const head = new Head('request');
    assert.equal(verdict(head, text), 'done');
    assert.equal(forwarded(head, text), 'Host: a\r\nA: 1\r\nB: 3\r\nC: 4\r\n');
    assert.ok(head.acceptsTrailers);
    assert.ok(head.keepAlive);
    assert.ok(!head.upgrade, 'Upgrade counts only when Connection names it');
  });

  it('does not let Connection take away framing, Host or the forwarding chain', () => {
    const text = post(
      'Connection: content-length, host, x-forwarded-for\r\nContent-Length: 3\r\nX-Forwarded-For: 1\r\n',
    );
    const head = new Head('request');
    assert.equal(verdict(head, text), 'done');
    assert.equal(forwarded(head, text), 'Host: a\r\nContent-Length: 3\r\nX-Forwarded-For: 1\r\n');
    assert.equal(head.length, 3);
  });

  it('says whether the connection persists', () => {
    const head = new Head('request');
    for (const [text, expected] of [
      [get(''), true],
      [get('Connection: close\r\n'), false],
      [get('Connection: foo\r\nConnection: Close\r\n'), false],
      [get('Connection: keep-alive, close\r\n'), false],
      ['GET / HTTP/1.0\r\n\r\n', false],
      ['GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n', true],
    ] as const) {
      assert.equal(verdict(head, text), 'done');
      assert.equal(head.keepAlive, expected, text);
    }
  });

  it('sees upgrades, and expectations, on HTTP/1.1 only', () => {
    const head = new Head('request');
    verdict(head, get('Connection: Upgrade\r\nUpgrade: websocket\r\nExpect: 100-Continue\r\n'));
    assert.ok(head.upgrade);
    assert.equal(head.expect, parser.EXPECT_CONTINUE);
    verdict(head, 'GET / HTTP/1.0\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nExpect: 100-continue\r\n\r\n');
    assert.ok(!head.upgrade);
    assert.equal(head.expect, parser.EXPECT_NOTHING);
    verdict(head, get('Expect: 200-ok\r\n'));
    assert.equal(head.expect, parser.EXPECT_UNKNOWN);
  });

  it('knows the four forms of a target', () => {
    const head = new Head('request');
    const form = (text: string): unknown[] => [
      verdict(head, text),
      head.form,
      text.slice(head.pathStart, head.pathEnd),
    ];
    assert.deepEqual(form('OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n'), ['done', parser.ASTERISK_FORM, '*']);
    assert.deepEqual(form('GET http://a/x?y HTTP/1.1\r\nHost: a\r\n\r\n'), ['done', parser.ABSOLUTE_FORM, '/x']);
    assert.deepEqual(form('GET HTTP://A:80?y HTTP/1.1\r\nHost: a\r\n\r\n'), ['done', parser.ABSOLUTE_FORM, '']);
    assert.deepEqual(form('GET https://a:443/ HTTP/1.1\r\nHost: A\r\n\r\n'), ['done', parser.ABSOLUTE_FORM, '/']);
    assert.equal(form('CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n')[1], parser.AUTHORITY_FORM);
    const old = 'GET http://b/x HTTP/1.0\r\n\r\n';
    assert.equal(verdict(head, old), 'done');
    assert.equal(old.slice(head.hostStart, head.hostEnd), 'b');
  });

  it('takes as many lines as it may', () => {
    const head = new Head('request', { bytes: 65_536, fields: 100, target: 8192 });
    const text = get('X: y\r\n'.repeat(99));
    assert.equal(verdict(head, text), 'done');
    assert.equal(head.count, 100);
    assert.equal(forwarded(head, text), text.slice(head.fieldsStart, -2));
    assert.equal(verdict(head, get('X: y\r\n'.repeat(100))), 'too-many-fields');
  });

  it('costs no more for coming one octet at a time', () => {
    const text = get(`X: ${'a'.repeat(60_000)}\r\n`);
    const buf = octets(text);
    const head = new Head('request');
    const begin = process.cpuUsage().user;
    let code = INCOMPLETE as number;
    for (let end = 1; end <= buf.length; end++) code = head.parse(buf, 0, end);
    assert.equal(code, DONE);
    // Looking again at what was seen would be 1.8e9 steps.
    assert.ok(process.cpuUsage().user - begin < 500_000);
  });

  it('is bounded in octets, exactly', () => {
    const text = get('X: y\r\n');
    assert.equal(verdict(new Head('request', { bytes: text.length, fields: 9, target: 9 }), text), 'done');
    assert.equal(
      verdict(new Head('request', { bytes: text.length - 1, fields: 9, target: 9 }), text),
      'head-too-large',
    );
    assert.equal(
      verdict(new Head('request', { bytes: 999, fields: 9, target: 3 }), 'GET /12 HTTP/1.1\r\n'),
      'incomplete',
    );
    assert.equal(verdict(new Head('request', { bytes: 999, fields: 9, target: 2 }), 'GET /12 '), 'target-too-long');
  });
});

const refused: Readonly<Record<string, readonly string[]>> = {
  'bad-method': [
    ' GET / HTTP/1.1\r\n',
    '\r\n\r\n',
    'G(T / HTTP/1.1\r\n',
    'GET\t/ HTTP/1.1\r\n',
    'GET\r\n',
    '\x16\x03\x01',
  ],
  'method-too-long': [`${'A'.repeat(65)} / HTTP/1.1\r\n`],
  'bad-target': [
    'GET  / HTTP/1.1\r\n',
    'GET x HTTP/1.1\r\n',
    'GET * HTTP/1.1\r\n',
    'GET ftp://a/ HTTP/1.1\r\n',
    'GET http:/// HTTP/1.1\r\n',
    'GET http://u@a/ HTTP/1.1\r\n',
    'GET /\x01 HTTP/1.1\r\n',
    'GET /\xe9 HTTP/1.1\r\n',
    'GET /\\ HTTP/1.1\r\n',
    'GET /"< HTTP/1.1\r\n',
    'GET /?<script> HTTP/1.1\r\n',
    'GET /\tHTTP/1.1\r\n',
    'CONNECT / HTTP/1.1\r\n',
  ],
  'fragment-in-target': ['GET /#x HTTP/1.1\r\n', 'GET /?a#x HTTP/1.1\r\n'],
  'target-too-long': [`GET /${'a'.repeat(16_384)} HTTP/1.1\r\n`],
  'no-version': ['GET /\r\n\r\n', 'GET /\n'],
  'bad-version': [
    'GET /  HTTP/1.1\r\n',
    'GET / http/1.1\r\n',
    'GET / HTTP/1.1 \r\n',
    'GET / HTTP/11 \r\n',
    'GET / HTTP/1.10\r\n',
  ],
  'unsupported-version': ['GET / HTTP/2.0\r\n', 'GET / HTTP/1.2\r\n', 'GET / HTTP/0.9\r\n', 'PRI * HTTP/2.0\r\n'].map(
    (t) => t.replace('PRI *', 'PRI /'),
  ),
  'bare-lf': ['GET / HTTP/1.1\nHost: a\n\n', get('X: a\nY: b\r\n'), get('\n'), 'GET / HTTP/1.1\r\nHost: a\r\n\n'],
  'bare-cr': ['GET / HTTP/1.1\rHost: a\r\n', get('X: a\rb\r\n'), get('X: a\r\r\n'), 'GET / HTTP/1.1\r\nHost: a\r\n\rX'],
  'empty-field-name': [get(': b\r\n')],
  'bad-field-name': [get('A@: b\r\n'), get('A\0: b\r\n'), get('A\r\n'), get('(: b\r\n'), get('\xe9: b\r\n')],
  'space-in-field-name': [get('A : b\r\n'), get('Transfer-Encoding\t: chunked\r\n'), get('A B: c\r\n')],
  'line-folding': [get('X: a\r\n b\r\n'), get('X:\r\n\tb\r\n'), 'GET / HTTP/1.1\r\n Host: a\r\n\r\n'],
  'bad-field-value': [get('X: a\0b\r\n'), get('X: \x01\r\n'), get('X: \x7f\r\n'), get('X: a\x0b\r\n')],
  'missing-host': ['GET / HTTP/1.1\r\n\r\n', 'GET http://a/ HTTP/1.1\r\n\r\n'],
  'duplicate-host': [get('Host: a\r\n'), 'GET / HTTP/1.0\r\nHost: a\r\nhost: b\r\n\r\n'],
  'bad-host': [
    '',
    'a b',
    'a,b',
    'a/b',
    'u@a',
    'a:b',
    'a:70000',
    'a:1:2',
    '[::1',
    '[]',
    '[x]',
    'a%2f',
    '\xe9',
    ':80',
  ].map((host) => `GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`),
  'host-differs-from-target': [
    'GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n',
    'GET http://a:443/ HTTP/1.1\r\nHost: a\r\n\r\n',
    'GET http://a/ HTTP/1.1\r\nHost: aa\r\n\r\n',
  ],
  'bad-content-length': ['', '+5', '-5', '5,5', '5 5', '0x5', '5.', 'a', '9007199254740992', '9'.repeat(30)].map(
    (length) => post(`Content-Length: ${length}\r\n`),
  ),
  'duplicate-content-length': [
    post('Content-Length: 5\r\nContent-Length: 6\r\n'),
    post('Content-Length: 5\r\ncontent-length: 5\r\n'),
  ],
  'content-length-with-transfer-encoding': [
    post('Content-Length: 5\r\nTransfer-Encoding: chunked\r\n'),
    post('Transfer-Encoding: chunked\r\nContent-Length: 5\r\n'),
  ],
  'bad-transfer-encoding': [
    ...[
      'xchunked',
      'identity',
      '',
      'chunked, identity',
      'chunked, chunked',
      'gzip',
      'chunked;q=1',
      '\xa0chunked',
      ',',
    ].map((coding) => post(`Transfer-Encoding: ${coding}\r\n`)),
    post('Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n'),
    post('Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n'),
  ],
  'unknown-transfer-encoding': [
    post('Transfer-Encoding: gzip, chunked\r\n'),
    post('Transfer-Encoding: x ,chunked\r\n'),
  ],
  'transfer-encoding-on-http-1.0': ['POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n'],
  'bad-connection': [get('Connection: a b\r\n'), get('Connection: "x"\r\n'), get(`Connection: ${'a,'.repeat(65)}\r\n`)],
  'head-too-large': [get(`X: ${'a'.repeat(65_536)}\r\n`)],
  'too-many-fields': [get('X: y\r\n'.repeat(128))],
};

describe('a request is refused', () => {
  for (const [reason, texts] of Object.entries(refused)) {
    for (const text of texts) {
      it(`as ${reason}: ${JSON.stringify(text.length > 70 ? `${text.slice(0, 70)}…` : text)}`, () => {
        assert.equal(
          verdict(new Head('request'), `${text}padding: x\r\n\r\n`.slice(0, Math.max(text.length, 70_000))),
          reason,
        );
      });
    }
  }

  it('with statuses that tell the client what to change', () => {
    const statuses = new Map<string, number>();
    for (let code = -1; code >= -35; code--) statuses.set(refusalOf(code).reason, refusalOf(code).status);
    assert.equal(statuses.get('target-too-long'), 414);
    assert.equal(statuses.get('head-too-large'), 431);
    assert.equal(statuses.get('too-many-fields'), 431);
    assert.equal(statuses.get('unknown-transfer-encoding'), 501);
    assert.equal(statuses.get('unsupported-version'), 505);
    assert.equal(statuses.get('bad-host'), 400);
    assert.equal(statuses.size, 35);
  });
});

describe('a response head', () => {
  it('is split into status, reason and lines', () => {
    const text = 'HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\nA: b\r\n\r\nabc';
    const head = new Head('response');
    assert.equal(verdict(head, text), 'done');
    assert.equal(head.status, 404);
    assert.equal(text.slice(head.reasonStart, head.reasonEnd), 'Not Found');
    assert.deepEqual(lines(head, text), ['Content-Length=3', 'A=b']);
    assert.equal(head.responseFraming(false), parser.FIXED_LENGTH);
    assert.equal(head.responseFraming(true), parser.NO_BODY);
  });

  it('may lack a reason and even the space before it', () => {
    const head = new Head('response');
    assert.equal(verdict(head, 'HTTP/1.1 200 \r\n\r\n'), 'done');
    assert.deepEqual([head.reasonStart, head.reasonEnd], [13, 13]);
    assert.equal(verdict(head, 'HTTP/1.1 200\r\n\r\n'), 'done');
    assert.equal(head.reasonStart, -1);
  });

  it('frames the body by RFC 9112 section 6.3', () => {
    const head = new Head('response');
    const framing = (status: string, fields: string, toHead = false): number => {
      assert.equal(verdict(head, `HTTP/1.1 ${status} x\r\n${fields}\r\n`), 'done');
      return head.responseFraming(toHead);
    };
    assert.equal(framing('200', ''), parser.UNTIL_CLOSE);
    assert.equal(framing('200', 'Transfer-Encoding: Chunked\r\n'), parser.CHUNKED);
    assert.equal(framing('200', 'Transfer-Encoding: chunked\r\n', true), parser.NO_BODY);
    assert.equal(framing('200', 'Content-Length: 0\r\n'), parser.FIXED_LENGTH);
    for (const status of ['100', '103', '204', '304']) {
      assert.equal(framing(status, 'Content-Length: 5\r\n'), parser.NO_BODY);
      assert.equal(framing(status, 'Transfer-Encoding: chunked\r\n'), parser.NO_BODY);
      assert.equal(forwarded(head, ''), '', 'framing that must not be sent is not forwarded');
    }
    const text = 'HTTP/1.1 304 x\r\nContent-Length: 5\r\n\r\n';
    verdict(head, text);
    assert.equal(forwarded(head, text), 'Content-Length: 5\r\n');
  });

  it('of HTTP/1.0 closes unless it says otherwise', () => {
    const head = new Head('response');
    verdict(head, 'HTTP/1.0 200 OK\r\n\r\n');
    assert.ok(!head.keepAlive);
    assert.equal(head.minor, 0);
    verdict(head, 'HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n');
    assert.ok(head.keepAlive);
  });

  it('is refused', () => {
    const head = new Head('response');
    for (const [text, reason] of [
      ['HTTP/1.1 99 x\r\n\r\n', 'bad-status'],
      ['HTTP/1.1 600 x\r\n\r\n', 'bad-status'],
      ['HTTP/1.1 2000 x\r\n\r\n', 'bad-status'],
      ['HTTP/1.1  200 x\r\n\r\n', 'bad-status'],
      ['HTTP/2.0 200 x\r\n\r\n', 'unsupported-version'],
      ['ICY 200 OK whatever\r\n\r\n', 'bad-version'],
      ['HTTP/1.1 200 x\n\n\r\n', 'bare-lf'],
      ['HTTP/1.1 200 \0\r\n\r\n', 'bad-field-value'],
      ['HTTP/1.1 200 x\rA: b\r\n\r\n', 'bare-cr'],
      [
        'HTTP/1.1 200 x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n',
        'content-length-with-transfer-encoding',
      ],
      ['HTTP/1.0 200 x\r\nTransfer-Encoding: chunked\r\n\r\n', 'transfer-encoding-on-http-1.0'],
      ['HTTP/1.1 200 x\r\nX: a\r\n b\r\n\r\n', 'line-folding'],
    ] as const) {
      assert.equal(verdict(head, text), reason, JSON.stringify(text));
    }
  });
});
