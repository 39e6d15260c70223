// Gateway → BoundGateway: its listeners, one bind per port, and what is wrong. Routes are not known here: they attach to
// what a Gateway offers (offers.ts).
import type { Gateway } from '../../api/generated/types.ts';
import type { Sourced } from '../../api/sourced.ts';
import { originOf } from '../../api/sourced.ts';
import type { Read, Table } from '../../incremental/table.ts';
import type { BoundClass, BoundGateway, BoundListener } from '../../routing/bound.ts';
import { compareSpecificity } from '../../routing/match/hostnames.ts';
import type { Bind, BindReport, Frontend, Placement } from '../../routing/model.ts';
import type { ObjectRef } from '../../routing/origin.ts';
import type { Problem } from '../../routing/problem.ts';
import { compareText } from '../../support/sorted.ts';
import type { Grant } from '../references/grants.ts';
import { permits } from '../references/grants.ts';
import { addressProblems } from './addresses.ts';
import type { CertificateState } from './certificates.ts';
import { conflictsOf, overlapsOf } from './conflicts.ts';
import type { ListenerDraft, ListenerScope } from './listeners.ts';
import { bindListener } from './listeners.ts';
import { protocolRow } from './protocols.ts';

export interface GatewayTables {
  readonly classes: Table<BoundClass>;
  /** By namespace. */
  readonly grants: Table<readonly Grant[]>;
  readonly certificates: Table<CertificateState>;
  readonly placements: Table<Placement>;
  readonly reports: Table<BindReport>;
}

export function bindGateway(
  tables: GatewayTables,
): (sourced: Sourced<Gateway>, read: Read, key: string) => BoundGateway {
  return (sourced, read, key) => {
    const { metadata, spec } = sourced.object;
    const { namespace = '', name } = metadata;
    const ref: ObjectRef = { group: 'gateway.networking.k8s.io', kind: 'Gateway', namespace, name };
    const gatewayClass = read(tables.classes, spec.gatewayClassName);
    const gateway = {
      key,
      ref,
      written: sourced.written,
      className: spec.gatewayClassName,
      ...(metadata.generation === undefined ? {} : { generation: metadata.generation }),
    };
    if (gatewayClass?.managed !== true) {
      const problems = gatewayClass === undefined ? [classNotFound(sourced)] : [];
      return { ...gateway, managed: false, listeners: [], binds: [], problems };
    }
    const problems = gatewayProblems(sourced, gatewayClass);
    const drafts = draftListeners(sourced, tables, read, { key, ref });
    const served = problems.every(({ code }) => code === 'IgnoredField')
      ? drafts
      : drafts.map(({ listener }) => ({ listener }));
    const binds = bindsOf(key, served);
    const placements = new Map(binds.map((bind) => [bind.key, read(tables.placements, bind.key)]));
    const publicPorts = publicPortsOf(binds, placements);
    const ports = new Map(binds.map((bind) => [bind.key, read(tables.reports, bind.key)]));
    return {
      ...gateway,
      managed: true,
      listeners: served.map((draft) => finish(draft, publicPorts, ports)),
      binds,
      problems: [...problems, ...addressProblems(sourced, [...placements.values()])],
    };
  };
}

function classNotFound(sourced: Sourced<Gateway>): Problem {
  const name = sourced.object.spec.gatewayClassName;
  return { code: 'GatewayClassNotFound', at: originOf(sourced, 'spec.gatewayClassName'), name };
}

function kindNamed({ group, kind }: { readonly group: string; readonly kind: string }): string {
  return group === '' ? kind : `${kind}.${group}`;
}

