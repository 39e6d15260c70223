// docs/semantics.md names the test that holds each choice: every file and every title in it has to exist.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

const root = join(import.meta.dirname, '..', '..');
const page = readFileSync(join(root, 'docs', 'semantics.md'), 'utf8');
const cells = page
  .split('\n')
  .filter((line) => line.startsWith('| ') && line.split(' | ').length === 4)
  .map((line) => line.split(' | ').at(-1)?.replace(/ \|$/, '') ?? '')
  .filter((cell) => cell !== 'held by' && cell !== 'from' && !cell.startsWith('---'));

test('docs/semantics.md has choices, and a test for each', () => {
  assert.ok(cells.length > 30);
  for (const cell of cells) assert.match(cell, /^`(?:src|test)\/[^`]+`(?:: "[^"]+")?$|^(?:standard|Portolan|follows)/);
});

for (const [, file = '', title = ''] of new Set(cells)
  .values()
  .map((cell) => /^`([^`]+)`(?:: "([^"]+)")?/.exec(cell) ?? [])) {
  if (file === '') continue;
  test(`docs/semantics.md: ${file} ${title}`, () => {
    assert.ok(existsSync(join(root, file)));
    const source = readFileSync(join(root, file), 'utf8');
    assert.ok(source.includes(title), title);
  });
}
