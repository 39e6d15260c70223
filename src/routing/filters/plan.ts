// The filters of a rule and of one of its backends as one plan: what a request is changed to, in the order written, rule
// before backend. Answers by the gateway itself (redirect, preflight) come before and are not part of it.
import type { Filter, PathChange } from '../filters.ts';
import { compileCors, type CompiledCors } from './cors.ts';
import { compileHeaderChanges, type HeaderPlan } from './header-changes.ts';

export interface FilterPlan {
  readonly request: HeaderPlan;
  readonly response: HeaderPlan;
  /** Of the last rewrite that names one. */
  readonly hostname: string | undefined;
  /** One after the other, each on the path that the one before left. */
  readonly paths: readonly PathChange[];
  /** Each is sampled by itself and gets the request with all changes of the rule. */
  readonly mirrors: readonly { readonly cluster: string; readonly numerator: number; readonly denominator: number }[];
  readonly cors: CompiledCors | undefined;
}

export function compileFilters(rule: readonly Filter[], backend: readonly Filter[] = []): FilterPlan {
  const filters = [...rule, ...backend];
  const rewrites = filters.filter((filter) => filter.kind === 'rewrite');
  const cors = filters.find((filter) => filter.kind === 'cors');
  return {
    request: compileHeaderChanges(filters.filter((filter) => filter.kind === 'request-headers')),
    response: compileHeaderChanges(filters.filter((filter) => filter.kind === 'response-headers')),
    hostname: rewrites.findLast((filter) => filter.hostname !== undefined)?.hostname,
    paths: rewrites.map((filter) => filter.path).filter((path) => path !== undefined),
    mirrors: filters.filter((filter) => filter.kind === 'mirror'),
    cors: cors === undefined ? undefined : compileCors(cors),
  };
}
