// The file of --session-keys: keys of 32 octets, in hex or base64, one a line; the first seals, all of them open.
import fs from 'node:fs';
import { Misuse } from '../command.ts';

const OCTETS = 32;
const MOST = 16;

/** Nothing of the file is quoted in what is said about it. */
export function readSessionKeys(file: string): readonly Uint8Array[] {
  const lines = fs
    .readFileSync(file, 'utf8')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  const keys = lines.map((line, index) => {
    const key = Buffer.from(line, /^[0-9a-f]{64}$/i.test(line) ? 'hex' : 'base64');
    if (key.length === OCTETS) return key;
    throw new Misuse(
      `--session-keys: line ${index + 1} is no key of ${OCTETS} octets`,
      'make one with: openssl rand -hex 32',
    );
  });
  if (keys.length === 0 || keys.length > MOST)
    throw new Misuse(`--session-keys: from 1 to ${MOST} keys, not ${keys.length}`);
  return keys;
}
