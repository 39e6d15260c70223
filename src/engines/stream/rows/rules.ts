// Rules, and the entries of virtual hosts that lead to them, <-> messages.
import type { ObjectRef } from '../../../routing/origin.ts';
import type {
  Action,
  Entry,
  Match,
  Retry,
  Rule,
  Session,
  ValueMatch,
  WeightedBackend,
} from '../../../routing/model.ts';
import { readFilter, readRedirect, writeFilter, writeRedirect } from './filters.ts';
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
  Undecodable,
} from './message.ts';
import { readOrigin, readProblem, writeOrigin, writeProblem } from './origins.ts';

/** All entries of one rule in one virtual host; the key of the host is `frontend|hostname`. */
export interface HostEntries {
  readonly frontend: string;
  readonly hostname: string;
  readonly rule: string;
  /** In precedence order. */
  readonly entries: readonly Entry[];
}

const protocols = choice('http', 'grpc', 'stream');
const pathTypes = choice('exact', 'prefix', 'regex', 'grpc-method');
const valueTypes = choice('exact', 'regex');
const sessionTypes = choice('cookie', 'header');

export function writeRule(row: Rule): Message {
  const { key, protocol, name, filters, timeouts, retry, action, origin } = row;
  return {
    key,
    protocol: protocols.write(protocol),
    name,
    filters: filters.map((filter) => writeFilter(filter, origin.object)),
    timeouts,
    retry,
    ...writeAction(action, origin.object),
    origin: writeOrigin(origin),
  };
}

export function readRule(message: Message): Rule {
  checkNeeds(message);
  const origin = readOrigin(child(message, 'origin'));
  const timeouts = child(message, 'timeouts') ?? {};
  const retry = child(message, 'retry');
  return {
    key: str(message, 'key'),
    protocol: protocols.read(message, 'protocol'),
    ...maybe('name', optional<string>(message, 'name')),
    filters: messages(message, 'filters').map((filter) => readFilter(filter, origin.object)),
    timeouts: {
      ...maybe('request', optional<number>(timeouts, 'request')),
      ...maybe('backendRequest', optional<number>(timeouts, 'backendRequest')),
    },
    ...maybe('retry', retry && readRetry(retry)),
    action: readAction(message, origin.object),
    origin,
  };
}

export function writeHostEntries({ frontend, hostname, rule, entries }: HostEntries): Message {
  return { frontend, hostname, rule, entries: entries.map(({ match, rank }) => ({ match: writeMatch(match), rank })) };
}

export function readHostEntries(message: Message): HostEntries {
  const rule = str(message, 'rule');
  return {
    frontend: str(message, 'frontend'),
    hostname: str(message, 'hostname'),
    rule,
    entries: messages(message, 'entries').map((each) => {
      const rank = child(each, 'rank') ?? {};
      return {
        rule,
        match: readMatch(child(each, 'match') ?? {}),
        rank: {
          hostname: str(rank, 'hostname'),
          created: str(rank, 'created'),
          route: str(rank, 'route'),
          rule: num(rank, 'rule'),
          match: num(rank, 'match'),
          ...maybe('explicit', optional<number>(rank, 'explicit')),
        },
      };
    }),
  };
}

function writeMatch({ protocol, path, method, headers, query }: Match): Message {
  const values = (list: readonly ValueMatch[]): readonly Message[] =>
    list.map(({ type, name, value }) => ({ type: valueTypes.write(type), name, value }));
  return {
    protocol: protocols.write(protocol),
    pathType: pathTypes.write(path.type),
    path: path.value,
    method,
    headers: values(headers),
    query: values(query),
  };
}

function readMatch(message: Message): Match {
  checkNeeds(message);
  const values = (field: string): readonly ValueMatch[] =>
    messages(message, field).map((each) => ({
      type: valueTypes.read(each, 'type'),
      name: str(each, 'name'),
      value: str(each, 'value'),
    }));
  return {
    protocol: protocols.read(message, 'protocol'),
    path: { type: pathTypes.read(message, 'pathType'), value: str(message, 'path') },
    ...maybe('method', optional<string>(message, 'method')),
    headers: values('headers'),
    query: values('query'),
  };
}

function writeAction(action: Action, around: ObjectRef): Message {
  switch (action.kind) {
    case 'forward':
      return { forward: { backends: action.backends.map((backend) => writeBackend(backend, around)) } };
    case 'redirect':
      return { redirect: writeRedirect(action.redirect, around) };
    case 'respond':
      return {
        respond: { status: action.status, problem: action.problem && writeProblem(action.problem, around) },
      };
    default:
      return action satisfies never;
  }
}

function readAction(message: Message, around: ObjectRef): Action {
  const forward = child(message, 'forward');
  if (forward !== undefined) {
    return { kind: 'forward', backends: messages(forward, 'backends').map((each) => readBackend(each, around)) };
  }
  const redirect = child(message, 'redirect');
  if (redirect !== undefined) return { kind: 'redirect', redirect: readRedirect(redirect, around) };
  const respond = child(message, 'respond');
  if (respond !== undefined) {
    const problem = child(respond, 'problem');
    return {
      kind: 'respond',
      status: num(respond, 'status'),
      ...maybe('problem', problem && readProblem(problem, around)),
    };
  }
  throw new Undecodable('an action that this version does not know');
}

function writeBackend({ weight, session, target, filters, origin }: WeightedBackend, around: ObjectRef): Message {
  return {
    weight,
    session: session && { ...session, type: sessionTypes.write(session.type) },
    ...(target.kind === 'cluster' ? { cluster: target.cluster } : { unresolved: writeProblem(target.problem, around) }),
    filters: filters.map((filter) => writeFilter(filter, around)),
    origin: writeOrigin(origin, around),
  };
}

function readBackend(message: Message, around: ObjectRef): WeightedBackend {
  const session = child(message, 'session');
  const unresolved = child(message, 'unresolved');
  const cluster = optional<string>(message, 'cluster');
  if (unresolved === undefined && cluster === undefined) {
    throw new Undecodable('a backend of a kind that this version does not know');
  }
  return {
    weight: num(message, 'weight'),
    ...maybe('session', session && readSession(session)),
    target:
      unresolved === undefined
        ? { kind: 'cluster', cluster: cluster ?? '' }
        : { kind: 'unresolved', problem: readProblem(unresolved, around) },
    filters: messages(message, 'filters').map((filter) => readFilter(filter, around)),
    origin: readOrigin(child(message, 'origin'), around),
  };
}

function readSession(message: Message): Session {
  return {
    type: sessionTypes.read(message, 'type'),
    name: str(message, 'name'),
    path: str(message, 'path'),
    ...maybe('absoluteTimeout', optional<number>(message, 'absoluteTimeout')),
    permanent: message['permanent'] === true,
    ...(message['drawn'] === true ? { drawn: true } : {}),
  };
}

function readRetry(message: Message): Retry {
  return {
    attempts: num(message, 'attempts'),
    codes: (message['codes'] ?? []) as readonly number[],
    ...maybe('backoff', optional<number>(message, 'backoff')),
  };
}
