// Filters of rules and of backends → filters of the model, in the order written. A filter that cannot be honoured is
// never skipped: what it stands on is refused, and answers 500.
import type { Cors, Filter, HeaderChanges, HeaderValue, PathChange, Redirect } from '../../routing/filters.ts';
import type { Origin } from '../../routing/origin.ts';
import { at } from '../../routing/origin.ts';
import type { Problem } from '../../routing/problem.ts';
import type { BackendFilterSpec, FilterSpec } from './dialects.ts';
import type { Resolved, BackendRef } from './backends.ts';
import { externalAuthFilter } from './external-auth.ts';
import { regexRewriteOf } from './internal-filters.ts';

export interface FilterScope {
  readonly place: 'rule' | 'backend';
  /** Of the list that the filters stand in. */
  readonly origin: (index: number) => Origin;
  /** The path prefix that every match of the rule has; undefined when they have none in common. */
  readonly prefix: string | undefined;
  /** @param spoken what is spoken to it, where that is not what the route speaks */
  readonly resolve: (ref: BackendRef, origin: Origin, spoken?: 'http' | 'grpc') => Resolved;
}

export interface TranslatedFilters {
  readonly filters: readonly Filter[];
  readonly redirect?: Redirect;
  /** Why what the filters stand on cannot be served. */
  readonly refusal?: Problem;
  /** Mirrors that lead nowhere: only the copy is dropped. */
  readonly problems: readonly Problem[];
}

type Translated =
  | { readonly filter: Filter; readonly problem?: Problem }
  | { readonly redirect: Redirect }
  | { readonly refusal: Problem }
  | { readonly dropped: Problem };

const nothing: TranslatedFilters = { filters: [], problems: [] };

export function translateFilters(
  specs: readonly (FilterSpec | BackendFilterSpec)[] | undefined,
  scope: FilterScope,
): TranslatedFilters {
  if (specs === undefined || specs.length === 0) return nothing;
  const filters: Filter[] = [];
  const problems: Problem[] = [];
  let redirect: Redirect | undefined;
  const seen = new Set<string>();
  for (const [index, spec] of specs.entries()) {
    const origin = scope.origin(index);
    const clash = clashOf(spec.type, seen);
    if (clash !== undefined) {
      return { filters, problems, refusal: { code: 'IncompatibleFilters', at: origin, message: clash } };
    }
    seen.add(spec.type);
    const translated = translateFilter(spec, scope, origin);
    if ('refusal' in translated) return { filters, problems, refusal: translated.refusal };
    if ('redirect' in translated) redirect = translated.redirect;
    else if ('filter' in translated) {
      filters.push(translated.filter);
      if (translated.problem !== undefined) problems.push(translated.problem);
    } else problems.push(translated.dropped);
  }
  return { filters, problems, ...(redirect === undefined ? {} : { redirect }) };
}

const repeatable: ReadonlySet<string> = new Set(['RequestMirror', 'ExtensionRef']);

function clashOf(type: string, seen: ReadonlySet<string>): string | undefined {
  if (seen.has(type) && !repeatable.has(type)) return `${type} stands more than once in one list of filters`;
  const other = type === 'URLRewrite' ? 'RequestRedirect' : type === 'RequestRedirect' ? 'URLRewrite' : undefined;
  return other !== undefined && seen.has(other) ? `URLRewrite and RequestRedirect exclude each other` : undefined;
}

function translateFilter(spec: FilterSpec | BackendFilterSpec, scope: FilterScope, origin: Origin): Translated {
  switch (spec.type) {
    case 'RequestHeaderModifier':
      return headerFilter('request-headers', spec.requestHeaderModifier, at(origin, 'requestHeaderModifier'));
    case 'ResponseHeaderModifier':
      return headerFilter('response-headers', spec.responseHeaderModifier, at(origin, 'responseHeaderModifier'));
    case 'URLRewrite':
      return rewriteFilter(spec.urlRewrite, scope, at(origin, 'urlRewrite'));
    case 'RequestMirror':
      return mirrorFilter(spec.requestMirror, scope, at(origin, 'requestMirror'));
    case 'RequestRedirect':
      if (scope.place === 'backend')
        return unsupported(origin, 'a backend cannot redirect; put the redirect on the rule');
      return redirectFilter(spec.requestRedirect, scope, at(origin, 'requestRedirect'));
    case 'CORS':
      if (scope.place === 'backend') {
        return unsupported(origin, 'CORS is answered before a backend is chosen; put the filter on the rule');
      }
      return corsFilter(spec.cors, at(origin, 'cors'));
    case 'ExtensionRef':
      return extensionFilter(spec.extensionRef, at(origin, 'extensionRef'));
    case 'ExternalAuth':
      if (scope.place === 'backend') {
        return unsupported(origin, 'who may pass is asked before a backend is chosen; put the filter on the rule');
      }
      if (spec.externalAuth === undefined) return unsupported(origin, 'externalAuth is missing');
      return externalAuthFilter(spec.externalAuth, scope.resolve, at(origin, 'externalAuth'));
    default:
      return unsupported(origin, `filter type ${String((spec as { readonly type?: unknown }).type)} is not known`);
  }
}

