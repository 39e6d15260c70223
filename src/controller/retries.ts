// What the API server refused, or never answered -> tried again after pauses that grow, for as long as it fails: whatever was to be
// written may have nobody else who comes back to it.

/** Milliseconds. */
const FIRST_PAUSE = 1000;

interface Failed {
  failures: number;
  message: string;
  timer: NodeJS.Timeout | undefined;
}

export class Retries {
  readonly #longest: number;
  readonly #failed = new Map<string, Failed>();
  #closed = false;

  /** @param longest pause, in milliseconds */
  constructor(longest: number) {
    this.#longest = longest;
  }

  /** Calls `again` in a while, unless it is done before. Returns whether this is news: the first failure, or another one than before. */
  later(key: string, { message }: Error, again: () => void): boolean {
    if (this.#closed) return false;
    const before = this.#failed.get(key);
    const failed = before ?? { failures: 0, message: '', timer: undefined };
    const isNews = failed.message !== message;
    const pause = Math.min(this.#longest, FIRST_PAUSE * 2 ** Math.min(16, failed.failures++));
    failed.message = message;
    clearTimeout(failed.timer);
    failed.timer = setTimeout(again, pause * (0.8 + Math.random() * 0.4)).unref();
    this.#failed.set(key, failed);
    return isNews;
  }

  /** Waits for the work, which is tried again in a while when it fails. @param failed told of what is news (`later`) */
  async attempt(
    key: string,
    work: Promise<void>,
    { again, failed }: { readonly again: () => void; readonly failed: (error: Error) => void },
  ): Promise<void> {
    try {
      await work;
      this.done(key);
    } catch (error) {
      if (this.later(key, error as Error, again)) failed(error as Error);
    }
  }

  /** It succeeded, or is not wanted any more. */
  done(key: string): void {
    clearTimeout(this.#failed.get(key)?.timer);
    this.#failed.delete(key);
  }

  close(): void {
    this.#closed = true;
    for (const key of this.#failed.keys()) this.done(key);
  }
}
