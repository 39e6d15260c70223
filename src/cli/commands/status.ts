// portolan status: the statuses that a cluster would show, as tables or as objects.
import { stringify } from 'yaml';
import { keyOf } from '../../api/objects.ts';
import type { KubeObject } from '../../api/objects.ts';
import type { ObjectRef } from '../../routing/origin.ts';
import { compareText } from '../../support/sorted.ts';
import type { Condition, ObjectStatus } from '../../status/object-status.ts';
import { misreadPaths } from '../misread.ts';
import type { Run } from '../main.ts';
import { Model } from '../model/model.ts';
import { modelOptions } from '../model/options.ts';
import { DevCertificates } from '../run/dev-certificates.ts';
import { Paint, printable, table } from '../terminal.ts';
import { upgradedObject, upgradedSpec } from '../upgraded.ts';

export const run: Run = async (args) => {
  const model = new Model({ ...modelOptions(args), serving: false });
  if (args.on('dev-certificates')) model.add(new DevCertificates(false));
  await model.load();
  const unread = misreadPaths(model, new Paint(process.stderr));
  const statuses = statusesOf(model);
  switch (args.text('output')) {
    case 'json':
      process.stdout.write(`${JSON.stringify(listOf(model, statuses), undefined, 2)}\n`);
      break;
    case 'yaml':
      process.stdout.write(stringify(listOf(model, statuses), { version: '1.1', aliasDuplicateObjects: false }));
      break;
    case 'wide':
      process.stdout.write(printable(tables(model, statuses, true)));
      break;
    default:
      process.stdout.write(printable(tables(model, statuses, false)));
  }
  model.close();
  return unread && model.source.size === 0 ? 1 : 0;
};

function statusesOf(model: Model): readonly ObjectStatus[] {
  const { statuses } = model.pipeline.tables;
  return [...statuses.keys()].toSorted(compareText).flatMap((key) => statuses.get(key) ?? []);
}

/** As `kubectl get -o yaml` prints several objects. */
function listOf(model: Model, statuses: readonly ObjectStatus[]): unknown {
  const items = statuses.flatMap(({ ref, status }) => {
    const object = model.pipeline.object(ref) ?? upgradedObject(ref, model.pipeline.tables);
    return [{ ...object, status }];
  });
  return { apiVersion: 'v1', kind: 'List', items };
}

type Fields = Readonly<Record<string, unknown>>;

interface Shown {
  readonly ref: ObjectRef;
  readonly spec: Fields;
  readonly status: Fields;
}

function tables(model: Model, statuses: readonly ObjectStatus[], wide: boolean): string {
  const shown = statuses.map(({ ref, status }) => ({
    ref,
    status,
    spec: specOf(model.pipeline.object(ref)) ?? upgradedSpec(ref, model.pipeline.tables),
  }));
  const ofKind = (test: (kind: string) => boolean): Shown[] => shown.filter(({ ref }) => test(ref.kind));
  const gateways = ofKind((kind) => kind === 'Gateway');
  const parts = [
    classTable(
      ofKind((kind) => kind === 'GatewayClass'),
      wide,
    ),
    gatewayTable(gateways, wide),
    listenerTable(gateways, wide),
    routeTable(
      ofKind((kind) => kind.endsWith('Route')),
      wide,
    ),
  ].filter((part) => part !== '');
  if (parts.length === 0) return 'No GatewayClasses, Gateways or routes.\n';
  return parts.join('\n');
}

function classTable(classes: readonly Shown[], wide: boolean): string {
  return section(['GATEWAYCLASS', 'CONTROLLER', 'ACCEPTED'], classes, wide, function* ({ ref, spec, status }) {
    const conditions = conditionsOf(status);
    yield { cells: [ref.name, textOf(spec['controllerName']), outcome(conditions, 'Accepted')], conditions };
  });
}

