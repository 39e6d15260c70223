// networking.x-k8s.io/v1alpha1 HTTPRoute -> v1: forwardTo becomes backendRefs, header and query maps become lists, and the
// Gateways that chose the route become its parentRefs.
import type { HTTPRoute } from '../../api/generated/types.ts';
import { gatewayGroup } from '../../api/kinds.ts';
import type { KubeObject } from '../../api/objects.ts';
import { selects } from '../../routing/label-selector.ts';
import { list, portNumber, record, text, texts, type UnknownRecord } from '../../support/untrusted.ts';
import type { Notes, Upgraded } from '../upgraded.ts';
import { started, type RouteBinding } from './gateway.ts';

type Rule = HTTPRoute['spec']['rules'][number];
type Match = Rule['matches'][number];
type Filter = NonNullable<Rule['filters']>[number];
type BackendRef = NonNullable<Rule['backendRefs']>[number];
type ParentRef = NonNullable<HTTPRoute['spec']['parentRefs']>[number];

export interface BindingContext {
  /** Of every v1alpha1 Gateway. */
  readonly bindings: readonly RouteBinding[];
  readonly namespaceLabels: (namespace: string) => Readonly<Record<string, string>>;
  /** The port of a Service that has just one; v1alpha1 let it be left out. */
  readonly onlyPort: (service: string) => number | undefined;
}

export function upgradeHttpRoute(object: KubeObject, context: BindingContext): Upgraded<HTTPRoute> {
  const notes = started(object);
  const spec = record(object['spec']);
  const hostnames = list(spec['hostnames']).filter((host) => typeof host === 'string');
  const rules = list(spec['rules']).map((rule, at) =>
    upgradeRule(record(rule), at, { notes, context, namespace: notes.ref.namespace }),
  );
  if (spec['tls'] !== undefined)
    notes.say('spec.tls', {
      code: 'NotCarriedOver',
      message: 'certificates belong to the listener; name this one there',
    });
  const parentRefs = choose(object, spec, context, notes);
  const route: HTTPRoute = {
    apiVersion: `${gatewayGroup}/v1`,
    kind: 'HTTPRoute',
    metadata: object.metadata,
    spec: {
      ...(parentRefs.length === 0 ? {} : { parentRefs }),
      ...(hostnames.length === 0 ? {} : { hostnames }),
      rules: rules.length === 0 ? [{ matches: [everything] }] : rules,
    },
  };
  notes.map('spec.parentRefs', 'spec.gateways');
  const key = `HTTPRoute.v1alpha1:${notes.ref.namespace}/${notes.ref.name}`;
  return {
    ref: notes.ref,
    rows: [[key, { object: route, written: notes.ref, mappings: notes.mappings }]],
    problems: notes.problems,
  };
}

const everything: Match = { path: { type: 'PathPrefix', value: '/' } };

/** Both sides have to agree: the Gateway by its selector, the route by `gateways.allow`. */
function choose(object: KubeObject, spec: UnknownRecord, context: BindingContext, notes: Notes): ParentRef[] {
  const { namespace = '' } = object.metadata;
  const gateways = record(spec['gateways']);
  const written = text(gateways['allow']);
  const chosen = context.bindings.filter((binding) => binding.kind === 'HTTPRoute' && takes(binding, object, context));
  const allowed = chosen.filter((binding) => allows(binding, { written, gateways, namespace }));
  if (written === undefined && allowed.some((binding) => binding.namespace !== namespace)) {
    const message =
      'says nothing of the Gateways that it allows: served on every Gateway that selects it, where v1alpha1 at its end took only those of its own namespace';
    notes.say('spec.gateways', { code: 'CarriedOver', message });
  }
  if (allowed.length === 0) return namedParents(spec);
  return allowed.map((binding) => ({
    group: gatewayGroup,
    kind: 'Gateway',
    namespace: binding.namespace,
    name: binding.gateway,
    sectionName: binding.listener,
  }));
}

