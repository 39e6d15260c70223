// Commands that print something else than problems still say which files they could not read.
import type { Model } from './model/model.ts';
import { fromFile, problemLines, severity } from './said.ts';
import type { Paint } from './terminal.ts';

/** Prints to standard error, and says whether there was anything to print. */
export function misreadPaths({ source }: Model, paint: Paint): boolean {
  const errors = source
    .problems()
    .map(fromFile)
    .filter((said) => severity(said) === 'error');
  for (const said of errors) process.stderr.write(`${problemLines(said, source, paint)}\n`);
  return errors.length > 0;
}
