import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Bind } from '../../routing/model.ts';
import { PortPlan } from './ports.ts';
import type { Placed, PortRules } from './ports.ts';

function bind(gateway: string, port: number, listener = 'http'): Bind {
  return {
    key: `${gateway}:${port}/tcp`,
    gateway,
    port,
    transport: 'tcp',
    security: 'none',
    frontends: [`${gateway}/${listener}`],
  };
}

function plan(taken: readonly number[] = [], rules: Partial<PortRules> = {}): PortPlan {
  const all = { address: '127.0.0.1', offset: 8000, fixed: [], ...rules };
  return new PortPlan(all, (_, port) => Promise.resolve(!taken.includes(port)));
}

async function ports(plan: PortPlan, binds: readonly Bind[]): Promise<string[]> {
  return (await plan.place(binds)).map(({ bind, port }) => `${bind.split('/tcp')[0]}=${port}`);
}

test('low ports move up, high ports stay', async () => {
  const binds = [bind('a/g', 80), bind('a/g', 443), bind('a/g', 3000)];
  assert.deepEqual(await ports(plan(), binds), ['a/g:80=8080', 'a/g:443=8443', 'a/g:3000=3000']);
  assert.deepEqual(await ports(plan([], { offset: 0 }), binds), ['a/g:80=80', 'a/g:443=443', 'a/g:3000=3000']);
});

test('several Gateways on one port get neighbours, in the order of their names', async () => {
  assert.deepEqual(await ports(plan([8081]), [bind('b/g', 80), bind('a/g', 80), bind('a/h', 80)]), [
    'a/g:80=8080',
    'a/h:80=8082',
    'b/g:80=8083',
  ]);
});

test('a port as declared goes before one that moved in', async () => {
  assert.deepEqual(await ports(plan(), [bind('a/g', 80), bind('z/g', 8080)]), ['a/g:80=8081', 'z/g:8080=8080']);
});

test('what is placed stays, and what comes back gets its port back', async () => {
  const it = plan();
  await it.place([bind('b/g', 80)]);
  assert.deepEqual(await ports(it, [bind('a/g', 80), bind('b/g', 80)]), ['a/g:80=8081', 'b/g:80=8080']);
  assert.deepEqual(await ports(it, [bind('b/g', 80)]), ['b/g:80=8080']);
  assert.deepEqual(await ports(it, [bind('a/a', 8888), bind('a/g', 80), bind('b/g', 80)]), [
    'a/a:8888=8888',
    'a/g:80=8081',
    'b/g:80=8080',
  ]);
});

test('--port settles it, whoever else would have it', async () => {
  const fixed = [{ owner: 'g', listener: 'web', namespace: 'b', port: 8080 }];
  const it = plan([8080], { fixed });
  const binds = [bind('a/g', 80, 'web'), bind('b/g', 80, 'web')];
  assert.deepEqual(await ports(it, binds), ['a/g:80=8081', 'b/g:80=8080']);
  assert.deepEqual(it.unused(binds), []);
  assert.deepEqual(it.unused([binds[0] as Bind]), fixed);
  assert.equal(it.refuse(binds[1] as Bind), false);
});

test('a port that the engine could not open is left', async () => {
  const it = plan();
  await it.place([bind('a/g', 80)]);
  assert.ok(it.refuse(bind('a/g', 80)));
  assert.deepEqual(await ports(it, [bind('a/g', 80)]), ['a/g:80=8081']);
});

test('a real port in use is seen', async () => {
  const { createServer } = await import('node:net');
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  const [placed] = await new PortPlan({ address: '127.0.0.1', offset: 0, fixed: [] }).place([bind('a/g', port)]);
  server.close();
  assert.notEqual(placed?.port, port);
  assert.equal(placed?.wanted, port);
});

function datagrams(gateway: string, port: number): Bind {
  return { ...bind(gateway, port, 'udp'), key: `${gateway}:${port}/udp`, transport: 'udp' };
}

test('TCP and UDP have ports of their own', async () => {
  const both = [bind('a/g', 53), datagrams('a/g', 53), datagrams('b/g', 53)];
  const placed = await plan().place(both);
  assert.deepEqual(
    placed.map(({ bind, port }) => [bind, port]),
    [
      ['a/g:53/tcp', 8053],
      ['a/g:53/udp', 8053],
      ['b/g:53/udp', 8054],
    ],
  );
});

test('a UDP port in use is seen', async (t) => {
  const { createSocket } = await import('node:dgram');
  const socket = createSocket('udp4');
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  t.after(() => socket.close());
  const { port } = socket.address();
  const real = new PortPlan({ address: '127.0.0.1', offset: 0, fixed: [] });
  const [taken] = (await real.place([datagrams('a/g', port)])) as [Placed];
  assert.notEqual(taken.port, port);
  assert.equal(taken.wanted, port);
});

test('--port names a listener by its Gateway or its ListenerSet', async () => {
  const shared: Bind = { ...bind('a/g', 80), frontends: ['a/g/http', 'a/g/team/set/web'] };
  const it = (namespace: string | undefined, owner: string, listener: string): PortPlan =>
    plan([], { fixed: [{ ...(namespace === undefined ? {} : { namespace }), owner, listener, port: 1234 }] });
  assert.deepEqual(await ports(it('team', 'set', 'web'), [shared]), ['a/g:80=1234']);
  assert.deepEqual(await ports(it(undefined, 'set', 'web'), [shared]), ['a/g:80=1234']);
  assert.deepEqual(await ports(it(undefined, 'g', 'http'), [shared]), ['a/g:80=1234']);
  assert.deepEqual(await ports(it('a', 'set', 'web'), [shared]), ['a/g:80=8080']);
  assert.deepEqual(await ports(it(undefined, 'g', 'web'), [shared]), ['a/g:80=8080']);
});
