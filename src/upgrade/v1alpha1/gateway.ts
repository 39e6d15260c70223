// networking.x-k8s.io/v1alpha1 GatewayClass and Gateway -> v1. In v1alpha1 it is the Gateway that chooses its routes: by
// label selector and namespaces, per listener. That choice (RouteBinding) is handed on to the routes.
import type { Gateway, GatewayClass } from '../../api/generated/types.ts';
import { gatewayGroup } from '../../api/kinds.ts';
import type { KubeObject } from '../../api/objects.ts';
import type { Sourced } from '../../api/sourced.ts';
import type { LabelSelector } from '../../routing/label-selector.ts';
import { list, portNumber, record, text, type UnknownRecord } from '../../support/untrusted.ts';
import { Notes, refOf, type Upgraded } from '../upgraded.ts';
import { readSelector } from './selectors.ts';

type Listener = NonNullable<Gateway['spec']['listeners']>[number];

/** A listener's choice of routes. */
export interface RouteBinding {
  readonly namespace: string;
  readonly gateway: string;
  readonly listener: string;
  readonly protocol: string;
  readonly kind: string;
  /** Absent: one that cannot be read, and selects nothing. */
  readonly routes?: LabelSelector;
  readonly from: 'All' | 'Same' | 'Selector';
  /** With `from: Selector`. */
  readonly namespaces?: LabelSelector;
}

export interface UpgradedGateway extends Upgraded<Gateway> {
  readonly bindings: readonly RouteBinding[];
}

const to = `${gatewayGroup}/v1`;

export function upgradeClass(object: KubeObject): Upgraded<GatewayClass> {
  const notes = started(object);
  const spec = record(object['spec']);
  const controllerName = text(spec['controller']) ?? '';
  notes.map('spec.controllerName', 'spec.controller');
  const row: Sourced<GatewayClass> = {
    object: { apiVersion: to, kind: 'GatewayClass', metadata: object.metadata, spec: { controllerName } },
    written: notes.ref,
    mappings: notes.mappings,
  };
  if (spec['parametersRef'] !== undefined)
    notes.say('spec.parametersRef', { code: 'NotCarriedOver', message: 'parameters of a class are not read' });
  return { ref: notes.ref, rows: [[object.metadata.name, row]], problems: notes.problems };
}

export function upgradeGateway(object: KubeObject): UpgradedGateway {
  const notes = started(object);
  const spec = record(object['spec']);
  const names = new Set<string>();
  const bindings: RouteBinding[] = [];
  const listeners = list(spec['listeners']).flatMap((each, at) => {
    const from = `spec.listeners[${at}]`;
    const port = portNumber(record(each)['port']);
    const protocol = text(record(each)['protocol']);
    if (port === undefined || protocol === undefined) {
      notes.say(port === undefined ? `${from}.port` : `${from}.protocol`, {
        code: 'InvalidField',
        rule: 'required',
        message: 'is required',
      });
      return [];
    }
    const listener = upgradeListener(record(each), { port, protocol, from, names }, notes);
    bindings.push(bindingOf(object, listener, record(record(each)['routes'])));
    return [listener];
  });
  for (const field of ['addresses']) {
    if (spec[field] !== undefined)
      notes.say(`spec.${field}`, { code: 'NotCarriedOver', message: `${field} of this vintage are not read` });
  }
  const gatewayClassName = text(spec['gatewayClassName']) ?? '';
  notes.map('spec.gatewayClassName', 'spec.gatewayClassName');
  const row: Sourced<Gateway> = {
    object: { apiVersion: to, kind: 'Gateway', metadata: object.metadata, spec: { gatewayClassName, listeners } },
    written: notes.ref,
    mappings: notes.mappings,
  };
  return {
    ref: notes.ref,
    rows: [[`${notes.ref.namespace}/${notes.ref.name}`, row]],
    problems: notes.problems,
    bindings,
  };
}

interface Place {
  readonly port: number;
  readonly protocol: string;
  readonly from: string;
  readonly names: Set<string>;
}

