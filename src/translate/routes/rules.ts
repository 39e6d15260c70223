// The rules of a route under one gateway → rules of the model. References resolve per (route, parent), and clusters
// belong to a gateway, so each gateway that a route is attached to has its own.
import { originOf } from '../../api/sourced.ts';
import type { Sourced } from '../../api/sourced.ts';
import type { Match, Action, Cluster, Retry, Rule, Session, Timeouts, WeightedBackend } from '../../routing/model.ts';
import type { Origin } from '../../routing/origin.ts';
import type { Problem } from '../../routing/problem.ts';
import { sessionOf } from '../policies/sessions.ts';
import type { BackendRef, BackendScope, Resolved, Spoken } from './backends.ts';
import { resolveBackend } from './backends.ts';
import type { AnyRoute, BackendRefSpec, Dialect, RuleSpec } from './dialects.ts';
import { isUnmatchable } from './dialects.ts';
import { durationOf } from './durations.ts';
import type { FilterScope, TranslatedFilters } from './filters.ts';
import { translateFilters } from './filters.ts';

export interface RouteScope extends BackendScope {
  readonly sourced: Sourced<AnyRoute>;
  readonly dialect: Dialect;
  /** kind/namespace/name. */
  readonly routeKey: string;
}

export interface TranslatedRule {
  readonly rule: Rule;
  /** By index of the rule's matches; a match that cannot be translated is absent. */
  readonly matches: readonly (Match | undefined)[];
  /** Why all of the rule, or a part of it, is not served as written: it answers 500, or has no match. */
  readonly refusals: readonly Problem[];
  /** Whether nothing of the rule is served. */
  readonly dropped: boolean;
  /** References that did not resolve. */
  readonly problems: readonly Problem[];
  readonly clusters: readonly Cluster[];
}

export function translateRules(scope: RouteScope): readonly TranslatedRule[] {
  return scope.dialect.rules(scope.sourced).map((spec, index) => translateRule(scope, spec, index));
}

function translateRule(scope: RouteScope, spec: RuleSpec, index: number): TranslatedRule {
  const path = `spec.rules[${index}]`;
  const refusals: Problem[] = [];
  const problems: Problem[] = [];
  const clusters = new Map<string, Cluster>();
  const resolve = (ref: BackendRef, origin: Origin, spoken: Spoken = scope.spoken): Resolved => {
    const resolved = resolveBackend(ref, spoken === scope.spoken ? scope : { ...scope, spoken }, origin);
    if ('cluster' in resolved) clusters.set(resolved.cluster.key, resolved.cluster);
    return resolved;
  };
  const matches = matchesOf(scope, index, refusals);
  const prefix = commonPrefix(matches);
  const kept = spec.sessionPersistence;
  const session = kept === undefined ? undefined : sessionOf(kept, `${scope.routeKey}|${index}`);
  const parts: Parts = { scope, path, prefix, resolve, session, refusals, problems };
  const filters = translateFilters(spec.filters, filterScope(parts, `${path}.filters`, 'rule'));
  problems.push(...filters.problems);
  // Resolved in any case: what is wrong with the backends of a refused rule is worth saying too.
  const forward = actionOf(spec, filters, parts);
  const action = filters.refusal === undefined ? forward : refuse(filters.refusal, parts);
  const retry = retryOf(spec.retry);
  return {
    rule: {
      key: `${scope.gateway}|${scope.routeKey}|${index}`,
      protocol: scope.dialect.protocol,
      ...(spec.name === undefined ? {} : { name: spec.name }),
      filters: filters.refusal === undefined ? filters.filters : [],
      timeouts: timeoutsOf(spec.timeouts),
      ...(retry === undefined ? {} : { retry }),
      action,
      origin: originOf(scope.sourced, path),
    },
    matches,
    refusals,
    dropped: refusals.length > 0 && (action.kind === 'respond' || matches.every((match) => match === undefined)),
    problems,
    clusters: action.kind === 'respond' ? [] : [...clusters.values()],
  };
}

/** What the translation of a rule's parts reads, and where it leaves what it finds. */
interface Parts {
  readonly scope: RouteScope;
  readonly path: string;
  readonly prefix: string | undefined;
  readonly resolve: (ref: BackendRef, origin: Origin, spoken?: Spoken) => Resolved;
  /** Of the rule itself. */
  readonly session: Session | undefined;
  readonly refusals: Problem[];
  readonly problems: Problem[];
}

