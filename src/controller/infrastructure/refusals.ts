// Addresses that load balancers are asked for: one that is not given within a while counts as refused, until it is given or not asked
// for any more. Load balancers do not say no; they only never say yes.

/** Milliseconds. A cloud that takes longer to make a load balancer is only told of as if it refused, until it is done. */
const PATIENCE = 15_000;

interface Asked {
  readonly address: string;
  readonly timer: NodeJS.Timeout;
  isOverdue: boolean;
}

export class Refusals {
  readonly #patience: number;
  readonly #expired: (gateway: string) => void;
  readonly #asked = new Map<string, Asked>();
  readonly #refused = new Map<string, readonly string[]>();

  /** @param expired something may be refused now: it is to be noted again */
  constructor(expired: (gateway: string) => void, patience: number = PATIENCE) {
    this.#expired = expired;
    this.#patience = patience;
  }

  of(gateway: string): readonly string[] {
    return this.#refused.get(gateway) ?? [];
  }

  /**
   * @param asked of the load balancer, by the Service as it stands
   * @param given by it
   * @param wanted by the Gateway
   */
  note(gateway: string, asked: string | undefined, given: readonly string[], wanted: readonly string[]): void {
    const before = this.#asked.get(gateway);
    const isWaiting = asked !== undefined && asked !== '' && given.length === 0;
    if (before !== undefined && (!isWaiting || before.address !== asked)) {
      clearTimeout(before.timer);
      this.#asked.delete(gateway);
    }
    const refused = this.of(gateway).filter((address) => wanted.includes(address) && !given.includes(address));
    if (isWaiting && before?.address === asked) {
      if (before.isOverdue && !refused.includes(asked)) refused.push(asked);
    } else if (isWaiting) {
      this.#asked.set(gateway, { address: asked, timer: this.#timer(gateway), isOverdue: false });
    }
    if (refused.length === 0) this.#refused.delete(gateway);
    else this.#refused.set(gateway, refused);
  }

  /** @param address it will not be given, as long as it is asked for */
  refuse(gateway: string, address: string): void {
    if (!this.of(gateway).includes(address)) this.#refused.set(gateway, [...this.of(gateway), address]);
  }

  #timer(gateway: string): NodeJS.Timeout {
    const timer = setTimeout(() => {
      const asked = this.#asked.get(gateway);
      if (asked !== undefined) asked.isOverdue = true;
      this.#expired(gateway);
    }, this.#patience);
    return timer.unref();
  }

  forget(gateway: string): void {
    clearTimeout(this.#asked.get(gateway)?.timer);
    this.#asked.delete(gateway);
    this.#refused.delete(gateway);
  }

  close(): void {
    for (const gateway of this.#asked.keys()) this.forget(gateway);
  }
}
