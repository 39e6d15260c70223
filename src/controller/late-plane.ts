// An engine that is still to start → a data plane at once: what it is told waits until it has.
import type { Engine } from '../routing/engine.ts';
import type { Update } from '../routing/update.ts';
import type { DataPlane } from './serving.ts';

export class LatePlane implements DataPlane {
  readonly #engine: Promise<Engine>;
  #serves = false;

  /** @param failed told why it did not start; nothing is served then */
  constructor(engine: Promise<Engine>, failed: (error: Error) => void) {
    this.#engine = engine;
    engine.catch(failed);
  }

  /** Rejects with the error of an engine that did not start. */
  async apply(update: Update): Promise<void> {
    await (await this.#engine).apply(update);
    this.#serves = true;
  }

  /** A configuration is in force. */
  get isServing(): boolean {
    return this.#serves;
  }

  async metrics(): Promise<string> {
    return (await this.#engine).metrics();
  }

  async drain(deadline: number): Promise<void> {
    await (await this.#engine.catch(ignore))?.drain(deadline);
  }

  async close(): Promise<void> {
    await (await this.#engine.catch(ignore))?.close();
  }
}

function ignore(): undefined {
  return undefined;
}
