// Rows <-> bytes of portolan.v1, by table: the type URLs, and how each row is named, written and read. How versions of the messages
// get along is said in portolan/v1/model.proto.
import type protobuf from 'protobufjs/light.js';
import type {
  Bind,
  CertificateSet,
  Cluster,
  EndpointSet,
  Frontend,
  Placement,
  Rule,
  TrustBundle,
} from '../../../routing/model.ts';
import { readDescriptors } from '../descriptors.ts';
import {
  readCertificateSet,
  readCluster,
  readEndpointSet,
  readTrustBundle,
  writeCertificateSet,
  writeCluster,
  writeEndpointSet,
  writeTrustBundle,
} from './backends.ts';
import { readBind, readFrontend, readPlacement, writeBind, writeFrontend, writePlacement } from './listeners.ts';
import { type Message, str, Undecodable } from './message.ts';
import { type HostEntries, readHostEntries, readRule, writeHostEntries, writeRule } from './rules.ts';

/** Digest of all resources of a gateway; its arrival puts them in force. */
export interface Revision {
  readonly digest: string;
}

export interface WireRows {
  readonly endpoints: EndpointSet;
  readonly certificates: CertificateSet;
  readonly trustBundles: TrustBundle;
  readonly clusters: Cluster;
  readonly rules: Rule;
  readonly frontends: Frontend;
  readonly hostEntries: HostEntries;
  readonly binds: Bind;
  readonly placements: Placement;
  readonly revision: Revision;
}

export type WireTable = keyof WireRows;

export interface TableCodec<T> {
  readonly typeUrl: string;
  readonly nameOf: (row: T) => string;
  readonly encode: (row: T) => Uint8Array;
  /** Throws Undecodable when this version cannot take the row as it is meant. */
  readonly decode: (bytes: Uint8Array) => T;
}

const root = readDescriptors('../generated/portolan.json', import.meta.url);

interface Form<T> {
  readonly message: string;
  readonly nameOf: (row: T) => string;
  readonly write: (row: T) => Message;
  readonly read: (message: Message) => T;
}

function codec<T>({ message, nameOf, write, read }: Form<T>): TableCodec<T> {
  const type = root.lookupType(`portolan.v1.${message}`);
  return {
    typeUrl: `type.googleapis.com/portolan.v1.${message}`,
    nameOf,
    encode: (row) => type.encode(write(row)).finish(),
    decode: (bytes) => {
      let decoded: Message;
      try {
        decoded = type.decode(bytes) as unknown as Message;
      } catch {
        // The error of the library quotes nothing of the row, but a row may be a secret: it is not passed on.
        throw new Undecodable(`no message of the type ${message}`);
      }
      return read(decoded);
    },
  };
}

const byKey = ({ key }: { readonly key: string }): string => key;

/** In an order in which what others name comes first. */
export const codecs: { readonly [T in WireTable]: TableCodec<WireRows[T]> } = {
  endpoints: codec({ message: 'EndpointSet', nameOf: byKey, write: writeEndpointSet, read: readEndpointSet }),
  certificates: codec({
    message: 'CertificateSet',
    nameOf: byKey,
    write: writeCertificateSet,
    read: readCertificateSet,
  }),
  trustBundles: codec({ message: 'TrustBundle', nameOf: byKey, write: writeTrustBundle, read: readTrustBundle }),
  clusters: codec({ message: 'Cluster', nameOf: byKey, write: writeCluster, read: readCluster }),
  rules: codec({ message: 'Rule', nameOf: byKey, write: writeRule, read: readRule }),
  frontends: codec({ message: 'Frontend', nameOf: byKey, write: writeFrontend, read: readFrontend }),
  hostEntries: codec({
    message: 'HostEntries',
    nameOf: ({ frontend, hostname, rule }) => `${frontend}|${hostname}|${rule}`,
    write: writeHostEntries,
    read: readHostEntries,
  }),
  binds: codec({ message: 'Bind', nameOf: byKey, write: writeBind, read: readBind }),
  placements: codec({ message: 'Placement', nameOf: ({ bind }) => bind, write: writePlacement, read: readPlacement }),
  revision: codec<Revision>({
    message: 'Revision',
    nameOf: () => 'revision',
    write: ({ digest }) => ({ digest }),
    read: (message) => ({ digest: str(message, 'digest') }),
  }),
};

export const wireTables: readonly WireTable[] = Object.keys(codecs) as WireTable[];
export const wireTypes: readonly string[] = wireTables.map((table) => codecs[table].typeUrl);
export const revisionType: string = codecs.revision.typeUrl;
/** The types of messages that carry no row. */
export const fleetTypes: Readonly<Record<'nodeReport' | 'relayReport' | 'reportAck', protobuf.Type>> = {
  nodeReport: root.lookupType('portolan.v1.NodeReport'),
  relayReport: root.lookupType('portolan.v1.RelayReport'),
  reportAck: root.lookupType('portolan.v1.ReportAck'),
};
