// The stream of a proxy to its controller: resources in, updates for an engine out, acknowledged once they are in force. What cannot be
// taken is refused by name, and the rest takes effect. Between connections it remembers what it has, so that only what differs
// travels.
import type { Update } from '../../../routing/update.ts';
import { decodeResponse, type DeltaRequest, type DeltaResponse, deltaPath, encodeRequest } from '../discovery.ts';
import type { StreamSpec } from '../link.ts';
import { inPieces } from './pieces.ts';
import { codecs, revisionType } from '../rows/tables.ts';
import { HeldRows, type RowTable, rowTables } from './held-rows.ts';
import { RefusedRows } from './refused-rows.ts';

export interface ModelClientOptions {
  /** Name of this node, for people. */
  readonly node: string;
  readonly agent: string;
  /** Puts an update in force. */
  readonly apply: (update: Update) => Promise<void>;
  /** A revision is in force. */
  readonly onRevision: (digest: string) => void;
  /** Something was refused. */
  readonly onRefused: (message: string) => void;
  /** From before; `adopt` puts it in force. */
  readonly held?: HeldRows;
}

const tableOf: ReadonlyMap<string, RowTable> = new Map(rowTables.map((table) => [codecs[table].typeUrl, table]));
/** Named in one refusal. */
const MOST_NAMED = 5;

export class ModelClient {
  readonly held: HeldRows;
  readonly refused: RefusedRows = new RefusedRows();
  readonly #options: ModelClientOptions;
  #write: ((request: DeltaRequest) => void) | null = null;
  #version = 0;
  #queue: Promise<void> = Promise.resolve();
  #bytes = 0;

  constructor(options: ModelClientOptions) {
    this.#options = options;
    this.held = options.held ?? new HeldRows();
  }

  /** Octets of responses, since the start. */
  get received(): number {
    return this.#bytes;
  }

  /** Puts in force what `held` has been given since the last revision: what was read from disk. */
  adopt(digest: string): Promise<void> {
    return this.#commit(digest);
  }

  /** For a Link. */
  get stream(): StreamSpec<DeltaRequest, DeltaResponse> {
    return {
      path: deltaPath,
      serialize: encodeRequest,
      deserialize: (bytes) => {
        this.#bytes += bytes.length;
        return decodeResponse(bytes);
      },
      up: (write) => {
        this.#write = write;
        this.refused.begin();
        for (const table of rowTables) this.#subscribe(codecs[table].typeUrl, versions(this.held, table));
        // Without a version, so that it comes in any case and says that everything before it has come.
        this.#subscribe(revisionType, new Map());
      },
      data: (response) => this.#take(response),
      down: () => {
        this.#write = null;
      },
    };
  }

  #subscribe(typeUrl: string, initialVersions: ReadonlyMap<string, string>): void {
    const { node: id, agent } = this.#options;
    this.#write?.({ node: { id, agent }, typeUrl, subscribe: ['*'], unsubscribe: [], initialVersions, nonce: '' });
  }

  #answer({ typeUrl, nonce }: DeltaResponse, error?: string): void {
    this.#write?.({
      typeUrl,
      subscribe: [],
      unsubscribe: [],
      initialVersions: new Map(),
      nonce,
      ...(error === undefined ? {} : { error }),
    });
  }

  #take(response: DeltaResponse): void {
    const table = tableOf.get(response.typeUrl);
    if (table !== undefined) this.#stage(table, response);
    else if (response.typeUrl === revisionType) this.#revise(response);
    else this.#answer(response, 'not asked for');
  }

  #stage(table: RowTable, response: DeltaResponse): void {
    const refused: string[] = [];
    for (const { name, version, bytes } of response.resources) {
      try {
        this.held.set(table, name, { version, bytes });
        this.refused.delete(table, name);
      } catch (error) {
        const { message } = error as Error;
        refused.push(`${name}: ${message}`);
        this.refused.set(table, name, message, this.held);
      }
    }
    for (const name of response.removed) {
      this.held.remove(table, name);
      this.refused.delete(table, name);
    }
    if (refused.length === 0) {
      this.#answer(response);
      return;
    }
    const more = refused.length > MOST_NAMED ? ` and ${refused.length - MOST_NAMED} more` : '';
    const message = `${table} ${refused.slice(0, MOST_NAMED).join('; ')}${more}`;
    this.#options.onRefused(message);
    this.#answer(response, message);
  }

  #revise(response: DeltaResponse): void {
    // None: the gateway has nothing, or is gone.
    const [resource] = response.resources;
    const digest = resource === undefined ? '' : codecs.revision.decode(resource.bytes).digest;
    const write = this.#write;
    this.refused.settle();
    this.#commit(digest).then(
      () => {
        if (this.#write === write) this.#answer(response);
      },
      (error: unknown) => {
        const message = `the engine refused an update: ${(error as Error).message}`;
        this.#options.onRefused(message);
        if (this.#write === write) this.#answer(response, message);
      },
    );
  }

  /** What is held at this moment, behind what is under way. */
  #commit(digest: string): Promise<void> {
    const changes = this.held.commit();
    const applied = this.#queue.then(() => this.#apply(changes)).then(() => this.#options.onRevision(digest));
    this.#queue = applied.catch(() => {});
    return applied;
  }

  async #apply(changes: Omit<Update, 'version'> | undefined): Promise<void> {
    if (changes === undefined) return;
    // Nothing is served before the first is complete.
    const pieces = this.#version === 0 ? inPieces(changes) : [changes];
    for (const piece of pieces) await this.#options.apply({ version: ++this.#version, ...piece });
  }
}

function versions(held: HeldRows, table: RowTable): ReadonlyMap<string, string> {
  return new Map([...held.rows(table)].map(([name, { version }]) => [name, version]));
}
