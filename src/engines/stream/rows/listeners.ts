// Binds, placements and frontends <-> messages.
import type { Bind, ClientValidation, Frontend, Placement } from '../../../routing/model.ts';
import { compareText } from '../../../support/sorted.ts';
import { readFilter, writeFilter } from './filters.ts';
import { checkNeeds, child, choice, maybe, type Message, messages, num, str, strings } from './message.ts';
import { readOrigin, writeOrigin } from './origins.ts';

const transports = choice('tcp', 'udp');
const protocols = choice('HTTP', 'HTTPS', 'TLS', 'TCP', 'UDP');
const validations = choice('require', 'request');

export function writeBind(row: Bind): Message {
  const { key, gateway, port, transport, security, frontends, proxyProtocol = false } = row;
  return {
    key,
    gateway,
    port,
    transport: transports.write(transport),
    tls: security === 'tls',
    frontends,
    proxyProtocol,
  };
}

export function readBind(message: Message): Bind {
  checkNeeds(message);
  return {
    key: str(message, 'key'),
    gateway: str(message, 'gateway'),
    port: num(message, 'port'),
    transport: transports.read(message, 'transport'),
    security: message['tls'] === true ? 'tls' : 'none',
    frontends: strings(message, 'frontends'),
    ...(message['proxyProtocol'] === true ? { proxyProtocol: true } : {}),
  };
}

export function writePlacement({ bind, address, port }: Placement): Message {
  return { bind, address, port };
}

export function readPlacement(message: Message): Placement {
  return { bind: str(message, 'bind'), address: str(message, 'address'), port: num(message, 'port') };
}

export function writeFrontend(row: Frontend): Message {
  const { key, bind, gateway, listener, port, hostname, tls, filters, publicPorts, origin } = row;
  return {
    key,
    bind,
    gateway,
    listener,
    protocol: protocols.write(row.protocol),
    port,
    hostname,
    ...(tls?.mode === 'terminate' && { terminate: writeTerminate(tls) }),
    ...(tls?.mode === 'passthrough' && { passthrough: {} }),
    filters: filters?.map((filter) => writeFilter(filter, origin.object)),
    // Sorted, so that the same row has the same bytes.
    publicPorts: Object.entries(publicPorts)
      .map(([declared, reached]) => ({ declared, reached }))
      .sort((a, b) => compareText(a.declared, b.declared)),
    origin: writeOrigin(origin),
  };
}

export function readFrontend(message: Message): Frontend {
  checkNeeds(message);
  const origin = readOrigin(child(message, 'origin'));
  const filters = messages(message, 'filters').map((filter) => readFilter(filter, origin.object));
  const terminate = child(message, 'terminate');
  const passthrough = child(message, 'passthrough');
  return {
    key: str(message, 'key'),
    bind: str(message, 'bind'),
    gateway: str(message, 'gateway'),
    listener: str(message, 'listener'),
    protocol: protocols.read(message, 'protocol'),
    port: num(message, 'port'),
    hostname: str(message, 'hostname'),
    ...maybe(
      'tls',
      terminate === undefined ? passthrough && ({ mode: 'passthrough' } as const) : readTerminate(terminate),
    ),
    ...(filters.length === 0 ? {} : { filters }),
    publicPorts: Object.fromEntries(
      messages(message, 'publicPorts').map((each) => [str(each, 'declared'), num(each, 'reached')]),
    ),
    origin,
  };
}

interface Terminate {
  readonly certificates: readonly string[];
  readonly clients?: ClientValidation;
}

function writeTerminate({ certificates, clients }: Terminate): Message {
  return {
    certificates,
    clients: clients && { mode: validations.write(clients.mode), authorities: clients.authorities },
  };
}

function readTerminate(message: Message): Terminate & { readonly mode: 'terminate' } {
  const clients = child(message, 'clients');
  const validation = clients && {
    mode: validations.read(clients, 'mode'),
    authorities: strings(clients, 'authorities'),
  };
  return { mode: 'terminate', certificates: strings(message, 'certificates'), ...maybe('clients', validation) };
}
