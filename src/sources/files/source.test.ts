import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { FileSource } from './source.ts';
import type { FileChange, FileSourceOptions } from './source.ts';

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'portolan-files-'));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

function route(name: string, path = '/'): string {
  return `apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata:
  name: ${name}
spec:
  rules:
  - matches:
    - path:
        value: ${path}
`;
}

function options(paths: readonly string[], more: Partial<FileSourceOptions> = {}): FileSourceOptions {
  return {
    paths,
    recursive: false,
    standardInput: () => Promise.resolve(Buffer.alloc(0)),
    inferApiVersion: (object) =>
      object['kind'] === 'HTTPRoute' ? { apiVersion: 'gateway.networking.k8s.io/v1', presumed: true } : undefined,
    clusterScoped: (_, kind) => kind === 'GatewayClass' || kind === 'Namespace',
    ...more,
  };
}

/** Milliseconds in which a busy machine has told everything. */
const PATIENCE = 10_000;

interface Watched {
  readonly source: FileSource;
  /**
   * The changes since the last call, as `+name` and `-name`, when nothing more came for a while.
   * @param least that are waited for, as long as it takes, and until `done`
   */
  readonly changes: (least?: number, done?: () => boolean) => Promise<string[][]>;
  readonly all: FileChange[];
}

async function watched(
  t: TestContext,
  paths: readonly string[],
  more: Partial<FileSourceOptions> = {},
): Promise<Watched> {
  const source = new FileSource(options(paths, more));
  t.after(() => source.close());
  const all: FileChange[] = [];
  let last = performance.now();
  source.follow((change) => {
    all.push(change);
    last = performance.now();
  });
  await source.load();
  all.length = 0;
  let told = 0;
  return {
    source,
    all,
    changes: async (least = 1, done = () => true) => {
      const end = performance.now() + PATIENCE;
      const fresh = (): string[][] =>
        all
          .slice(told)
          .map(namesOf)
          .filter((names) => names.length > 0);
      while ((fresh().length < least || !done()) && performance.now() < end) await sleep(5);
      last = performance.now();
      while (performance.now() - last < 130) await sleep(10);
      const found = fresh();
      told = all.length;
      return found;
    },
  };
}

/**
 * Steps that count as one as long as they are done `within` so many milliseconds: a machine that held us up between them makes them
 * several, and right so. Then they are done once more.
 */
async function inOneGo(
  within: number,
  steps: (attempt: number) => Promise<void>,
  changes: Watched['changes'],
  check: (seen: string[][]) => void,
): Promise<void> {
  for (let attempt = 0; attempt < 40; attempt++) {
    const began = performance.now();
    await steps(attempt);
    const took = performance.now() - began;
    const seen = await changes();
    if (took >= within) continue;
    check(seen);
    return;
  }
  assert.fail(`not once within ${within} ms`);
}

function namesOf({ applied, deleted }: FileChange): string[] {
  return applied.map(({ metadata }) => `+${metadata.name}`).concat(deleted.map(({ metadata }) => `-${metadata.name}`));
}

function names(source: FileSource): string[] {
  return [...source.objects()].map(({ metadata }) => `${metadata.namespace ?? ''}/${metadata.name}`).sort();
}

