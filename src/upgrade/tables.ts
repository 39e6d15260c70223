// The shapes that upgrade stages take and give: raw tables in, tables of current objects and of problems out.
import type { KubeObject } from '../api/objects.ts';
import type { SourceRef } from '../api/sourced.ts';
import { Derived } from '../incremental/derived.ts';
import type { Table } from '../incremental/table.ts';
import { refKey } from '../routing/origin.ts';
import type { Problem } from '../routing/problem.ts';

/** The raw table of a kind. */
export type RawTables = (group: string, kind: string) => Table<KubeObject>;

/** The problems of one object, with the refKey of what was written. */
export interface ProblemsOf {
  readonly key: string;
  readonly problems: readonly Problem[];
}

/** Objects with nothing to be said about them have no row. */
export function problemsOf(table: Table<Said>): Derived<Said, ProblemsOf> {
  return new Derived<Said, ProblemsOf>(`problems of ${table.name}`, table, ({ ref, problems }) =>
    problems.length === 0 ? undefined : { key: refKey(ref), problems },
  );
}

interface Said {
  readonly ref: SourceRef;
  readonly problems: readonly Problem[];
}
