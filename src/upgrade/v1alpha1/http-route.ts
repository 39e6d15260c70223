// networking.x-k8s.io/v1alpha1 HTTPRoute -> v1: forwardTo becomes backendRefs, header and query maps become lists, and the
// Gateways that chose the route become its parentRefs.
import type { HTTPRoute } from '../../api/generated/types.ts';
import { gatewayGroup } from '../../api/kinds.ts';
import type { KubeObject } from '../../api/objects.ts';
import { list, record, text, texts, type UnknownRecord } from '../../support/untrusted.ts';
import type { Notes, Upgraded } from '../upgraded.ts';
import { forwardTargets, upgradeTarget, type RouteScope } from './forward.ts';
import { started } from './gateway.ts';
import { chosenParents, type BindingContext } from './parents.ts';

type Rule = HTTPRoute['spec']['rules'][number];
type Match = Rule['matches'][number];
type Filter = NonNullable<Rule['filters']>[number];
type BackendRef = NonNullable<Rule['backendRefs']>[number];

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
  const parentRefs = chosenParents(object, 'HTTPRoute', context, notes).map(({ parentRef }) => parentRef);
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
  const backend = upgradeTarget(target, from, scope);
  if (backend === undefined) return [];
  const filters = list(target['filters']).flatMap((filter, at) =>
    upgradeFilter(record(filter), `${from}.filters[${at}]`, scope),
  );
  return [filters.length === 0 ? backend : { ...backend, filters }];
}