test('files, folders, lists, defaults: every object once, with its place', async (t) => {
  const dir = folder(t);
  mkdirSync(join(dir, 'sub'));
  mkdirSync(join(dir, 'node_modules'));
  writeFileSync(
    join(dir, 'a.yaml'),
    `${route('a')}---\n${route('b').replace('name: b', 'name: b\n  namespace: team')}`,
  );
  writeFileSync(
    join(dir, 'c.json'),
    JSON.stringify({
      kind: 'List',
      apiVersion: 'v1',
      items: [{ kind: 'Namespace', apiVersion: 'v1', metadata: { name: 'c' } }],
    }),
  );
  writeFileSync(
    join(dir, 'd.yml'),
    'kind: HTTPRouteList\napiVersion: gateway.networking.k8s.io/v1\nitems:\n- metadata:\n    name: d\n  spec: {}\n',
  );
  writeFileSync(join(dir, 'package.json'), '{"name": "x"}');
  writeFileSync(join(dir, 'tsconfig.json'), '{ // comment\n "x": 1, }');
  writeFileSync(join(dir, 'notes.txt'), route('no'));
  writeFileSync(join(dir, '.hidden.yaml'), route('no'));
  writeFileSync(join(dir, 'sub', 'e.yaml'), route('e'));
  writeFileSync(join(dir, 'node_modules', 'f.yaml'), route('f'));
  const flat = new FileSource(options([dir]));
  const change = await flat.load();
  assert.deepEqual(names(flat), ['/c', 'default/a', 'default/d', 'team/b']);
  assert.equal(change.applied.length, 4);
  assert.deepEqual(flat.problems(), []);
  assert.deepEqual(
    flat.skipped().map((path) => path.slice(dir.length + 1)),
    ['package.json', 'tsconfig.json'],
  );
  const ref = { group: 'gateway.networking.k8s.io', kind: 'HTTPRoute', namespace: 'team', name: 'b' };
  assert.deepEqual(flat.locate(ref, 'spec.rules[0].matches[0].path.value'), {
    file: join(dir, 'a.yaml'),
    line: 20,
    column: 9,
  });
  assert.deepEqual(flat.locate({ ...ref, namespace: 'default', name: 'd' }, 'spec'), {
    file: join(dir, 'd.yml'),
    line: 6,
    column: 3,
  });
  assert.equal(flat.locate({ ...ref, name: 'absent' }, ''), undefined);
  const deep = new FileSource(options([dir], { recursive: true }));
  await deep.load();
  assert.deepEqual(names(deep), ['/c', 'default/a', 'default/d', 'default/e', 'team/b']);
});

test('standard input and a file named whatever', async (t) => {
  const dir = folder(t);
  writeFileSync(join(dir, 'x.txt'), route('x'));
  const source = new FileSource(
    options(['-', join(dir, 'x.txt')], { standardInput: () => Promise.resolve(Buffer.from(route('in'))) }),
  );
  await source.load();
  assert.deepEqual(names(source), ['default/in', 'default/x']);
});

test('what is wrong with objects is said with file and line, and the others are read', async (t) => {
  const dir = folder(t);
  const file = join(dir, 'a.yaml');
  const texts = [
    'kind: HTTPRoute\nmetadata:\n  name: guessed\n',
    'kind: Unknown\nmetadata:\n  name: x\n',
    'apiVersion: v1\nkind: Service\nmetadata:\n  labels: {}\n',
    'apiVersion: v1\nkind: Service\nmetadata:\n  name: l\n  namespace: yes\n  labels: {}\n',
    'apiVersion: v1\nkind: Service\nmetadata:\n  name: a/b\n',
    'apiVersion: v1\nkind: Service\nmetadata:\n  name: 5\n',
    'a: [\n',
    route('good'),
  ];
  writeFileSync(file, texts.join('---\n'));
  const source = new FileSource(options([dir]));
  await source.load();
  assert.deepEqual(names(source), ['default/good', 'default/guessed']);
  const said = source.problems().map((problem) => [problem.location.line, problem.code, problem.path]);
  assert.deepEqual(said, [
    [1, 'MissingApiVersion', 'apiVersion'],
    [5, 'InvalidObject', 'apiVersion'],
    [11, 'InvalidObject', 'metadata.name'],
    [18, 'InvalidObject', 'metadata.namespace'],
    [24, 'InvalidObject', 'metadata.name'],
    [29, 'InvalidObject', 'metadata.name'],
  ]);
  const named = new FileSource(options([file]));
  await named.load();
  const unparsable = named.problems().find(({ code }) => code === 'Unparsable');
  assert.deepEqual(unparsable?.location, { file, line: 31, column: 5 });
});

test('paths that do not exist are problems', async (t) => {
  const source = new FileSource(options([join(folder(t), 'absent.yaml')]));
  await source.load();
  const [problem] = source.problems();
  assert.ok(problem?.code === 'Unparsable');
  assert.equal(problem.message, 'no such file or folder');
});

