// gateway.networking.k8s.io/v1alpha2 -> v1: the kinds that kept their shape change their name only, and are checked by
// today's schema; ReferencePolicy became ReferenceGrant.
import { gatewayGroup, type Channel } from '../api/kinds.ts';
import type { KubeObject } from '../api/objects.ts';
import { versionOf } from '../api/objects.ts';
import type { Sourced } from '../api/sourced.ts';
import { validateAs } from '../api/validate.ts';
import { Derived } from '../incremental/derived.ts';
import { Expanded } from '../incremental/expanded.ts';
import type { Stage, Table } from '../incremental/table.ts';
import { problemsOf, type ProblemsOf, type RawTables } from './tables.ts';
import { Notes, refOf, type Upgraded } from './upgraded.ts';

type Named = { readonly metadata: KubeObject['metadata'] };

export interface V1alpha2Kind<T extends Named> {
  readonly stages: readonly Stage[];
  readonly rows: Table<Sourced<T>>;
  readonly problems: Table<ProblemsOf>;
}

/** The v1alpha2 objects of `from` as current objects of `kind`; objects in other versions pass by. */
export function v1alpha2Stages<T extends Named>(
  raw: RawTables,
  kind: string,
  channel: Channel,
  from: string = kind,
): V1alpha2Kind<T> {
  const upgraded = new Derived<KubeObject, Upgraded<T>>(`v1alpha2 ${from}`, raw(gatewayGroup, from), (object) =>
    versionOf(object.apiVersion) === 'v1alpha2' ? upgrade<T>(object, kind, channel) : undefined,
  );
  const rows = new Expanded<Upgraded<T>, Sourced<T>>(`${kind} from v1alpha2 ${from}`, upgraded, (row) => row.rows);
  const problems = problemsOf(upgraded);
  return { stages: [upgraded, rows, problems], rows, problems };
}

function upgrade<T extends Named>(object: KubeObject, kind: string, channel: Channel): Upgraded<T> {
  const ref = refOf(object);
  const notes = new Notes(ref);
  const current = `${gatewayGroup}/v1`;
  notes.say('apiVersion', { code: 'DeprecatedVersion', from: object.apiVersion, to: current });
  if (kind !== object.kind)
    notes.say('kind', { code: 'CarriedOver', message: `${object.kind} is called ${kind} today` });
  const result = validateAs({ group: gatewayGroup, kind }, { ...object, apiVersion: current, kind }, channel);
  for (const problem of result.ok ? result.warnings : [...result.problems, ...result.warnings]) {
    const { path, message, rule } = problem;
    notes.say(
      path,
      problem.kind === 'unknown-field'
        ? { code: 'UnknownField', field: path }
        : { code: 'InvalidField', message, rule },
    );
  }
  if (!result.ok) return { ref, rows: [], problems: notes.problems };
  // The schema has been checked: the object has the shape of its generated type.
  const row: Sourced<T> = {
    object: result.object as Named as T,
    written: ref,
    mappings: [{ path: '', object: ref, from: '' }],
  };
  const { namespace, name } = object.metadata;
  const own = namespace === undefined ? name : `${namespace}/${name}`;
  const found = kind === 'Gateway' || kind === 'GatewayClass' ? own : `${object.kind}.v1alpha2:${own}`;
  return { ref, rows: [[found, row]], problems: notes.problems };
}
