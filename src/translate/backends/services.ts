// Service → the ports that routes may name. Which addresses stand behind a port: endpoints.ts.
import type { Service } from '../../api/objects.ts';
import type { Sourced } from '../../api/sourced.ts';

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
  readonly externalName: boolean;
  readonly ports: readonly ServicePortRow[];
}

export function serviceRow({ object }: Sourced<Service>): ServiceRow {
  return {
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