test('one object in two files: the first path wins, both are named, and the second takes over', async (t) => {
  const dir = folder(t);
  const [first, second] = [join(dir, 'z.yaml'), join(dir, 'a.yaml')];
  writeFileSync(first, route('one', '/first'));
  writeFileSync(second, `${route('two')}---\n${route('one', '/second')}`);
  const { source, changes, all } = await watched(t, [first, second]);
  assert.deepEqual(
    source.problems().map((problem) => problem.code === 'DuplicateObject' && [problem.location, problem.other]),
    [
      [
        { file: second, line: 14, column: 3 },
        { file: first, line: 4, column: 3 },
      ],
    ],
  );
  rmSync(first);
  assert.deepEqual(await changes(), [['+one']]);
  assert.match(JSON.stringify(all.at(-1)?.applied[0]?.['spec']), /second/);
  assert.deepEqual(
    source.problems().map(({ code }) => code),
    ['Unparsable'],
  );
  writeFileSync(first, route('one', '/first'));
  assert.deepEqual(await changes(), [['+one']]);
});

test('a change is told within 60 ms of the event, with only what changed', async (t) => {
  const dir = folder(t);
  const file = join(dir, 'a.yaml');
  const text = (path: string): string => [route('a'), route('b', path), route('c')].join('---\n');
  writeFileSync(file, text('/'));
  const { changes, all } = await watched(t, [dir]);
  const took: number[] = [];
  // What it waits for of itself is in the shortest; on a busy machine others have more.
  do {
    const start = performance.now();
    const count = all.length;
    writeFileSync(file, text(`/${took.length}`));
    while (all.length === count) await sleep(1);
    took.push(performance.now() - start);
  } while (took.length < 3 || (Math.min(...took) >= 60 && took.length < 50));
  const each = took.map(() => ['+b']);
  assert.deepEqual(await changes(each.length), each);
  assert.ok(Math.min(...took) < 60, took.join());
});

test('files that come and go', async (t) => {
  const dir = folder(t);
  const { changes, source } = await watched(t, [dir], { recursive: true });
  writeFileSync(join(dir, 'a.yaml'), route('a'));
  assert.deepEqual(await changes(), [['+a']]);
  mkdirSync(join(dir, 'sub'));
  writeFileSync(join(dir, 'sub', 'b.yaml'), route('b'));
  assert.deepEqual(await changes(), [['+b']]);
  writeFileSync(join(dir, 'sub', 'b.yaml'), route('b', '/2'));
  assert.deepEqual(await changes(), [['+b']]);
  renameSync(join(dir, 'sub'), join(dir, 'other'));
  const b = { group: 'gateway.networking.k8s.io', kind: 'HTTPRoute', namespace: 'default', name: 'b' };
  const isMoved = (): boolean => source.locate(b, '')?.file.includes('other') === true;
  assert.deepEqual(await changes(0, isMoved), []);
  assert.ok(isMoved());
  rmSync(join(dir, 'other'), { recursive: true });
  rmSync(join(dir, 'a.yaml'));
  assert.deepEqual((await changes()).flat().sort(), ['-a', '-b']);
});

test('saving by renaming is one change, also in two steps', async (t) => {
  const dir = folder(t);
  const file = join(dir, 'a.yaml');
  writeFileSync(file, route('a'));
  const { changes } = await watched(t, [dir]);
  writeFileSync(join(dir, '.a.yaml.swp'), 'x');
  writeFileSync(join(dir, 'a.yaml.tmp'), route('a', '/atomic'));
  renameSync(join(dir, 'a.yaml.tmp'), file);
  assert.deepEqual(await changes(), [['+a']]);
  // vim: the old one is moved away, and the new one written.
  await inOneGo(
    45,
    async (attempt) => {
      renameSync(file, `${file}~`);
      await sleep(20);
      writeFileSync(file, route('a', `/vim${attempt}`));
      unlinkSync(`${file}~`);
    },
    changes,
    (seen) => assert.deepEqual(seen, [['+a']]),
  );
});

test('the link swap of a mounted ConfigMap is one change', async (t) => {
  const dir = folder(t);
  const version = (name: string, text: string): void => {
    mkdirSync(join(dir, name));
    writeFileSync(join(dir, name, 'a.yaml'), route('a', text));
    writeFileSync(join(dir, name, 'b.yaml'), route('b', text));
  };
  version('..one', '/1');
  symlinkSync('..one', join(dir, '..data'));
  for (const name of ['a.yaml', 'b.yaml']) symlinkSync(join('..data', name), join(dir, name));
  const { changes } = await watched(t, [dir]);
  for (const [index, name] of ['..two', '..three'].entries()) {
    version(name, `/${index + 2}`);
    symlinkSync(name, join(dir, '..data_tmp'));
    renameSync(join(dir, '..data_tmp'), join(dir, '..data'));
    assert.deepEqual(await changes(), [['+a', '+b']]);
  }
});

