// An Ingress -> its HTTPRoutes, one for each host; a second one for the port 80 of a host that redirects to HTTPS; and one
// for its default backend, which takes what nothing else of its class takes.
import type { HTTPRoute } from '../../api/generated/types.ts';
import { gatewayGroup } from '../../api/kinds.ts';
import type { KubeObject } from '../../api/objects.ts';
import type { Mapping, Sourced } from '../../api/sourced.ts';
import { list, portNumber, record, text } from '../../support/untrusted.ts';
import { Notes, type Upgraded } from '../upgraded.ts';
import type { IngressBackend, IngressFacts, IngressPath } from './facts.ts';
import { gatewayName, httpListener, httpsListener, ingressNamespace } from './gateway.ts';

type Rule = HTTPRoute['spec']['rules'][number];
type Match = Rule['matches'][number];
type ParentRef = NonNullable<HTTPRoute['spec']['parentRefs']>[number];

export interface RouteContext {
  /** The raw Service of a name in the Ingress's namespace: backends may name a port. */
  readonly service: (name: string) => KubeObject | undefined;
  /** Whether an Ingress of the class has regular expressions on this host: then all its paths are, as in ingress-nginx. */
  readonly regexHost: (host: string) => boolean;
  /** TLS hosts of the class that have a listener. */
  readonly tlsHosts: readonly string[];
}

export function ingressRoutes(facts: IngressFacts, context: RouteContext): Upgraded<HTTPRoute> {
  const builder = new Builder(facts, context);
  facts.hosts.forEach((host, at) => builder.host(host, at));
  if (facts.defaultBackend !== undefined) builder.standard(facts.defaultBackend);
  return { ref: facts.ref, rows: builder.rows, problems: [...facts.problems, ...builder.notes.problems] };
}

class Builder {
  readonly rows: [string, Sourced<HTTPRoute>][] = [];
  readonly notes: Notes;
  readonly #facts: IngressFacts;
  readonly #context: RouteContext;

  constructor(facts: IngressFacts, context: RouteContext) {
    this.#facts = facts;
    this.#context = context;
    this.notes = new Notes(facts.ref);
  }

