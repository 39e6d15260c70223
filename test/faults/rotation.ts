// A Gateway whose certificate is another one each second, under load over TLS, most of it on new connections.
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import https from 'node:https';
import tls from 'node:tls';
import { gatewayObject, routeObject, until } from '../../bench/cluster/cluster.ts';
import type { KubeObject } from '../../src/api/objects.ts';
import { certificateFor } from '../features/tls-certificates.ts';
import { hostname, namespace, seconds, type World } from './world.ts';

const name = 'rotated';

export async function rotating(world: World, count: number): Promise<void> {
  const { cluster } = world;
  const listener = {
    name: 'https',
    port: 443,
    protocol: 'HTTPS',
    tls: { certificateRefs: [{ name }] },
  };
  const gateway = gatewayObject(namespace, name, [listener]);
  const secure = routeObject({ namespace, name: 'secure', gateway: name, hostname: hostname('secure') });
  await cluster.apply(await secret());
  await cluster.apply(gateway);
  await cluster.apply(secure);
  const address = await world.address(name);
  await until('it serves', 60, async () => (await certificateAt(address)) !== undefined);
  await until('the route is served', 60, () => answersSecurely(address));
  let last = '';
  await world.underLoad(
    address,
    async () => {
      for (let n = 0; n < count; n++) {
        const next = await secret();
        last = serialOf(next);
        await cluster.apply(next);
        await seconds(1);
      }
    },
    { port: 443, secure: true, hostnames: [hostname('secure')], fresh: 2, rate: 80 },
  );
  await until('the last certificate is served', 60, async () => (await certificateAt(address)) === last);
  assert.notEqual(last, '');
  for (const object of [secure, gateway, await secret()]) await cluster.delete(object);
}

async function secret(): Promise<KubeObject> {
  const { certificate, privateKey } = await certificateFor('x', [hostname('secure')]);
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { namespace, name },
    type: 'kubernetes.io/tls',
    data: { 'tls.crt': base64(certificate), 'tls.key': base64(privateKey) },
  };
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}

function serialOf(object: KubeObject): string {
  const { 'tls.crt': chain = '' } = object['data'] as Record<string, string>;
  return new X509Certificate(Buffer.from(chain, 'base64')).serialNumber;
}

function certificateAt(address: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = tls.connect(
      { host: address, port: 443, servername: hostname('secure'), rejectUnauthorized: false },
      () => {
        resolve(socket.getPeerX509Certificate()?.serialNumber);
        socket.destroy();
      },
    );
    socket.on('error', () => resolve(undefined));
  });
}

function answersSecurely(address: string): Promise<boolean> {
  return new Promise((resolve) => {
    const request = https.get(
      {
        host: address,
        servername: hostname('secure'),
        headers: { host: hostname('secure') },
        rejectUnauthorized: false,
        agent: false,
      },
      (response) => {
        response.resume();
        resolve(response.statusCode === 200);
      },
    );
    request.on('error', () => resolve(false));
  });
}
