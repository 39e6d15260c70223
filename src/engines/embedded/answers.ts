// What the proxy answers by itself: status, fields and a short text; for gRPC a response of trailers only, in the mapping of
// statuses that gRPC and the Gateway API prescribe.
import type { Redirect } from '../../routing/filters.ts';
import { type CompiledCors, preflightHeaders } from '../../routing/filters/cors.ts';
import { redirectLocation } from '../../routing/filters/redirect.ts';
import type { Exchange } from './exchange.ts';
import { reasonOf as phraseOf } from './http1/text.ts';
import type { Failure, FieldList, IncomingRequest } from './sides.ts';

/** Why there is no response of a backend; the access log's and the text's word for it. */
export type Reason =
  | 'bad-target'
  /** Too many requests are under way. */
  | 'overload'
  | 'no-route'
  | 'misdirected'
  | 'no-backend'
  | 'unresolved-backend'
  | 'no-endpoint'
  | 'not-honoured'
  | 'unreachable'
  | 'backend-tls'
  | 'broken-response'
  | 'timeout'
  | 'retry-budget'
  /** Its service did not resolve, has no endpoint, cannot be reached, is silent, or makes no sense. */
  | 'auth-unresolved'
  | 'auth-no-endpoint'
  | 'auth-unreachable'
  | 'auth-timeout'
  | 'auth-broken'
  /** A body longer than what the service may be told. */
  | 'auth-body'
  /** Too many bodies wait for services. */
  | 'auth-overload'
  | 'auth-denied';

export interface Answer {
  readonly status: number;
  readonly fields: FieldList;
  readonly text: string;
}

const GRPC_PERMISSION_DENIED = 7;
const GRPC_RESOURCE_EXHAUSTED = 8;
const GRPC_UNIMPLEMENTED = 12;
const GRPC_INTERNAL = 13;
const GRPC_UNAVAILABLE = 14;
const GRPC_UNAUTHENTICATED = 16;
const GRPC_DEADLINE_EXCEEDED = 4;

/** @param grpc the request is gRPC: its status says OK and the trailers what happened */
export function failureAnswer(status: number, reason: Reason, grpc: boolean): Answer {
  if (!grpc) {
    return { status, fields: textFields, text: `${status} ${phraseOf(status)}: ${reason}\n` };
  }
  const fields = ['content-type', 'application/grpc', ...failureTrailers(status, reason)];
  return { status: 200, fields, text: '' };
}

/** The same for a call of gRPC whose response had begun: what goes behind it. */
export function failureTrailers(status: number, reason: string): FieldList {
  return ['grpc-status', String(grpcStatus(status)), 'grpc-message', reason];
}

const textFields: FieldList = ['content-type', 'text/plain; charset=utf-8'];

function grpcStatus(status: number): number {
  switch (status) {
    case 404:
    case 421:
      return GRPC_UNIMPLEMENTED;
    case 401:
      return GRPC_UNAUTHENTICATED;
    case 403:
      return GRPC_PERMISSION_DENIED;
    case 413:
      return GRPC_RESOURCE_EXHAUSTED;
    case 504:
      return GRPC_DEADLINE_EXCEEDED;
    case 429:
    // GRPCRoute: invalid and missing backends are UNAVAILABLE.
    case 500:
    case 502:
    case 503:
      return GRPC_UNAVAILABLE;
    default:
      return GRPC_INTERNAL;
  }
}

/** What a rule with CORS answers to a preflight; undefined when the OPTIONS request is none. */
export function preflightAnswer(cors: CompiledCors, request: IncomingRequest): Answer | undefined {
  const origin = request.field('origin');
  const method = request.field('access-control-request-method');
  if (origin === undefined || method === undefined) return undefined;
  const headers = request.field('access-control-request-headers');
  return { status: 204, fields: preflightHeaders(cors, { origin, method, headers }), text: '' };
}

export function redirectAnswer(redirect: Redirect, request: IncomingRequest, exchange: Exchange): Answer {
  const { path, queryText: query, client, frontend } = exchange;
  const { port: listenerPort = 0, publicPorts = {} } = frontend?.row ?? {};
  const asked = { scheme: client.scheme, authority: request.authority, path, query, listenerPort, publicPorts };
  return { status: redirect.status, fields: ['location', redirectLocation(redirect, asked)], text: '' };
}

/** Not connected: 503, the request may be sent again. Silent: 504. Else 502. */
export function statusOf(failure: Failure): number {
  switch (failure) {
    case 'refused':
    case 'refused-stream':
      return 503;
    case 'connect-timeout':
    case 'idle-timeout':
      return 504;
    default:
      return 502;
  }
}

export function reasonOf(failure: Failure): Reason {
  switch (failure) {
    case 'refused':
    case 'refused-stream':
      return 'unreachable';
    case 'tls':
      return 'backend-tls';
    case 'connect-timeout':
    case 'idle-timeout':
      return 'timeout';
    default:
      return 'broken-response';
  }
}
