// The generated schemas go beside the compiled program: the compiler moves only code.
import { cpSync, globSync } from 'node:fs';
import { basename, join } from 'node:path';

const root = join(import.meta.dirname, '..');
for (const file of globSync('src/api/generated/*.json', { cwd: root })) {
  cpSync(join(root, file), join(root, 'dist/api/generated', basename(file)));
}
