// Generated schemas and descriptors go beside the compiled program: the compiler moves only code.
import { cpSync, globSync } from 'node:fs';
import { join, relative } from 'node:path';

const root = join(import.meta.dirname, '..');
for (const file of globSync('src/**/generated/*.json', { cwd: root })) {
  cpSync(join(root, file), join(root, 'dist', relative('src', file)));
}
