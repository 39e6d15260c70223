// The words of an Envoy that refuses.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isOlder, versionIn } from './process/binary.ts';
import { codeOf, reasonIn } from './refusals.ts';

test('the reason without the resource, which may be a key', () => {
  assert.equal(
    reasonIn('goo.gle/debugproto  \nname: "x"\n: Proto constraint validation failed (…)'),
    'Proto constraint validation failed (…)',
  );
  const cut = 'goo.gle/debugonly \nname: "x"\ntls_certificate { private_key { inline_bytes: "secret"';
  assert.ok(!reasonIn(cut).includes('secret'));
  assert.ok(!reasonIn('Failed to load private key: -----BEGIN PRIVATE KEY-----\nsecret').includes('secret'));
  assert.equal(reasonIn('duplicate listener\n'), 'duplicate listener');
});

test('why a listener could not listen', () => {
  assert.equal(codeOf("cannot bind '127.0.0.1:80': Permission denied"), 'EACCES');
  assert.equal(codeOf("cannot bind '127.0.0.1:80': Address already in use"), 'EADDRINUSE');
  assert.equal(codeOf('duplicate listener'), undefined);
});

test('versions', () => {
  const said = 'envoy  version: 9e5580933739775e8bce696a57a2e1bc99368f23/1.40.0/Clean/RELEASE/BoringSSL';
  assert.equal(versionIn(said), '1.40.0');
  assert.equal(versionIn('something else 1.40.0'), undefined);
  assert.deepEqual(['1.39.9', '1.40.0', '1.41.2', '2.0.0', '0.50.0'].map(isOlder), [true, false, false, false, true]);
});
