// The roots of the system, which Node reads once per process: so this test has one of its own.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from './engine-tests.ts';
import { serve } from './engine-fixture.ts';
import { get, secureBackend, trust } from './engine-tls-fixture.ts';
import { authority } from './tls-certificates.ts';

it('the roots of the system vouch for backends of clusters that say so, and for no others', async (t) => {
  const [known, unknown] = await Promise.all([authority('Known'), authority('Unknown')]);
  const folder = await mkdtemp(join(tmpdir(), 'portolan-roots-'));
  t.after(() => rm(folder, { recursive: true }));
  await writeFile(join(folder, 'roots.pem'), known.certificate);
  process.env['SSL_CERT_FILE'] = join(folder, 'roots.pem');
  const [good, bad] = await Promise.all([
    secureBackend(t, await known.issue({ names: ['backend.example'] })),
    secureBackend(t, await unknown.issue({ names: ['backend.example'] })),
  ]);
  const tls = trust({ authorities: 'system' });
  const { port } = await serve(t, {
    routes: [
      { path: '/good', backends: [{ to: 'good' }] },
      { path: '/bad', backends: [{ to: 'bad' }] },
      { path: '/named', backends: [{ to: 'named' }] },
    ],
    clusters: { good: [good.port], bad: [bad.port], named: [good.port] },
    special: { good: { tls }, bad: { tls }, named: { tls: trust() } },
  });
  assert.equal((await get(port, '/good')).status, 200);
  assert.equal((await get(port, '/bad')).status, 502);
  assert.equal((await get(port, '/named')).status, 502);
  assert.deepEqual([good.requests, bad.requests], [1, 0]);
});
