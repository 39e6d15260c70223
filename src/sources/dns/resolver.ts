// Names of hosts → their addresses, asked again when the answer grows old. A name that cannot be resolved for a while keeps its last
// addresses: an answer that is old is better than none.
import dns from 'node:dns';

export interface Answer {
  readonly addresses: readonly string[];
  /** Seconds that it holds; absent: unknown. */
  readonly ttl?: number;
}

export interface HostResolverOptions {
  /** Told of every answer that differs from the one before; without addresses when there is no such host. */
  readonly resolved: (hostname: string, addresses: readonly string[]) => void;
  /** Default: the resolver of the system, with its hosts file. */
  readonly ask?: (hostname: string) => Promise<Answer>;
}

/** Seconds. */
const SHORTEST = 5;
const LONGEST = 300;
/** Where nothing is said of how long an answer holds, as by a hosts file. */
const UNKNOWN = 30;

interface Wanted {
  last: string | undefined;
  timer: NodeJS.Timeout | undefined;
  failures: number;
}

export class HostResolver {
  readonly #options: HostResolverOptions;
  readonly #wanted = new Map<string, Wanted>();

  constructor(options: HostResolverOptions) {
    this.#options = options;
  }

  /** These and no others from now on. */
  want(hostnames: Iterable<string>): void {
    const names = new Set(hostnames);
    for (const [name, { timer }] of this.#wanted) {
      if (names.has(name)) continue;
      clearTimeout(timer);
      this.#wanted.delete(name);
    }
    for (const name of names) {
      if (this.#wanted.has(name)) continue;
      const wanted: Wanted = { last: undefined, timer: undefined, failures: 0 };
      this.#wanted.set(name, wanted);
      void this.#turn(name, wanted);
    }
  }

  close(): void {
    this.want([]);
  }

  async #turn(name: string, wanted: Wanted): Promise<void> {
    let next: number;
    try {
      const { addresses, ttl = UNKNOWN } = await (this.#options.ask ?? askSystem)(name);
      wanted.failures = 0;
      next = Math.min(LONGEST, Math.max(SHORTEST, ttl));
      this.#tell(name, wanted, addresses);
    } catch (error) {
      next = Math.min(LONGEST, SHORTEST * 2 ** wanted.failures++);
      // Only a definite no takes addresses away.
      if ((error as NodeJS.ErrnoException).code === 'ENOTFOUND') this.#tell(name, wanted, []);
    }
    if (this.#wanted.get(name) !== wanted) return;
    wanted.timer = setTimeout(() => void this.#turn(name, wanted), next * 1000 * (0.9 + Math.random() / 5)).unref();
  }

  #tell(name: string, wanted: Wanted, addresses: readonly string[]): void {
    const sorted = [...new Set(addresses)].toSorted();
    const text = sorted.join(' ');
    if (this.#wanted.get(name) !== wanted || text === wanted.last) return;
    wanted.last = text;
    this.#options.resolved(name, sorted);
  }
}

/** DNS tells how long an answer holds; names that only the hosts file knows do not. */
async function askSystem(hostname: string): Promise<Answer> {
  const resolver = new dns.promises.Resolver({ timeout: 3000, tries: 2 });
  const answers = await Promise.allSettled([
    resolver.resolve4(hostname, { ttl: true }),
    resolver.resolve6(hostname, { ttl: true }),
  ]);
  const records = answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
  if (records.length > 0) {
    return { addresses: records.map(({ address }) => address), ttl: Math.min(...records.map(({ ttl }) => ttl)) };
  }
  const found = await dns.promises.lookup(hostname, { all: true });
  return { addresses: found.map(({ address }) => address) };
}
