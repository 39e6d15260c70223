// One listener of a Gateway or ListenerSet → a draft of it: what may attach, which certificates it serves with, and what is
// wrong with it. What its siblings and the Gateway make of it comes later: siblings.ts.
import type { Gateway } from '../../api/generated/types.ts';
import { originOf } from '../../api/sourced.ts';
import type { Sourced } from '../../api/sourced.ts';
import type { KubeObject } from '../../api/objects.ts';
import type { BoundListener, RouteKind } from '../../routing/bound.ts';
import type { Cluster, Frontend } from '../../routing/model.ts';
import type { ObjectRef, Origin } from '../../routing/origin.ts';
import type { Problem, ProblemCode } from '../../routing/problem.ts';
import type { CertificateState } from './certificates.ts';
import { listenerFilters } from './listener-filters.ts';
import type { BackendScope } from '../routes/backends.ts';
import { namespaceRule } from './namespaces.ts';
import { protocolRow } from './protocols.ts';

export type ListenerSpec = Gateway['spec']['listeners'][number];

export interface ListenerScope {
  /** Key of the Gateway. */
  readonly gateway: string;
  /** What the keys of its frontends begin with. */
  readonly prefix: string;
  /** The object that the listener stands in. */
  readonly ref: ObjectRef;
  readonly sourced: Sourced<{ readonly metadata: KubeObject['metadata'] }>;
  /** Whether a certificate of another namespace may be used. */
  readonly permitted: (target: ObjectRef) => boolean;
  readonly certificate: (key: string) => CertificateState | undefined;
  /** What its filters refer to is resolved by. */
  readonly backends: BackendScope;
}

/** Everything of a listener but what depends on its siblings, its Gateway, and where it is placed. */
export interface ListenerDraft {
  readonly listener: Omit<BoundListener, 'frontend'>;
  /** Absent when nothing of the listener can be served. */
  readonly frontend?: Omit<Frontend, 'publicPorts'>;
  /** What its filters ask; without the certificate of the Gateway. */
  readonly clusters: readonly Cluster[];
}

/** Problems with which a listener serves nevertheless. */
const harmless: ReadonlySet<ProblemCode> = new Set([
  'InvalidRouteKinds',
  'IgnoredField',
  'InvalidCertificateRef',
  'RefNotPermitted',
  'InvalidListenerFilterRef',
]);

export function draftListener(scope: ListenerScope, spec: ListenerSpec, index: number): ListenerDraft {
  const path = `spec.listeners[${index}]`;
  const origin = originOf(scope.sourced, path);
  const problems: Problem[] = [];
  const key = `${scope.prefix}/${spec.name}`;
  const hostname = (spec.hostname ?? '').toLowerCase();
  const allowed = allowedKinds(spec, problems, originOf(scope.sourced, `${path}.allowedRoutes.kinds`));
  const namespaces = namespaceRule(spec.allowedRoutes.namespaces, scope.ref.namespace);
  if (namespaces.wrong !== undefined) {
    const at = originOf(scope.sourced, `${path}.allowedRoutes.namespaces.selector`);
    problems.push({ code: 'InvalidNamespaceSelector', at, message: namespaces.wrong });
  }
  problems.push(...protocolProblems(scope, spec, path));
  const { filters, clusters, problems: wrong, refused } = listenerFilters(spec, scope.backends, origin);
  problems.push(...wrong);
  const tls = tlsOf(scope, spec, path, problems);
  const served = problems.every(({ code }) => harmless.has(code)) && tls !== 'unusable' && !refused;
  const listener = {
    key,
    name: spec.name,
    port: spec.port,
    protocol: spec.protocol,
    hostname,
    namespaces: namespaces.rule,
    supportedKinds: allowed,
    problems,
    origin,
  };
  const protocol = protocolRow(spec.protocol);
  if (!served || protocol === undefined) return { listener, clusters: [] };
  return {
    listener,
    clusters,
    frontend: {
      key,
      bind: `${scope.gateway}:${spec.port}/${protocol.transport}`,
      gateway: scope.gateway,
      listener: spec.name,
      protocol: protocol.protocol,
      port: spec.port,
      hostname,
      ...(tls === undefined ? {} : { tls }),
      ...(filters.length === 0 ? {} : { filters }),
      origin,
    },
  };
}

