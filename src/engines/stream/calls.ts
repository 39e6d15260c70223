// What services share of a gRPC call: who the peer is, how it is refused, and that it ends with the peer's certificate.
import type { Http2Session, ServerHttp2Stream } from 'node:http2';
import { X509Certificate } from 'node:crypto';
import type * as grpc from '@grpc/grpc-js';
import type { Identity } from './identity.ts';

/** @see grpc.Server.addService */
export interface Service {
  readonly definition: grpc.ServiceDefinition;
  /** @param identify the identity of the peer of a call; undefined: it is to be refused (`refuse`) */
  readonly implement: (identify: Identify) => grpc.UntypedServiceImplementation;
}

export type AnyCall = grpc.ServerDuplexStream<never, never> | grpc.ServerReadableStream<never, never>;
export type Identify = (call: AnyCall) => Identity | undefined;

/** The longest that a timer can be set to. */
const LONGEST_TIMER = 2_147_483_647;

/** Ends a call with a status. */
export function refuse(call: AnyCall, code: grpc.status, details: string): void {
  call.emit('error', { code, details });
}

/**
 * Calls `end` when the certificate of the peer ends, or after the longest time of a timer; what it returns stops that. The connection ends
 * as well: a node may go on asking over the one that it has, as Envoy does, and would never show its next certificate.
 */
export function atExpiry(call: AnyCall, end: () => void): () => void {
  const raw = call.getAuthContext()?.sslPeerCertificate?.raw;
  if (raw === undefined) return () => {};
  const left = new X509Certificate(raw).validToDate.getTime() - Date.now();
  const expire = (): void => {
    end();
    sessionOf(call)?.close();
  };
  const timer = setTimeout(expire, Math.min(Math.max(0, left), LONGEST_TIMER)).unref();
  return () => clearTimeout(timer);
}

/** grpc-js shows it to nobody, and has no other way to end one connection (fleet-envoy.test.ts fails without). */
function sessionOf(call: AnyCall): Http2Session | undefined {
  const { call: inner } = call as unknown as { readonly call?: { readonly stream?: ServerHttp2Stream } };
  return inner?.stream?.session;
}