function unsupported(at: Origin, message: string): Translated {
  return { refusal: { code: 'UnsupportedValue', at, message } };
}

function headerFilter(
  kind: 'request-headers' | 'response-headers',
  spec: FilterSpec['requestHeaderModifier'],
  origin: Origin,
): Translated {
  if (spec === undefined) return unsupported(origin, 'the header modifier is missing');
  const changes: HeaderChanges = {
    set: firstOfEachName(spec.set ?? []),
    add: firstOfEachName(spec.add ?? []),
    remove: [...new Set((spec.remove ?? []).map((name) => name.toLowerCase()))],
  };
  const name = changedTwice(changes);
  if (name !== undefined) {
    return unsupported(origin, `header ${name} is named by more than one of set, add and remove`);
  }
  return { filter: { kind, ...changes, origin } };
}

/** Entries with an equivalent name after the first are ignored (HTTPHeader.name). */
function firstOfEachName(headers: readonly HeaderValue[]): readonly HeaderValue[] {
  const found = new Map<string, HeaderValue>();
  for (const { name, value } of headers) {
    const key = name.toLowerCase();
    if (!found.has(key)) found.set(key, { name, value });
  }
  return [...found.values()];
}

function changedTwice({ set, add, remove }: HeaderChanges): string | undefined {
  const seen = new Set<string>();
  for (const name of [...set.map((header) => header.name), ...add.map((header) => header.name), ...remove]) {
    const key = name.toLowerCase();
    if (seen.has(key)) return name;
    seen.add(key);
  }
  return undefined;
}

function rewriteFilter(spec: FilterSpec['urlRewrite'], scope: FilterScope, origin: Origin): Translated {
  if (spec === undefined) return unsupported(origin, 'urlRewrite is missing');
  const path = pathChange(spec.path, scope);
  if (path === 'no-prefix') return unsupported(at(origin, 'path'), noPrefix);
  const hostname = spec.hostname;
  return {
    filter: {
      kind: 'rewrite',
      ...(hostname === undefined ? {} : { hostname }),
      ...(path === undefined ? {} : { path }),
      origin,
    },
  };
}

const noPrefix = 'ReplacePrefixMatch needs a rule whose only match is of type PathPrefix';

function pathChange(
  spec: NonNullable<FilterSpec['urlRewrite']>['path'],
  scope: FilterScope,
): PathChange | 'no-prefix' | undefined {
  if (spec === undefined) return undefined;
  if (spec.type === 'ReplaceFullPath') return { type: 'full', value: spec.replaceFullPath ?? '/' };
  if (scope.prefix === undefined) return 'no-prefix';
  return { type: 'prefix', prefix: scope.prefix, value: spec.replacePrefixMatch ?? '' };
}

function redirectFilter(spec: FilterSpec['requestRedirect'], scope: FilterScope, origin: Origin): Translated {
  if (spec === undefined) return unsupported(origin, 'requestRedirect is missing');
  const path = pathChange(spec.path, scope);
  if (path === 'no-prefix') return unsupported(at(origin, 'path'), noPrefix);
  return {
    redirect: {
      ...(spec.scheme === undefined ? {} : { scheme: spec.scheme }),
      ...(spec.hostname === undefined ? {} : { hostname: spec.hostname }),
      ...(spec.port === undefined ? {} : { port: spec.port }),
      ...(path === undefined ? {} : { path }),
      status: spec.statusCode ?? 302,
      origin,
    },
  };
}

function corsFilter(spec: FilterSpec['cors'], origin: Origin): Translated {
  if (spec === undefined) return unsupported(origin, 'cors is missing');
  const cors: Cors = {
    allowOrigins: spec.allowOrigins ?? [],
    allowMethods: spec.allowMethods ?? [],
    allowHeaders: spec.allowHeaders ?? [],
    exposeHeaders: spec.exposeHeaders ?? [],
    allowCredentials: spec.allowCredentials ?? false,
    maxAge: spec.maxAge ?? 5,
  };
  return { filter: { kind: 'cors', ...cors, origin } };
}

function mirrorFilter(spec: FilterSpec['requestMirror'], scope: FilterScope, origin: Origin): Translated {
  if (spec === undefined) return unsupported(origin, 'requestMirror is missing');
  const resolved = scope.resolve(spec.backendRef, at(origin, 'backendRef'));
  if ('problem' in resolved) return { dropped: resolved.problem };
  const { numerator, denominator = 100 } = spec.fraction ?? { numerator: spec.percent ?? 100 };
  return { filter: { kind: 'mirror', cluster: resolved.cluster.key, numerator, denominator, origin } };
}

/** No kind of extension is known (but for what upgrade stages write themselves), so no reference to one resolves. */
function extensionFilter(spec: FilterSpec['extensionRef'], origin: Origin): Translated {
  if (spec === undefined) return unsupported(origin, 'extensionRef is missing');
  const rewrite = regexRewriteOf(spec);
  if (rewrite !== undefined) return { filter: { kind: 'rewrite', path: rewrite, origin } };
  const target = { group: spec.group, kind: spec.kind, namespace: origin.object.namespace, name: spec.name };
  return { refusal: { code: 'InvalidKind', at: origin, target, kinds: [] } };
}
