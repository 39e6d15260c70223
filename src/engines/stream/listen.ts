// A gRPC server for discovery: mTLS on a port, or a unix domain socket with one identity for whoever may open it. It turns the
// certificate of a peer into its identity, and ends streams when that certificate ends.
import * as grpc from '@grpc/grpc-js';
import type { AnyCall, Identify, Service } from './calls.ts';
import { ReloadableServerCredentials, type TlsMaterial } from './credentials.ts';
import type { Discovery } from './delta-server.ts';
import { discoveryService } from './discovery-service.ts';
import { type Identity, identityOf } from './identity.ts';

export interface ListenOptions {
  /** `host:port`, `[::1]:port`, or `unix:/path`. Port 0: any. */
  readonly address: string;
  /** mTLS, or who everybody is that can reach the address. */
  readonly trust: { readonly tls: TlsMaterial } | { readonly identity: Identity };
  /** Types of which each response is everything, to nodes that ask for the state of the world. Absent: that is not served. */
  readonly wholeTypes?: readonly string[];
  /** Other services on the same port. */
  readonly services?: readonly Service[];
}

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
  const discovery = discoveryService(server, options.wholeTypes);
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

function identityOfCall(call: AnyCall): Identity | undefined {
  const certificate = call.getAuthContext()?.sslPeerCertificate;
  return certificate === undefined ? undefined : identityOf(certificate);
}
