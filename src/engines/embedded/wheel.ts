// Deadlines of milliseconds that nearly always are cancelled: a wheel of doubly linked lists, so that arming and disarming
// cost a few writes and allocate nothing. It ticks only while something is armed. Deadlines of seconds, which may be
// late by a second, are swept instead (sweep.ts).

/** What is armed. One object can wait for one moment at a time. */
export abstract class Deadline {
  /** Links of the list it is in; null when not armed. */
  next: Deadline | null = null;
  previous: Deadline | null = null;
  /** Of performance.now(). */
  due = 0;

  abstract expired(): void;
}

class Anchor extends Deadline {
  override expired(): void {
    throw new Error('the anchor of a slot never expires');
  }
}

const TICK = 8;
const SLOTS = 512;
/** Ticks that the loop missed when it stood still. */
const MISSED = 3;

export class Wheel {
  readonly #slots: Anchor[] = [];
  #armed = 0;
  /** Tick number up to which everything has expired. */
  #done = 0;
  #timer: NodeJS.Timeout | null = null;

  constructor() {
    for (let i = 0; i < SLOTS; i++) {
      const anchor = new Anchor();
      anchor.next = anchor.previous = anchor;
      this.#slots.push(anchor);
    }
  }

  /** Calls `deadline.expired()` at `due` or up to 16 ms later. Arms anew what is armed already. */
  arm(deadline: Deadline, due: number): void {
    if (deadline.next !== null) this.disarm(deadline);
    if (this.#armed++ === 0) this.#start();
    deadline.due = due;
    const tick = Math.max(Math.ceil(due / TICK), this.#done + 1);
    const anchor = this.#slots[tick % SLOTS] as Anchor;
    const last = anchor.previous as Deadline;
    deadline.previous = last;
    deadline.next = anchor;
    last.next = deadline;
    anchor.previous = deadline;
  }

  disarm(deadline: Deadline): void {
    deadline.due = 0;
    if (this.#unlink(deadline) && --this.#armed === 0) this.#stop();
  }

  #unlink(deadline: Deadline): boolean {
    const { next, previous } = deadline;
    if (next === null || previous === null) return false;
    previous.next = next;
    next.previous = previous;
    deadline.next = deadline.previous = null;
    return true;
  }

  #start(): void {
    this.#done = Math.floor(performance.now() / TICK);
    this.#timer ??= setInterval(() => this.#tick(), TICK);
  }

  #stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  /** After a standstill what waits in sockets is read before anybody is late for it. */
  #tick(): void {
    const now = performance.now();
    if (Math.floor(now / TICK) - this.#done > MISSED) setImmediate(() => this.#advance(now));
    else this.#advance(now);
  }

  #advance(now: number): void {
    const until = Math.floor(now / TICK);
    // After a long pause every slot is looked at once.
    const from = Math.max(this.#done + 1, until - SLOTS + 1);
    this.#done = Math.max(this.#done, until);
    const expiring: Deadline[] = [];
    for (let tick = from; tick <= until; tick++) this.#collect(this.#slots[tick % SLOTS] as Anchor, now, expiring);
    // An expiry may disarm or arm anew others that are due in this very tick.
    for (const deadline of expiring) if (deadline.due !== 0 && deadline.next === null) deadline.expired();
    if (this.#armed === 0) this.#stop();
  }

  /** Takes what is due out of a slot; what belongs to a later turn of the wheel stays. */
  #collect(anchor: Anchor, now: number, into: Deadline[]): void {
    for (let deadline = anchor.next as Deadline; deadline !== anchor;) {
      const following = deadline.next as Deadline;
      if (deadline.due <= now) {
        this.#unlink(deadline);
        this.#armed--;
        into.push(deadline);
      }
      deadline = following;
    }
  }
}
