// What may be told of Gateways and ListenerSets: nothing of an update that no data plane has in force, and nothing at all, when this
// replica has just begun to write, before the data planes that are up have found it.
import type { Pipeline } from '../pipeline/pipeline.ts';
import type { BoundGateway } from '../routing/bound.ts';
import type { ObjectRef } from '../routing/origin.ts';
import { refKey } from '../routing/origin.ts';
import { refOfKey } from './paths.ts';

/** Milliseconds that they have. */
const REUNION = 20_000;

export class Told {
  /** How many updates are under way, by refKey. */
  readonly #sent = new Map<string, number>();
  /** By refKey: the Gateway. */
  readonly #awaited = new Map<string, string>();
  #timer: NodeJS.Timeout | undefined;
  readonly #release: (refs: readonly ObjectRef[]) => void;

  /** @param release these may be told now */
  constructor(release: (refs: readonly ObjectRef[]) => void) {
    this.#release = release;
  }

  /** @param key refKey of any object */
  may(key: string): boolean {
    return !this.#sent.has(key) && !this.#awaited.has(key);
  }

  /** An update that changes their statuses is under way. Call what is returned when it is in force, or never will be. */
  send(refs: Iterable<ObjectRef>): () => void {
    const keys = [...refs].filter(isServed).map(refKey);
    for (const key of keys) this.#sent.set(key, (this.#sent.get(key) ?? 0) + 1);
    return () => {
      for (const key of keys) {
        const left = (this.#sent.get(key) ?? 1) - 1;
        if (left === 0) this.#sent.delete(key);
        else this.#sent.set(key, left);
      }
    };
  }

  /** @param gateways that have data planes somewhere */
  await(gateways: Iterable<BoundGateway>): void {
    for (const gateway of gateways) for (const ref of refsOf(gateway)) this.#awaited.set(refKey(ref), gateway.key);
    clearTimeout(this.#timer);
    if (this.#awaited.size > 0) this.#timer = setTimeout(() => this.#letGo(() => true), REUNION).unref();
  }

  /** Something was reported. */
  heard({ tables: { gateways, reports } }: Pipeline): void {
    if (this.#awaited.size === 0) return;
    this.#letGo((key) => {
      const binds = gateways.get(key)?.binds ?? [];
      return binds.every((bind) => reports.get(bind.key) !== undefined);
    });
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  #letGo(which: (gateway: string) => boolean): void {
    const refs: ObjectRef[] = [];
    for (const [key, gateway] of this.#awaited) {
      if (!which(gateway)) continue;
      this.#awaited.delete(key);
      refs.push(refOfKey(key));
    }
    if (refs.length > 0) this.#release(refs);
  }
}

/** Its status tells what data planes serve. */
export function isServed({ kind }: ObjectRef): boolean {
  return kind === 'Gateway' || kind === 'ListenerSet';
}

function refsOf(gateway: BoundGateway): readonly ObjectRef[] {
  return [gateway.ref, ...gateway.listenerSets.map(({ ref }) => ref)];
}
