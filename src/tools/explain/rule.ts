// What becomes of a request that a rule took: answered by the gateway, or changed by the filters and sent to backends, each
// with its share, its endpoints and what it gets.
import {
  corsHeaders,
  isPreflight,
  preflightHeaders,
  allowsOrigin,
  corsResponseHeaders,
} from '../../routing/filters/cors.ts';
import type { HeaderValue } from '../../routing/filters.ts';
import { changeHeaders, type FieldLines } from '../../routing/filters/header-changes.ts';
import { changePath } from '../../routing/filters/path-change.ts';
import { compileFilters, type FilterPlan } from '../../routing/filters/plan.ts';
import { redirectLocation, redirectPorts } from '../../routing/filters/redirect.ts';
import { shares } from '../../routing/filters/shares.ts';
import type { MatchRequest } from '../../routing/match/conditions.ts';
import { fromOctets, toOctets } from '../../routing/match/octets.ts';
import type { Frontend, Rule, WeightedBackend } from '../../routing/model.ts';
import type { Tables } from '../../pipeline/tables.ts';
import type {
  ExplainedAction,
  ExplainedBackend,
  ExplainedRequest,
  ExplainedRule,
  ExplainedTarget,
  HeaderEffects,
} from './explanation.ts';
import { policiesOf } from './policies.ts';
import { explainTarget } from './targets.ts';

export interface RuledRequest {
  readonly described: ExplainedRequest;
  readonly matched: MatchRequest;
  readonly frontend: Frontend;
}

export function explainRule(tables: Tables, rule: Rule, request: RuledRequest): ExplainedRule {
  return {
    key: rule.key,
    ...(rule.name === undefined ? {} : { name: rule.name }),
    origin: rule.origin,
    filters: rule.filters,
    timeouts: rule.timeouts,
    ...(rule.retry === undefined ? {} : { retry: rule.retry }),
    action: explainAction(tables, rule, request),
    policies: policiesOf(tables, rule, request.frontend),
  };
}

function explainAction(tables: Tables, rule: Rule, request: RuledRequest): ExplainedAction {
  const preflight = answerPreflight(rule, request);
  if (preflight !== undefined) return preflight;
  // An auth service that is not found lets nobody pass.
  if (rule.filters.some((filter) => filter.kind === 'external-auth' && filter.cluster === undefined))
    return { kind: 'respond', status: 500 };
  const { action } = rule;
  switch (action.kind) {
    case 'respond':
      return {
        kind: 'respond',
        status: action.status,
        ...(action.problem === undefined ? {} : { problem: action.problem }),
      };
    case 'redirect': {
      const { scheme, authority, query } = request.described;
      const { port: listenerPort, publicPorts } = request.frontend;
      const from = { scheme, authority, path: request.matched.path, query, listenerPort, publicPorts };
      return {
        kind: 'redirect',
        status: action.redirect.status,
        location: redirectLocation(action.redirect, from),
        port: redirectPorts(action.redirect, from),
        origin: action.redirect.origin,
      };
    }
    case 'forward': {
      const parts = shares(action.backends.map(({ weight }) => weight));
      const backends = action.backends.map((backend, at) =>
        explainBackend(tables, rule, { backend, share: parts[at] ?? 0, request }),
      );
      return { kind: 'forward', ...(parts.some((share) => share > 0) ? {} : { status: 500 as const }), backends };
    }
    default:
      return action satisfies never;
  }
}

function answerPreflight({ filters }: Rule, { described, matched }: RuledRequest): ExplainedAction | undefined {
  const { cors } = compileFilters(filters);
  const filter = filters.find(({ kind }) => kind === 'cors');
  const origin = matched.header('origin');
  const method = matched.header('access-control-request-method');
  if (cors === undefined || filter === undefined || origin === undefined || method === undefined) return undefined;
  if (!isPreflight(described.method, origin, method)) return undefined;
  const headers = preflightHeaders(cors, { origin, method, headers: matched.header('access-control-request-headers') });
  const allowed = allowsOrigin(cors, origin);
  return { kind: 'preflight', status: 204, allowed, headers: pairs(headers), origin: filter.origin };
}

interface Share {
  readonly backend: WeightedBackend;
  readonly share: number;
  readonly request: RuledRequest;
}

function explainBackend(tables: Tables, rule: Rule, { backend, share, request }: Share): ExplainedBackend {
  const plan = compileFilters(rule.filters, backend.filters);
  const target = explainTarget(tables, backend);
  const status = statusOf(target);
  return {
    weight: backend.weight,
    share: Math.round(share * 10_000) / 100,
    target,
    ...(status === undefined ? {} : { status }),
    filters: backend.filters,
    ...(backend.session === undefined ? {} : { session: backend.session }),
    request: changedRequest(plan, request),
    response: responseEffects(plan, request.matched.header('origin')),
    mirrors: plan.mirrors.map(({ cluster, numerator, denominator }) => ({
      cluster,
      percent: Math.round((numerator / denominator) * 10_000) / 100,
    })),
    origin: backend.origin,
  };
}

function statusOf(target: ExplainedTarget): ExplainedBackend['status'] {
  if (target.kind === 'unresolved') return 500;
  if (target.usable === 0) return 503;
  return target.tls?.usable === false ? 502 : undefined;
}

function changedRequest(plan: FilterPlan, { described, matched }: RuledRequest): ExplainedBackend['request'] {
  const lines = described.headers.flatMap(({ name, value }) => [name, toOctets(value)]);
  const path = plan.paths.reduce(changePath, matched.path);
  return {
    method: described.method,
    authority: plan.hostname ?? described.authority,
    path: path + described.query,
    headers: pairs(changeHeaders(lines, plan.request)),
  };
}

function responseEffects({ response, cors }: FilterPlan, origin: string | undefined): HeaderEffects {
  const removed = new Set(response.dropped);
  const added = [...response.appended];
  if (cors !== undefined) {
    for (const name of corsResponseHeaders) removed.add(name);
    if (origin !== undefined) added.push(...corsHeaders(cors, origin));
  }
  return { removed: [...removed], added: pairs(added) };
}

function pairs(lines: FieldLines): HeaderValue[] {
  const found: HeaderValue[] = [];
  for (let i = 0; i + 1 < lines.length; i += 2) {
    found.push({ name: lines[i] as string, value: fromOctets(lines[i + 1] as string) });
  }
  return found;
}
