// What was probably meant: the known word with the fewest edits from the one written.

/** undefined when nothing is near: more than a third of the letters would change. */
export function nearest(written: string, known: readonly string[]): string | undefined {
  const word = written.toLowerCase().slice(0, 80);
  let best: string | undefined;
  let fewest = Math.max(1, Math.floor(word.replace(/^-+/, '').length / 3)) + 1;
  for (const candidate of known) {
    const edits = distance(word, candidate.toLowerCase());
    if (edits < fewest) {
      fewest = edits;
      best = candidate;
    }
  }
  if (best !== undefined || word.length < 5) return best;
  const starts = known.filter((candidate) => candidate.toLowerCase().startsWith(word));
  return starts.length === 1 ? starts[0] : undefined;
}

/** Insertions, deletions, replacements and swaps of neighbours (optimal string alignment). */
function distance(a: string, b: string): number {
  const width = b.length + 1;
  const cells = new Uint16Array((a.length + 1) * width);
  const at = (i: number, j: number): number => cells[i * width + j] ?? 0;
  for (let i = 0; i <= a.length; i++) {
    for (let j = 0; j <= b.length; j++) {
      let edits = i === 0 ? j : j === 0 ? i : at(i - 1, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1);
      if (i > 0 && j > 0) {
        edits = Math.min(edits, at(i - 1, j) + 1, at(i, j - 1) + 1);
        if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
          edits = Math.min(edits, at(i - 2, j - 2) + 1);
      }
      cells[i * width + j] = edits;
    }
  }
  return at(a.length, b.length);
}
