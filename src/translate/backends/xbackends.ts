// XBackend (GEP-4894) → what stands behind it and what it is spoken to with. A hostname outside becomes endpoints by DNS, whose
// answers are facts from outside; a selector stands for the endpoints of slices that carry the label of the XBackend, which
// whoever selects the Pods gives them.
import type { XBackend } from '../../api/generated/types.ts';
import type { Sourced } from '../../api/sourced.ts';
import { originOf } from '../../api/sourced.ts';
import type { Read, Table } from '../../incremental/table.ts';
import type { Cluster, ClusterTls, Session } from '../../routing/model.ts';
import type { ObjectRef } from '../../routing/origin.ts';
import type { Problem } from '../../routing/problem.ts';
import type { CertificateState } from '../gateways/certificates.ts';
import { tlsOf } from '../policies/backend-tls.ts';
import { sessionOf } from '../policies/sessions.ts';
import { experimentalGroup } from '../policies/traffic.ts';
import type { Grant } from '../references/grants.ts';
import { permits } from '../references/grants.ts';
import type { BundleState } from '../trust/bundles.ts';

/** The label by which EndpointSlices name the XBackend whose Pods they list. */
export const backendLabel = 'portolan.dev/xbackend';

export interface BoundBackend {
  /** namespace/name. */
  readonly key: string;
  readonly ref: ObjectRef;
  readonly generation?: number;
  /** Of its DNS name; absent for a selector. */
  readonly hostname?: string;
  readonly port: number;
  readonly speaks: 'http' | 'grpc' | 'tcp';
  /** Undefined: not a protocol that Portolan speaks; `wanted` names it. */
  readonly protocol?: Cluster['protocol'];
  readonly wanted: string;
  readonly tls?: ClusterTls;
  readonly session?: Session;
  readonly problems: readonly Problem[];
}

export interface BackendTables {
  readonly bundles: Table<BundleState>;
  readonly certificates: Table<CertificateState>;
  /** By namespace. */
  readonly grants: Table<readonly Grant[]>;
}

export function bindBackend(
  tables: BackendTables,
): (sourced: Sourced<XBackend>, read: Read, key: string) => BoundBackend {
  return (sourced, read, key) => {
    const { metadata, spec } = sourced.object;
    const { namespace = '', name, generation } = metadata;
    const ref: ObjectRef = { group: experimentalGroup, kind: 'XBackend', namespace, name };
    const problems: Problem[] = [];
    const tls = backendTls(sourced, { ref, read, tables, problems });
    const wanted = spec.protocol ?? 'HTTP';
    const protocol = protocols[wanted];
    const secured = tls !== undefined;
    return {
      key,
      ref,
      ...(generation === undefined ? {} : { generation }),
      ...(spec.externalHostname === undefined ? {} : { hostname: spec.externalHostname.hostname.toLowerCase() }),
      port: spec.port.number ?? (secured ? 443 : 80),
      speaks: wanted === 'GRPC' ? 'grpc' : wanted === 'TCP' ? 'tcp' : 'http',
      ...(protocol === undefined ? {} : { protocol: protocol === 'h2c' && secured ? 'h2' : protocol }),
      wanted,
      ...(tls === undefined ? {} : { tls }),
      ...(spec.sessionPersistence === undefined
        ? {}
        : { session: sessionOf(spec.sessionPersistence, `XBackend/${key}`) }),
      problems,
    };
  };
}

const protocols: Readonly<Record<string, Cluster['protocol']>> = {
  HTTP: 'http1',
  HTTP11: 'http1',
  WSS: 'http1',
  H2C: 'h2c',
  HTTP2: 'h2c',
  GRPC: 'h2c',
  TCP: 'tcp',
};

function backendTls(
  sourced: Sourced<XBackend>,
  scope: {
    readonly ref: ObjectRef;
    readonly read: Read;
    readonly tables: BackendTables;
    readonly problems: Problem[];
  },
): ClusterTls | undefined {
  const { mode, validation, clientCertificateRef } = sourced.object.spec.tls;
  if (mode === 'None' || validation === undefined) return undefined;
  const { ref, read, tables, problems } = scope;
  const authorities = {
    from: ref,
    bundle: (bundle: string) => read(tables.bundles, bundle),
    permitted: () => true,
    unknownKind: 'InvalidKind' as const,
  };
  const { tls, problems: wrong } = tlsOf(validation, authorities, originOf(sourced, 'spec.tls.validation'));
  problems.push(...wrong);
  if (clientCertificateRef === undefined) return tls;
  const { group, kind, namespace = ref.namespace, name } = clientCertificateRef;
  const target: ObjectRef = { group, kind, namespace, name };
  const at = originOf(sourced, 'spec.tls.clientCertificateRef');
  const permitted = namespace === ref.namespace || permits(read(tables.grants, namespace), ref, target);
  if (!permitted) {
    problems.push({ code: 'RefNotPermitted', at, from: ref, target });
    return tls;
  }
  const state = read(tables.certificates, `${namespace}/${name}`);
  if (group === '' && kind === 'Secret' && state?.usable === true) {
    return { ...tls, certificate: `${namespace}/${name}` };
  }
  const message = state?.usable === false ? state.wrong : 'it is not a Secret that exists';
  problems.push({ code: 'InvalidClientCertificateRef', at, target, message });
  return tls;
}
