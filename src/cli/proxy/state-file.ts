// The last good configuration of a proxy on disk, so that it serves after a restart with no controller: one line of JSON per row
// between a head and an end that seals it with a checksum. Keys of certificates are in it: only its owner may read it.
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { type HeldRow, HeldRows, type RowTable, rowTables } from '../../engines/stream/client/held-rows.ts';
import { isRecord, text } from '../../support/untrusted.ts';

export interface StateFileOptions {
  /** A file, or a folder to keep it in. */
  readonly place: string;
  /** Of this program: what another version wrote is served, but asked for anew, since it may not have kept all of it. */
  readonly version: string;
  readonly log: (level: 'info' | 'warn', message: string) => void;
}

interface Snapshot {
  readonly digest: string;
  readonly rows: readonly (readonly [table: RowTable, name: string, held: HeldRow])[];
}

const FORMAT = 1;
const NAME = 'proxy-state';
/** Milliseconds from a revision to the file, and least between two writes. */
const FIRST = 300;
const BETWEEN = 5000;
/** Writing takes at most this part of the time. */
const SHARE = 20;
/** Octets written at a time, so that nothing waits for long. */
const CHUNK = 262_144;

export class StateFile {
  readonly path: string;
  readonly #options: StateFileOptions;
  readonly #snapshot: () => Snapshot | undefined;
  #timer: NodeJS.Timeout | null = null;
  #writing: Promise<void> = Promise.resolve();
  #notBefore = 0;
  #dirty = false;

  /** @param held asked for what is to be written */
  constructor(options: StateFileOptions, held: { readonly rows: HeldRows; readonly digest: () => string }) {
    this.#options = options;
    this.path = pathOf(options.place);
    this.#snapshot = () => (held.rows.isSettled ? snapshotOf(held.rows, held.digest()) : undefined);
  }

  /** A revision is in force. */
  changed(): void {
    this.#dirty = true;
    const wait = Math.max(FIRST, this.#notBefore - performance.now());
    this.#timer ??= setTimeout(() => void this.flush(), wait).unref();
  }

  /** Writes what was not written yet. Failures are said, and tried again with the next revision. */
  flush(): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#writing = this.#writing.then(() => this.#write());
    return this.#writing;
  }

  async #write(): Promise<void> {
    if (!this.#dirty) return;
    // In the middle of a change: the next revision comes here again.
    const snapshot = this.#snapshot();
    if (snapshot === undefined) return;
    this.#dirty = false;
    const begun = performance.now();
    try {
      await write(this.path, this.#options.version, snapshot);
    } catch (error) {
      this.#dirty = true;
      this.#options.log('warn', `the configuration could not be saved: ${(error as Error).message}`);
    }
    const now = performance.now();
    this.#notBefore = now + Math.max(BETWEEN, (now - begun) * SHARE);
  }
}

export interface SavedState {
  /** To be put in force: see HeldRows.commit. */
  readonly rows: HeldRows;
  readonly digest: string;
}

/** undefined: there is none, or none that can be used, which is said. */
export function readState({ place, version, log }: StateFileOptions): SavedState | undefined {
  const file = pathOf(place);
  let content: string;
  try {
    content = fs.readFileSync(file, 'utf8');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT') log('warn', `the saved configuration cannot be read: ${message}`);
    return undefined;
  }
  try {
    return parse(content, version);
  } catch (error) {
    log('warn', `the saved configuration ${file} is not used: ${(error as Error).message}`);
    return undefined;
  }
}

function pathOf(place: string): string {
  const isFolder = place.endsWith(path.sep) || fs.statSync(place, { throwIfNoEntry: false })?.isDirectory() === true;
  return isFolder ? path.join(place, NAME) : place;
}

function snapshotOf(rows: HeldRows, digest: string): Snapshot {
  return {
    digest,
    rows: rowTables.flatMap((table) => [...rows.rows(table)].map(([name, held]) => [table, name, held] as const)),
  };
}

/** Under another name first, so that what is there is whole whenever the machine stops. */
async function write(file: string, version: string, { digest, rows }: Snapshot): Promise<void> {
  const draft = `${file}.${process.pid}.tmp`;
  const seal = createHash('sha256');
  const handle = await fs.promises.open(draft, 'w', 0o600);
  try {
    let chunk = `${JSON.stringify({ portolan: NAME, format: FORMAT, version, digest })}\n`;
    const put = async (): Promise<void> => {
      seal.update(chunk);
      await handle.writeFile(chunk);
      chunk = '';
    };
    for (const [table, name, held] of rows) {
      chunk += `${JSON.stringify([table, name, held.version, held.row])}\n`;
      if (chunk.length > CHUNK) await put();
    }
    await put();
    await handle.writeFile(`${JSON.stringify({ seal: seal.digest('hex') })}\n`);
    await handle.sync();
    await handle.close();
    await fs.promises.rename(draft, file);
  } catch (error) {
    await handle.close().catch(() => {});
    await fs.promises.rm(draft, { force: true });
    throw error;
  }
}

function parse(content: string, version: string): SavedState {
  const [first = '', ...lines] = content.split('\n');
  const head = json(first);
  if (!isRecord(head) || head['portolan'] !== NAME) throw new Error('it is something else');
  if (head['format'] !== FORMAT)
    throw new Error(`it is of the format ${String(head['format'])}, and this version reads ${FORMAT}`);
  const last = content.lastIndexOf('\n', content.length - 2) + 1;
  const end = json(content.slice(last));
  const seal = createHash('sha256').update(content.slice(0, last)).digest('hex');
  if (!isRecord(end) || end['seal'] !== seal) throw new Error('it is damaged');
  const rows = new HeldRows();
  for (const line of lines.slice(0, -2)) {
    const [table, name, from, row] = json(line) as [RowTable, string, string, unknown];
    rows.put(table, name, { version: head['version'] === version ? from : '', row });
  }
  return { rows, digest: text(head['digest']) ?? '' };
}

/** undefined for what is no JSON. */
function json(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