function matchesOf(scope: RouteScope, rule: number, refusals: Problem[]): readonly (Match | undefined)[] {
  return scope.dialect.matches(scope.sourced, rule).map((match, index) => {
    if (!isUnmatchable(match)) return match;
    const at = originOf(scope.sourced, `spec.rules[${rule}].matches[${index}].${match.path}`);
    refusals.push({ code: 'UnsupportedValue', at, message: match.why });
    return undefined;
  });
}

function commonPrefix(matches: readonly (Match | undefined)[]): string | undefined {
  const [first] = matches;
  if (first?.path.type !== 'prefix') return undefined;
  const { value } = first.path;
  return matches.every((match) => match?.path.type === 'prefix' && match.path.value === value) ? value : undefined;
}

function filterScope({ scope, prefix, resolve }: Parts, path: string, place: 'rule' | 'backend'): FilterScope {
  return {
    place,
    prefix,
    origin: (index) => originOf(scope.sourced, `${path}[${index}]`),
    resolve,
  };
}

/** A reference that does not resolve is a matter of ResolvedRefs; a value that is not supported drops the rule. */
function refuse(problem: Problem, { refusals, problems }: Parts): Action {
  (problem.code === 'InvalidKind' ? problems : refusals).push(problem);
  return { kind: 'respond', status: 500, problem };
}

function actionOf(spec: RuleSpec, { redirect }: TranslatedFilters, parts: Parts): Action {
  if (redirect !== undefined) return { kind: 'redirect', redirect };
  const refused: Problem[] = [];
  const backends = (spec.backendRefs ?? []).map((ref, index) => backendOf(ref, index, parts, refused));
  const [first] = refused;
  // Not one backend can be served with its filters: then the rule cannot be.
  if (first !== undefined && refused.length === backends.length) return refuseAll(refused, first, parts);
  parts.refusals.push(...refused);
  return { kind: 'forward', backends };
}

function refuseAll(refused: readonly Problem[], first: Problem, { refusals }: Parts): Action {
  refusals.push(...refused);
  return { kind: 'respond', status: 500, problem: first };
}

function backendOf(spec: BackendRefSpec, index: number, parts: Parts, refused: Problem[]): WeightedBackend {
  const path = `${parts.path}.backendRefs[${index}]`;
  const origin = originOf(parts.scope.sourced, path);
  const weight = spec.weight ?? 1;
  const unresolved = (problem: Problem): WeightedBackend => {
    return { weight, target: { kind: 'unresolved', problem }, filters: [], origin };
  };
  const resolved = parts.resolve(spec, origin);
  if ('problem' in resolved) {
    parts.problems.push(resolved.problem);
    return unresolved(resolved.problem);
  }
  const { filters, refusal, problems } = translateFilters(
    spec.filters,
    filterScope(parts, `${path}.filters`, 'backend'),
  );
  parts.problems.push(...problems);
  if (refusal !== undefined) {
    (refusal.code === 'InvalidKind' ? parts.problems : refused).push(refusal);
    return unresolved(refusal);
  }
  const session = parts.session ?? resolved.session;
  return {
    weight,
    ...(session === undefined ? {} : { session }),
    target: { kind: 'cluster', cluster: resolved.cluster.key },
    filters,
    origin,
  };
}

const noTimeouts: Timeouts = {};

/** 0s switches a timeout off, as if it were not there. */
function timeoutsOf(spec: RuleSpec['timeouts']): Timeouts {
  if (spec === undefined) return noTimeouts;
  const request = durationOf(spec.request ?? '');
  const backendRequest = durationOf(spec.backendRequest ?? '');
  return { ...(request ? { request } : {}), ...(backendRequest ? { backendRequest } : {}) };
}

function retryOf(spec: RuleSpec['retry']): Retry | undefined {
  if (spec === undefined) return undefined;
  const backoff = durationOf(spec.backoff ?? '');
  return { attempts: spec.attempts ?? 1, codes: spec.codes ?? [], ...(backoff === undefined ? {} : { backoff }) };
}
