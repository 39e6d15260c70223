// The command line itself: help, versions, misuse and suggestions, exit codes, colour, and the reference page.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { flagsOf } from '../../src/cli/command.ts';
import { commands } from '../../src/cli/commands.ts';
import { helpOf, reference } from '../../src/cli/help.ts';
import { Paint } from '../../src/cli/terminal.ts';
import { folderWith, portolan, root } from './cli-process.ts';

test('docs/reference/cli.md says what the program says (UPDATE_GOLDEN=1 writes it)', () => {
  const path = join(root, 'docs', 'reference', 'cli.md');
  if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(path, reference());
  assert.equal(readFileSync(path, 'utf8'), reference());
});

test('help teaches every flag, with examples that parse', () => {
  const page = { paint: new Paint(process.stdout), width: 100 };
  for (const command of commands) {
    const text = helpOf(command, page);
    for (const { name } of flagsOf(command)) assert.ok(text.includes(`--${name}`), `${command.name} --${name}`);
    assert.ok(command.examples.length > 0 && text.includes(command.examples[0]?.command ?? ''));
    assert.ok(text.split('\n').every((line) => line.length <= 120 || line.startsWith('  ')));
  }
});

const misuses: readonly (readonly [args: readonly string[], says: RegExp])[] = [
  [['lnt', '-f', '.'], /unknown command "lnt"\n {2}did you mean portolan lint\?/],
  [['run', '--ecko', '-f', '.'], /unknown flag --ecko\n {2}did you mean --echo\?/],
  [['run', '-F', '.'], /unknown flag -F\n {2}did you mean -f\?/],
  [['status'], /no files: name them with -f/],
  [['status', '-f'], /-f takes a value: -f PATH/],
  [['status', '-f', '--recursive'], /-f takes a value, not "--recursive"/],
  [['status', '-f', '.', '-o', 'yml'], /-o is one of table, wide, yaml, json, not "yml"\n {2}did you mean -o yaml\?/],
  [['explain', '-f', '.'], /a URL is missing/],
  [['explain', 'GET', '-f', '.'], /explain needs a URL/],
  [['explain', 'GET', 'tls://x:443', '-f', '.'], /a connection has no method: leave out GET/],
  [['explain', 'tcp://x', '-f', '.'], /tcp:\/\/x names no port/],
  [['explain', 'GET', 'ftp://x', '-f', '.'], /ftp:\/\/x is not a URL/],
  [['explain', 'GET', 'http://x', '-H', 'nocolon', '-f', '.'], /-H takes "NAME: VALUE"/],
  [['run', '-f', '.', '--backend', 'x'], /--backend takes \[NAMESPACE\/\]SERVICE/],
  [['run', '-f', '.', '--backend', 'a/b=host'], /--backend takes HOST:PORT, not "host"/],
  [['run', '-f', '.', '--port', 'web=80'], /--port takes/],
  [['run', '-f', '.', '--port-offset', '99999'], /--port-offset takes a whole number from 0 to 64512/],
  [['run', '-f', '.', '--workers', '0'], /--workers takes a whole number from 1/],
  [
    ['run', '-f', '.', '--limit', 'head-byte=5'],
    /--limit knows no "head-byte"\n {2}did you mean --limit head-bytes=5\?/,
  ],
  [['run', '-f', '.', '--bind', '127.0.0.1', '--bind', '::1'], /--bind is given twice/],
  [['run', '-f', '.', '--attach', 'a/b/c'], /--attach takes NAME or NAMESPACE\/NAME/],
];

for (const [args, says] of misuses) {
  test(`misuse: portolan ${args.join(' ')}`, async (t) => {
    const { code, out, err } = await portolan(args, { cwd: folderWith(t, { 'a.yaml': '' }) });
    assert.equal(code, 2, err);
    assert.equal(out, '');
    assert.match(err, says);
    assert.match(err, /--help/);
  });
}

/** Of a cluster that nobody answers for. */
const kubeconfig = JSON.stringify({
  'current-context': 'c',
  contexts: [{ name: 'c', context: { cluster: 'c', user: 'u' } }],
  clusters: [{ name: 'c', cluster: { server: 'http://127.0.0.1:1' } }],
  users: [{ name: 'u', user: {} }],
});

for (const [flags, says, exit] of [
  [['--limit', 'head-byte=5'], /--limit knows no "head-byte"\n {2}did you mean --limit head-bytes=5\?/, 2],
  [['--controller-name', 'portolan'], /--controller-name takes DOMAIN\/PATH, not "portolan"/, 2],
  [['--engine', 'envoy', '--envoy', 'nothing-here'], /nothing-here does not run/, 1],
] as const) {
  test(`a controller that cannot serve ends, and says why: ${flags.join(' ')}`, async (t) => {
    const args = ['controller', '--kubeconfig', 'kubeconfig', '--address-pool', '127.0.0.1', ...flags];
    const { code, err } = await portolan(args, { cwd: folderWith(t, { kubeconfig }) });
    assert.equal(code, exit, err);
    assert.match(err, says);
  });
}

test('help and versions go to standard output, without colour when that is no terminal', async (t) => {
  const cwd = folderWith(t);
  for (const args of [['--help'], ['help', 'run'], ['run', '--help'], ['lint', '-h']]) {
    const { code, out, err } = await portolan(args, { cwd, env: { NO_COLOR: '' } });
    assert.deepEqual([code, err], [0, '']);
    assert.match(out, /Usage\n {2}portolan/);
    assert.ok(!out.includes('\u001b'));
  }
  const colourful = await portolan(['--help'], { cwd, env: { FORCE_COLOR: '1', NO_COLOR: '' } });
  assert.ok(colourful.out.includes('\u001b['));
  const version = await portolan(['--version'], { cwd });
  assert.match(version.out, /^portolan \d+\.\d+\.\d+ \(Node \d+\.\d+\.\d+\)\n$/);
  const nothing = await portolan([], { cwd });
  assert.equal(nothing.code, 2);
});