  host(host: IngressFacts['hosts'][number], at: number): void {
    if (host.paths.length === 0) return;
    const secure = this.#facts.tls.some(
      ({ hosts }) => hosts.length === 0 || hosts.some((each) => each === host.host || covers(each, host.host)),
    );
    const redirect = this.#facts.nginx && this.#redirects(secure);
    const regex = this.#context.regexHost(host.host);
    const mappings: Mapping[] = [{ path: '', object: this.#facts.ref, from: host.from }];
    const rules = host.paths.map((path, index) => {
      mappings.push(...mapRule(this.#facts, path, index));
      return this.#rule(path, regex);
    });
    const hostnames = host.host === '' ? {} : { hostnames: [host.host] };
    const suffix = this.#facts.hosts.length === 1 ? '' : `-${at}`;
    const parents = redirect ? this.#secureParents(host.host) : [this.#parent()];
    this.#add(suffix, { parentRefs: parents, ...hostnames, rules }, mappings);
    if (redirect) {
      const toHttps = {
        matches: [everything],
        filters: [
          { type: 'RequestRedirect' as const, requestRedirect: { scheme: 'https' as const, statusCode: 308 as const } },
        ],
      };
      this.#add(
        `${suffix}-to-https`,
        { parentRefs: [{ ...this.#parent(), sectionName: httpListener }], ...hostnames, rules: [toHttps] },
        mappings.slice(0, 1),
      );
    }
  }

  /** Below every other match of the class: an explicit rank, since a host without name would tie with it. */
  standard(backend: IngressBackend): void {
    const mappings: Mapping[] = [
      { path: '', object: this.#facts.ref, from: 'spec.defaultBackend' },
      { path: 'spec.rules[0].backendRefs[0]', object: this.#facts.ref, from: `${backend.path}.service` },
    ];
    const rules = [{ matches: [everything], backendRefs: this.#backendRefs(backend) }];
    this.#add('-default', { parentRefs: [this.#parent()], rules }, mappings, { '0/0': -1 });
  }

  #add(
    suffix: string,
    spec: HTTPRoute['spec'],
    mappings: readonly Mapping[],
    explicit?: Readonly<Record<string, number>>,
  ): void {
    const { metadata } = this.#facts.object;
    const { namespace, creationTimestamp, generation } = metadata;
    const object: HTTPRoute = {
      apiVersion: `${gatewayGroup}/v1`,
      kind: 'HTTPRoute',
      metadata: {
        name: `${metadata.name}${suffix}`,
        ...(namespace === undefined ? {} : { namespace }),
        ...(creationTimestamp === undefined ? {} : { creationTimestamp }),
        ...(generation === undefined ? {} : { generation }),
      },
      spec,
    };
    const key = `Ingress:${namespace ?? ''}/${metadata.name}${suffix}`;
    this.rows.push([
      key,
      { object, written: this.#facts.ref, mappings, ...(explicit === undefined ? {} : { explicit }) },
    ]);
  }

  #redirects(secure: boolean): boolean {
    const { forceSslRedirect, sslRedirect } = this.#facts.annotations;
    return forceSslRedirect || (secure && sslRedirect !== false);
  }

  #parent(): ParentRef {
    return {
      group: gatewayGroup,
      kind: 'Gateway',
      namespace: ingressNamespace,
      name: gatewayName(this.#facts.className),
    };
  }

  /** The listeners on port 443 that take the host. */
  #secureParents(host: string): ParentRef[] {
    const takers = this.#context.tlsHosts.filter((each) => host === '' || each === host || covers(each, host));
    return takers.map((each) => ({ ...this.#parent(), sectionName: httpsListener(each) }));
  }

  #rule(path: IngressPath, regex: boolean): Rule {
    const target = this.#facts.nginx ? this.#facts.annotations.rewriteTarget : undefined;
    const filters = target === undefined ? {} : { filters: [rewrite(path.path, target)] };
    return { matches: [matchOf(path, regex)], ...filters, backendRefs: this.#backendRefs(path.backend) };
  }

  #backendRefs(backend: IngressBackend): NonNullable<Rule['backendRefs']> {
    const port = typeof backend.port === 'number' ? backend.port : this.#portNumber(backend, backend.port);
    return [{ group: '', kind: 'Service', name: backend.name, weight: 1, ...(port === undefined ? {} : { port }) }];
  }

  #portNumber(backend: IngressBackend, name: string): number | undefined {
    const ports = list(record(record(this.#context.service(backend.name))['spec'])['ports']);
    const found = ports.find((port) => text(record(port)['name']) === name);
    const port = portNumber(record(found)['port']);
    if (port === undefined) {
      this.notes.say(`${backend.path}.service.port.name`, {
        code: 'BackendNotFound',
        backend: { group: '', kind: 'Service', namespace: this.#facts.ref.namespace, name: backend.name },
      });
    }
    return port;
  }
}

const everything: Match = { path: { type: 'PathPrefix', value: '/' } };

function matchOf(path: IngressPath, regex: boolean): Match {
  // ingress-nginx: one regular expression on a host makes all its paths expressions, without case and open at the end.
  if (regex) return { path: { type: 'RegularExpression', value: `(?i)${path.path}.*` } };
  return { path: { type: path.type === 'Exact' ? 'Exact' : 'PathPrefix', value: path.path } };
}

/** rewrite-target without groups replaces the whole path, whatever followed the prefix. */
function rewrite(path: string, target: string): NonNullable<Rule['filters']>[number] {
  if (!/\$\d/.test(target))
    return { type: 'URLRewrite', urlRewrite: { path: { type: 'ReplaceFullPath', replaceFullPath: target } } };
  const extensionRef = {
    group: 'internal.portolan.dev',
    kind: 'RegexRewrite',
    name: 'rewrite-target',
    regexRewrite: { pattern: `(?i)${path}`, value: target },
  };
  return { type: 'ExtensionRef', extensionRef };
}

function mapRule({ ref }: IngressFacts, path: IngressPath, index: number): Mapping[] {
  const rule = `spec.rules[${index}]`;
  return [
    { path: rule, object: ref, from: path.from },
    { path: `${rule}.matches[0].path.value`, object: ref, from: `${path.from}.path` },
    {
      path: `${rule}.filters[0]`,
      object: ref,
      from: 'metadata.annotations[nginx.ingress.kubernetes.io/rewrite-target]',
    },
    { path: `${rule}.backendRefs[0]`, object: ref, from: `${path.backend.path}.service` },
  ];
}

/** `*.a.b` takes one label in an Ingress; for the choice of a certificate any number does no harm. */
function covers(pattern: string, host: string): boolean {
  return pattern === '' || (pattern.startsWith('*.') && host.endsWith(pattern.slice(1)));
}