function allowedKinds(spec: ListenerSpec, problems: Problem[], at: Origin): readonly RouteKind[] {
  const possible = protocolRow(spec.protocol)?.kinds ?? [];
  const wanted = spec.allowedRoutes.kinds;
  if (wanted === undefined || wanted.length === 0) return possible;
  const isPossible = (kind: RouteKind): boolean =>
    possible.some((known) => known.kind === kind.kind && known.group === kind.group);
  const impossible = wanted.filter((kind) => !isPossible(kind));
  if (impossible.length > 0) {
    problems.push({ code: 'InvalidRouteKinds', at, kinds: impossible.map(({ group, kind }) => `${group}/${kind}`) });
  }
  return wanted.filter(isPossible).map(({ group, kind }) => ({ group, kind }));
}

function protocolProblems({ sourced }: ListenerScope, spec: ListenerSpec, path: string): readonly Problem[] {
  if (protocolRow(spec.protocol) === undefined) {
    return [{ code: 'UnsupportedProtocol', at: originOf(sourced, `${path}.protocol`), protocol: spec.protocol }];
  }
  return [];
}

function tlsOf(
  scope: ListenerScope,
  spec: ListenerSpec,
  path: string,
  problems: Problem[],
): Frontend['tls'] | 'unusable' {
  if (protocolRow(spec.protocol)?.security !== 'tls') return undefined;
  if (spec.tls === undefined) {
    problems.push({ code: 'MissingTls', at: originOf(scope.sourced, path) });
    return 'unusable';
  }
  if (spec.tls.mode === 'Passthrough' && spec.protocol === 'TLS') return { mode: 'passthrough' };
  if (spec.tls.mode === 'Passthrough') {
    problems.push({ code: 'UnsupportedTlsMode', at: originOf(scope.sourced, `${path}.tls.mode`), mode: spec.tls.mode });
    return 'unusable';
  }
  if (Object.keys(spec.tls.options ?? {}).length > 0) {
    const message = `no TLS option is known, so ${Object.keys(spec.tls.options ?? {}).join(', ')} changes nothing`;
    problems.push({ code: 'IgnoredField', at: originOf(scope.sourced, `${path}.tls.options`), message });
  }
  const refs = spec.tls.certificateRefs ?? [];
  if (refs.length === 0) problems.push({ code: 'MissingTls', at: originOf(scope.sourced, `${path}.tls`) });
  const certificates: string[] = [];
  refs.forEach((ref, index) => {
    const origin = originOf(scope.sourced, `${path}.tls.certificateRefs[${index}]`);
    const resolved = certificateOf(scope, ref, origin);
    if (typeof resolved !== 'string') problems.push(resolved);
    else if (!certificates.includes(resolved)) certificates.push(resolved);
  });
  return certificates.length === 0 ? 'unusable' : { mode: 'terminate', certificates };
}

type CertificateRef = NonNullable<NonNullable<ListenerSpec['tls']>['certificateRefs']>[number];

function certificateOf(scope: ListenerScope, ref: CertificateRef, at: Origin): string | Problem {
  const { group, kind, name } = ref;
  const target: ObjectRef = { group, kind, namespace: ref.namespace ?? scope.ref.namespace, name };
  // Before everything else, so that nobody learns whether the Secret exists.
  if (!scope.permitted(target)) return { code: 'RefNotPermitted', at, from: scope.ref, target };
  if (group !== '' || kind !== 'Secret') {
    return { code: 'InvalidCertificateRef', at, target, message: 'only a Secret can hold a certificate' };
  }
  const key = `${target.namespace}/${name}`;
  const state = scope.certificate(key);
  if (state?.usable === true) return key;
  return { code: 'InvalidCertificateRef', at, target, message: state?.wrong ?? 'the Secret does not exist' };
}
