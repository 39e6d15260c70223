// Statuses → tables like those of kubectl get, one for each family of kinds. An Ingress has a row of its own, in which what its
// routes are told is summed up; the routes that were made of it are not shown besides.
import { keyOf } from '../api/objects.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import type { ObjectRef } from '../routing/origin.ts';
import { refKey } from '../routing/origin.ts';
import type { Condition, ObjectStatus } from '../status/object-status.ts';
import { isRecord, list, record } from '../support/untrusted.ts';
import { table } from './terminal.ts';
import { specOf } from './upgraded.ts';

type Fields = Readonly<Record<string, unknown>>;

interface Shown extends ObjectStatus {
  readonly spec: Fields;
  readonly annotations: Fields;
}

/** @param wide adds a line below a row for each condition, with its reason and message */
export function statusTables(pipeline: Pipeline, statuses: readonly ObjectStatus[], wide: boolean): string {
  const shown = statuses.map((row): Shown => ({
    ...row,
    spec: specOf(row, pipeline),
    annotations: record(pipeline.object(row.ref)?.metadata.annotations),
  }));
  const ofKind = (kind: string): Shown[] => shown.filter(({ ref }) => ref.kind === kind);
  const routes = shown.filter(({ ref }) => ref.kind.endsWith('Route'));
  const owners = [...ofKind('Gateway'), ...ofKind('ListenerSet')];
  const parts = [
    classTable(ofKind('GatewayClass')),
    gatewayTable(ofKind('Gateway')),
    setTable(ofKind('ListenerSet')),
    listenerTable(owners),
    ingressTable(ofKind('Ingress'), routes),
    routeTable(routes.filter(({ written }) => written?.kind !== 'Ingress')),
    policyTable(shown.filter(({ status }) => Array.isArray(status['ancestors']))),
  ];
  const texts = parts.map((part) => textOfTable(part, wide)).filter((part) => part !== '');
  return texts.length === 0 ? 'No GatewayClasses, Gateways or routes.\n' : texts.join('\n');
}

interface StatusTable {
  readonly header: readonly string[];
  readonly rows: readonly Row[];
}

function classTable(classes: readonly Shown[]): StatusTable {
  const rows = classes.map(({ ref, spec, status }): Row => {
    const conditions = conditionsOf(status);
    return { cells: [ref.name, textOf(spec['controllerName']), outcome(conditions, 'Accepted')], conditions };
  });
  return { header: ['GATEWAYCLASS', 'CONTROLLER', 'ACCEPTED'], rows };
}

function gatewayTable(gateways: readonly Shown[]): StatusTable {
  const header = ['GATEWAY', 'CLASS', 'ADDRESS', 'ACCEPTED', 'PROGRAMMED'];
  const rows = gateways.map(({ ref, spec, status }): Row => {
    const conditions = conditionsOf(status);
    const addresses = listOfFields(status['addresses']).map(({ value }) => textOf(value));
    const states = ['Accepted', 'Programmed'].map((type) => outcome(conditions, type));
    return { cells: [nameIn(ref), textOf(spec['gatewayClassName']), addresses.join(','), ...states], conditions };
  });
  return { header, rows };
}

function setTable(sets: readonly Shown[]): StatusTable {
  const header = ['LISTENERSET', 'GATEWAY', 'ACCEPTED', 'PROGRAMMED'];
  const rows = sets.map(({ ref, spec, status }): Row => {
    const conditions = conditionsOf(status);
    const states = ['Accepted', 'Programmed'].map((type) => outcome(conditions, type));
    return { cells: [nameIn(ref), parentName(record(spec['parentRef']), ref), ...states], conditions };
  });
  return { header, rows };
}

function listenerTable(owners: readonly Shown[]): StatusTable {
  const header = ['LISTENER', 'PROTOCOL', 'PORT', 'HOSTNAME', 'ROUTES', 'ACCEPTED', 'PROGRAMMED', 'RESOLVEDREFS'];
  const rows = owners.flatMap(({ ref, spec, status }) => {
    const written = listOfFields(spec['listeners']);
    return listOfFields(status['listeners']).map((listener): Row => {
      const { protocol, port, hostname } = written.find(({ name }) => name === listener['name']) ?? {};
      const conditions = conditionsOf(listener);
      const host = hasHosts(textOf(protocol)) ? textOf(hostname) || '*' : '';
      const facts = [textOf(protocol), textOf(port), host, textOf(listener['attachedRoutes'])];
      const states = ['Accepted', 'Programmed', 'ResolvedRefs'].map((type) => outcome(conditions, type));
      return { cells: [`${nameIn(ref)}/${textOf(listener['name'])}`, ...facts, ...states], conditions };
    });
  });
  return { header, rows };
}

function hasHosts(protocol: string): boolean {
  return protocol !== 'TCP' && protocol !== 'UDP';
}

