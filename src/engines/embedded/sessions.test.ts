import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { compileSession, cookieValues, currentPins, type Pin, SessionSeal, tokensOf } from './sessions.ts';

const pin = (letter: string, since = 1): Pin => ({ backend: letter.repeat(8), endpoint: 'e'.repeat(8), since });
const seal = new SessionSeal([Buffer.alloc(32, 1)]);

test('what is sealed is opened, by any of the keys, under the same name', () => {
  const pins = [pin('a', Date.now()), pin('b', 2 ** 47)];
  const token = seal.seal('name', pins);
  assert.match(token, /^[\w-]+$/);
  assert.deepEqual(seal.open('name', token), pins);
  assert.deepEqual(new SessionSeal([Buffer.alloc(32, 2), Buffer.alloc(32, 1)]).open('name', token), pins);
  assert.deepEqual(seal.open('Name', token), []);
  assert.notEqual(seal.seal('name', pins), token, 'no two tokens are alike');
});

test('renewed keys open what they sealed; what was opened before by a key that is gone is opened no more', () => {
  const renewed = new SessionSeal([Buffer.alloc(32, 1)]);
  const token = renewed.seal('name', [pin('a')]);
  assert.equal(renewed.open('name', token).length, 1);
  renewed.renew([Buffer.alloc(32, 2), Buffer.alloc(32, 1)]);
  assert.equal(renewed.open('name', token).length, 1);
  renewed.renew([Buffer.alloc(32, 2)]);
  assert.deepEqual(renewed.open('name', token), []);
});

test('a token never holds more than sixteen backends, and stays short enough for a cookie', () => {
  const token = seal.seal(
    'name',
    Array.from({ length: 20 }, (_, i) => pin(String.fromCharCode(97 + i))),
  );
  assert.equal(seal.open('name', token).length, 16);
  assert.ok(token.length < 600);
});

test('anything else opens to nothing and throws nothing', () => {
  fc.assert(fc.property(fc.string({ maxLength: 700 }), (text) => assert.deepEqual(seal.open('name', text), [])));
  const token = Buffer.from(seal.seal('name', [pin('a')]), 'base64url');
  fc.assert(
    fc.property(fc.nat(token.length - 1), fc.integer({ min: 1, max: 255 }), (at, bits) => {
      const changed = Buffer.from(token);
      changed[at] = (changed[at] as number) ^ bits;
      assert.deepEqual(seal.open('name', changed.toString('base64url')), []);
    }),
  );
});

for (const [text, values] of [
  ['a=1', ['1']],
  ['b=2; a=1; c=3', ['1']],
  ['b=2;a=1', ['1']],
  ['a=1; a=2', ['1', '2']],
  ['A=1; aa=2; a', []],
  ['a=', ['']],
  ['x=a=1', []],
  ['a=b=c', ['b=c']],
  [';;; a=1 ;', ['1']],
  ['', []],
  ['a=1; a=2; a=3; a=4; a=5', ['1', '2', '3', '4']],
] as const) {
  test(`the cookie a of "${text}"`, () => assert.deepEqual(cookieValues(text, 'a'), values));
}

test('a token in a header is the value of that header, whatever its case', () => {
  const plan = compileSession({ type: 'header', name: 'X-Stay', path: '/', permanent: false });
  assert.ok(plan !== null);
  assert.deepEqual(
    tokensOf(plan, (name) => (name === 'x-stay' ? 'token' : undefined)),
    ['token'],
  );
  assert.deepEqual(
    tokensOf(plan, () => undefined),
    [],
  );
});

test('pins count until the session’s time is up', () => {
  const plan = compileSession({ type: 'cookie', name: 'a', path: '/', permanent: true, absoluteTimeout: 1500 });
  assert.ok(plan !== null);
  assert.match(plan.attributes, /; Max-Age=2;/);
  assert.equal(currentPins(plan, [pin('a', 1000)], 2499).length, 1);
  assert.equal(currentPins(plan, [pin('a', 1000)], 2500).length, 0);
  const endless = compileSession({ type: 'cookie', name: 'a', path: '/', permanent: false });
  assert.ok(endless !== null);
  assert.equal(currentPins(endless, [pin('a', 1000)], 1e15).length, 1);
});

test('a name that is no token makes no session', () => {
  assert.equal(compileSession({ type: 'cookie', name: 'a b', path: '/', permanent: false }), null);
});