function gatewayTable(gateways: readonly Shown[], wide: boolean): string {
  const header = ['GATEWAY', 'CLASS', 'ADDRESS', 'ACCEPTED', 'PROGRAMMED'];
  return section(header, gateways, wide, function* ({ ref, spec, status }) {
    const conditions = conditionsOf(status);
    const addresses = listOfFields(status['addresses']).map(({ value }) => textOf(value));
    const states = [outcome(conditions, 'Accepted'), outcome(conditions, 'Programmed')];
    yield { cells: [nameIn(ref), textOf(spec['gatewayClassName']), addresses.join(','), ...states], conditions };
  });
}

function listenerTable(gateways: readonly Shown[], wide: boolean): string {
  const header = ['LISTENER', 'PROTOCOL', 'PORT', 'HOSTNAME', 'ROUTES', 'ACCEPTED', 'PROGRAMMED', 'RESOLVEDREFS'];
  return section(header, gateways, wide, function* ({ ref, spec, status }) {
    const written = listOfFields(spec['listeners']);
    for (const listener of listOfFields(status['listeners'])) {
      const { protocol, port, hostname } = written.find(({ name }) => name === listener['name']) ?? {};
      const conditions = conditionsOf(listener);
      const states = ['Accepted', 'Programmed', 'ResolvedRefs'].map((type) => outcome(conditions, type));
      const name = `${nameIn(ref)}/${textOf(listener['name'])}`;
      const cells = [
        name,
        textOf(protocol),
        textOf(port),
        textOf(hostname) || '*',
        textOf(listener['attachedRoutes']),
        ...states,
      ];
      yield { cells, conditions };
    }
  });
}

function routeTable(routes: readonly Shown[], wide: boolean): string {
  const header = ['ROUTE', 'HOSTNAMES', 'PARENT', 'ACCEPTED', 'RESOLVEDREFS'];
  return section(header, routes, wide, function* ({ ref, spec, status }) {
    const name = `${ref.kind.toLowerCase()}/${nameIn(ref)}`;
    const hostnames = list(spec['hostnames']).map(textOf).join(',') || '*';
    const parents = listOfFields(status['parents']);
    if (parents.length === 0) yield { cells: [name, hostnames, '<none>', '', ''], conditions: [] };
    for (const parent of parents) {
      const conditions = conditionsOf(parent);
      const states = [outcome(conditions, 'Accepted'), outcome(conditions, 'ResolvedRefs')];
      yield { cells: [name, hostnames, parentName(parent['parentRef'] as Fields, ref), ...states], conditions };
    }
  });
}

interface Row {
  readonly cells: readonly string[];
  readonly conditions: readonly Condition[];
}

/** `wide` adds a line below a row for each condition, with its reason and message. */
function section(
  header: readonly string[],
  objects: readonly Shown[],
  wide: boolean,
  rowsOf: (object: Shown) => Iterable<Row>,
): string {
  const rows = objects.flatMap((object) => [...rowsOf(object)]);
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

function conditionsOf(status: Fields): readonly Condition[] {
  return list(status['conditions']) as readonly Condition[];
}

function parentName(parent: Fields, route: ObjectRef): string {
  const namespace = textOf(parent['namespace']) || route.namespace;
  const section = parent['sectionName'] === undefined ? '' : `/${textOf(parent['sectionName'])}`;
  const port = parent['port'] === undefined ? '' : `:${textOf(parent['port'])}`;
  return `${namespace}/${textOf(parent['name'])}${section}${port}`;
}

function nameIn({ namespace, name }: ObjectRef): string {
  return keyOf({ metadata: namespace === '' ? { name } : { namespace, name } });
}

/** Undefined for an object that was not written as such. */
function specOf(object: KubeObject | undefined): Fields | undefined {
  if (object === undefined) return undefined;
  const { spec } = object as { readonly spec?: unknown };
  return typeof spec === 'object' && spec !== null && !Array.isArray(spec) ? (spec as Fields) : {};
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function listOfFields(value: unknown): readonly Fields[] {
  return list(value).filter((item): item is Fields => typeof item === 'object' && item !== null);
}

function textOf(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? String(value) : '';
}
