// Vintages that kept the shape of today but for their name, or nearly: gateway.networking.k8s.io v1alpha2 and v1alpha3 -> v1,
// ReferencePolicy -> ReferenceGrant, XListenerSet -> ListenerSet. They are checked by the schema of their own version where
// there still is one, else by today's.
import { gatewayGroup, vintagesOf, type Channel } from '../api/kinds.ts';
import type { KubeObject } from '../api/objects.ts';
import { groupOf, versionOf } from '../api/objects.ts';
import type { Sourced } from '../api/sourced.ts';
import { validate } from '../api/validate.ts';
import { Derived } from '../incremental/derived.ts';
import { Expanded } from '../incremental/expanded.ts';
import type { Stage, Table } from '../incremental/table.ts';
import { sayFieldProblems } from './fields.ts';
import { problemsOf, type ProblemsOf, type RawTables } from './tables.ts';
import { Notes, refOf, type Upgraded } from './upgraded.ts';

type Named = { readonly metadata: KubeObject['metadata'] };

export interface Vintage {
  /** As it is called today. */
  readonly kind: string;
  /** As it was called, where that is different. */
  readonly from?: { readonly group: string; readonly kind: string };
  /** Without it, all of its vintages. */
  readonly versions?: readonly string[];
  /** Says what is not carried over, and takes it away. */
  readonly adapt?: (object: KubeObject, notes: Notes) => KubeObject;
}

export interface VintageTables<T extends Named> {
  readonly stages: readonly Stage[];
  readonly rows: Table<Sourced<T>>;
  readonly problems: readonly Table<ProblemsOf>[];
}

/** Objects in other versions pass by. */
export function vintageStages<T extends Named>(raw: RawTables, vintage: Vintage, channel: Channel): VintageTables<T> {
  const { group, kind } = vintage.from ?? { group: gatewayGroup, kind: vintage.kind };
  const versions = vintage.versions ?? vintagesOf(group, kind);
  const upgraded = new Derived<KubeObject, Upgraded<T>>(`old ${kind}`, raw(group, kind), (object) =>
    versions.includes(versionOf(object.apiVersion)) ? upgrade<T>(object, vintage, channel) : undefined,
  );
  const rows = new Expanded<Upgraded<T>, Sourced<T>>(`${vintage.kind} from old ${kind}`, upgraded, (row) => row.rows);
  const problems = problemsOf(upgraded);
  return { stages: [upgraded, rows, problems], rows, problems: [problems] };
}

/** References find these by namespace and name, whatever their vintage. */
const referredTo: ReadonlySet<string> = new Set(['Gateway', 'GatewayClass', 'ListenerSet', 'BackendTLSPolicy']);

function upgrade<T extends Named>(object: KubeObject, { kind, adapt }: Vintage, channel: Channel): Upgraded<T> {
  const ref = refOf(object);
  const notes = new Notes(ref);
  const version = versionOf(object.apiVersion);
  const current = `${gatewayGroup}/v1`;
  notes.say('apiVersion', { code: 'DeprecatedVersion', from: object.apiVersion, to: current });
  if (kind !== object.kind)
    notes.say('kind', { code: 'CarriedOver', message: `${object.kind} is called ${kind} today` });
  const result = validate({ ...object, apiVersion: `${gatewayGroup}/${version}`, kind }, channel);
  sayFieldProblems(notes, result);
  if (!result.ok) return { ref, rows: [], problems: notes.problems };
  const renamed = { ...result.object, apiVersion: current };
  // The schema has been checked: the object has the shape of its generated type.
  const row: Sourced<T> = {
    object: (adapt === undefined ? renamed : adapt(renamed, notes)) as Named as T,
    written: ref,
    mappings: [{ path: '', object: ref, from: '' }],
  };
  const { namespace, name } = object.metadata;
  const own = namespace === undefined ? name : `${namespace}/${name}`;
  const found = referredTo.has(kind) ? own : `${object.kind}.${version}:${own}`;
  return { ref, rows: [[found, row]], problems: notes.problems };
}

/** Whether `portolan upgrade` has to do no more than to write the version of today. */
export function isRenamedOnly({ apiVersion, kind, spec }: KubeObject): boolean {
  if (groupOf(apiVersion) !== gatewayGroup) return false;
  if (kind === 'BackendTLSPolicy') return versionOf(apiVersion) !== 'v1alpha2';
  const { rules } = (spec ?? {}) as { readonly rules?: unknown };
  return !isStreamRoute(kind) || !Array.isArray(rules) || rules.length < 2;
}

function isStreamRoute(kind: string): boolean {
  return kind === 'TLSRoute' || kind === 'TCPRoute' || kind === 'UDPRoute';
}
