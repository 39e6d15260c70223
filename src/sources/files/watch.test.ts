import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import type { FSWatcher, watch } from 'node:fs';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { FolderWatch } from './watch.ts';
import type { Touched } from './watch.ts';

const folders = new Map([['/m', 'all' as const]]);

test('a folder that the system will not watch is looked at by time', async (t) => {
  const touched: Touched[] = [];
  const refuse = (() => {
    throw Object.assign(new Error('no space left'), { code: 'ENOSPC' });
  }) as unknown as typeof watch;
  const folderWatch = new FolderWatch((one) => touched.push(one), refuse);
  t.after(() => folderWatch.close());
  assert.equal(folderWatch.follow(folders), false);
  assert.deepEqual(folderWatch.polled, ['/m']);
  await sleep(1300);
  assert.ok(touched.length >= 1 && touched.every(({ everything }) => everything));
});

test('events close together are one batch, and a watch that breaks makes everything suspect', async (t) => {
  const touched: Touched[] = [];
  const watchers: (EventEmitter & { tell?: (type: string, name: string) => void })[] = [];
  const open = ((_: string, tell: (type: string, name: string) => void) => {
    const watcher = Object.assign(new EventEmitter(), { close: () => {}, tell });
    watchers.push(watcher);
    return watcher as unknown as FSWatcher;
  }) as unknown as typeof watch;
  const folderWatch = new FolderWatch((one) => touched.push(one), open);
  t.after(() => folderWatch.close());
  assert.equal(folderWatch.follow(folders), true);
  assert.equal(folderWatch.follow(folders), false);
  for (const name of ['a.yaml', 'b.yaml', 'a.yaml', 'notes.txt', '.a.yaml.swp']) watchers[0]?.tell?.('change', name);
  await sleep(60);
  assert.deepEqual(
    touched.map(({ paths, names }) => [[...paths], names]),
    [[['/m/a.yaml', '/m/b.yaml'], false]],
  );
  watchers[0]?.tell?.('rename', 'notes');
  await sleep(60);
  assert.deepEqual([touched[1]?.names, touched[1]?.everything], [true, false]);
  watchers[0]?.emit('error', new Error('gone'));
  await sleep(60);
  assert.equal(touched[2]?.everything, true);
  assert.deepEqual(folderWatch.polled, ['/m']);
  assert.equal(folderWatch.follow(folders), true);
});
