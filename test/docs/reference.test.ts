import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { pages } from './reference-pages.ts';

const root = join(import.meta.dirname, '..', '..');

for (const [name, page] of Object.entries(pages)) {
  test(`docs/reference/${name} says what the code says (UPDATE_GOLDEN=1 writes it)`, () => {
    const path = join(root, 'docs', 'reference', name);
    if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(path, page());
    assert.equal(readFileSync(path, 'utf8'), page());
  });
}

test('every link of the documentation leads to a file', () => {
  const documents = ['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'CHANGELOG.md'];
  for (const file of readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' }))
    if (file.endsWith('.md')) documents.push(join('docs', file));
  for (const document of documents) {
    const text = readFileSync(join(root, document), 'utf8');
    for (const [, link = ''] of text.matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)) {
      if (/^[a-z]+:/.test(link)) continue;
      assert.ok(existsSync(join(root, dirname(document), link)), `${document} links to ${link}`);
    }
  }
});
