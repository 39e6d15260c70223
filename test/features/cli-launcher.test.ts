// bin/portolan.js: which Node runs the program, with links, signals and exit codes.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { folderWith, gateway, root } from './cli-process.ts';
import { freePort } from '../free-port.ts';

const launcher = join(root, 'bin', 'portolan.js');

interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly out: string;
  readonly err: string;
}

async function launched(file: string, args: readonly string[], execArgv: readonly string[] = []): Promise<Ended> {
  const child = spawn(process.execPath, [...execArgv, file, ...args]);
  let [out, err] = ['', ''];
  child.stdout.on('data', (text) => (out += String(text)));
  child.stderr.on('data', (text) => (err += String(text)));
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  return { code, signal, out, err };
}

/** A preload that makes the first Node believe that it is an old one. */
function pretendOld(folder: string): readonly string[] {
  const path = join(folder, 'old.cjs');
  writeFileSync(
    path,
    `if (process.env.HANDED_OVER === undefined) {
       process.env.HANDED_OVER = '1';
       Object.defineProperty(process.versions, 'node', { value: '20.19.2' });
     }`,
  );
  return ['--require', path];
}

test('a Node that is new enough runs the program itself, also through a link', async (t) => {
  const folder = folderWith(t);
  symlinkSync(launcher, join(folder, 'portolan'));
  for (const file of [launcher, join(folder, 'portolan')]) {
    const { code, out } = await launched(file, ['--version']);
    assert.equal(code, 0);
    assert.ok(out.includes(`(Node ${process.versions.node})`), out);
  }
});

test('an older Node hands over to the one beside it, with arguments, output and exit code', async (t) => {
  const old = pretendOld(folderWith(t));
  const version = await launched(launcher, ['--version'], old);
  assert.deepEqual([version.code, version.err], [0, '']);
  assert.match(version.out, /^portolan .* \(Node (?!20\.)/);
  const misuse = await launched(launcher, ['lint'], old);
  assert.equal(misuse.code, 2);
  assert.match(misuse.err, /no files/);
});

test('an older Node with none beside it says in one line what is needed', async (t) => {
  const folder = folderWith(t);
  cpSync(join(root, 'bin'), join(folder, 'bin'), { recursive: true });
  const { code, out, err } = await launched(join(folder, 'bin', 'portolan.js'), ['--version'], pretendOld(folder));
  assert.deepEqual([code, out], [1, '']);
  assert.equal(err, 'portolan needs Node 24.12 or newer, and this is 20.19.2\n');
});

test('signals are passed on, and the exit code comes back', async (t) => {
  const folder = folderWith(t, { 'g.yaml': gateway(await freePort()) });
  const child = spawn(process.execPath, [...pretendOld(folder), launcher, 'run', '-f', join(folder, 'g.yaml')]);
  let out = '';
  child.stdout.on('data', (text) => (out += String(text)));
  while (!out.includes('serving after')) await once(child.stdout, 'data');
  child.kill('SIGTERM');
  const [code] = (await once(child, 'close')) as [number | null];
  assert.equal(code, 0);
  assert.match(out, /stopping/);
});

test('where it is published, the compiled program is run', async (t) => {
  const folder = join(folderWith(t), 'node_modules', 'portolan');
  mkdirSync(join(folder, 'dist', 'cli'), { recursive: true });
  cpSync(join(root, 'bin'), join(folder, 'bin'), { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{"type": "module"}');
  writeFileSync(join(folder, 'dist', 'cli', 'main.js'), 'console.log("compiled", ...process.argv.slice(2))');
  const { out } = await launched(join(folder, 'bin', 'portolan.js'), ['a', 'b']);
  assert.equal(out, 'compiled a b\n');
});

const oldNode = '/usr/bin/node';
test('the Node of the system, when it is an old one', { skip: !existsSync(oldNode) }, async () => {
  const child = spawn(oldNode, [launcher, '--version']);
  let text = '';
  child.stdout.on('data', (chunk) => (text += String(chunk)));
  const [code] = (await once(child, 'close')) as [number | null];
  assert.equal(code, 0);
  assert.match(text, /^portolan \d/);
});
