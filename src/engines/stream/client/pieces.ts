// A first configuration in pieces, so that no thread has to hold thousands of rows as one text: what others name first, and what makes
// anything listen in the last piece, so that nothing is served before all of it is there.
import type { Update, VirtualHostChange } from '../../../routing/update.ts';

type Change = Omit<Update, 'version'>;

/** Rows of one piece: some hundred kilobytes. */
const ROWS = 500;

const early = ['endpoints', 'certificates', 'trustBundles', 'clusters', 'rules'] as const;

/** Of a change that only sets rows, in an engine that serves nothing. */
export function inPieces(change: Change): readonly Change[] {
  const pieces: Change[] = [];
  for (const table of early) {
    const set: readonly unknown[] = change[table]?.set ?? [];
    for (let at = 0; at < set.length; at += ROWS) {
      pieces.push({ [table]: { set: set.slice(at, at + ROWS), delete: [] } });
    }
  }
  for (const host of change.virtualHosts ?? []) {
    for (let at = 0; at < host.inserted.length; at += ROWS) {
      const part: VirtualHostChange = { ...host, inserted: host.inserted.slice(at, at + ROWS) };
      pieces.push({ virtualHosts: [part] });
    }
  }
  const { frontends, binds, placements } = change;
  return [...pieces, { ...(frontends && { frontends }), ...(binds && { binds }), ...(placements && { placements }) }];
}