/** Listeners had no names: `https`, or `https-8443` where there are several. */
function upgradeListener(listener: UnknownRecord, { port, protocol, from, names }: Place, notes: Notes): Listener {
  const hostname = text(listener['hostname']);
  let name =
    protocol
      .toLowerCase()
      .replaceAll(/[^a-z0-9]+/g, '-')
      .replaceAll(/^-+|-+$/g, '') || 'listener';
  if (names.has(name)) name = `${name}-${port}`;
  for (let n = 2; names.has(name); n++) name = `${name}-${n}`;
  const at = names.size;
  names.add(name);
  const path = `spec.listeners[${at}]`;
  notes.map(path, from);
  const routes = record(listener['routes']);
  const kind = text(routes['kind']);
  if (kind !== undefined) notes.map(`${path}.allowedRoutes.kinds[0]`, `${from}.routes.kind`);
  notes.map(`${path}.allowedRoutes`, `${from}.routes`);
  const tls = listener['tls'] === undefined ? undefined : upgradeTls(record(listener['tls']), { path, from }, notes);
  return {
    name,
    port,
    protocol,
    ...(hostname === undefined || hostname === '*' ? {} : { hostname }),
    ...(tls === undefined || protocol === 'HTTP' ? {} : { tls }),
    allowedRoutes: {
      namespaces: namespacesOf(record(routes['namespaces'])),
      ...(kind === undefined ? {} : { kinds: [{ group: gatewayGroup, kind: kindBehind(protocol, kind) }] }),
    },
  };
}

/** TCPRoutes could stand behind TLS: stream-routes.ts. */
function kindBehind(protocol: string, kind: string): string {
  return protocol === 'TLS' && kind === 'TCPRoute' ? 'TLSRoute' : kind;
}

function upgradeTls(
  tls: UnknownRecord,
  place: { readonly path: string; readonly from: string },
  notes: Notes,
): NonNullable<Listener['tls']> {
  const certificate = record(tls['certificateRef']);
  const name = text(certificate['name']);
  notes.map(`${place.path}.tls`, `${place.from}.tls`);
  notes.map(`${place.path}.tls.certificateRefs[0]`, `${place.from}.tls.certificateRef`);
  if (text(record(tls['routeOverride'])['certificate']) === 'Allow') {
    notes.say(`${place.from}.tls.routeOverride`, {
      code: 'NotCarriedOver',
      message: 'routes cannot bring certificates of their own; name every certificate on the listener',
    });
  }
  const group = text(certificate['group']);
  return {
    mode: tls['mode'] === 'Passthrough' ? 'Passthrough' : 'Terminate',
    ...(name === undefined
      ? {}
      : {
          certificateRefs: [
            {
              group: group === undefined || group === 'core' ? '' : group,
              kind: text(certificate['kind']) ?? 'Secret',
              name,
            },
          ],
        }),
  };
}

type Namespaces = NonNullable<NonNullable<Listener['allowedRoutes']>['namespaces']>;

function namespacesOf(namespaces: UnknownRecord): Namespaces {
  const from = fromOf(namespaces);
  // The selector keeps its shape; what is wrong with it is found where selectors are read.
  return {
    from,
    ...(from === 'Selector' ? { selector: record(namespaces['selector']) } : {}),
  };
}

/** The default is Same. */
function fromOf(namespaces: UnknownRecord): RouteBinding['from'] {
  const from = namespaces['from'];
  return from === 'All' || from === 'Selector' ? from : 'Same';
}

function bindingOf(object: KubeObject, { name, protocol }: Listener, routes: UnknownRecord): RouteBinding {
  const namespaces = record(routes['namespaces']);
  const selector = readSelector(routes['selector']);
  const namespaceSelector = readSelector(namespaces['selector']);
  return {
    namespace: object.metadata.namespace ?? '',
    gateway: object.metadata.name,
    listener: name,
    protocol,
    kind: text(routes['kind']) ?? '',
    ...(selector === undefined ? {} : { routes: selector }),
    from: fromOf(namespaces),
    ...(namespaceSelector === undefined ? {} : { namespaces: namespaceSelector }),
  };
}

/** The notes of an object of this vintage, with the warning that it is one. */
export function started(object: KubeObject): Notes {
  const notes = new Notes(refOf(object));
  notes.map('', '');
  notes.say('apiVersion', { code: 'DeprecatedVersion', from: object.apiVersion, to });
  return notes;
}
