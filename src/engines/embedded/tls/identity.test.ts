// Names of certificates as Node writes them, the ones included that try to look like several.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { isOneOf, parseAlternativeNames } from './identity.ts';

const dns = (value: string): { readonly type: 'dns'; readonly value: string } => ({ type: 'dns', value });
const uri = (value: string): { readonly type: 'uri'; readonly value: string } => ({ type: 'uri', value });

describe('alternative names', () => {
  it('are told apart by type; others are left out', () => {
    const text =
      'DNS:a.test, URI:spiffe://b/c, IP Address:192.0.2.1, email:x@y.test, DNS:*.d.test, othername:<unsupported>';
    assert.deepEqual(parseAlternativeNames(text), { dns: ['a.test', '*.d.test'], uris: ['spiffe://b/c'] });
    assert.deepEqual(parseAlternativeNames(''), { dns: [], uris: [] });
  });

  it('that are written as JSON strings are one name each', () => {
    const text = 'DNS:"a.test, DNS:b.test", URI:"http://c/\\", DNS:d.test", DNS:e.test';
    assert.deepEqual(parseAlternativeNames(text), {
      dns: ['a.test, DNS:b.test', 'e.test'],
      uris: ['http://c/", DNS:d.test'],
    });
    assert.ok(!isOneOf([dns('b.test')], text));
    assert.ok(!isOneOf([dns('d.test')], text));
    assert.ok(isOneOf([dns('e.test')], text));
  });

  it('are what was written, whatever it was', () => {
    const name = fc.string({ unit: 'grapheme-ascii', minLength: 1 });
    const written = (value: string): string => (/[,"'\\]/.test(value) ? JSON.stringify(value) : value);
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.constantFrom('DNS', 'URI', 'email'), name), { maxLength: 6 }), (names) => {
        const text = names.map(([type, value]) => `${type}:${written(value)}`).join(', ');
        const { dns: hosts, uris } = parseAlternativeNames(text);
        const of = (type: string): string[] => names.filter(([each]) => each === type).map(([, value]) => value);
        assert.deepEqual(hosts, of('DNS'));
        assert.deepEqual(uris, of('URI'));
      }),
      { numRuns: 500 },
    );
  });

  it('of any text are read without a throw', () => {
    fc.assert(fc.property(fc.string(), (text) => parseAlternativeNames(text).dns.length >= 0));
  });
});

describe('a certificate is for a name', () => {
  it('in any case, with a wildcard for one label, and a URI to the letter', () => {
    assert.ok(isOneOf([dns('A.test')], 'DNS:a.TEST'));
    assert.ok(isOneOf([dns('b.a.test')], 'DNS:*.a.test'));
    assert.ok(!isOneOf([dns('c.b.a.test')], 'DNS:*.a.test'));
    assert.ok(!isOneOf([dns('a.test')], 'DNS:*.a.test'));
    assert.ok(isOneOf([uri('spiffe://a/b')], 'URI:spiffe://a/b'));
    assert.ok(!isOneOf([uri('spiffe://a/B')], 'URI:spiffe://a/b'));
    assert.ok(!isOneOf([dns('spiffe://a/b')], 'URI:spiffe://a/b'));
    assert.ok(isOneOf([uri('x:y'), dns('a.test')], 'DNS:a.test'));
    assert.ok(!isOneOf([], 'DNS:a.test'));
    assert.ok(!isOneOf([dns('a.test')], undefined));
  });
});
