// Addresses for Gateways whose traffic comes to this machine: one each from a pool, the one asked for if it is free, else the one
// that the Gateway had, else the next. A pool of a single address is shared by all.
import net, { isIPv4, isIPv6 } from 'node:net';

export interface AddressWish {
  readonly gateway: string;
  /** Of spec.addresses, in their order; without those that name none. */
  readonly asked: readonly string[];
  /** Of its status, from an earlier run. */
  readonly had: readonly string[];
}

export class AddressPool {
  readonly #first: bigint;
  readonly #count: bigint;
  readonly #v6: boolean;
  readonly #held = new Map<string, string>();
  #next = 0n;

  /** @param range `10.0.0.0/24`, or one address. Throws a RangeError for anything else. */
  constructor(range: string) {
    const [base = '', bits] = range.split('/');
    const family = net.isIP(base);
    if (family === 0) throw new RangeError(`${range} is no address and no range of addresses`);
    this.#v6 = family === 6;
    const width = this.#v6 ? 128 : 32;
    const length = bits === undefined ? width : Number(bits);
    if (!/^\d{1,3}$/.test(bits ?? String(width)) || length > width)
      throw new RangeError(`${range}: /${bits} is no length of a prefix`);
    const size = 1n << BigInt(width - length);
    const start = (numberOf(base, this.#v6) / size) * size;
    // The first and the last of a range of IPv4 are the network's and the broadcast's.
    const edges = !this.#v6 && size > 2n;
    this.#first = edges ? start + 1n : start;
    this.#count = edges ? size - 2n : size;
  }

  get shared(): boolean {
    return this.#count === 1n;
  }

  /** What is given to Gateways. A pool of one address shares it, with other pools as well. */
  held(): Iterable<string> {
    return this.shared ? [] : this.#held.values();
  }

  /**
   * The addresses of all Gateways; one that is left out is free again. Undefined: none is left.
   * @param elsewhere what other pools, which may overlap, have given
   */
  assign(wishes: readonly AddressWish[], elsewhere: Iterable<string> = []): ReadonlyMap<string, string | undefined> {
    const wanted = new Set(wishes.map(({ gateway }) => gateway));
    for (const gateway of this.#held.keys()) if (!wanted.has(gateway)) this.#held.delete(gateway);
    const taken = new Set([...this.#held.values(), ...elsewhere]);
    // Those that ask for one go first, so that none of the others takes it.
    for (const wish of wishes.toSorted((a, b) => b.asked.length - a.asked.length)) {
      const held = this.#held.get(wish.gateway);
      if (held !== undefined && (wish.asked.length === 0 || wish.asked.includes(held))) continue;
      const address = this.#choose(wish, taken, held);
      if (address === undefined || address === held) continue;
      if (held !== undefined) taken.delete(held);
      taken.add(address);
      this.#held.set(wish.gateway, address);
    }
    return new Map(wishes.map(({ gateway }) => [gateway, this.#held.get(gateway)]));
  }

  #choose({ asked, had }: AddressWish, taken: ReadonlySet<string>, held: string | undefined): string | undefined {
    const free = (address: string): boolean => this.has(address) && (this.shared || !taken.has(address));
    return asked.find(free) ?? held ?? had.find(free) ?? this.#nextFree(taken);
  }

  #nextFree(taken: ReadonlySet<string>): string | undefined {
    if (this.shared) return textOf(this.#first, this.#v6);
    for (let tries = 0; tries <= taken.size; tries++) {
      const address = textOf(this.#first + (this.#next % this.#count), this.#v6);
      this.#next++;
      if (!taken.has(address)) return address;
    }
    return undefined;
  }

  has(address: string): boolean {
    if (this.#v6 ? !isIPv6(address) : !isIPv4(address)) return false;
    const number = numberOf(address, this.#v6);
    return number >= this.#first && number < this.#first + this.#count;
  }
}

function numberOf(address: string, v6: boolean): bigint {
  if (!v6) return address.split('.').reduce((sum, part) => sum * 256n + BigInt(part), 0n);
  // The longest run of zeros is written as ::, and the end may be an IPv4 address.
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(address);
  const text = dotted === null ? address : `${dotted[1]}${hexOf(numberOf(dotted[2] as string, false))}`;
  const [head = '', tail] = text.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const middle = tail === undefined ? [] : Array<string>(8 - left.length - right.length).fill('0');
  return [...left, ...middle, ...right].reduce((sum, part) => sum * 65_536n + BigInt(`0x${part}`), 0n);
}

function hexOf(number: bigint): string {
  return `${(number >> 16n).toString(16)}:${(number & 0xffffn).toString(16)}`;
}

function textOf(number: bigint, v6: boolean): string {
  if (!v6) return [24n, 16n, 8n, 0n].map((shift) => ((number >> shift) & 255n).toString()).join('.');
  const full = Array.from({ length: 8 }, (_, i) => ((number >> BigInt(112 - 16 * i)) & 0xffffn).toString(16)).join(':');
  // As the system writes it, so that texts can be compared.
  return new net.SocketAddress({ address: full, family: 'ipv6' }).address;
}
