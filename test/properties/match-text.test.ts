// Laws of the texts that matching rests on: normalised paths, path changes, query parameters and regular expressions.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { RE2JS } from 're2js';
import { changePath } from '../../src/routing/filters/path-change.ts';
import { normalizeHost } from '../../src/routing/match/hostnames.ts';
import { normalizePath, normalizeTarget } from '../../src/routing/match/path.ts';
import { queryParameter } from '../../src/routing/match/query.ts';
import { compileRegex } from '../../src/routing/match/regex.ts';

const piece = fc.constantFrom(
  '/',
  '/',
  '.',
  '..',
  'a',
  '~',
  '%2e',
  '%2E',
  '%2f',
  '%2F',
  '%61',
  '%c3%a9',
  ';',
  '%25',
  ':',
  '%',
);
const rough = fc.array(piece, { maxLength: 12 }).map((pieces) => `/${pieces.join('')}`);

const anything = fc.integer({ min: 0, max: 0x1ff }).map((code) => String.fromCharCode(code));

test('a normalised path is normal: it stays as it is, and hides no dot segment', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        rough,
        fc.string({ unit: anything }).map((text) => `/${text}`),
      ),
      (path) => {
        const normal = normalizePath(path);
        if (normal === undefined) return;
        assert.equal(normalizePath(normal), normal);
        for (const segment of normal.split(/\/|%2F/i)) assert.ok(!/^\.\.?(?:;|$)/.test(segment), normal);
        assert.match(normal, /^\/(?:[^%\s\\#"<>]|%[0-9A-F]{2})*$/);
      },
    ),
    { numRuns: 3000 },
  );
});

test('a path means the same with any unreserved character encoded', () => {
  const plain = fc
    .array(fc.constantFrom('/', 'a', 'Z', '0', '-', '_', '~', '.', '..', 'b.c'), { maxLength: 10 })
    .map((pieces) => `/${pieces.join('')}`);
  fc.assert(
    fc.property(plain, fc.infiniteStream(fc.boolean()), (path, coins) => {
      const spelt = path.split('').map((character) => {
        const code = character.charCodeAt(0).toString(16);
        return character !== '/' && coins.next().value ? `%${code}` : character;
      });
      assert.equal(normalizePath(spelt.join('')), normalizePath(path));
    }),
    { numRuns: 1000 },
  );
});

test('without a query a target is its path; with one, the query is as sent or all is refused', () => {
  fc.assert(
    fc.property(rough, fc.string({ unit: anything }), (path, query) => {
      const target = normalizeTarget(`${path}?${query}`);
      if (target !== undefined) assert.deepEqual(target, { path: normalizePath(path), query: `?${query}` });
    }),
    { numRuns: 1000 },
  );
});

test('whatever a path is changed to is a path', () => {
  const value = fc.oneof(rough, fc.string({ unit: anything }), fc.constant('/$1/$2'));
  const change = fc.oneof(
    fc.record({ type: fc.constant('full' as const), value }),
    fc.record({ type: fc.constant('prefix' as const), prefix: fc.constantFrom('/', '/a', '/a/', '/%61'), value }),
    fc.record({ type: fc.constant('regex' as const), pattern: fc.constantFrom('/a(.*)', '(/|$)(.*)', '('), value }),
  );
  fc.assert(
    fc.property(rough, change, (path, how) => {
      const normal = normalizePath(path);
      if (normal !== undefined)
        assert.match(changePath(normal, how), /^\/(?:[!$&-;=@-Z[\]^_a-z{|}~]|%[0-9A-Fa-f]{2})*$/);
    }),
    { numRuns: 2000 },
  );
});

test('query parameters are those of URLSearchParams', () => {
  const text = fc
    .array(fc.constantFrom('a', 'b', 'A', '+', '%20', '%61', '%C3%A9', '%', '%zz', '&', '=', '&a=', 'a=1'), {
      maxLength: 10,
    })
    .map((pieces) => pieces.join(''));
  fc.assert(
    fc.property(text, fc.constantFrom('a', 'b', 'A', 'é', 'aa', ' ', '', '%', 'a+'), (query, name) => {
      assert.equal(queryParameter(`?${query}`, name), new URLSearchParams(query).get(name) ?? undefined);
    }),
    { numRuns: 3000 },
  );
});

test('the shortcut before a regular expression changes no answer', () => {
  const pattern = fc
    .array(
      fc.constantFrom(
        '/',
        'a',
        'ab',
        '.',
        '*',
        '+',
        '?',
        '|',
        '(a)',
        '[ab]',
        '{2}',
        '^',
        '$',
        '\\.',
        '(?i)',
        '(?:b)',
        '\\Q',
        '\\E',
      ),
      {
        maxLength: 6,
      },
    )
    .chain((pieces) => fc.constantFrom('', '(?i)', '(?i)^').map((flags) => flags + pieces.join('')));
  const value = fc
    .array(fc.constantFrom('/', 'a', 'b', 'A', '.', 'aa'), { maxLength: 6 })
    .map((pieces) => pieces.join(''));
  fc.assert(
    fc.property(pattern, fc.array(value, { minLength: 1, maxLength: 8 }), (written, texts) => {
      let plain: RE2JS | undefined;
      try {
        plain = RE2JS.compile(written);
      } catch {
        plain = undefined;
      }
      for (const text of texts)
        assert.equal(compileRegex(written).test(text), plain?.matches(text) ?? false, `${written} on ${text}`);
    }),
    { numRuns: 1500 },
  );
});

test('normalizing a host takes anything, and its result stays', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.domain(),
        fc.ipV6().map((ip) => `[${ip}]`),
        fc.string(),
      ),
      fc.option(fc.nat(65535)),
      (host, port) => {
        const normal = normalizeHost(port === null ? host : `${host}:${port}`);
        if (/^[\w.-]+$|^\[.*\]$/.test(host) && !host.endsWith('..')) assert.equal(normalizeHost(normal), normal);
      },
    ),
    { numRuns: 500 },
  );
});
