// Gateway.spec.tls.frontend → what the HTTPS listeners of a port ask of their clients (GEP-91). It belongs to the port, since
// clients reuse connections: an entry for the port replaces the default whole, and listeners of ListenerSets are held to it too.
import type { Gateway } from '../../api/generated/types.ts';
import type { Sourced } from '../../api/sourced.ts';
import { originOf } from '../../api/sourced.ts';
import type { ClientValidation } from '../../routing/model.ts';
import type { Origin } from '../../routing/origin.ts';
import type { Problem } from '../../routing/problem.ts';
import type { AuthorityScope } from '../trust/authorities.ts';
import { authoritiesOf } from '../trust/authorities.ts';
import type { ListenerDraft } from './listeners.ts';

type FrontendTls = NonNullable<NonNullable<Gateway['spec']['tls']>['frontend']>;
type Validation = NonNullable<FrontendTls['default']['validation']>;

/** Validations by port, each with the path it stands at. */
export function withClientValidation(
  sourced: Sourced<Gateway>,
  scope: Omit<AuthorityScope, 'unknownKind'>,
): (draft: ListenerDraft) => ListenerDraft {
  const frontend = sourced.object.spec.tls?.frontend;
  if (frontend === undefined) return (draft) => draft;
  const byPort = new Map<number, Judged | undefined>();
  return (draft) => {
    const { port, protocol } = draft.listener;
    if (protocol !== 'HTTPS') return draft;
    if (!byPort.has(port)) byPort.set(port, judge(sourced, frontend, port, scope));
    const judged = byPort.get(port);
    return judged === undefined ? draft : apply(draft, judged);
  };
}

/** Of any mode that lets clients in that nobody vouches for. */
export function insecureFallback(sourced: Sourced<Gateway>): readonly Problem[] {
  const frontend = sourced.object.spec.tls?.frontend;
  if (frontend === undefined) return [];
  const places: [Validation | undefined, string][] = [
    [frontend.default.validation, 'spec.tls.frontend.default.validation.mode'],
    ...(frontend.perPort ?? []).map(({ tls }, index): [Validation | undefined, string] => [
      tls.validation,
      `spec.tls.frontend.perPort[${index}].tls.validation.mode`,
    ]),
  ];
  return places
    .filter(([validation]) => validation?.mode === 'AllowInsecureFallback')
    .map(([, path]) => ({ code: 'InsecureFrontendValidation', at: originOf(sourced, path) }));
}

interface Judged {
  readonly clients: ClientValidation;
  readonly problems: readonly Problem[];
  readonly refused: boolean;
}

function judge(
  sourced: Sourced<Gateway>,
  frontend: FrontendTls,
  port: number,
  scope: Omit<AuthorityScope, 'unknownKind'>,
): Judged | undefined {
  const index = (frontend.perPort ?? []).findIndex((entry) => entry.port === port);
  const own = frontend.perPort?.[index];
  const validation = own === undefined ? frontend.default.validation : own.tls.validation;
  if (validation === undefined) return undefined;
  const path = own === undefined ? 'spec.tls.frontend.default' : `spec.tls.frontend.perPort[${index}].tls`;
  const origin: Origin = originOf(sourced, `${path}.validation.caCertificateRefs`);
  const { keys, problems } = authoritiesOf(
    validation.caCertificateRefs,
    { ...scope, unknownKind: 'InvalidCACertificateKind' },
    origin,
  );
  return {
    clients: { mode: validation.mode === 'AllowInsecureFallback' ? 'request' : 'require', authorities: keys },
    problems,
    refused: keys.length === 0,
  };
}

/** Served without what was asked for is worse than not served. */
function apply(draft: ListenerDraft, { clients, problems, refused }: Judged): ListenerDraft {
  const { frontend } = draft;
  const listener = { ...draft.listener, problems: [...draft.listener.problems, ...problems] };
  if (refused) return { listener, clusters: [] };
  if (frontend?.tls?.mode !== 'terminate') return { ...draft, listener };
  return { ...draft, listener, frontend: { ...frontend, tls: { ...frontend.tls, clients } } };
}