/** This vintage has no parentRefs: they are there when somebody attached the route by hand (`run --attach`). */
function namedParents(spec: UnknownRecord): ParentRef[] {
  return list(spec['parentRefs']).flatMap((each) => {
    const { name, namespace } = record(each);
    if (typeof name !== 'string') return [];
    return [{ group: gatewayGroup, kind: 'Gateway', name, ...(typeof namespace === 'string' ? { namespace } : {}) }];
  });
}

function takes(binding: RouteBinding, object: KubeObject, context: BindingContext): boolean {
  const { namespace = '', labels } = object.metadata;
  if (binding.routes === undefined || !selects(binding.routes, texts(labels))) return false;
  if (binding.from === 'Same') return namespace === binding.namespace;
  if (binding.from === 'All') return true;
  return binding.namespaces !== undefined && selects(binding.namespaces, context.namespaceLabels(namespace));
}

/**
 * `allow` came late to this vintage, with SameNamespace as its default; examples published before it do not have it and
 * bind across namespaces, so its absence is read as All, and said.
 */
function allows(
  binding: RouteBinding,
  route: { readonly written: string | undefined; readonly gateways: UnknownRecord; readonly namespace: string },
): boolean {
  if (route.written === undefined || route.written === 'All') return true;
  if (route.written === 'FromList') {
    return list(route.gateways['gatewayRefs']).some(
      (ref) => record(ref)['name'] === binding.gateway && record(ref)['namespace'] === binding.namespace,
    );
  }
  return route.namespace === binding.namespace;
}

interface RouteScope {
  readonly notes: Notes;
  readonly context: BindingContext;
  readonly namespace: string;
}

function upgradeRule(rule: UnknownRecord, at: number, scope: RouteScope): Rule {
  const { notes } = scope;
  const from = `spec.rules[${at}]`;
  const matches = list(rule['matches']).map((match, index) => upgradeMatch(match, `${from}.matches[${index}]`, notes));
  const filters = list(rule['filters']).flatMap((filter, index) =>
    upgradeFilter(record(filter), `${from}.filters[${index}]`, scope),
  );
  const { targets, path } = forwardTargets(rule['forwardTo'], `${from}.forwardTo`, notes);
  const backendRefs = targets.flatMap((target, index) => upgradeForward(record(target), `${path}[${index}]`, scope));
  notes.map(`${from}.backendRefs`, path);
  backendRefs.forEach((_, index) => {
    notes.map(`${from}.backendRefs[${index}]`, `${path}[${index}]`);
    notes.map(`${from}.backendRefs[${index}].name`, `${path}[${index}]`);
  });
  return {
    matches: matches.length === 0 ? [everything] : matches,
    ...(filters.length === 0 ? {} : { filters }),
    ...(backendRefs.length === 0 ? {} : { backendRefs }),
  };
}

/** A list; an early draft wrote an object with a list `backend` in it. */
function forwardTargets(
  value: unknown,
  path: string,
  notes: Notes,
): { readonly targets: readonly unknown[]; readonly path: string } {
  if (value === undefined || Array.isArray(value)) return { targets: list(value), path };
  const { backend } = record(value);
  notes.say(path, {
    code: 'CarriedOver',
    message: 'an object with a list of backends is the form of an early draft; today it is a list backendRefs',
  });
  return {
    targets: Array.isArray(backend) ? list(backend) : backend === undefined ? [] : [backend],
    path: `${path}.backend`,
  };
}

function upgradeMatch(value: unknown, from: string, notes: Notes): Match {
  const match = record(value);
  if (match['extensionRef'] !== undefined)
    notes.say(`${from}.extensionRef`, {
      code: 'NotCarriedOver',
      message: 'matches by extension are not part of the API any more',
    });
  const headers = upgradeValues(record(match['headers']), `${from}.headers`, notes);
  const queryParams = upgradeValues(record(match['queryParams']), `${from}.queryParams`, notes);
  return {
    path: upgradePath(match['path'], `${from}.path`, notes),
    ...(headers.length === 0 ? {} : { headers }),
    ...(queryParams.length === 0 ? {} : { queryParams }),
  };
}

