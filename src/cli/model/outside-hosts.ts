// Hosts outside that the model wants addresses of (XBackend) → what DNS says of them, again from time to time. Only what serves
// asks DNS.
import { lookup } from 'node:dns/promises';
import type { Changes } from '../../incremental/table.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';

/** Milliseconds. */
const interval = 10_000;
/** While a host has no addresses. */
const impatience = 1000;

export type Lookup = (host: string) => Promise<readonly string[]>;

export class OutsideHosts {
  readonly #pipeline: Pipeline;
  readonly #lookup: Lookup;
  readonly #known = new Map<string, string>();
  readonly #timers = new Map<string, NodeJS.Timeout>();
  #onChange: (() => void) | undefined;

  constructor(pipeline: Pipeline, lookup: Lookup = addressesOf) {
    this.#pipeline = pipeline;
    this.#lookup = lookup;
  }

  /** To be told of everything that a settle changed. */
  note(changes: Changes): void {
    const { wantedHosts } = this.#pipeline.tables;
    for (const host of changes.of(wantedHosts)) {
      if (wantedHosts.get(host) !== undefined) {
        if (this.#onChange !== undefined && !this.#timers.has(host)) void this.#look(host);
        continue;
      }
      clearTimeout(this.#timers.get(host));
      this.#timers.delete(host);
      this.#known.delete(host);
    }
  }

  /** Asks from now on, and tells when something is new. Resolves when everything that is wanted now was asked once. */
  async follow(onChange: () => void): Promise<void> {
    this.#onChange = onChange;
    await Promise.all([...this.#pipeline.tables.wantedHosts.keys()].map((host) => this.#look(host)));
  }

  close(): void {
    this.#onChange = undefined;
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
  }

  async #look(host: string): Promise<void> {
    // Holds the place, so that nobody asks twice at once.
    this.#wait(host, interval);
    let addresses: readonly string[] | undefined;
    try {
      addresses = await this.#lookup(host);
    } catch {
      // An address that was good a moment ago is better than none.
    }
    const isWanted = this.#pipeline.tables.wantedHosts.get(host) !== undefined;
    if (this.#onChange === undefined || !isWanted) return;
    this.#wait(host, addresses === undefined ? impatience : interval);
    if (addresses === undefined || this.#known.get(host) === addresses.join()) return;
    this.#known.set(host, addresses.join());
    this.#pipeline.resolve(host, addresses);
    this.#onChange();
  }

  #wait(host: string, time: number): void {
    clearTimeout(this.#timers.get(host));
    this.#timers.set(host, setTimeout(() => void this.#look(host), time).unref());
  }
}

async function addressesOf(host: string): Promise<readonly string[]> {
  return (await lookup(host, { all: true, order: 'ipv4first' })).map(({ address }) => address).toSorted();
}
