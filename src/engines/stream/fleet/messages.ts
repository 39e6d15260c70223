// Reports of nodes <-> messages of portolan.v1.Fleet.
import type { Fault, LeftOut } from '../../../routing/engine.ts';
import type { BindReport } from '../../../routing/model.ts';
import { child, choice, maybe, type Message, messages, optional, str } from '../rows/message.ts';
import { fleetTypes } from '../rows/tables.ts';
import type { NodeReport } from './reports.ts';

export const reportPath = '/portolan.v1.Fleet/Report';
export const relayPath = '/portolan.v1.Fleet/Relay';

export interface RelayReport {
  /** Apart from other nodes of the replica. */
  readonly id: string;
  readonly gateway: string;
  /** Absent: the node is gone. */
  readonly report?: NodeReport;
}

const states = choice('serving', 'failed');
const effects = choice('dropped', 'differs');
const tables: ReadonlySet<LeftOut['table']> = new Set([
  'rules',
  'certificates',
  'trustBundles',
  'frontends',
  'clusters',
] as const);

export function encodeNodeReport(report: NodeReport): Buffer {
  return fleetTypes.nodeReport.encode(writeReport(report)).finish() as Buffer;
}

/** Throws when the bytes are no such message. */
export function decodeNodeReport(bytes: Uint8Array): NodeReport {
  return readReport(fleetTypes.nodeReport.decode(bytes) as unknown as Message);
}

export function encodeRelayReport({ id, gateway, report }: RelayReport): Buffer {
  const message = { id, gateway, gone: report === undefined, report: report && writeReport(report) };
  return fleetTypes.relayReport.encode(message).finish() as Buffer;
}

export function decodeRelayReport(bytes: Uint8Array): RelayReport {
  const message = fleetTypes.relayReport.decode(bytes) as unknown as Message;
  const report = message['gone'] === true ? undefined : child(message, 'report');
  return { id: str(message, 'id'), gateway: str(message, 'gateway'), ...maybe('report', report && readReport(report)) };
}

export function encodeAck(): Buffer {
  return fleetTypes.reportAck.encode({}).finish() as Buffer;
}

export function decodeAck(): object {
  return {};
}

function writeReport({ node, ready, inForce, binds, leftOut = [] }: NodeReport): Message {
  return {
    node,
    ready,
    inForce,
    binds: binds.map((bind) => ({ ...bind, state: states.write(bind.state) })),
    leftOut: leftOut.map(({ table, key, faults }) => ({
      table,
      key,
      faults: faults.map((fault) => ({ ...fault, effect: effects.write(fault.effect) })),
    })),
  };
}

/** A table of a later version says nothing to this one. */
function readLeftOut(message: Message): readonly LeftOut[] {
  const table = str(message, 'table') as LeftOut['table'];
  if (!tables.has(table)) return [];
  const faults = messages(message, 'faults').map((each): Fault => {
    const field = str(each, 'field');
    return {
      effect: effects.read(each, 'effect'),
      ...maybe('match', optional<number>(each, 'match')),
      ...(field === '' ? {} : { field }),
      reason: str(each, 'reason'),
    };
  });
  return [{ table, key: str(message, 'key'), faults }];
}

function readReport(message: Message): NodeReport {
  return {
    node: str(message, 'node'),
    ready: message['ready'] === true,
    inForce: str(message, 'inForce'),
    binds: messages(message, 'binds').map((each): BindReport => {
      const [code, text] = [str(each, 'code'), str(each, 'message')];
      return {
        bind: str(each, 'bind'),
        state: states.read(each, 'state'),
        ...(code === '' ? {} : { code }),
        ...(text === '' ? {} : { message: text }),
      };
    }),
    leftOut: messages(message, 'leftOut').flatMap(readLeftOut),
  };
}