function upgradePath(value: unknown, from: string, notes: Notes): Match['path'] {
  if (typeof value === 'string') {
    notes.say(from, {
      code: 'CarriedOver',
      message: `a path written as text is the form of an early draft; read as the prefix ${value}`,
    });
    return { type: 'PathPrefix', value };
  }
  const path = record(value);
  const type = text(path['type']) ?? 'Prefix';
  const wanted = text(path['value']) ?? '/';
  if (type === 'Exact') return { type: 'Exact', value: wanted };
  if (type === 'RegularExpression') return { type: 'RegularExpression', value: wanted };
  if (type !== 'Prefix')
    notes.say(`${from}.type`, { code: 'CarriedOver', message: `the path type ${type} is read as Prefix` });
  return { type: 'PathPrefix', value: wanted };
}

/** `{type, values: {name: value}}`: all of them have to match. */
function upgradeValues(
  match: UnknownRecord,
  from: string,
  notes: Notes,
): { readonly type: 'Exact' | 'RegularExpression'; readonly name: string; readonly value: string }[] {
  const type = text(match['type']) ?? 'Exact';
  if (type !== 'Exact' && type !== 'RegularExpression')
    notes.say(`${from}.type`, { code: 'CarriedOver', message: `the match type ${type} is read as Exact` });
  return Object.entries(texts(match['values'])).map(([name, value]) => ({
    type: type === 'RegularExpression' ? type : 'Exact',
    name,
    value,
  }));
}

function upgradeFilter(filter: UnknownRecord, from: string, scope: RouteScope): Filter[] {
  const { notes } = scope;
  const type = text(filter['type']);
  if (type === 'RequestHeaderModifier') {
    const changes = record(filter['requestHeaderModifier']);
    const lines = (value: unknown) => Object.entries(texts(value)).map(([name, each]) => ({ name, value: each }));
    const remove = list(changes['remove']).filter((name) => typeof name === 'string');
    return [{ type, requestHeaderModifier: { set: lines(changes['set']), add: lines(changes['add']), remove } }];
  }
  if (type === 'RequestMirror') {
    const [backendRef] = upgradeForward(record(filter['requestMirror']), `${from}.requestMirror`, scope);
    if (backendRef === undefined) return [];
    const { weight: _weight, filters: _filters, ...target } = backendRef;
    return [{ type, requestMirror: { backendRef: target } }];
  }
  if (type === 'ExtensionRef') {
    const ref = record(filter['extensionRef']);
    return [
      {
        type,
        extensionRef: { group: text(ref['group']) ?? '', kind: text(ref['kind']) ?? '', name: text(ref['name']) ?? '' },
      },
    ];
  }
  notes.say(`${from}.type`, { code: 'NotCarriedOver', message: `the filter type ${type ?? '(none)'} is not known` });
  return [];
}

function upgradeForward(target: UnknownRecord, from: string, scope: RouteScope): BackendRef[] {
  const { notes } = scope;
  const ref = record(target['backendRef']);
  const name = text(target['serviceName']) ?? text(ref['name']) ?? text(target['name']);
  if (name === undefined) {
    notes.say(from, { code: 'NotCarriedOver', message: 'names no backend: serviceName or backendRef is required' });
    return [];
  }
  const group = text(ref['group']);
  const namespace = text(target['namespace']);
  const port = portNumber(target['port']) ?? scope.context.onlyPort(`${namespace ?? scope.namespace}/${name}`);
  const weight = typeof target['weight'] === 'number' ? target['weight'] : 1;
  const filters = list(target['filters']).flatMap((filter, at) =>
    upgradeFilter(record(filter), `${from}.filters[${at}]`, scope),
  );
  return [
    {
      group: group === undefined || group === 'core' ? '' : group,
      kind: text(ref['kind']) ?? 'Service',
      name,
      weight,
      ...(namespace === undefined ? {} : { namespace }),
      ...(port === undefined ? {} : { port }),
      ...(filters.length === 0 ? {} : { filters }),
    },
  ];
}
