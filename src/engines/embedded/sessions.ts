// Session persistence (GEP-1619): which endpoint a client had, read from a sealed token that it brings along, and the token that it is
// given when it gets another. A token names backends and endpoints by hashes of their ids, and when each of them was chosen; never
// an address. Who is chosen without a token is plan.ts and balance.ts.
import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import { isFieldName } from '../../routing/filters/header-changes.ts';
import type { Session } from '../../routing/model.ts';
import type { LiveCluster, LiveEndpoint } from './balance.ts';
import type { FieldList } from './sides.ts';

/** A session of a rule's backend, compiled. */
export interface SessionPlan {
  readonly type: 'cookie' | 'header';
  readonly name: string;
  /** Of a header, in lower case. */
  readonly field: string;
  /** Behind the token in Set-Cookie. */
  readonly attributes: string;
  /** Milliseconds; Infinity = for ever. */
  readonly timeout: number;
  /** Each request draws its backend by weight; only the endpoint is kept. */
  readonly drawn: boolean;
}

/** One endpoint of one backend, as a token holds it. */
export interface Pin {
  /** Hashes of eight octets, one character each. */
  readonly backend: string;
  readonly endpoint: string;
  /** Milliseconds since 1970 at which it was chosen. */
  readonly since: number;
}

/** Octets of a key. */
export const SESSION_KEY = 32;
const NONCE = 12;
const SEAL = 16;
const HASH = 8;
const TIME = 6;
const PIN: number = 2 * HASH + TIME;
/** Backends that one token may remember: those of a rule at most. */
const PINS = 16;
/** Cookies of one name that are looked at: a client sends one per path that it has one for. */
const CANDIDATES = 4;
/** Tokens of clients that are remembered as good: some 2 MiB at most. */
const KNOWN_TOKENS = 2048;
const LONGEST_TOKEN: number = Math.ceil(((NONCE + PINS * PIN + SEAL) * 4) / 3);

export function compileSession(session: Session): SessionPlan | null {
  // What is no token cannot be a name; the CRD does not let it through.
  if (!isFieldName(session.name)) return null;
  const { type, name, path, absoluteTimeout, permanent } = session;
  const cookiePath = /^\/[\x21-\x3a\x3c-\x7e]*$/.test(path) ? path : '/';
  const age = permanent && absoluteTimeout !== undefined ? `; Max-Age=${Math.ceil(absoluteTimeout / 1000)}` : '';
  return {
    type,
    name,
    field: name.toLowerCase(),
    attributes: `; Path=${cookiePath}${age}; HttpOnly; SameSite=Strict`,
    timeout: absoluteTimeout === undefined || absoluteTimeout <= 0 ? Number.POSITIVE_INFINITY : absoluteTimeout,
    drawn: session.drawn === true,
  };
}

/** Seals and opens tokens; the first key seals, all of them open. */
export class SessionSeal {
  #keys: readonly Buffer[];
  /** Tokens that were good: a client brings its own again and again. */
  readonly #opened = new Map<string, readonly Pin[]>();

  constructor(keys: readonly Uint8Array[]) {
    this.#keys = keys.map((key) => Buffer.from(key));
  }

  /** Other keys from now on. Tokens that only an old one opens are of no use any more. */
  renew(keys: readonly Uint8Array[]): void {
    this.#keys = keys.map((key) => Buffer.from(key));
    this.#opened.clear();
  }

  /** @param name of the cookie or header: a token is of no use under another one */
  seal(name: string, pins: readonly Pin[]): string {
    const plain = Buffer.concat(pins.slice(0, PINS).map(encodePin));
    const nonce = randomBytes(NONCE);
    const cipher = createCipheriv('aes-256-gcm', this.#keys[0] as Buffer, nonce);
    cipher.setAAD(Buffer.from(PURPOSE + name));
    return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]).toString('base64url');
  }

  /** What a token holds; nothing when it was not sealed by one of the keys for that name. */
  open(name: string, token: string): readonly Pin[] {
    if (token.length > LONGEST_TOKEN) return [];
    const known = `${name} ${token}`;
    return this.#opened.get(known) ?? this.#unsealed(name, token, known);
  }

  #unsealed(name: string, token: string, known: string): readonly Pin[] {
    const sealed = Buffer.from(token, 'base64url');
    const size = sealed.length - NONCE - SEAL;
    if (size <= 0 || size % PIN !== 0) return [];
    for (const key of this.#keys) {
      const plain = unseal(key, PURPOSE + name, sealed);
      if (plain === undefined) continue;
      const pins = decodePins(plain);
      if (this.#opened.size >= KNOWN_TOKENS) this.#opened.clear();
      this.#opened.set(known, pins);
      return pins;
    }
    return [];
  }
}

/** The same key seals nothing else; the version of the format is part of it. */
const PURPOSE = 'portolan session 1 ';

