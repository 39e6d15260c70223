// Aggregated discovery as a gRPC service: the streams of nodes with a gateway's identity, of deltas or of the state of the world.
import * as grpc from '@grpc/grpc-js';
import { type AnyCall, atExpiry, type Identify, refuse, type Service } from './calls.ts';
import type { Connection, Discovery } from './delta-server.ts';
import {
  decodeRequest,
  decodeStateRequest,
  deltaPath,
  type DeltaRequest,
  type DeltaResponse,
  encodeResponse,
  encodeStateResponse,
  statePath,
  type StateRequest,
  type StateResponse,
} from './discovery.ts';
import { stateOfTheWorld } from './state-of-the-world.ts';

/** @param wholeTypes absent: the state of the world is not served */
export function discoveryService(server: Discovery, wholeTypes?: readonly string[]): Service {
  const whole = new Set(wholeTypes);
  const connectState: Connect<StateRequest, StateResponse> = (gateway, writer) =>
    stateOfTheWorld(server, (typeUrl) => whole.has(typeUrl), gateway, writer);
  return {
    definition: {
      DeltaAggregatedResources: method(deltaPath, decodeRequest, encodeResponse),
      ...(wholeTypes && { StreamAggregatedResources: method(statePath, decodeStateRequest, encodeStateResponse) }),
    },
    implement: (identify) => ({
      DeltaAggregatedResources: admitted<DeltaRequest, DeltaResponse>(identify, (gateway, writer) =>
        server.connect(gateway, writer),
      ),
      ...(wholeTypes && { StreamAggregatedResources: admitted(identify, connectState) }),
    }),
  };
}

/** undefined: there are too many. */
type Connect<Request, Response> = (
  gateway: string,
  writer: { readonly write: (response: Response) => boolean; readonly refuse: (message: string) => void },
) => (Omit<Connection, 'request'> & { request(request: Request): void }) | undefined;

function method<Request, Response>(
  path: string,
  requestDeserialize: (bytes: Buffer) => Request,
  responseSerialize: (response: Response) => Buffer,
): grpc.MethodDefinition<Request, Response> {
  return {
    path,
    requestStream: true,
    responseStream: true,
    requestSerialize: () => Buffer.alloc(0),
    requestDeserialize,
    responseSerialize,
    responseDeserialize: () => {
      throw new Error('only servers use this definition');
    },
  };
}

function admitted<Request, Response>(
  identify: Identify,
  connect: Connect<Request, Response>,
): (call: grpc.ServerDuplexStream<Request, Response>) => void {
  return (call) => {
    const identity = identify(call as unknown as AnyCall);
    if (identity?.kind === 'gateway') serve(call, identity.gateway, connect);
    else refuse(call as unknown as AnyCall, grpc.status.PERMISSION_DENIED, 'the certificate names no gateway');
  };
}

function serve<Request, Response>(
  call: grpc.ServerDuplexStream<Request, Response>,
  gateway: string,
  connect: Connect<Request, Response>,
): void {
  let open = true;
  const end = (code: grpc.status, details: string): void => {
    if (open) refuse(call as unknown as AnyCall, code, details);
    close();
  };
  const connection = connect(gateway, {
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
  call.on('data', (request: Request) => {
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
