// A rule compiled for the data path: what each of its filters comes to per backend, so that a request only follows pointers. A
// plan never changes; a request in flight keeps the one that it began with.
import type { Filter, PathChange, Redirect } from '../../routing/filters.ts';
import type { CompiledCors } from '../../routing/filters/cors.ts';
import type { HeaderPlan } from '../../routing/filters/header-changes.ts';
import { compileFilters } from '../../routing/filters/plan.ts';
import { pickByWeight } from '../../routing/filters/shares.ts';
import type { Retry, Rule, WeightedBackend } from '../../routing/model.ts';
import { type CheckPlan, compileChecks } from './auth/check-plan.ts';
import type { LiveCluster } from './balance.ts';
import { fieldPairs } from './http1/text.ts';
import { compileSession, type SessionPlan } from './sessions.ts';
import type { FieldList } from './sides.ts';

/** Header changes: names in lower case of lines that go; then lines that come, as a list and as text. */
export interface HeaderEdit {
  readonly dropped: readonly string[];
  /** Names in lower case, for HTTP/2. */
  readonly lowered: FieldList;
  /** Names as written. */
  readonly text: string;
}

export interface MirrorPlan {
  readonly cluster: LiveCluster;
  readonly numerator: number;
  readonly denominator: number;
}

export interface BackendPlan {
  /** null: unresolved; it keeps its weight and answers 500. */
  readonly cluster: LiveCluster | null;
  /** null: nobody is asked. What is changed before the last check is left out of `request`. */
  readonly checks: readonly CheckPlan[] | null;
  readonly session: SessionPlan | null;
  readonly request: HeaderEdit;
  readonly response: HeaderEdit;
  readonly hostname: string | undefined;
  readonly paths: readonly PathChange[];
  readonly mirrors: readonly MirrorPlan[];
}

export interface RetryPlan {
  readonly attempts: number;
  /** 1 at the status codes that are retried. */
  readonly codes: Uint8Array;
  /** Milliseconds before the first retry. */
  readonly backoff: number;
}

export interface RulePlan {
  readonly key: string;
  /** kind/namespace/name. */
  readonly route: string;
  readonly grpc: boolean;
  /** Milliseconds, 0 = none. */
  readonly requestTimeout: number;
  readonly attemptTimeout: number;
  readonly retry: RetryPlan | null;
  readonly cors: CompiledCors | null;
  readonly redirect: Redirect | null;
  /** Status to answer by itself, 0 = none. */
  readonly respond: number;
  /** For requests that get no backend. */
  readonly checks: readonly CheckPlan[] | null;
  /** Some backend keeps sessions. */
  readonly sessions: boolean;
  readonly backends: readonly BackendPlan[];
  readonly weights: readonly number[];
  /** The sum of `weights`. */
  readonly weight: number;
  /** The backend of a rule that has only one, and it has weight: nothing needs to be drawn. */
  readonly only: BackendPlan | null;
}

const DEFAULT_BACKOFF = 25;

/** @param cluster finds a cluster by its key */
export function compileRule(rule: Rule, cluster: (key: string) => LiveCluster): RulePlan {
  const { action } = rule;
  const forwards = action.kind === 'forward' ? action.backends : [];
  const backends = forwards.map((backend) => compileBackend(rule.filters, backend, cluster));
  return {
    key: rule.key,
    route: routeOf(rule.key),
    grpc: rule.protocol === 'grpc',
    requestTimeout: rule.timeouts.request ?? 0,
    attemptTimeout: rule.timeouts.backendRequest ?? 0,
    retry: rule.retry === undefined ? null : compileRetry(rule.retry),
    cors: compileFilters(rule.filters).cors ?? null,
    redirect: action.kind === 'redirect' ? action.redirect : null,
    respond: action.kind === 'respond' ? action.status : 0,
    checks: compileChecks(rule.filters, cluster)?.checks ?? null,
    sessions: backends.some(({ session }) => session !== null),
    backends,
    weights: forwards.map((backend) => backend.weight),
    weight: forwards.reduce((sum, backend) => sum + Math.max(0, backend.weight), 0),
    only: forwards.length === 1 && (forwards[0]?.weight ?? 0) > 0 ? (backends[0] ?? null) : null,
  };
}

function compileBackend(
  ruleFilters: readonly Filter[],
  backend: WeightedBackend,
  cluster: (key: string) => LiveCluster,
): BackendPlan {
  const checked = compileChecks([...ruleFilters, ...backend.filters], cluster);
  const plan = checked === null ? compileFilters(ruleFilters, backend.filters) : compileFilters(checked.rest);
  return {
    cluster: backend.target.kind === 'cluster' ? cluster(backend.target.cluster) : null,
    checks: checked?.checks ?? null,
    session: backend.session === undefined ? null : compileSession(backend.session),
    request: headerEdit(plan.request),
    response: headerEdit(plan.response),
    hostname: plan.hostname,
    paths: plan.paths,
    mirrors: plan.mirrors.map((mirror) => ({ ...mirror, cluster: cluster(mirror.cluster) })),
  };
}

/** Of most backends, so there is one for all of them. */
const noEdit: HeaderEdit = { dropped: [], lowered: [], text: '' };

function headerEdit({ dropped, appended }: HeaderPlan): HeaderEdit {
  if (dropped.size === 0 && appended.length === 0) return noEdit;
  const lowered = appended.map((part, i) => (i % 2 === 0 ? part.toLowerCase() : part));
  return { dropped: [...dropped], lowered, text: fieldPairs(appended) };
}

function compileRetry(retry: Retry): RetryPlan {
  const codes = new Uint8Array(600);
  for (const code of retry.codes) if (code >= 400 && code < 600) codes[code] = 1;
  return { attempts: retry.attempts, codes, backoff: retry.backoff ?? DEFAULT_BACKOFF };
}

/** `gateway|kind/namespace/name|index` -> the middle. */
export function routeOf(key: string): string {
  const start = key.indexOf('|') + 1;
  const end = key.lastIndexOf('|');
  return end > start ? key.slice(start, end) : key;
}

/** By weight; null when no backend has any. */
export function chooseBackend(plan: RulePlan): BackendPlan | null {
  return plan.only ?? plan.backends[pickByWeight(plan.weights, plan.weight, Math.random())] ?? null;
}

const LONGEST_BACKOFF = 10;

/** Milliseconds before retry number `retry`: doubling up to ten times the first, between half of it and all of it. */
export function backoff(plan: RetryPlan, retry: number): number {
  const longest = plan.backoff * Math.min(LONGEST_BACKOFF, 2 ** (retry - 1));
  return longest * (0.5 + Math.random() / 2);
}
