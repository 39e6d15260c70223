// When a node is asked once more for what it could not take at that moment (a port that another program has): after pauses that grow
// while it refuses, for as long as it does.

export interface RetryRules {
  /** Whether a node that refuses with these words may take the same later. */
  readonly isPassing: (message: string) => boolean;
  /** Milliseconds. Each pause is twice the one before it, up to the longest. */
  readonly first: number;
  readonly longest: number;
}

export class Retries {
  readonly #rules: RetryRules | undefined;
  readonly #retry: (isPassing: RetryRules['isPassing']) => void;
  #timer: NodeJS.Timeout | null = null;
  #pause = 0;

  /** @param rules undefined: what is refused is refused for good */
  constructor(rules: RetryRules | undefined, retry: (isPassing: RetryRules['isPassing']) => void) {
    this.#rules = rules;
    this.#retry = retry;
  }

  /** @param isNew it is not the same as before: the pauses begin anew */
  refused(message: string, isNew: boolean): void {
    const rules = this.#rules;
    if (rules?.isPassing(message) !== true) return;
    if (isNew) {
      this.close();
      this.#pause = rules.first;
    }
    if (this.#timer !== null) return;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#retry(rules.isPassing);
    }, this.#pause).unref();
    this.#pause = Math.min(rules.longest, this.#pause * 2);
  }

  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }
}
