// The embedded engine on a free port of this machine, in the clear or behind TLS, from rows made by hand.
import { type Engine, startEngine } from '../../src/engines/embedded/engine.ts';
import type { EngineOptions } from '../../src/engines/embedded/options.ts';
import type { CertificateSet } from '../../src/routing/model.ts';
import type { Update } from '../../src/routing/update.ts';
import { updateOf, type World } from '../features/engine-fixture.ts';
import { freePort } from '../free-port.ts';

export interface Proxy {
  readonly engine: Engine;
  readonly port: number;
}

/** The caller closes the engine. @param certificate turns TLS on */
export async function startProxy(
  world: Omit<World, 'port'>,
  options: EngineOptions = {},
  certificate?: CertificateSet,
): Promise<Proxy> {
  const port = await freePort();
  const engine = startEngine(options);
  await engine.apply(proxyUpdate({ ...world, port }, certificate));
  return { engine, port };
}

export function proxyUpdate(world: World, certificate?: CertificateSet): Update {
  if (certificate === undefined) return updateOf(world);
  const update = updateOf({
    ...world,
    certificates: [certificate],
    frontend: { protocol: 'HTTPS', tls: { mode: 'terminate', certificates: [certificate.key] } },
  });
  const { binds } = update;
  if (binds === undefined) return update;
  return { ...update, binds: { ...binds, set: binds.set.map((bind) => ({ ...bind, security: 'tls' as const })) } };
}
