// Filters <-> messages.
import type {
  Cors,
  ExternalAuth,
  Filter,
  HeaderChanges,
  HeaderValue,
  PathChange,
  Redirect,
} from '../../../routing/filters.ts';
import type { ObjectRef } from '../../../routing/origin.ts';
import {
  checkNeeds,
  child,
  choice,
  maybe,
  type Message,
  messages,
  num,
  optional,
  str,
  strings,
  Undecodable,
} from './message.ts';
import { readOrigin, writeOrigin } from './origins.ts';

const pathChanges = choice('full', 'prefix', 'regex');

export function writeFilter(filter: Filter, around: ObjectRef): Message {
  return { origin: writeOrigin(filter.origin, around), ...writeKind(filter) };
}

function writeKind(filter: Filter): Message {
  switch (filter.kind) {
    case 'request-headers':
      return { requestHeaders: writeHeaders(filter) };
    case 'response-headers':
      return { responseHeaders: writeHeaders(filter) };
    case 'rewrite':
      return { rewrite: { hostname: filter.hostname, path: filter.path && writePath(filter.path) } };
    case 'mirror':
      return { mirror: { cluster: filter.cluster, numerator: filter.numerator, denominator: filter.denominator } };
    case 'cors':
      return { cors: writeCors(filter) };
    case 'external-auth':
      return { externalAuth: writeAuth(filter) };
    default:
      return filter satisfies never;
  }
}

export function readFilter(message: Message, around: ObjectRef): Filter {
  checkNeeds(message);
  const origin = readOrigin(child(message, 'origin'), around);
  const request = child(message, 'requestHeaders');
  if (request !== undefined) return { origin, kind: 'request-headers', ...readHeaders(request) };
  const response = child(message, 'responseHeaders');
  if (response !== undefined) return { origin, kind: 'response-headers', ...readHeaders(response) };
  const rewrite = child(message, 'rewrite');
  if (rewrite !== undefined) {
    const path = child(rewrite, 'path');
    const hostname = optional<string>(rewrite, 'hostname');
    return { origin, kind: 'rewrite', ...maybe('hostname', hostname), ...maybe('path', path && readPath(path)) };
  }
  const mirror = child(message, 'mirror');
  if (mirror !== undefined) {
    const [numerator, denominator] = [num(mirror, 'numerator'), num(mirror, 'denominator')];
    return { origin, kind: 'mirror', cluster: str(mirror, 'cluster'), numerator, denominator };
  }
  const cors = child(message, 'cors');
  if (cors !== undefined) return { origin, kind: 'cors', ...readCors(cors) };
  const auth = child(message, 'externalAuth');
  if (auth !== undefined) return { origin, kind: 'external-auth', ...readAuth(auth) };
  // A filter that is not known must not be skipped.
  throw new Undecodable('a filter of a kind that this version does not know');
}

export function writeRedirect(redirect: Redirect, around: ObjectRef): Message {
  const { scheme, hostname, port, path, status, origin } = redirect;
  return { scheme, hostname, port, path: path && writePath(path), status, origin: writeOrigin(origin, around) };
}

export function readRedirect(message: Message, around: ObjectRef): Redirect {
  const path = child(message, 'path');
  return {
    ...maybe('scheme', optional<'http' | 'https'>(message, 'scheme')),
    ...maybe('hostname', optional<string>(message, 'hostname')),
    ...maybe('port', optional<number>(message, 'port')),
    ...maybe('path', path && readPath(path)),
    status: num(message, 'status') as Redirect['status'],
    origin: readOrigin(child(message, 'origin'), around),
  };
}

function writeHeaders({ set, add, remove }: HeaderChanges): Message {
  return { set, add, remove };
}

function readHeaders(message: Message): HeaderChanges {
  const values = (field: string): readonly HeaderValue[] =>
    messages(message, field).map((each) => ({ name: str(each, 'name'), value: str(each, 'value') }));
  return { set: values('set'), add: values('add'), remove: strings(message, 'remove') };
}

function writePath(change: PathChange): Message {
  const from = change.type === 'prefix' ? change.prefix : change.type === 'regex' ? change.pattern : '';
  return { type: pathChanges.write(change.type), from, value: change.value };
}

function readPath(message: Message): PathChange {
  const type = pathChanges.read(message, 'type');
  const [from, value] = [str(message, 'from'), str(message, 'value')];
  switch (type) {
    case 'full':
      return { type, value };
    case 'prefix':
      return { type, prefix: from, value };
    case 'regex':
      return { type, pattern: from, value };
    default:
      return type satisfies never;
  }
}

function writeCors(cors: Cors): Message {
  const { allowOrigins, allowMethods, allowHeaders, exposeHeaders, allowCredentials, maxAge } = cors;
  return { allowOrigins, allowMethods, allowHeaders, exposeHeaders, allowCredentials, maxAge };
}

function readCors(message: Message): Cors {
  return {
    allowOrigins: strings(message, 'allowOrigins'),
    allowMethods: strings(message, 'allowMethods'),
    allowHeaders: strings(message, 'allowHeaders'),
    exposeHeaders: strings(message, 'exposeHeaders'),
    allowCredentials: message['allowCredentials'] === true,
    maxAge: num(message, 'maxAge'),
  };
}

function writeAuth({ cluster, check, headers, bodyLimit }: ExternalAuth): Message {
  const names = (list: readonly string[] | undefined): Message | undefined => list && { names: list };
  return {
    cluster,
    ...(check.protocol === 'grpc'
      ? { grpc: {} }
      : { http: { path: check.path, responseHeaders: names(check.responseHeaders) } }),
    headers: names(headers),
    bodyLimit,
  };
}

function readAuth(message: Message): ExternalAuth {
  const names = (list: Message | undefined): readonly string[] | undefined => list && strings(list, 'names');
  const http = child(message, 'http');
  if (http === undefined && child(message, 'grpc') === undefined) {
    throw new Undecodable('an auth service of a kind that this version does not know');
  }
  return {
    ...maybe('cluster', optional<string>(message, 'cluster')),
    check:
      http === undefined
        ? { protocol: 'grpc' }
        : {
            protocol: 'http',
            path: str(http, 'path'),
            ...maybe('responseHeaders', names(child(http, 'responseHeaders'))),
          },
    ...maybe('headers', names(child(message, 'headers'))),
    bodyLimit: num(message, 'bodyLimit'),
  };
}
