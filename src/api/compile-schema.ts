// A structural schema of a CRD -> a tree of nodes that can be walked fast: properties by name, defaults complete in
// themselves, patterns and CEL rules ready to run.
import { celCheck } from './cel/rules.ts';
import { compilePattern } from './patterns.ts';
import type { Branches, Checked, Node, Schema } from './schema.ts';
import { Walk } from './walk.ts';

/** The check takes the value and whether CEL rules are evaluated; they are if nothing is said. */
export function compileSchema(schema: Schema): (value: unknown, ruled?: boolean) => Checked {
  const root = compile(schema);
  return (value, ruled = true) => new Walk().check(root, value, ruled);
}

/** Whether there are CEL rules in the node or below it. */
function isRuled(node: Node | undefined): boolean {
  return (
    node !== undefined &&
    (node.rules.length > 0 || node.ruled.length > 0 || isRuled(node.values) || isRuled(node.items))
  );
}

function compile(schema: Schema): Node {
  const properties = new Map(Object.entries(schema.properties ?? {}).map(([name, each]) => [name, compile(each)]));
  return {
    schema,
    properties,
    values: typeof schema.additionalProperties === 'object' ? compile(schema.additionalProperties) : undefined,
    items: schema.items && compile(schema.items),
    defaults: [...properties].flatMap(([name, node]) => {
      const { default: standard } = node.schema;
      return standard === undefined ? [] : [[name, frozen(new Walk().check(node, standard).value)] as const];
    }),
    standard:
      schema.default === undefined
        ? undefined
        : frozen(new Walk().check(compile({ ...schema, default: undefined }), schema.default).value),
    open: schema.type === undefined || schema['x-kubernetes-preserve-unknown-fields'] === true,
    accepts: schema.pattern === undefined ? undefined : compilePattern(schema.pattern),
    rules: (schema['x-kubernetes-validations'] ?? []).map((rule) => ({ rule, check: celCheck(rule) })),
    ruled: [...properties].filter(([, node]) => isRuled(node)),
    branches: branches(schema),
  };
}

function branches({ allOf = [], anyOf = [], oneOf = [], not }: Schema): Branches | undefined {
  if (allOf.length + anyOf.length + oneOf.length === 0 && not === undefined) return undefined;
  return { allOf: allOf.map(compile), anyOf: anyOf.map(compile), oneOf: oneOf.map(compile), not: not && compile(not) };
}

/** Defaults are shared by all objects that need them. */
function frozen<T>(value: T): T {
  if (typeof value === 'object' && value !== null) for (const each of Object.values(Object.freeze(value))) frozen(each);
  return value;
}