test('a swapped link to the given folder is one change', async (t) => {
  const dir = folder(t);
  for (const [name, path] of [
    ['r1', '/1'],
    ['r2', '/2'],
  ] as const) {
    mkdirSync(join(dir, name));
    writeFileSync(join(dir, name, 'a.yaml'), route('a', path));
  }
  symlinkSync('r1', join(dir, 'current'));
  const { changes } = await watched(t, [join(dir, 'current')]);
  symlinkSync('r2', join(dir, 'next'));
  renameSync(join(dir, 'next'), join(dir, 'current'));
  assert.deepEqual(await changes(), [['+a']]);
  writeFileSync(join(dir, 'r2', 'a.yaml'), route('a', '/3'));
  assert.deepEqual(await changes(), [['+a']]);
});

test('a folder may vanish and come back', async (t) => {
  const dir = join(folder(t), 'deep', 'er');
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, 'a.yaml'), route('a'));
  const { changes, source } = await watched(t, [dir]);
  rmSync(join(dir, '..'), { recursive: true });
  assert.deepEqual(await changes(), [['-a']]);
  assert.equal(source.problems().length, 1);
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, 'a.yaml'), route('a', '/2'));
  assert.deepEqual(await changes(), [['+a']]);
  assert.deepEqual(source.problems(), []);
  writeFileSync(join(dir, 'a.yaml'), route('a', '/3'));
  assert.deepEqual(await changes(), [['+a']]);
});

test('a file that does not parse leaves its last good objects in force', async (t) => {
  const dir = folder(t);
  const file = join(dir, 'a.yaml');
  const good = `${route('a')}---\n${route('b')}`;
  writeFileSync(file, good);
  const { changes, source } = await watched(t, [dir]);
  writeFileSync(file, good.replace('rules:', 'rules: ['));
  assert.deepEqual(await changes(0, () => source.problems().length > 0), []);
  assert.deepEqual(names(source), ['default/a', 'default/b']);
  const [problem] = source.problems();
  assert.ok(problem?.code === 'Unparsable' && problem.stale);
  assert.equal(problem.location.file, file);
  writeFileSync(file, good.replace('value: /\n', 'value: /fixed\n'));
  assert.deepEqual(await changes(), [['+a']]);
  assert.deepEqual(source.problems(), []);
});

test('a file in the middle of being written changes nothing until it is whole', async (t) => {
  const dir = folder(t);
  const file = join(dir, 'a.yaml');
  writeFileSync(file, `${route('a')}---\n${route('b')}`);
  const { changes, source } = await watched(t, [dir]);
  await inOneGo(
    180,
    async (attempt) => {
      const whole = route('a', `/new${attempt}`);
      writeFileSync(file, '');
      await sleep(40);
      writeFileSync(file, whole);
      await sleep(12);
      writeFileSync(file, `${whole}---\n${route('b').trimEnd().slice(0, -20)}`);
      await sleep(25);
      writeFileSync(file, `${whole}---\n${route('b')}`);
    },
    changes,
    (seen) => assert.ok(!seen.flat().includes('-a'), JSON.stringify(seen)),
  );
  writeFileSync(file, '');
  const gone = await changes(1, () => source.size === 0);
  assert.deepEqual(gone.flat().sort(), ['-a', '-b']);
});

test('300 random edits of a file never throw', async (t) => {
  const dir = folder(t);
  const file = join(dir, 'a.yaml');
  const text = route('a');
  let seed = 7;
  const random = (below: number): number => (seed = (seed * 48_271) % 2_147_483_647) % below;
  for (let run = 0; run < 300; run++) {
    const at = random(text.length);
    writeFileSync(
      file,
      text.slice(0, at) +
        ['', '\0', '[', '{', '- ', '*x', '&y', '!', '|', "'", '\t', '---\n'][random(12)] +
        text.slice(at + random(4)),
    );
    const source = new FileSource(options([file]));
    await source.load();
    for (const problem of source.problems()) assert.ok(problem.location.line >= 1);
  }
});
