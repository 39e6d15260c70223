// Field lists of HTTP/2 requests: what becomes of them, and why some are refused.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fieldObject, isHost, isTarget, trailerFields } from './fields.ts';
import { grpcTimeout } from './grpc.ts';
import { Http2Request } from './request.ts';

const limits = { headBytes: 500, headFields: 10, targetBytes: 100 };
const pseudo = [':method', 'GET', ':scheme', 'https', ':authority', 'a.example', ':path', '/x?y'];

function read(...raw: string[]): Http2Request {
  const request = new Http2Request(raw);
  assert.equal(request.read(true, limits), undefined);
  return request;
}

function refusal(raw: readonly string[], ended = true): string | undefined {
  return new Http2Request(raw).read(ended, limits)?.reason;
}

describe('a request of HTTP/2', () => {
  it('has its pseudo-header fields as members', () => {
    const { method, authority, target, length, upgrade } = read(...pseudo);
    assert.deepEqual(
      { method, authority, target, length, upgrade },
      {
        method: 'GET',
        authority: 'a.example',
        target: '/x?y',
        length: 0,
        upgrade: '',
      },
    );
  });

  it('takes its authority from Host when there is no other', () => {
    assert.equal(read(':method', 'GET', ':path', '/', 'host', 'b:80').authority, 'b:80');
    assert.equal(read(...pseudo, 'host', 'A.example').authority, 'a.example');
  });

  it('joins cookie crumbs, and other lines of one name, as RFC 9113 section 8.2.3 says', () => {
    const request = read(...pseudo, 'cookie', 'a=1', 'x', '1', 'cookie', 'b=2', 'x', '2');
    assert.deepEqual(request.fields(), ['cookie', 'a=1; b=2', 'x', '1', 'x', '2']);
    assert.equal(request.field('cookie'), 'a=1; b=2');
    assert.equal(request.field('x'), '1, 2');
    assert.equal(request.field('y'), undefined);
    assert.equal(request.field(':path'), undefined);
  });

  it('forwards neither Host nor what frames the message', () => {
    const request = read(...pseudo, 'host', 'a.example', 'te', 'trailers', 'content-length', '0', 'x', 'y');
    assert.deepEqual(request.fields(), ['x', 'y']);
    assert.ok(request.acceptsTrailers);
  });

  it('has the length that it says, unless it has ended', () => {
    const request = new Http2Request([...pseudo, 'content-length', '5']);
    assert.equal(request.read(false, limits), undefined);
    assert.equal(request.length, 5);
    const unknown = new Http2Request(pseudo);
    unknown.read(false, limits);
    assert.equal(unknown.length, -1);
  });

  it('is refused', () => {
    const withPath = (path: string): string[] => [':method', 'GET', ':authority', 'a', ':path', path];
    const withAuthority = (authority: string): string[] => [':method', 'GET', ':path', '/', ':authority', authority];
    assert.equal(refusal([':method', 'CONNECT', ':authority', 'a:443']), 'connect');
    assert.equal(refusal([':method', 'GET', ':path', '/']), 'missing-host');
    assert.equal(refusal([...pseudo, 'host', 'b.example']), 'host-differs-from-target');
    assert.equal(refusal([...pseudo, 'host', 'a.example', 'host', 'a.example']), 'duplicate-host');
    assert.equal(refusal([...pseudo, 'content-length', '+5'], false), 'bad-content-length');
    assert.equal(refusal([...pseudo, 'expect', 'x']), 'unknown-expectation');
    for (const path of ['', 'x', '*', '/#', '/a b', '/\\', '/\u00e9', '/a?"', 'http://a/']) {
      assert.equal(refusal(withPath(path)), 'bad-target', path);
    }
    assert.equal(refusal([...pseudo, 'x', 'a'.repeat(500)]), 'head-too-large');
    assert.equal(refusal([...pseudo, ...Array.from({ length: 22 }, () => 'x')]), 'too-many-fields');
    assert.equal(refusal(withPath(`/${'a'.repeat(100)}`)), 'target-too-long');
    for (const authority of ['u@a', 'a b', 'a/b', 'a:x', '[::1', 'a,b']) {
      assert.equal(refusal(withAuthority(authority)), 'bad-host', authority);
    }
  });
});

describe('checks', () => {
  it('take targets and hosts as the parser of HTTP/1 does', () => {
    assert.ok(isTarget('*', 'OPTIONS'));
    assert.ok(isTarget('/a?b/c?d=[1]|{2}', 'GET'));
    assert.ok(isHost('[::1]:80'));
    assert.ok(isHost('a.b-c_d'));
    assert.ok(!isHost('\u0161.example'));
    assert.ok(!isHost('a'.repeat(300)));
  });
});

describe('field lists', () => {
  it('become objects for Node', () => {
    assert.deepEqual(
      { ...fieldObject(['A', '1', 'b', '2', 'a', '3', 'a', '4', 'connection', 'x']) },
      {
        a: ['1', '3', '4'],
        b: '2',
      },
    );
  });

  it('of trailers lose what may not trail', () => {
    assert.deepEqual(trailerFields(['grpc-status', '0', ':path', '/', 'content-length', '5', 'host', 'x', 'a', 'b']), [
      'grpc-status',
      '0',
      'a',
      'b',
    ]);
  });
});

describe('grpc-timeout', () => {
  it('is read in all its units', () => {
    for (const [value, milliseconds] of [
      ['1H', 3_600_000],
      ['2M', 120_000],
      ['3S', 3000],
      ['250m', 250],
      ['1500u', 2],
      ['1n', 1],
      ['99999999H', 359_999_996_400_000],
      ['', undefined],
      ['5', undefined],
      ['m', undefined],
      ['5s', undefined],
      ['-5m', undefined],
      ['123456789m', undefined],
      ['1.5S', undefined],
      [undefined, undefined],
    ] as const) {
      assert.equal(grpcTimeout(value), milliseconds, String(value));
    }
  });
});