function unseal(key: Buffer, purpose: string, sealed: Buffer): Buffer | undefined {
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, NONCE));
  decipher.setAAD(Buffer.from(purpose));
  decipher.setAuthTag(sealed.subarray(-SEAL));
  const plain = decipher.update(sealed.subarray(NONCE, -SEAL));
  try {
    decipher.final();
    return plain;
  } catch {
    return undefined;
  }
}

function encodePin({ backend, endpoint, since }: Pin): Buffer {
  const octets = Buffer.alloc(PIN);
  octets.write(backend, 0, HASH, 'latin1');
  octets.write(endpoint, HASH, HASH, 'latin1');
  octets.writeUIntBE(since, 2 * HASH, TIME);
  return octets;
}

function decodePins(plain: Buffer): Pin[] {
  const pins: Pin[] = [];
  for (let at = 0; at < plain.length; at += PIN) {
    pins.push({
      backend: plain.toString('latin1', at, at + HASH),
      endpoint: plain.toString('latin1', at + HASH, at + 2 * HASH),
      since: plain.readUIntBE(at + 2 * HASH, TIME),
    });
  }
  return pins;
}

// ---- Reading.

/** The tokens that a request brings along for a session. @param field its value of a field, by name in lower case */
export function tokensOf(plan: SessionPlan, field: (name: string) => string | undefined): readonly string[] {
  if (plan.type === 'cookie') return cookieValues(field('cookie') ?? '', plan.name);
  const value = field(plan.field);
  return value === undefined || value === '' ? [] : [value];
}

/** RFC 6265 section 5.4: `a=b; c=d`. Names have case. */
export function cookieValues(text: string, name: string): string[] {
  const values: string[] = [];
  let from = 0;
  while (from < text.length && values.length < CANDIDATES) {
    let end = text.indexOf(';', from);
    if (end < 0) end = text.length;
    while (from < end && text.charCodeAt(from) === SPACE) from++;
    if (text.startsWith(name, from) && text.charCodeAt(from + name.length) === EQUALS) {
      values.push(text.slice(from + name.length + 1, end).trim());
    }
    from = end + 1;
  }
  return values;
}

const SPACE = 32;
const EQUALS = 61;

/** The pins that still count. @param now milliseconds since 1970 */
export function currentPins(plan: SessionPlan, pins: readonly Pin[], now: number): readonly Pin[] {
  // Nobody chose anything in the future; a minute is for clocks of several machines.
  return pins.filter(({ since }) => since + plan.timeout > now && since <= now + 60_000);
}

/** The endpoint that a pin stands for, as long as it serves: also one on its way out (KEP-1669), but none that cannot be reached. */
export function pinnedEndpoint(cluster: LiveCluster, pins: readonly Pin[], now: number): LiveEndpoint | undefined {
  const pin = pins.find(({ backend }) => backend === backendHash(cluster));
  if (pin === undefined) return undefined;
  const endpoint = byHash(cluster.endpoints.lasting).get(pin.endpoint);
  return endpoint === undefined || endpoint.skippedUntil > now ? undefined : endpoint;
}

const hashed = new WeakMap<readonly LiveEndpoint[], ReadonlyMap<string, LiveEndpoint>>();

/** Made once per list of endpoints, when the first session asks. */
function byHash(endpoints: readonly LiveEndpoint[]): ReadonlyMap<string, LiveEndpoint> {
  let map = hashed.get(endpoints);
  if (map === undefined) {
    map = new Map(endpoints.map((endpoint) => [hashOf(endpoint.endpoint.id), endpoint]));
    hashed.set(endpoints, map);
  }
  return map;
}

// ---- Writing.

/** The pins of a client that got this endpoint: what it had elsewhere stays. @param now milliseconds since 1970 */
export function pinTo(
  cluster: LiveCluster,
  endpoint: LiveEndpoint,
  others: readonly Pin[],
  now: number,
): readonly Pin[] {
  const backend = backendHash(cluster);
  const pin = { backend, endpoint: hashOf(endpoint.endpoint.id), since: now };
  return [pin, ...others.filter((other) => other.backend !== backend)];
}

/** The field of the response that gives the client its token. @param secure the client came by https */
export function tokenField(plan: SessionPlan, token: string, secure: boolean): FieldList {
  if (plan.type === 'header') return [plan.name, token];
  return ['Set-Cookie', `${plan.name}=${token}${plan.attributes}${secure ? '; Secure' : ''}`];
}

/** Of the backend itself, not of what policies make of it: a session outlives a change of those. */
function backendHash(cluster: LiveCluster): string {
  return hashOf(cluster.row?.endpoints ?? cluster.key);
}

const hashes = new Map<string, string>();
const KNOWN_HASHES = 4096;

function hashOf(id: string): string {
  let hash = hashes.get(id);
  if (hash !== undefined) return hash;
  if (hashes.size >= KNOWN_HASHES) hashes.clear();
  hash = createHash('sha256').update(id).digest().toString('latin1', 0, HASH);
  hashes.set(id, hash);
  return hash;
}
