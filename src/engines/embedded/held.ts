// A request that has to wait before it goes on: a copy of what the connection tells of it, which may be changed, and what came of its
// body so far. Only requests that an auth service judges are held; all others are read where they came in.
import type { HeaderMutation } from '../../routing/filters/external-auth.ts';
import {
  changeHeaders,
  type FieldLines,
  type HeaderPlan,
  withoutFields,
} from '../../routing/filters/header-changes.ts';
import type { IncomingRequest } from './sides.ts';

/** Not among `fields`, but a match may ask for them. */
const aside: readonly string[] = ['connection', 'content-length', 'host', 'te', 'transfer-encoding', 'upgrade'];

export class HeldRequest implements IncomingRequest {
  readonly version: '1.0' | '1.1' | '2';
  readonly method: string;
  readonly authority: string;
  readonly length: number;
  readonly acceptsTrailers: boolean;
  readonly upgrade: string;
  /** As it was sent. */
  readonly target: string;
  /** As the request was routed by it: normalised, or `*`; with the query that it goes on with. */
  readonly path: string;
  query: string;
  expectsContinue: boolean;
  /** The pieces of the body that came, never to be changed, and their octets. */
  readonly pieces: Buffer[] = [];
  size = 0;
  /** What the services that judged it add to its response. */
  readonly response: HeaderMutation[] = [];
  #lines: FieldLines;
  readonly #aside = new Map<string, string>();

  constructor(request: IncomingRequest, path: string, query: string) {
    this.path = path;
    this.query = query;
    this.version = request.version;
    this.method = request.method;
    this.authority = request.authority;
    this.target = request.target;
    this.length = request.length;
    this.acceptsTrailers = request.acceptsTrailers;
    this.upgrade = request.upgrade;
    this.expectsContinue = request.expectsContinue;
    this.#lines = request.fields();
    for (const name of aside) {
      const value = request.field(name);
      if (value !== undefined) this.#aside.set(name, value);
    }
    // An expectation of HTTP/1.0 is none (RFC 9110 section 10.1.1).
    if (request.version === '1.0') this.#without('expect');
  }

  field(name: string): string | undefined {
    const lines = this.#lines;
    let joined = this.#aside.get(name);
    for (let i = 0; i < lines.length; i += 2) {
      if ((lines[i] as string).toLowerCase() !== name) continue;
      const value = lines[i + 1] as string;
      joined = joined === undefined ? value : `${joined}${name === 'cookie' ? '; ' : ', '}${value}`;
    }
    return joined;
  }

  /** It is composed anew. */
  rewritten(): undefined {
    return undefined;
  }

  fields(): string[] {
    return [...this.#lines];
  }

  change(plan: HeaderPlan): void {
    this.#lines = changeHeaders(this.#lines, plan);
  }

  add(name: string, value: string): void {
    this.#lines = [...this.#lines, name, value];
  }

  /** The client was told to go on: nobody else has to. */
  continued(): void {
    this.expectsContinue = false;
    this.#without('expect');
  }

  keep(octets: Buffer): void {
    this.pieces.push(octets);
    this.size += octets.length;
  }

  #without(name: string): void {
    this.#lines = withoutFields(this.#lines, new Set([name]));
  }
}
