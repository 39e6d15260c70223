// Nodes of a dialect in two lanes per gateway. In the main one are those that take what they are told, or all refuse it: then it is left
// out for all of them. A node that refuses what the others take (an Envoy of another version) costs these nothing: they serve it, and go
// on. It is told apart, by a translation of its own that leaves out what it refuses, so that it does not stay behind with all that came
// since; what is left out is in the condition of the object, as if all refused it. When nothing is left out any more it comes back.
import type { Update } from '../../../routing/update.ts';
import type { Connection, Discovery } from '../delta-server.ts';
import type { ResponseWriter } from '../node-stream.ts';
import type { PublishOutcome, StreamNode } from '../resource.ts';
import { TranslatedNodes, type TranslatedOptions } from './translated.ts';

export interface LanesOptions extends Omit<TranslatedOptions, 'onQuiet' | 'onForget' | 'suspects'> {
  /** Milliseconds for which nothing has to be left out before nodes are no longer told apart. */
  readonly apartFor: number;
}

interface Apart {
  /** As nodes call themselves: names of one gateway only, whose nodes may see the same. */
  readonly nodes: Set<string>;
  /** Names of the rows that may be to blame; undefined: any. */
  suspects: ReadonlySet<string> | undefined;
  returning: NodeJS.Timeout | null;
}

interface Stream {
  readonly gateway: string;
  readonly end: () => void;
}

/** Of a gateway; beyond it the first ones are told what all are told. */
const MOST_APART = 1024;

export class Lanes implements Discovery {
  readonly #options: LanesOptions;
  readonly #main: TranslatedNodes;
  readonly #others: TranslatedNodes;
  readonly #apart = new Map<string, Apart>();
  /** By the name of their node. */
  readonly #streams = new Map<Stream, string>();

  constructor(options: LanesOptions) {
    this.#options = options;
    const onForget = (gateway: string): void => this.#forget(gateway);
    this.#main = new TranslatedNodes({
      ...options,
      onForget,
      onQuiet: (gateway, refusing) => this.#part(gateway, refusing),
    });
    this.#others = new TranslatedNodes({
      ...options,
      onForget,
      suspects: (gateway) => this.#apart.get(gateway)?.suspects,
      onQuiet: (gateway, refusing, isWhole) => this.#look(gateway, refusing.length === 0 && isWhole),
    });
  }

  nodes(gateway?: string): readonly StreamNode[] {
    return [...this.#main.nodes(gateway), ...this.#others.nodes(gateway)];
  }

  /** In which lane a stream is turns out when its node says how it is called. */
  connect(gateway: string, writer: ResponseWriter): Connection {
    let connection: Connection | undefined;
    const stream = { gateway, end: () => writer.refuse('this node is told something else from now on') };
    return {
      request: (request) => {
        if (connection === undefined) {
          const node = request.node?.id ?? '';
          const lane = this.#apart.get(gateway)?.nodes.has(node) === true ? this.#others : this.#main;
          connection = lane.connect(gateway, writer);
          if (connection === undefined) writer.refuse('too many streams of this gateway');
          else this.#streams.set(stream, node);
        }
        connection?.request(request);
      },
      drained: () => connection?.drained(),
      close: () => {
        this.#streams.delete(stream);
        connection?.close();
      },
    };
  }

  /** @see TranslatedNodes.apply */
  apply(gateway: string, update: Update, digest: string): readonly Promise<PublishOutcome>[] {
    return [this.#main.apply(gateway, update, digest), this.#others.apply(gateway, update, digest)];
  }

  synced(): void {
    this.#main.synced();
    this.#others.synced();
  }

  /** The dialect translates a gateway otherwise from now on. */
  renew(gateway: string): void {
    this.#main.renew(gateway);
    this.#others.renew(gateway);
  }

  close(): void {
    for (const { returning } of this.#apart.values()) if (returning !== null) clearTimeout(returning);
    this.#main.close();
    this.#others.close();
  }

  /** These nodes refuse what stands: they come again, and are told apart then. */
  #part(gateway: string, refusing: readonly StreamNode[]): void {
    if (refusing.length === 0) return;
    let apart = this.#apart.get(gateway);
    if (apart === undefined) {
      apart = { nodes: new Set(), suspects: new Set(), returning: null };
      this.#apart.set(gateway, apart);
    }
    for (const node of refusing) {
      apart.nodes.add(node.id);
      const changed = this.#main.changedFor(gateway, node);
      apart.suspects = changed && apart.suspects?.union(changed);
    }
    for (const id of apart.nodes) if (apart.nodes.size > MOST_APART) apart.nodes.delete(id);
    this.#end(gateway, new Set(refusing.map(({ id }) => id)));
  }

  /** @param isWhole they take all that all others are told */
  #look(gateway: string, isWhole: boolean): void {
    const apart = this.#apart.get(gateway);
    if (apart === undefined) return;
    if (!isWhole && apart.returning !== null) {
      clearTimeout(apart.returning);
      apart.returning = null;
    }
    if (!isWhole || apart.returning !== null) return;
    apart.returning = setTimeout(() => {
      this.#apart.delete(gateway);
      this.#end(gateway, apart.nodes);
    }, this.#options.apartFor).unref();
  }

  /** Its nodes have been away for long. */
  #forget(gateway: string): void {
    for (const stream of this.#streams.keys()) if (stream.gateway === gateway) return;
    const returning = this.#apart.get(gateway)?.returning ?? null;
    if (returning !== null) clearTimeout(returning);
    this.#apart.delete(gateway);
  }

  /** Not within what brought it about, which is about these very streams. */
  #end(gateway: string, nodes: ReadonlySet<string>): void {
    setImmediate(() => {
      for (const [stream, node] of this.#streams) if (stream.gateway === gateway && nodes.has(node)) stream.end();
    });
  }
}
