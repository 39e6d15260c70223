// portolan upgrade: the same objects in the current API on standard output, notes on standard error.
import { stringify } from 'yaml';
import type { Channel } from '../../api/kinds.ts';
import { severityOf } from '../../routing/problem.ts';
import { upgrade } from '../../tools/upgrade/upgrade.ts';
import type { Run } from '../main.ts';
import { fileOptions } from '../model/options.ts';
import { openFiles } from '../model/model.ts';
import { fromFile, problemLines } from '../said.ts';
import { Paint } from '../terminal.ts';

export const run: Run = async (args) => {
  const source = openFiles(fileOptions(args));
  await source.load();
  const { objects, notes } = upgrade([...source.objects()], args.text('channel') as Channel);
  const said = [...source.problems().map(fromFile), ...notes.map((problem) => ({ problem }))];
  const paint = new Paint(process.stderr);
  for (const one of said) process.stderr.write(`${problemLines(one, source, paint)}\n`);
  if (args.text('output') === 'json') {
    const list = objects.length === 1 ? objects[0] : { apiVersion: 'v1', kind: 'List', items: objects };
    process.stdout.write(`${JSON.stringify(list, undefined, 2)}\n`);
  } else {
    // Version 1.1 quotes what kubectl would read as a boolean.
    const documents = objects.map((object) => stringify(object, { version: '1.1', aliasDuplicateObjects: false }));
    process.stdout.write(documents.join('---\n'));
  }
  const lost = said.some(({ problem }) => severityOf[problem.code] === 'error' || problem.code === 'NotCarriedOver');
  return lost ? 1 : 0;
};
