// portolan.v1.Fleet as a service: reports of proxies and of other replicas come in by streams, each with the identity of its
// certificate. A proxy speaks for its own gateway only, and of its own binds.
import * as grpc from '@grpc/grpc-js';
import type { LeftOut } from '../../../routing/engine.ts';
import { gatewayOfBind } from '../partition.ts';
import type { Identity } from '../identity.ts';
import { type AnyCall, atExpiry, type Identify, refuse, type Service } from '../calls.ts';
import { decodeNodeReport, decodeRelayReport, encodeAck, type RelayReport, relayPath, reportPath } from './messages.ts';
import type { FleetReports, NodeReport } from './reports.ts';

/** Told what nodes that are connected here say, and (undefined) when they are gone. */
export type Hear = (id: string, gateway: string, report: NodeReport | undefined) => void;

/** Of one proxy, or of one replica: far more than there is to say. */
const MOST_BINDS = 1024;
const MOST_RELAYED = 10_000;
const MOST_STREAMS = 4096;
const MOST_NAME = 256;
const MOST_LEFT_OUT = 1024;
const MOST_FAULTS = 64;
const LONGEST_KEY = 1024;

type ReportCall = grpc.ServerDuplexStream<NodeReport, object>;
type RelayCall = grpc.ServerDuplexStream<RelayReport, object>;

export function fleetService(reports: FleetReports, hear: Hear): Service {
  const streams = new Streams();
  return {
    definition: { Report: method(reportPath, decodeNodeReport), Relay: method(relayPath, decodeRelayReport) },
    implement: (identify) => ({
      Report: (call: ReportCall) => {
        const identity = streams.admit(call as unknown as AnyCall, identify, 'gateway');
        if (identity?.kind === 'gateway') report(call, identity.gateway, { streams, reports, hear });
      },
      Relay: (call: RelayCall) => {
        if (streams.admit(call as unknown as AnyCall, identify, 'controller')) relay(call, { streams, reports });
      },
    }),
  };
}

interface Ends {
  readonly streams: Streams;
  readonly reports: FleetReports;
  readonly hear: Hear;
}

function report(call: ReportCall, gateway: string, { streams, reports, hear }: Ends): void {
  const id = streams.begin(call as unknown as AnyCall, (id) => {
    reports.leave(id, gateway);
    hear(id, gateway, undefined);
  });
  call.on('data', (told: NodeReport) => {
    const own = { ...told, node: told.node.slice(0, MOST_NAME), ...ownRows(gateway, told) };
    reports.take(id, gateway, own);
    hear(id, gateway, own);
    call.write({});
  });
}

function relay(call: RelayCall, { streams, reports }: Omit<Ends, 'hear'>): void {
  /** Gateways by source. */
  const relayed = new Map<string, string>();
  const stream = streams.begin(call as unknown as AnyCall, () => {
    for (const [source, gateway] of relayed) reports.leave(source, gateway);
  });
  call.on('data', ({ id, gateway, report }: RelayReport) => {
    const source = `${stream} ${id}`;
    if (report === undefined) {
      relayed.delete(source);
      reports.leave(source, gateway);
    } else if (relayed.has(source) || relayed.size < MOST_RELAYED) {
      relayed.set(source, gateway);
      reports.take(source, gateway, { ...report, ...ownRows(gateway, report) });
    }
    call.write({});
  });
}

/** Counts streams, and ends them with the certificate of their peer. */
class Streams {
  #begun = 0;
  #open = 0;

  /** undefined: the call was refused. */
  admit(call: AnyCall, identify: Identify, kind: Identity['kind']): Identity | undefined {
    const identity = identify(call);
    if (identity?.kind !== kind) refuse(call, grpc.status.PERMISSION_DENIED, 'not with this certificate');
    else if (this.#open >= MOST_STREAMS) refuse(call, grpc.status.RESOURCE_EXHAUSTED, 'too many streams');
    else return identity;
    return undefined;
  }

  /** Gives the stream a name. @param ended told once */
  begin(call: AnyCall, ended: (id: string) => void): string {
    const id = `stream ${++this.#begun}`;
    this.#open++;
    let done = false;
    const end = (): void => {
      if (done) return;
      done = true;
      this.#open--;
      stop();
      ended(id);
    };
    const stop = atExpiry(call, () => {
      refuse(call, grpc.status.UNAUTHENTICATED, 'the certificate expired');
      end();
    });
    for (const event of ['cancelled', 'close', 'error']) call.on(event, end);
    call.on('end', () => {
      end();
      (call as grpc.ServerDuplexStream<never, never>).end();
    });
    return id;
  }
}

function ownRows(gateway: string, told: NodeReport): Pick<NodeReport, 'binds' | 'leftOut'> {
  return { binds: ownBinds(gateway, told), leftOut: ownLeftOut(gateway, told) };
}

/** Certificates and authorities belong to several gateways; what is said of them counts for its own (`FleetReports`). */
function ownLeftOut(gateway: string, { leftOut = [] }: NodeReport): readonly LeftOut[] {
  return leftOut
    .filter(({ table, key }) => isShared(table) || key.startsWith(`${gateway}|`) || key.startsWith(`${gateway}/`))
    .slice(0, MOST_LEFT_OUT)
    .map(({ table, key, faults }) => ({
      table,
      key: key.slice(0, LONGEST_KEY),
      faults: faults.slice(0, MOST_FAULTS).map((fault) => ({ ...fault, reason: fault.reason.slice(0, 512) })),
    }));
}

function isShared(table: LeftOut['table']): boolean {
  return table === 'certificates' || table === 'trustBundles';
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
