// A request as it goes to a backend: what came in, with the rule's and the backend's changes and the fields that say where it
// came from. Made once per exchange; every attempt and every mirror sends the same.
import { changePath } from '../../routing/filters/path-change.ts';
import type { Target } from '../../routing/match/path.ts';
import type { HeldRequest } from './held.ts';
import { fieldPairs } from './http1/text.ts';
import type { BackendPlan } from './plan.ts';
import type { Client, FieldList, HeadEdit, IncomingRequest, OutgoingRequest } from './sides.ts';
import { UNKNOWN_LENGTH } from './sides.ts';
import { REQUEST_ID, type Thread } from './thread.ts';

/** Fields that say where a request came from, always written anew. */
const replaced: readonly string[] = ['x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host'];
/** These too, unless a trusted proxy sent them. */
const untrusted: readonly string[] = [...replaced, 'x-forwarded-port', 'forwarded'];

export class Outgoing implements OutgoingRequest, HeadEdit {
  method = '';
  scheme: 'http' | 'https' = 'http';
  authority = '';
  path = '';
  length = 0;
  acceptsTrailers = false;
  repeatable = false;
  anew = false;
  upgrade = '';
  framed = false;
  // Of HeadEdit.
  dropped: readonly string[] = [];
  readonly trusted: boolean;
  added = '';

  readonly #thread: Thread;
  readonly client: Client;
  /** Of the request; else the line that gives it one. */
  #id: string | undefined;
  #idLine = '';
  #http1: string | null = null;
  #list: FieldList | null = null;
  /** X-Forwarded-* of a client that is not trusted, made once for the host that it names again and again. */
  #forwarded = '';
  #forwardedHost: string | null = null;

  constructor(thread: Thread, client: Client) {
    this.#thread = thread;
    this.client = client;
    this.trusted = thread.trustedHops > 0;
  }

  /**
   * Reads all that will be needed of `request`, whose fields do not outlive this call.
   * @param target null for `*`
   * @param http2 the cluster speaks HTTP/2, over which nothing is upgraded
   */
  prepare(request: IncomingRequest, target: Target | null, backend: BackendPlan, http2: boolean): void {
    const client = this.client;
    // Fields are asked for as a list, and the body as payload, for HTTP/2 and for mirrors.
    const lists = http2 || backend.mirrors.length > 0;
    this.method = request.method;
    this.scheme = client.scheme;
    this.authority = backend.hostname ?? (request.authority === '' ? client.localAuthority : request.authority);
    this.path = pathOf(request, target, backend);
    this.length = request.length;
    this.acceptsTrailers = request.acceptsTrailers;
    this.repeatable = isRepeatable(request.method);
    this.anew = false;
    this.upgrade = http2 ? '' : request.upgrade;
    this.dropped = backend.request.dropped;
    this.#id = request.field('x-request-id');
    this.#idLine = this.#id === undefined && this.#thread.requestIds ? this.#thread.newRequestIdLine() : '';
    this.added = this.#forwardedLines(request) + this.#idLine + backend.request.text;
    this.#http1 = request.rewritten(this) ?? null;
    // What is composed anew was not delivered as chunked coding.
    this.framed = this.#http1 !== null && request.length === UNKNOWN_LENGTH && !lists;
    this.#list = this.#http1 === null || lists ? this.#merged(request, backend) : null;
  }

  /** Gives a request that is held its id, before it is prepared: whoever judges it is told the same as the backend. */
  identify(request: HeldRequest): void {
    const id = request.field('x-request-id');
    this.#id = id;
    this.#idLine = id === undefined && this.#thread.requestIds ? this.#thread.newRequestIdLine() : '';
    if (this.#idLine !== '') request.add('x-request-id', this.requestId);
  }

  /** '' when there is none. */
  get requestId(): string {
    return this.#id ?? this.#idLine.slice(REQUEST_ID.length, -2);
  }

  #forwardedLines(request: IncomingRequest): string {
    if (this.trusted) return fieldPairs(forwardedFields(request, this.client, true));
    const { authority } = request;
    if (authority !== this.#forwardedHost) {
      this.#forwardedHost = authority;
      const { forwarded } = this.client;
      this.#forwarded = authority === '' ? forwarded : `${forwarded}X-Forwarded-Host: ${authority}\r\n`;
    }
    return this.#forwarded;
  }

