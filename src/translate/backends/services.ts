// Service → the ports that routes may name. Which addresses stand behind a port: endpoints.ts.
import type { Service } from '../../api/objects.ts';
import type { Sourced } from '../../api/sourced.ts';
import type { Problem } from '../../routing/problem.ts';

export interface ServicePortRow {
  /** '' when the only port of a Service has no name. */
  readonly name: string;
  readonly port: number;
  readonly protocol: string;
  readonly appProtocol?: string;
  readonly targetPort: number | string;
}

/** Only what routing depends on: an annotation or a label that changes wakes nobody. */
export interface ServiceRow {
  /** Connections to its Pods begin with a PROXY protocol header (annotation portolan.dev/send-proxy-protocol). */
  readonly proxyProtocol?: 'v1' | 'v2';
  readonly externalName: boolean;
  readonly ports: readonly ServicePortRow[];
}

export const sendProxyProtocol = 'portolan.dev/send-proxy-protocol';

export function serviceRow({ object }: Sourced<Service>): ServiceRow {
  const version = object.metadata.annotations?.[sendProxyProtocol];
  return {
    ...(version === 'v1' || version === 'v2' ? { proxyProtocol: version } : {}),
    externalName: object.spec?.type === 'ExternalName',
    ports: (object.spec?.ports ?? []).map(({ name, port, protocol, appProtocol, targetPort }) => ({
      name: name ?? '',
      port,
      protocol: protocol ?? 'TCP',
      ...(appProtocol === undefined ? {} : { appProtocol }),
      targetPort: targetPort ?? port,
    })),
  };
}

export function serviceProblems({ object, written }: Sourced<Service>): readonly Problem[] {
  const version = object.metadata.annotations?.[sendProxyProtocol];
  if (version === undefined || version === 'v1' || version === 'v2') return [];
  const at = { object: written, path: `metadata.annotations[${sendProxyProtocol}]` };
  return [{ code: 'IgnoredField', at, message: `${version} is not a version of the PROXY protocol; v1 and v2 are` }];
}
