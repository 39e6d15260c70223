import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import type { AuthorityState } from './authority-state.ts';
import { nextState } from './authority-state.ts';
import type { IdentityValues } from './gateway-identity.ts';
import { identityLifetime, renewedIdentity, sessionKeyLifetime } from './gateway-identity.ts';

const day = 86_400_000;
const began = Date.UTC(2026, 0, 1);
const state = (await nextState(undefined, began)) as AuthorityState;
const uri = 'spiffe://portolan.dev/gateway/shop/gw';

function renewed(stored: IdentityValues, now: number, by = state): Promise<IdentityValues | undefined> {
  return renewedIdentity(stored, { state: by, uri, subject: 'shop/gw', now });
}

test('a certificate names the Gateway and nothing else, for clients only, and is renewed at two thirds', async () => {
  const first = (await renewed({}, began)) as IdentityValues;
  const leaf = new X509Certificate(first['tls.crt'] ?? '');
  assert.equal(leaf.subjectAltName, `URI:${uri}`);
  assert.deepEqual(leaf.keyUsage, ['1.3.6.1.5.5.7.3.2']);
  assert.ok(!leaf.ca && leaf.verify(new X509Certificate(state.current.certificate).publicKey));
  assert.equal(await renewed(first, began + identityLifetime / 2), undefined);
  const second = (await renewed(first, began + (identityLifetime * 2) / 3)) as IdentityValues;
  assert.notEqual(second['tls.crt'], first['tls.crt']);
  assert.equal(second['session-keys'], first['session-keys']);
});

test('a certificate of another Gateway or another authority is replaced, and rubbish as well', async () => {
  const first = (await renewed({}, began)) as IdentityValues;
  const other = (await nextState(undefined, began)) as AuthorityState;
  assert.notEqual((await renewed(first, began, other))?.['tls.crt'], first['tls.crt']);
  const stolen = { ...first, 'tls.crt': 'rubbish' };
  assert.ok(new X509Certificate((await renewed(stolen, began))?.['tls.crt'] ?? ''));
  const wish = { state, uri: 'spiffe://portolan.dev/gateway/shop/other', subject: 'x', now: began };
  assert.notEqual((await renewedIdentity(first, wish))?.['tls.crt'], first['tls.crt']);
});

test('keys of sessions: each opens before it seals, and after it sealed', async () => {
  let values = (await renewed({}, began)) as IdentityValues;
  const [sealing] = lines(values);
  const step = async (now: number): Promise<readonly string[]> => {
    values = { ...values, ...(await renewed(values, now)) };
    return lines(values);
  };
  assert.equal((await step(began + sessionKeyLifetime - day))[0], sealing);
  const [stillSealing, coming] = await step(began + sessionKeyLifetime);
  assert.equal(stillSealing, sealing);
  assert.notEqual(coming, undefined);
  assert.deepEqual(await step(began + sessionKeyLifetime + day / 2), [sealing, coming]);
  assert.deepEqual(await step(began + sessionKeyLifetime + day), [coming, sealing]);
  assert.equal(Buffer.from(coming ?? '', 'base64').length, 32);
});

function lines(values: IdentityValues): readonly string[] {
  return (values['session-keys'] ?? '').trim().split('\n');
}
