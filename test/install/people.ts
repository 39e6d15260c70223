// The table of docs/guides/rbac.md, and the objects before it: who may do what, for the tests that ask.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { UnknownRecord } from '../../src/support/untrusted.ts';
import { objectsIn, root } from './manifests.ts';

export interface Asked {
  readonly user: string;
  readonly verb: string;
  /** As in Right. */
  readonly resource: string;
  /** Empty: none. */
  readonly namespace: string;
  readonly may: boolean;
}

const guide = readFileSync(join(root, 'docs/guides/rbac.md'), 'utf8');

/** The bindings of the example. */
export function bindings(): readonly UnknownRecord[] {
  const [, yaml = ''] = /```yaml\n([^`]*)```/.exec(guide) ?? [];
  return objectsIn(yaml);
}

/** Every cell of the table. Throws for one that is neither yes nor no. */
export function asked(): readonly Asked[] {
  const lines = guide.slice(guide.indexOf('<!-- asked')).split('\n');
  const table = lines.filter((line) => line.startsWith('|')).map(cells);
  const [[, , ...users] = [], , ...rows] = table;
  return rows.flatMap(([request = '', namespace = '', ...answers]) => {
    const [verb = '', resource = ''] = request.split(' ');
    return users.map((user, column) => {
      const answer = answers[column];
      if (answer !== 'yes' && answer !== 'no') throw new Error(`${request}, ${user}: ${answer}`);
      return { user, verb, resource, namespace, may: answer === 'yes' };
    });
  });
}

function cells(line: string): readonly string[] {
  return line
    .split('|')
    .slice(1, -1)
    .map((cell) => cell.trim());
}
