import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { issueLeaf } from '../../support/x509.ts';
import type { AuthorityState } from './authority-state.ts';
import { authorityLifetime, nextState, settlingTime, trustedBy } from './authority-state.ts';

const began = Date.UTC(2026, 0, 1);
const day = 86_400_000;

test('an authority is renewed with overlap: whoever trusts one step of it knows the certificates of the next', async () => {
  let state = (await nextState(undefined, began)) as AuthorityState;
  assert.equal(await nextState(state, began + day), undefined);
  let now = began;
  const steps: string[] = [];
  for (let i = 0; i < 6; i++) {
    // A leaf that is issued at the end of a step has to be known at its beginning.
    const before = trustedBy(state);
    now = await nextChange(state, now);
    const next = (await nextState(state, now)) as AuthorityState;
    const leaf = await issueLeaf(next.current, {
      subject: 'x',
      names: [{ type: 'dns', value: 'x' }],
      usages: ['client'],
      validity: { from: new Date(now), to: new Date(now + day) },
    });
    assert.ok(isKnown(leaf.certificate, before), `step ${i}: ${JSON.stringify(Object.keys(state))}`);
    steps.push(Object.keys(next).join(' '));
    state = next;
  }
  assert.deepEqual(steps.slice(0, 4), ['current next', 'current previous', 'current', 'current next']);
  assert.ok(now - began > authorityLifetime);
});

test('an authority that ended while nobody renewed it is replaced', async () => {
  const state = (await nextState(undefined, began)) as AuthorityState;
  const later = (await nextState(state, began + authorityLifetime + day)) as AuthorityState;
  assert.notEqual(later.current.certificate, state.current.certificate);
  assert.equal(later.previous, undefined);
});

test('the next one is only trusted at first', async () => {
  const state = (await nextState(undefined, began)) as AuthorityState;
  const due = began + (authorityLifetime * 2) / 3;
  const second = (await nextState(state, due)) as AuthorityState;
  assert.equal(second.current.certificate, state.current.certificate);
  assert.equal(await nextState(second, due + settlingTime - 1), undefined);
  const third = (await nextState(second, due + settlingTime)) as AuthorityState;
  assert.equal(third.current.certificate, second.next?.certificate);
  assert.equal(third.previous, state.current.certificate);
});

/** The first whole day on which something changes. */
async function nextChange(state: AuthorityState, from: number): Promise<number> {
  for (let now = from; now < from + 2 * authorityLifetime; now += day) {
    if ((await nextState(state, now)) !== undefined) return now;
  }
  throw new Error('nothing ever changes');
}

function isKnown(leaf: string, authorities: string): boolean {
  const certificate = new X509Certificate(leaf);
  return authorities
    .split(/(?=-----BEGIN)/)
    .some((pem) => certificate.verify(new X509Certificate(pem).publicKey) && pem.includes('CERTIFICATE'));
}
