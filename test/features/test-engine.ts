// The engine that feature tests are about: the embedded one, or with PORTOLAN_TEST_ENGINE=envoy a real Envoy, so that the same tests
// hold both.
import { startEngine } from '../../src/engines/embedded/engine.ts';
import type { EngineOptions } from '../../src/engines/embedded/options.ts';
import { startEnvoyEngine } from '../../src/engines/envoy/engine.ts';
import type { Engine } from '../../src/routing/engine.ts';
import { envoyBinary } from './envoy-binary.ts';

export const onEnvoy: boolean = process.env['PORTOLAN_TEST_ENGINE'] === 'envoy';

export async function startTestEngine(options: EngineOptions = {}): Promise<Engine> {
  if (!onEnvoy) return startEngine(options);
  const { onMissingName: _, sessionKeys: __, limits = {}, ...common } = options;
  const binary = envoyBinary();
  return startEnvoyEngine({
    ...common,
    limits,
    ...(binary === undefined ? {} : { envoy: binary }),
    onRefusal: (refusal) => {
      process.exitCode = 1;
      process.stderr.write(`Envoy refused what it should have taken: ${JSON.stringify(refusal)}\n`);
    },
  });
}
