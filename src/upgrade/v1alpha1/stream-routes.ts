// networking.x-k8s.io/v1alpha1 TLSRoute, TCPRoute and UDPRoute -> v1. The Gateways that chose the route become its parentRefs. A
// TLSRoute told its rules apart by server name: each becomes a route of its own, since a route has one rule today. A TCPRoute could
// stand behind a listener that ends TLS: there it is a TLSRoute today.
import type { TCPRoute, TLSRoute, UDPRoute } from '../../api/generated/types.ts';
import { gatewayGroup } from '../../api/kinds.ts';
import type { KubeObject } from '../../api/objects.ts';
import type { Mapping, Sourced } from '../../api/sourced.ts';
import { list, record, text, type UnknownRecord } from '../../support/untrusted.ts';
import { sayUnreached } from '../streams.ts';
import type { Notes, Upgraded } from '../upgraded.ts';
import { forwardTargets, upgradeTarget, type Target } from './forward.ts';
import { started } from './gateway.ts';
import { chosenParents, type BindingContext, type ChosenParent } from './parents.ts';

export type StreamRoute = TLSRoute | TCPRoute | UDPRoute;
export type StreamKind = StreamRoute['kind'];

export function upgradeStreamRoute(
  kind: StreamKind,
): (object: KubeObject, context: BindingContext) => Upgraded<StreamRoute> {
  return (object, context) => {
    const notes = started(object);
    const rules = list(record(object['spec'])['rules']).map(record);
    if (rules.length === 0) notes.say('spec.rules', { code: 'InvalidField', rule: 'required', message: 'is required' });
    const parents = chosenParents(object, kind, context, notes);
    const read = rules.map((rule, index) => readRule(rule, `spec.rules[${index}]`, { object, context, notes }));
    const rows =
      kind === 'TLSRoute' ? byServerName(object, parents, read) : byPort({ object, notes }, kind, parents, read);
    return { ref: notes.ref, rows: rows.map((row) => [row.key, toRow(row, notes)]), problems: notes.problems };
  };
}

interface Rule {
  /** Where it was written. */
  readonly from: string;
  /** Empty: every name. */
  readonly hostnames: readonly string[];
  readonly backends: readonly { readonly target: Target; readonly from: string }[];
}

/** One current route. */
interface Row {
  readonly key: string;
  readonly object: KubeObject;
  readonly kind: StreamKind;
  readonly name: string;
  readonly parents: readonly ChosenParent[];
  readonly rule: Rule;
}

/** Of rules that take the same name the first goes first: their names stand in that order. */
function byServerName(object: KubeObject, parents: readonly ChosenParent[], rules: readonly Rule[]): readonly Row[] {
  const { name } = object.metadata;
  return rules.map((rule, index) => {
    const own = rules.length === 1 ? name : `${name}-${String(index).padStart(2, '0')}`;
    return { key: keyOf(object, own), object, kind: 'TLSRoute', name: own, parents, rule };
  });
}

function byPort(
  { object, notes }: Pick<Scope, 'object' | 'notes'>,
  kind: StreamKind,
  parents: readonly ChosenParent[],
  [first, ...others]: readonly Rule[],
): readonly Row[] {
  if (first === undefined) return [];
  for (const { from } of others) sayUnreached(notes, from);
  const { name } = object.metadata;
  const secured = parents.filter(({ protocol }) => protocol === 'TLS');
  const plain = parents.filter(({ protocol }) => protocol !== 'TLS');
  const rows: Row[] = [];
  if (plain.length > 0 || secured.length === 0) {
    rows.push({ key: keyOf(object, name), object, kind, name, parents: plain, rule: first });
  }
  if (secured.length > 0) {
    notes.say('kind', { code: 'CarriedOver', message: 'behind a listener that speaks TLS it is a TLSRoute today' });
    rows.push({ key: keyOf(object, name), object, kind: 'TLSRoute', name, parents: secured, rule: first });
  }
  return rows;
}

function keyOf({ kind, metadata }: KubeObject, name: string): string {
  return `${kind}.v1alpha1:${metadata.namespace ?? ''}/${name}`;
}

interface Scope {
  readonly object: KubeObject;
  readonly context: BindingContext;
  readonly notes: Notes;
}

function readRule(rule: UnknownRecord, from: string, { object, context, notes }: Scope): Rule {
  const { targets, path } = forwardTargets(rule['forwardTo'], `${from}.forwardTo`, notes);
  const scope = { notes, context, namespace: object.metadata.namespace ?? '' };
  const backends = targets.flatMap((each, index) => {
    const at = `${path}[${index}]`;
    const target = upgradeTarget(record(each), at, scope);
    return target === undefined ? [] : [{ target, from: at }];
  });
  return { from, hostnames: namesOf(rule, from, notes), backends };
}

/** Any one of the matches is enough, so that one that asks for no name takes all. */
function namesOf(rule: UnknownRecord, from: string, notes: Notes): readonly string[] {
  const names: string[] = [];
  let any = false;
  list(rule['matches']).forEach((each, index) => {
    const match = record(each);
    const at = `${from}.matches[${index}]`;
    if (match['extensionRef'] !== undefined) {
      notes.say(`${at}.extensionRef`, {
        code: 'NotCarriedOver',
        message: 'matches by extension are not part of the API any more',
      });
    }
    const snis = list(match['snis']).flatMap((name) => text(name) ?? []);
    if (snis.length === 0) any = true;
    snis.forEach((name, place) => sayWildcard(name, `${at}.snis[${place}]`, notes));
    names.push(...snis);
  });
  return any ? [] : [...new Set(names)];
}

function sayWildcard(name: string, at: string, notes: Notes): void {
  if (!name.startsWith('*.')) return;
  const message = `the name ${name} took one label for the * in this vintage, and takes one or more today`;
  notes.say(at, { code: 'CarriedOver', message });
}

function toRow({ object, kind, name, parents, rule }: Row, { ref }: Notes): Sourced<StreamRoute> {
  const mapping = (path: string, from: string): Mapping => ({ path, object: ref, from });
  const mappings = [
    mapping('', ''),
    mapping('spec.parentRefs', 'spec.gateways'),
    mapping('spec.hostnames', `${rule.from}.matches`),
    mapping('spec.rules[0]', rule.from),
    ...rule.backends.flatMap(({ from }, index) => [
      mapping(`spec.rules[0].backendRefs[${index}]`, from),
      mapping(`spec.rules[0].backendRefs[${index}].name`, from),
    ]),
  ];
  const spec = {
    ...(parents.length === 0 ? {} : { parentRefs: parents.map(({ parentRef }) => parentRef) }),
    ...(rule.hostnames.length === 0 ? {} : { hostnames: rule.hostnames }),
    rules: [{ backendRefs: rule.backends.map(({ target }) => target) }],
  };
  const made = { apiVersion: `${gatewayGroup}/v1`, kind, metadata: { ...object.metadata, name }, spec };
  // Its shape is that of its kind; a TLSRoute without hostnames takes every name, which v1 has no words for.
  return { object: made as StreamRoute, written: ref, mappings };
}
