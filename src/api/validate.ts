// An object as it arrived -> the same object with defaults filled in, or what is wrong with it: field, rule, words. What
// the API server would refuse is refused here, by the same schemas and CEL rules.
import { kindOf, type Channel, type Kind } from './kinds.ts';
import { validateMetadata } from './metadata.ts';
import { groupOf, versionOf, type KubeObject } from './objects.ts';
import { compileSchema, type CompiledSchema, type FieldProblem, type Schema } from './schema.ts';

export type { FieldProblem } from './schema.ts';

export type Validation =
  | { readonly ok: true; readonly object: KubeObject; readonly warnings: readonly FieldProblem[] }
  | { readonly ok: false; readonly problems: readonly FieldProblem[]; readonly warnings: readonly FieldProblem[] };

/** Validates by the version that the object names; an object of a kind without schema passes as it is. */
export function validate(object: KubeObject, channel: Channel): Validation {
  const kind = kindOf(groupOf(object.apiVersion), object.kind, channel);
  if (kind === undefined) return { ok: true, object, warnings: [] };
  return check(kind, versionOf(object.apiVersion), object);
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
  const schema = schemaOf(kind, version) ?? schemaOf(kind, kind.current) ?? {};
  const { apiVersion, kind: name, metadata, status, ...rest } = object;
  const checked = compiled(schema).check(rest, '');
  const problems = [...validateMetadata(kind.kind, metadata), ...checked.problems];
  if (problems.length > 0) return { ok: false, problems, warnings: checked.warnings };
  const value = checked.value as Readonly<Record<string, unknown>>;
  return {
    ok: true,
    object: { apiVersion, kind: name, metadata, ...value, ...(status === undefined ? {} : { status }) },
    warnings: checked.warnings,
  };
}

function schemaOf(kind: Kind, version: string): Schema | undefined {
  return kind.versions.find((each) => each.name === version)?.schema;
}

const schemas = new WeakMap<Schema, CompiledSchema>();

/** Everything but type, metadata and status, which are not the user's to write or are checked elsewhere. */
function compiled(schema: Schema): CompiledSchema {
  let result = schemas.get(schema);
  if (result === undefined) {
    const {
      apiVersion: _apiVersion,
      kind: _kind,
      metadata: _metadata,
      status: _status,
      ...properties
    } = schema.properties ?? {};
    const required = schema.required?.filter((name) => name in properties) ?? [];
    schemas.set(schema, (result = compileSchema({ ...schema, properties, required })));
  }
  return result;
}
