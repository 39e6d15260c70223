// Clusters, endpoint sets, certificate sets and trust bundles <-> messages.
import type {
  CertificateSet,
  Cluster,
  ClusterTls,
  EndpointSet,
  RetryBudget,
  TrustBundle,
} from '../../../routing/model.ts';
import {
  checkNeeds,
  child,
  choice,
  maybe,
  type Message,
  messages,
  num,
  optional,
  str,
  strings,
  Undecodable,
} from './message.ts';

const protocols = choice('http1', 'h2c', 'h2', 'tcp', 'udp');
const nameTypes = choice('dns', 'uri');
const proxyVersions = choice('v1', 'v2');

export function writeCluster(row: Cluster): Message {
  const { key, protocol, tls, proxyProtocol, retryBudget, endpoints, backend } = row;
  return {
    key,
    protocol: protocols.write(protocol),
    tls: tls && writeTls(tls),
    ...(proxyProtocol && { proxyProtocol: proxyVersions.write(proxyProtocol) }),
    retryBudget: retryBudget && {
      percent: retryBudget.percent,
      interval: retryBudget.interval,
      minimumCount: retryBudget.minimum.count,
      minimumInterval: retryBudget.minimum.interval,
    },
    endpoints,
    backendKind: backend.kind,
    backendNamespace: backend.namespace,
    backendName: backend.name,
    backendPort: backend.port,
  };
}

export function readCluster(message: Message): Cluster {
  checkNeeds(message);
  const tls = child(message, 'tls');
  const budget = child(message, 'retryBudget');
  return {
    key: str(message, 'key'),
    protocol: protocols.read(message, 'protocol'),
    ...maybe('tls', tls && readTls(tls)),
    ...(num(message, 'proxyProtocol') === 0 ? {} : { proxyProtocol: proxyVersions.read(message, 'proxyProtocol') }),
    ...maybe('retryBudget', budget && readBudget(budget)),
    endpoints: str(message, 'endpoints'),
    backend: {
      kind: str(message, 'backendKind'),
      namespace: str(message, 'backendNamespace'),
      name: str(message, 'backendName'),
      port: num(message, 'backendPort'),
    },
  };
}

function writeTls({ serverName, names, authorities, certificate }: ClusterTls): Message {
  return {
    serverName,
    names: names.map(({ type, value }) => ({ type: nameTypes.write(type), value })),
    ...(authorities === 'system' ? { systemAuthorities: true } : { authorities }),
    certificate,
  };
}

function readTls(message: Message): ClusterTls {
  checkNeeds(message);
  return {
    serverName: str(message, 'serverName'),
    names: messages(message, 'names').map((each) => ({
      type: nameTypes.read(each, 'type'),
      value: str(each, 'value'),
    })),
    authorities: message['systemAuthorities'] === true ? 'system' : strings(message, 'authorities'),
    ...maybe('certificate', optional<string>(message, 'certificate')),
  };
}

function readBudget(message: Message): RetryBudget {
  return {
    percent: num(message, 'percent'),
    interval: num(message, 'interval'),
    minimum: { count: num(message, 'minimumCount'), interval: num(message, 'minimumInterval') },
  };
}

export function writeEndpointSet({ key, endpoints }: EndpointSet): Message {
  return { key, endpoints };
}

export function readEndpointSet(message: Message): EndpointSet {
  return {
    key: str(message, 'key'),
    endpoints: messages(message, 'endpoints').map((each) => ({
      id: str(each, 'id'),
      address: str(each, 'address'),
      port: num(each, 'port'),
      ready: each['ready'] === true,
      serving: each['serving'] === true,
      terminating: each['terminating'] === true,
      ...maybe('zone', optional<string>(each, 'zone')),
    })),
  };
}

export function writeCertificateSet(row: CertificateSet): Message {
  const { key, certificate, privateKey, names, notAfter, fingerprint } = row;
  return { key, certificate, privateKey, names, notAfter, fingerprint };
}

export function readCertificateSet(message: Message): CertificateSet {
  const privateKey = str(message, 'privateKey');
  // Nothing of it is said: messages end up in logs.
  if (privateKey === '') throw new Undecodable('a certificate without its key');
  return {
    key: str(message, 'key'),
    certificate: str(message, 'certificate'),
    privateKey,
    names: strings(message, 'names'),
    notAfter: str(message, 'notAfter'),
    fingerprint: str(message, 'fingerprint'),
  };
}

export function writeTrustBundle({ key, certificates }: TrustBundle): Message {
  return { key, certificates };
}

export function readTrustBundle(message: Message): TrustBundle {
  return { key: str(message, 'key'), certificates: str(message, 'certificates') };
}
