// What Envoy answers by itself, in the words of the embedded engine (engines/embedded/answers.ts).
import { STATUS_CODES } from 'node:http';
import { extension, type Message } from '../tree.ts';

/** `404 Not Found: no-route` and a line feed. */
export function answerText(status: number, reason: string): string {
  return `${status} ${STATUS_CODES[status] ?? ''}: ${reason}\n`;
}

/** A DirectResponseAction. */
export function answer(status: number, reason: string): Message {
  return { status, body: { inline_string: answerText(status, reason) } };
}

interface Failure {
  /** As Envoy marks it: a response flag. None: it does not. */
  readonly flags: readonly string[];
  /** What else is so: an expression of CEL about what Envoy tells of it. */
  readonly when?: string;
  readonly status: number;
  readonly reason: string;
}

const TIMED_OUT = "response.code_details == 'upstream_reset_before_response_started{connection_timeout}'";
/** Where Envoy keeps the body for a service, or our script does. */
const BODY_TOO_LONG = "response.code == 413 && response.code_details in ['request_payload_too_large', 'lua_response']";

/** Envoy has other statuses for some: the connection that times out is 504, a response that makes no sense 502. The first that fits. */
const failures: readonly Failure[] = [
  { flags: ['NR'], status: 404, reason: 'no-route' },
  { flags: ['NC'], status: 500, reason: 'unresolved-backend' },
  { flags: ['UAEX'], when: "response.code_details == 'ext_authz_error'", status: 503, reason: 'auth-unreachable' },
  { flags: [], when: BODY_TOO_LONG, status: 413, reason: 'auth-body' },
  { flags: ['UH'], status: 503, reason: 'no-endpoint' },
  { flags: ['UO'], status: 503, reason: 'overload' },
  { flags: ['UT', 'SI', 'DT'], status: 504, reason: 'timeout' },
  // Behind the last attempt there is URX beside what it failed of.
  { flags: ['UF'], when: TIMED_OUT, status: 504, reason: 'timeout' },
  { flags: ['UF'], when: "upstream.transport_failure_reason.startsWith('TLS')", status: 502, reason: 'backend-tls' },
  { flags: ['UF'], status: 503, reason: 'unreachable' },
  { flags: ['UC', 'UR', 'UPE', 'LR'], status: 502, reason: 'broken-response' },
];

const grpcStatuses: readonly (readonly [status: number, grpc: number])[] = [
  [400, 13],
  [401, 16],
  [403, 7],
  [404, 12],
  [408, 13],
  [413, 8],
  [421, 12],
  [429, 14],
  [431, 13],
  [500, 14],
  [501, 13],
  [502, 14],
  [503, 14],
  [504, 4],
];

/** What services say no with, where Envoy has the same status of gRPC for it. */
const noes: readonly number[] = [400, 401, 403, 404, 429];

const grpcRequest: Message = {
  header_filter: {
    header: { name: 'content-type', string_match: { safe_regex: { regex: '(?is)application/grpc(?:[+; ].*)?' } } },
  },
};

/** LocalReplyConfig of a HttpConnectionManager. */
export function localReplies(): Message {
  const told = failures.flatMap((failure) => [
    mapper(both([flagged(failure), grpcRequest]), failure, grpcOf(failure.status)),
    mapper(flagged(failure), failure),
  ]);
  const grpc = grpcStatuses.map(([status, code]) => ({
    filter: both([statusIs(status), grpcRequest]),
    headers_to_add: [grpcStatus(code)],
  }));
  const denied = {
    filter: both([
      { response_flag_filter: { flags: ['UAEX'] } },
      { or_filter: { filters: noes.map(statusIs) } },
      grpcRequest,
    ]),
    body: { inline_string: 'auth-denied' },
  };
  return {
    mappers: [...told, denied, ...grpc],
    body_format: {
      text_format_source: { inline_string: '%LOCAL_REPLY_BODY%' },
      content_type: 'text/plain; charset=utf-8',
    },
  };
}

function mapper(filter: Message, { status, reason }: Failure, code?: number): Message {
  return {
    filter,
    status_code: status,
    body: { inline_string: code === undefined ? answerText(status, reason) : reason },
    ...(code === undefined ? {} : { headers_to_add: [grpcStatus(code)] }),
  };
}

function grpcOf(status: number): number {
  return grpcStatuses.find(([each]) => each === status)?.[1] ?? 13;
}

function grpcStatus(code: number): Message {
  return { header: { key: 'grpc-status', value: String(code) }, append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' };
}

function flagged({ flags, when }: Failure): Message {
  const filters = [
    ...(flags.length > 0 ? [{ response_flag_filter: { flags } }] : []),
    ...(when === undefined ? [] : [expression(when)]),
  ];
  const [first = {}] = filters;
  return filters.length > 1 ? both(filters) : first;
}

function expression(text: string): Message {
  return {
    extension_filter: extension(
      'envoy.access_loggers.extension_filters.cel',
      'envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter',
      { expression: text },
    ),
  };
}

function statusIs(status: number): Message {
  return {
    status_code_filter: {
      comparison: { op: 'EQ', value: { default_value: status, runtime_key: 'portolan.never' } },
    },
  };
}

function both(filters: readonly Message[]): Message {
  return { and_filter: { filters } };
}