function ingressTable(ingresses: readonly Shown[], routes: readonly Shown[]): StatusTable {
  const header = ['INGRESS', 'CLASS', 'HOSTS', 'ADDRESS', 'PORTS', 'ACCEPTED', 'RESOLVEDREFS'];
  const rows = ingresses.map(({ ref, spec, annotations, status }): Row => {
    const made = routes.filter(({ written }) => written !== undefined && refKey(written) === refKey(ref));
    const conditions = made.flatMap((route) => listOfFields(route.status['parents']).flatMap(conditionsOf));
    const hosts = new Set(listOfFields(spec['rules']).map(({ host }) => textOf(host) || '*'));
    const addresses = listOfFields(record(status['loadBalancer'])['ingress']).map(
      ({ ip, hostname }) => textOf(ip) || textOf(hostname),
    );
    const cells = [
      nameIn(ref),
      textOf(spec['ingressClassName']) || textOf(annotations['kubernetes.io/ingress.class']) || '<none>',
      [...hosts].join(',') || '*',
      addresses.join(','),
      list(spec['tls']).length > 0 ? '80, 443' : '80',
      ...['Accepted', 'ResolvedRefs'].map((type) => worst(conditions, type)),
    ];
    return { cells, conditions: distinct(conditions) };
  });
  return { header, rows };
}

function routeTable(routes: readonly Shown[]): StatusTable {
  const header = ['ROUTE', 'HOSTNAMES', 'PARENT', 'ACCEPTED', 'RESOLVEDREFS'];
  const rows = routes.flatMap(({ ref, spec, status }): readonly Row[] => {
    const name = `${ref.kind.toLowerCase()}/${nameIn(ref)}`;
    const hostnames =
      ref.kind === 'TCPRoute' || ref.kind === 'UDPRoute' ? '' : list(spec['hostnames']).map(textOf).join(',') || '*';
    const parents = listOfFields(status['parents']);
    if (parents.length === 0) return [{ cells: [name, hostnames, '<none>', '', ''], conditions: [] }];
    return parents.map((parent) => {
      const conditions = conditionsOf(parent);
      const states = ['Accepted', 'ResolvedRefs'].map((type) => outcome(conditions, type));
      return { cells: [name, hostnames, parentName(record(parent['parentRef']), ref), ...states], conditions };
    });
  });
  return { header, rows };
}

function policyTable(policies: readonly Shown[]): StatusTable {
  const header = ['POLICY', 'TARGETS', 'GATEWAY', 'ACCEPTED', 'RESOLVEDREFS'];
  const rows = policies.flatMap(({ ref, spec, status }) => {
    const targets = [...listOfFields(spec['targetRefs']), record(spec['targetRef'])].flatMap(targetName).join(',');
    return listOfFields(status['ancestors']).map((ancestor): Row => {
      const conditions = conditionsOf(ancestor);
      const states = ['Accepted', 'ResolvedRefs'].map((type) => outcome(conditions, type));
      const name = `${ref.kind.toLowerCase()}/${nameIn(ref)}`;
      return { cells: [name, targets, parentName(record(ancestor['ancestorRef']), ref), ...states], conditions };
    });
  });
  return { header, rows };
}

function targetName({ kind, name, sectionName }: Fields): string[] {
  if (textOf(name) === '') return [];
  const section = sectionName === undefined ? '' : `/${textOf(sectionName)}`;
  return [`${textOf(kind).toLowerCase()}/${textOf(name)}${section}`];
}

interface Row {
  readonly cells: readonly string[];
  readonly conditions: readonly Condition[];
}

function textOfTable({ header, rows }: StatusTable, wide: boolean): string {
  if (rows.length === 0) return '';
  const text = table(
    header,
    rows.map(({ cells }) => cells),
  );
  if (!wide) return text;
  const [head = '', ...lines] = text.trimEnd().split('\n');
  const below = rows.map(({ conditions }) =>
    conditions.map(({ type, status, reason, message }) => `    ${type}=${status}  ${reason}: ${message}\n`).join(''),
  );
  return `${head}\n${lines.map((line, index) => `${line}\n${below[index] ?? ''}`).join('')}`;
}

/** `True`, else what it is and why: `False (NotAllowedByListeners)`. */
function outcome(conditions: readonly Condition[], type: string): string {
  const condition = conditions.find((condition) => condition.type === type);
  if (condition === undefined) return 'Unknown';
  return condition.status === 'True' ? 'True' : `${condition.status} (${condition.reason})`;
}

/** Of several objects that are one to the user. */
function worst(conditions: readonly Condition[], type: string): string {
  const bad = conditions.filter((condition) => condition.type === type && condition.status !== 'True');
  return outcome(bad.length > 0 ? bad : conditions, type);
}

function distinct(conditions: readonly Condition[]): readonly Condition[] {
  const found = new Map(
    conditions.map((condition) => [`${condition.type} ${condition.status} ${condition.message}`, condition]),
  );
  return [...found.values()];
}

function conditionsOf(status: Fields): readonly Condition[] {
  return list(status['conditions']) as readonly Condition[];
}

/** Of a parentRef or an ancestorRef; what is no Gateway is named with its kind. */
function parentName(parent: Fields, of: ObjectRef): string {
  const kind = textOf(parent['kind']);
  const named = kind === '' || kind === 'Gateway' ? '' : `${kind.toLowerCase()}/`;
  const namespace = textOf(parent['namespace']) || of.namespace;
  const section = parent['sectionName'] === undefined ? '' : `/${textOf(parent['sectionName'])}`;
  const port = parent['port'] === undefined ? '' : `:${textOf(parent['port'])}`;
  return `${named}${namespace}/${textOf(parent['name'])}${section}${port}`;
}

function nameIn({ namespace, name }: ObjectRef): string {
  return keyOf({ metadata: namespace === '' ? { name } : { namespace, name } });
}

function listOfFields(value: unknown): readonly Fields[] {
  return list(value).filter(isRecord);
}

function textOf(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? String(value) : '';
}
