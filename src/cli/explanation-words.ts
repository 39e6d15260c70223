// What an explanation is made of → words: matches, filters, TLS, what failed.
import type { ExternalAuth, Filter, HeaderValue } from '../routing/filters.ts';
import type { ClientValidation, Cluster, Match, RetryBudget, Session, ValueMatch } from '../routing/model.ts';
import type { ExplainedTls, FailedCondition } from '../tools/explain/explanation.ts';

export function backendName({ kind, namespace, name, port }: Cluster['backend']): string {
  return `${kind} ${namespace}/${name}:${port}`;
}

/** `path prefix /cart, header x-version = next`. */
export function matchText({ protocol, path, method, headers, query }: Match): string {
  if (protocol === 'stream') return 'everything';
  const paths = { exact: 'path', prefix: 'path prefix', regex: 'path like', 'grpc-method': 'gRPC method' } as const;
  const parts = [`${paths[path.type]} ${path.value}`];
  if (method !== undefined) parts.push(`method ${method}`);
  for (const header of headers) parts.push(valueText('header', header));
  for (const parameter of query) parts.push(valueText('query', parameter));
  return parts.join(', ');
}

function valueText(what: string, { type, name, value }: ValueMatch): string {
  return `${what} ${name} ${type === 'exact' ? '=' : 'like'} ${value}`;
}

export function failureText(failed: FailedCondition): string {
  switch (failed.condition) {
    case 'header':
    case 'query': {
      const like = failed.type === 'exact' ? '=' : 'like';
      const actual = failed.actual === undefined ? 'there is none' : `it is ${failed.actual}`;
      return `${failed.condition} ${failed.name} ${like} ${failed.expected}: ${actual}`;
    }
    case 'path':
      return `path ${failed.type} ${failed.expected}: it is ${failed.actual}`;
    default:
      return `${failed.condition} ${failed.expected}: it is ${failed.actual}`;
  }
}

export function filterText(filter: Filter): string {
  switch (filter.kind) {
    case 'request-headers':
    case 'response-headers': {
      const { set, add, remove } = filter;
      const changes = [
        ...set.map((header) => `set ${headerText(header)}`),
        ...add.map((header) => `add ${headerText(header)}`),
        ...remove.map((name) => `remove ${name}`),
      ];
      return `${filter.kind === 'request-headers' ? 'request' : 'response'} headers: ${changes.join(', ')}`;
    }
    case 'rewrite': {
      const { hostname, path } = filter;
      const changes = [hostname === undefined ? '' : `host ${hostname}`, path === undefined ? '' : pathText(path)];
      return `rewrite ${changes.filter((part) => part !== '').join(', ')}`;
    }
    case 'mirror':
      return `mirror ${filter.numerator} of ${filter.denominator} to ${clusterText(filter.cluster)}`;
    case 'cors':
      return `CORS for ${filter.allowOrigins.join(', ') || 'no origin'}`;
    default:
      return authText(filter);
  }
}

function authText({ cluster, check, headers, bodyLimit }: ExternalAuth): string {
  if (cluster === undefined)
    return 'ask nobody, since the auth service is not found: every request is refused with 500';
  const how = check.protocol === 'grpc' ? 'gRPC' : `HTTP${check.path === '' ? '' : ` under ${check.path}`}`;
  const told = [
    headers === undefined
      ? 'all headers'
      : headers.length === 0
        ? 'no further headers'
        : `headers ${headers.join(', ')}`,
    bodyLimit === 0 ? '' : `bodies of up to ${bodyLimit} octets`,
  ].filter((part) => part !== '');
  return `ask ${clusterText(cluster)} over ${how}, telling it ${told.join(' and ')}`;
}

/** The key of a cluster is `gateway|namespace/service:port|variant`. */
export function clusterText(key: string): string {
  return key.split('|')[1] ?? key;
}

/** What is asked of the other side of a connection to a backend. */
export function tlsText({ serverName, names, authorities, certificate }: ExplainedTls): string {
  const identities = names.map(({ type, value }) => (type === 'dns' ? value : `${type} ${value}`));
  const trusted =
    authorities === 'system' ? 'the authorities of this machine' : authorities.map(bundleText).join(', ') || 'nobody';
  const parts = [
    `TLS with SNI ${serverName}`,
    `for ${identities.join(' or ') || 'nobody'}`,
    `by ${trusted}`,
    certificate === undefined ? '' : `showing the certificate of Secret ${certificate}`,
  ];
  return parts.filter((part) => part !== '').join(', ');
}

export function budgetText({ percent, interval, minimum }: RetryBudget): string {
  const always = `${minimum.count} in ${minimum.interval} ms`;
  return `retries of up to ${percent}% of the requests of ${interval} ms, and always ${always}`;
}

export function sessionText({ type, name, path, absoluteTimeout }: Session): string {
  const where = type === 'cookie' ? `cookie ${name} for ${path}` : `header ${name}`;
  return `a client stays by ${where}${absoluteTimeout === undefined ? '' : `, for ${absoluteTimeout} ms at most`}`;
}

/** `ConfigMap/shop/ca`, `ClusterTrustBundle//ca`. */
export function bundleText(key: string): string {
  const [kind = '', namespace = '', name = ''] = key.split('/');
  return `${kind} ${namespace === '' ? '' : `${namespace}/`}${name}`;
}

export function clientsText({ mode, authorities }: ClientValidation): string {
  const trusted = authorities.map(bundleText).join(', ');
  return mode === 'require'
    ? `have to show a certificate of ${trusted}`
    : `are asked for a certificate of ${trusted}; without one they are let in as well`;
}

function pathText(path: NonNullable<Extract<Filter, { kind: 'rewrite' }>['path']>): string {
  switch (path.type) {
    case 'full':
      return `path to ${path.value}`;
    case 'prefix':
      return `prefix ${path.prefix} to ${path.value || '/'}`;
    default:
      return `path like ${path.pattern} to ${path.value}`;
  }
}

export function headerText({ name, value }: HeaderValue): string {
  return `${name}: ${value}`;
}

export function valuesText(name: string, values: Readonly<Record<string, unknown>>): string {
  return Object.keys(values).length === 0 ? '' : `${name} ${JSON.stringify(values)}`;
}
