// portolan.v1.Fleet as a service: reports of proxies and of other replicas come in by streams, each with the identity of its
// certificate. A proxy speaks for its own gateway only, and of its own binds.
import * as grpc from '@grpc/grpc-js';
import { gatewayOfBind } from '../partition.ts';
import { type AnyCall, atExpiry, type Identify, refuse, type Service } from '../listen.ts';
import { decodeNodeReport, decodeRelayReport, encodeAck, type RelayReport, relayPath, reportPath } from './messages.ts';
import type { FleetReports, NodeReport } from './reports.ts';

/** Told what nodes that are connected here say, and (undefined) when they are gone. */
export type Hear = (id: string, gateway: string, report: NodeReport | undefined) => void;

/** Of one proxy, or of one replica: far more than there is to say. */
const MOST_BINDS = 1024;
const MOST_RELAYED = 10_000;
const MOST_STREAMS = 1024;

export function fleetService(reports: FleetReports, hear: Hear): Service {
  let streams = 0;
  let open = 0;
  const begin = (call: AnyCall, ended: () => void): void => {
    open++;
    let done = false;
    const stop = atExpiry(call, () => {
      refuse(call, grpc.status.UNAUTHENTICATED, 'the certificate expired');
      end();
    });
    const end = (): void => {
      if (done) return;
      done = true;
      open--;
      stop();
      ended();
    };
    for (const event of ['cancelled', 'close', 'error']) call.on(event, end);
    call.on('end', () => {
      end();
      (call as grpc.ServerDuplexStream<never, never>).end();
    });
  };
  const checked = (call: AnyCall, identify: Identify, kind: 'gateway' | 'controller'): boolean => {
    if (identify(call)?.kind !== kind) refuse(call, grpc.status.PERMISSION_DENIED, 'not with this certificate');
    else if (open >= MOST_STREAMS) refuse(call, grpc.status.RESOURCE_EXHAUSTED, 'too many streams');
    else return true;
    return false;
  };
  const report = (call: grpc.ServerDuplexStream<NodeReport, object>, identify: Identify): void => {
    const any = call as unknown as AnyCall;
    if (!checked(any, identify, 'gateway')) return;
    const { gateway } = identify(any) as { readonly gateway: string };
    const id = `node ${++streams}`;
    begin(any, () => {
      reports.leave(id, gateway);
      hear(id, gateway, undefined);
    });
    call.on('data', (told: NodeReport) => {
      const own = { ...told, node: told.node.slice(0, 256), binds: ownBinds(gateway, told) };
      reports.take(id, gateway, own);
      hear(id, gateway, own);
      call.write({});
    });
  };
  const relay = (call: grpc.ServerDuplexStream<RelayReport, object>, identify: Identify): void => {
    const any = call as unknown as AnyCall;
    if (!checked(any, identify, 'controller')) return;
    const relayed = new Map<string, string>();
    const stream = `relay ${++streams}`;
    begin(any, () => {
      for (const [id, gateway] of relayed) reports.leave(id, gateway);
    });
    call.on('data', ({ id, gateway, report }: RelayReport) => {
      const source = `${stream} ${id}`;
      if (report === undefined) {
        relayed.delete(source);
        reports.leave(source, gateway);
      } else if (relayed.has(source) || relayed.size < MOST_RELAYED) {
        relayed.set(source, gateway);
        reports.take(source, gateway, { ...report, binds: ownBinds(gateway, report) });
      }
      call.write({});
    });
  };
  return {
    definition: { Report: method(reportPath, decodeNodeReport), Relay: method(relayPath, decodeRelayReport) },
    implement: (identify) => ({
      Report: (call: grpc.ServerDuplexStream<NodeReport, object>) => report(call, identify),
      Relay: (call: grpc.ServerDuplexStream<RelayReport, object>) => relay(call, identify),
    }),
  };
}

function ownBinds(gateway: string, { binds }: NodeReport): NodeReport['binds'] {
  return binds
    .filter(({ bind }) => gatewayOfBind(bind) === gateway)
    .slice(0, MOST_BINDS)
    .map(({ bind, state, code, message }) => ({
      bind,
      state,
      ...(code !== undefined && { code: code.slice(0, 64) }),
      ...(message !== undefined && { message: message.slice(0, 512) }),
    }));
}

function method<T>(path: string, decode: (bytes: Buffer) => T): grpc.MethodDefinition<T, object> {
  return {
    path,
    requestStream: true,
    responseStream: true,
    requestSerialize: () => Buffer.alloc(0),
    requestDeserialize: decode,
    responseSerialize: encodeAck,
    responseDeserialize: () => ({}),
  };
}