  http1(): string {
    return (this.#http1 ??= this.#compose());
  }

  list(): FieldList {
    return this.#list ?? [];
  }

  /** The fields that go on, names in lower case. */
  #merged(request: IncomingRequest, backend: BackendPlan): FieldList {
    const gone = new Set([...(this.trusted ? replaced : untrusted), ...backend.request.dropped]);
    if (this.requestId !== '') gone.add('x-request-id');
    const list = remaining(request, gone);
    list.push(...forwardedFields(request, this.client, this.trusted));
    if (this.requestId !== '') list.push('x-request-id', this.requestId);
    list.push(...backend.request.lowered);
    return list;
  }

  #compose(): string {
    let framing = '';
    if (this.length === UNKNOWN_LENGTH) framing = 'Transfer-Encoding: chunked\r\n';
    else if (this.length > 0 || expectsLength(this.method)) framing = `Content-Length: ${this.length}\r\n`;
    if (this.upgrade !== '') framing += `Connection: Upgrade\r\nUpgrade: ${this.upgrade}\r\n`;
    return `${this.method} ${this.path} HTTP/1.1\r\nHost: ${this.authority}\r\n${fieldPairs(this.list())}${framing}\r\n`;
  }
}

/** The fields of a request as whoever is asked about it may know them, names in lower case: the same that go to backends. */
export function toldLines(request: IncomingRequest, client: Client, trusted: boolean): string[] {
  return [...remaining(request, new Set(trusted ? replaced : untrusted)), ...forwardedFields(request, client, trusted)];
}

/** Names in lower case. */
function remaining(request: IncomingRequest, gone: ReadonlySet<string>): string[] {
  const fields = request.fields();
  const list: string[] = [];
  for (let i = 0; i < fields.length; i += 2) {
    const name = (fields[i] as string).toLowerCase();
    if (!gone.has(name)) list.push(name, fields[i + 1] as string);
  }
  return list;
}

function pathOf(request: IncomingRequest, target: Target | null, backend: BackendPlan): string {
  if (target === null) return request.target;
  let { path } = target;
  for (let i = 0; i < backend.paths.length; i++)
    path = changePath(path, backend.paths[i] as BackendPlan['paths'][number]);
  // The very string that came, when nothing changed: the head is then forwarded as it stands.
  const { target: original } = request;
  if (target.query === '') return path;
  if (original.length === path.length + target.query.length && original.startsWith(path)) return original;
  return path + target.query;
}

function forwardedFields(request: IncomingRequest, client: Client, trusted: boolean): string[] {
  const sources = trusted ? request.field('x-forwarded-for') : undefined;
  const proto = trusted ? request.field('x-forwarded-proto') : undefined;
  const host = (trusted ? request.field('x-forwarded-host') : undefined) ?? request.authority;
  return [
    'x-forwarded-for',
    sources === undefined ? client.address : `${sources}, ${client.address}`,
    'x-forwarded-proto',
    proto ?? client.scheme,
    ...(host === '' ? [] : ['x-forwarded-host', host]),
  ];
}

/** RFC 9110 section 9.2.2. */
function isRepeatable(method: string): boolean {
  switch (method) {
    case 'GET':
    case 'HEAD':
    case 'PUT':
    case 'DELETE':
    case 'OPTIONS':
    case 'TRACE':
      return true;
    default:
      return false;
  }
}

/** RFC 9110 section 8.6: methods whose requests say so when they have no content. */
function expectsLength(method: string): boolean {
  return method === 'POST' || method === 'PUT' || method === 'PATCH';
}
