// An object as it arrived -> the same object with defaults filled in, or what is wrong with it: field, rule, words. What
// the API server would refuse is refused here, by the same schemas and CEL rules.
import { isRecord, record } from '../support/untrusted.ts';
import { compileSchema } from './compile-schema.ts';
import { coreChecks } from './core/checks.ts';
import { kindOf, type Channel, type Kind } from './kinds.ts';
import { checkMetadata } from './metadata.ts';
import { groupOf, versionOf, type KubeObject } from './objects.ts';
import { fatal } from './walk.ts';
import type { FieldProblem, Schema } from './schema.ts';

export type { FieldProblem } from './schema.ts';

export type Validation =
  | { readonly ok: true; readonly object: KubeObject; readonly warnings: readonly FieldProblem[] }
  | { readonly ok: false; readonly problems: readonly FieldProblem[]; readonly warnings: readonly FieldProblem[] };

/** Validates by the version that the object names; an object of a kind without schema passes as it is. Never throws. */
export function validate(object: KubeObject, channel: Channel): Validation {
  const { apiVersion, kind: name } = object;
  const kind =
    typeof apiVersion === 'string' && typeof name === 'string' ? kindOf(groupOf(apiVersion), name, channel) : undefined;
  if (kind === undefined) return { ok: true, object, warnings: [] };
  return check(kind, versionOf(apiVersion), object);
}

/** Validates by the current version of a kind, whatever apiVersion the object names: for vintages of the same shape. */
export function validateAs(
  kind: { readonly group: string; readonly kind: string },
  object: KubeObject,
  channel: Channel,
): Validation {
  const known = kindOf(kind.group, kind.kind, channel);
  if (known === undefined) return { ok: true, object, warnings: [] };
  return check(known, known.current, object);
}

function check(kind: Kind, version: string, object: KubeObject): Validation {
  const { apiVersion, kind: name, metadata, status, ...rest } = object;
  const meta = checkMetadata(kind.kind, metadata);
  const ruled = !meta.problems.some(({ rule }) => fatal.has(rule));
  const body = checkOf(kind, version)(rest, ruled);
  const problems = [
    ...meta.problems,
    ...body.problems,
    ...(body.problems.length > 0 ? [] : core(kind, object, body.value)),
  ];
  const warnings = [...meta.warnings, ...body.warnings];
  if (problems.length > 0 || !isRecord(body.value)) return { ok: false, problems, warnings };
  if (body.value === rest) return { ok: true, object, warnings };
  return {
    ok: true,
    object: { apiVersion, kind: name, metadata, ...body.value, ...(status === undefined ? {} : { status }) },
    warnings,
  };
}

/** Of the values of core kinds. */
function core(kind: Kind, { metadata }: KubeObject, body: unknown): FieldProblem[] {
  const problems: FieldProblem[] = [];
  coreChecks[`${kind.group}/${kind.kind}`]?.({ ...record(body), metadata }, (path, rule, message) => {
    problems.push({ kind: 'invalid', path, rule, message });
  });
  return problems;
}

type Check = ReturnType<typeof compileSchema>;

const checks = new WeakMap<Schema, Check>();

/** A version that has no schema is checked by the current one. */
function checkOf(kind: Kind, version: string): Check {
  const named = kind.versions.find((each) => each.name === version);
  const schema = (named ?? kind.versions.find((each) => each.name === kind.current))?.schema ?? {};
  let check = checks.get(schema);
  if (check === undefined) checks.set(schema, (check = compileSchema(body(schema))));
  return check;
}

/** Everything but type, metadata and status, which are not the user's to write or are checked elsewhere. */
function body(schema: Schema): Schema {
  const properties = Object.fromEntries(
    Object.entries(schema.properties ?? {}).filter(([name]) => !notInBody.has(name)),
  );
  return { ...schema, properties, required: (schema.required ?? []).filter((name) => !notInBody.has(name)) };
}

const notInBody: ReadonlySet<string> = new Set(['apiVersion', 'kind', 'metadata', 'status']);
