// A gRPC server for delta discovery: mTLS on a port, or a unix domain socket with one identity for whoever may open it. It turns
// the certificate of a peer into its gateway, and ends streams when that certificate ends.
import type { Http2Session, ServerHttp2Stream } from 'node:http2';
import { X509Certificate } from 'node:crypto';
import * as grpc from '@grpc/grpc-js';
import { ReloadableServerCredentials, type TlsMaterial } from './credentials.ts';
import type { Connection, Discovery } from './delta-server.ts';
import { decodeRequest, type DeltaRequest, type DeltaResponse, deltaPath, encodeResponse } from './discovery.ts';
import { type Identity, identityOf } from './identity.ts';

export interface ListenOptions {
  /** `host:port`, `[::1]:port`, or `unix:/path`. Port 0: any. */
  readonly address: string;
  /** mTLS, or who everybody is that can reach the address. */
  readonly trust: { readonly tls: TlsMaterial } | { readonly identity: Identity };
  /** Other services on the same port. */
  readonly services?: readonly Service[];
}

/** @see grpc.Server.addService */
export interface Service {
  readonly definition: grpc.ServiceDefinition;
  /** @param identify the identity of the peer of a call; undefined: it is to be refused (`refuse`) */
  readonly implement: (identify: Identify) => grpc.UntypedServiceImplementation;
}

export type AnyCall = grpc.ServerDuplexStream<never, never> | grpc.ServerReadableStream<never, never>;
export type Identify = (call: AnyCall) => Identity | undefined;

export interface StreamListener {
  /** The port that was taken; 0 for a socket in the file system. */
  readonly port: number;
  /** New certificates, for connections from now on. */
  reload(material: TlsMaterial): void;
  /** Ends all streams. */
  close(): Promise<void>;
}

/** Requests carry the names and versions of everything that a node has: 64 bytes or so each. */
const REQUEST_BYTES = 33_554_432;
/** Milliseconds between pings, and for the answer: a node that is gone is noticed within their sum. */
const PING_EVERY = 10_000;
const PING_TIMEOUT = 5000;
const STREAMS_PER_CONNECTION = 16;
/** Milliseconds that a connection may be without streams. */
const IDLE = 1000;
/** The longest that a timer can be set to. */
const LONGEST_TIMER = 2_147_483_647;

/** Rejects with an Error of the code ELISTEN when the address cannot be taken. */
export async function listen(server: Discovery, options: ListenOptions): Promise<StreamListener> {
  const { trust } = options;
  const grpcServer = new grpc.Server({
    'grpc.max_receive_message_length': REQUEST_BYTES,
    'grpc.max_send_message_length': -1,
    'grpc.keepalive_time_ms': PING_EVERY,
    'grpc.keepalive_timeout_ms': PING_TIMEOUT,
    'grpc.max_connection_idle_ms': IDLE,
    'grpc.max_concurrent_streams': STREAMS_PER_CONNECTION,
  });
  const identify: Identify = 'identity' in trust ? () => trust.identity : identityOfCall;
  const discovery = discoveryService(server);
  for (const { definition, implement } of [discovery, ...(options.services ?? [])]) {
    grpcServer.addService(definition, implement(identify));
  }
  const credentials = 'tls' in trust ? new ReloadableServerCredentials(trust.tls) : null;
  const port = await bind(grpcServer, options.address, credentials ?? grpc.ServerCredentials.createInsecure());
  return {
    port,
    reload: (material) => credentials?.update(material),
    close: () => {
      grpcServer.forceShutdown();
      return Promise.resolve();
    },
  };
}

function bind(server: grpc.Server, address: string, credentials: grpc.ServerCredentials): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync(address, credentials, (error, port) => {
      if (error === null) resolve(port);
      else reject(Object.assign(new Error(`cannot listen at ${address}`, { cause: error }), { code: 'ELISTEN' }));
    });
  });
}

/** Ends a call with a status. */
export function refuse(call: AnyCall, code: grpc.status, details: string): void {
  call.emit('error', { code, details });
}

function identityOfCall(call: AnyCall): Identity | undefined {
  const certificate = call.getAuthContext()?.sslPeerCertificate;
  return certificate === undefined ? undefined : identityOf(certificate);
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

type Call = grpc.ServerDuplexStream<DeltaRequest, DeltaResponse>;

function discoveryService(server: Discovery): Service {
  const method: grpc.MethodDefinition<DeltaRequest, DeltaResponse> = {
    path: deltaPath,
    requestStream: true,
    responseStream: true,
    requestSerialize: () => Buffer.alloc(0),
    requestDeserialize: decodeRequest,
    responseSerialize: encodeResponse,
    responseDeserialize: () => {
      throw new Error('only servers use this definition');
    },
  };
  return {
    definition: { DeltaAggregatedResources: method },
    implement: (identify) => ({
      DeltaAggregatedResources: (call: Call) => {
        const identity = identify(call as unknown as AnyCall);
        if (identity?.kind === 'gateway') serve(server, call, identity.gateway);
        else refuse(call as unknown as AnyCall, grpc.status.PERMISSION_DENIED, 'the certificate names no gateway');
      },
    }),
  };
}

function serve(server: Discovery, call: Call, gateway: string): void {
  let open = true;
  const end = (code: grpc.status, details: string): void => {
    if (open) refuse(call as unknown as AnyCall, code, details);
    close();
  };
  const connection: Connection | undefined = server.connect(gateway, {
    write: (response) => !open || call.write(response),
    refuse: (message) => end(grpc.status.RESOURCE_EXHAUSTED, message),
  });
  if (connection === undefined) {
    refuse(call as unknown as AnyCall, grpc.status.RESOURCE_EXHAUSTED, 'too many streams of this gateway');
    return;
  }
  const stop = atExpiry(call as unknown as AnyCall, () => end(grpc.status.UNAUTHENTICATED, 'the certificate expired'));
  const close = (): void => {
    if (!open) return;
    open = false;
    stop();
    connection.close();
  };
  call.on('data', (request: DeltaRequest) => {
    if (open) connection.request(request);
  });
  call.on('drain', () => {
    if (open) connection.drained();
  });
  call.on('end', () => {
    close();
    call.end();
  });
  call.on('cancelled', close);
  call.on('close', close);
  call.on('error', close);
}