/** What keeps the whole Gateway from being served, and fields that are not acted on. */
function gatewayProblems(sourced: Sourced<Gateway>, gatewayClass: BoundClass): Problem[] {
  const { spec } = sourced.object;
  const problems: Problem[] = [];
  if (gatewayClass.problems.some(({ code }) => code === 'InvalidParameters')) {
    const at = originOf(sourced, 'spec.gatewayClassName');
    problems.push({ code: 'GatewayClassNotAccepted', at, name: spec.gatewayClassName });
  }
  const parameters = spec.infrastructure?.parametersRef;
  if (parameters !== undefined) {
    const message = `parameters of kind ${kindNamed(parameters)} are not known`;
    const at = originOf(sourced, 'spec.infrastructure.parametersRef');
    // Run from files, a Gateway may be meant for another implementation: its parameters are not ours to refuse.
    problems.push({ code: gatewayClass.ours ? 'InvalidParameters' : 'IgnoredField', at, message });
  }
  const ignored = (path: string, message: string): void => {
    problems.push({ code: 'IgnoredField', at: originOf(sourced, path), message });
  };
  if (spec.tls?.backend?.clientCertificateRef !== undefined) {
    ignored('spec.tls.backend', 'backends are not spoken to over TLS yet, so no client certificate is shown to them');
  }
  if (spec.defaultScope === 'All') {
    ignored('spec.defaultScope', 'default Gateways are not served yet; routes have to name this Gateway');
  }
  return problems;
}

function draftListeners(
  sourced: Sourced<Gateway>,
  tables: GatewayTables,
  read: Read,
  { key, ref }: { readonly key: string; readonly ref: ObjectRef },
): readonly ListenerDraft[] {
  const scope: ListenerScope = {
    gateway: key,
    ref,
    sourced,
    permitted: (target) =>
      ref.namespace === target.namespace || permits(read(tables.grants, target.namespace), ref, target),
    certificate: (secret) => read(tables.certificates, secret),
  };
  const { listeners } = sourced.object.spec;
  const contested = listeners.map(({ name, port, protocol, hostname = '' }) => {
    return { name, port, protocol, hostname: hostname.toLowerCase() };
  });
  const conflicts = conflictsOf(contested);
  const overlaps = overlapsOf(contested);
  return listeners.map((spec, index) =>
    bindListener(scope, spec, index, { conflict: conflicts[index], overlaps: overlaps[index] ?? [] }),
  );
}

/** One socket for each port and transport that has a listener to serve. */
function bindsOf(gateway: string, drafts: readonly ListenerDraft[]): readonly Bind[] {
  const byKey = new Map<string, Omit<Frontend, 'publicPorts'>[]>();
  for (const { frontend } of drafts) {
    if (frontend === undefined) continue;
    const frontends = byKey.get(frontend.bind);
    if (frontends) frontends.push(frontend);
    else byKey.set(frontend.bind, [frontend]);
  }
  return Array.from(byKey, ([key, frontends]): Bind => {
    const [first] = frontends as [Frontend];
    const row = protocolRow(first.protocol);
    const ordered = frontends.toSorted(
      (a, b) => compareSpecificity(a.hostname, b.hostname) || compareText(a.hostname, b.hostname),
    );
    return {
      key,
      gateway,
      port: first.port,
      transport: row?.transport ?? 'tcp',
      security: row?.security ?? 'none',
      frontends: ordered.map((frontend) => frontend.key),
    };
  });
}

function publicPortsOf(
  binds: readonly Bind[],
  placements: ReadonlyMap<string, Placement | undefined>,
): Readonly<Record<string, number>> {
  const ports: Record<string, number> = {};
  for (const { key, port, transport } of binds) {
    const placed = placements.get(key);
    if (transport === 'tcp' && placed !== undefined && placed.port !== port) ports[port] = placed.port;
  }
  return ports;
}

/** A port that an engine could not open is said on the listener; the bind stays, so that the engine may succeed yet. */
function finish(
  { listener, frontend }: ListenerDraft,
  publicPorts: Frontend['publicPorts'],
  reports: ReadonlyMap<string, BindReport | undefined>,
): BoundListener {
  if (frontend === undefined) return listener;
  const report = reports.get(frontend.bind);
  const bound = { ...listener, frontend: { ...frontend, publicPorts } };
  if (report?.state !== 'failed') return bound;
  const message = report.message ?? report.code ?? 'the port cannot be opened';
  const problem: Problem = { code: 'PortUnavailable', at: listener.origin, port: listener.port, message };
  return { ...bound, problems: [...listener.problems, problem] };
}
