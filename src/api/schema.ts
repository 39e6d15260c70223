// Structural schemas of CRDs, in their OpenAPI form and in the compiled one, and what comes of checking a value by them.
import type { CelCheck, CelRule } from './cel/rules.ts';
import type { Accepts } from './patterns.ts';

export interface Schema {
  /** Absent in the branches of allOf, anyOf, oneOf and not. */
  readonly type?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly additionalProperties?: Schema | boolean;
  readonly enum?: readonly unknown[];
  readonly default?: unknown;
  readonly nullable?: boolean;
  readonly pattern?: string;
  readonly format?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly minProperties?: number;
  readonly maxProperties?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly allOf?: readonly Schema[];
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly not?: Schema;
  readonly 'x-kubernetes-int-or-string'?: boolean;
  readonly 'x-kubernetes-preserve-unknown-fields'?: boolean;
  readonly 'x-kubernetes-list-type'?: string;
  readonly 'x-kubernetes-list-map-keys'?: readonly string[];
  readonly 'x-kubernetes-validations'?: readonly CelRule[];
}

/** What is wrong with a field; `rule` is the keyword of the schema or the text of the CEL rule. */
export interface FieldProblem {
  readonly kind: 'invalid' | 'unknown-field';
  readonly path: string;
  readonly rule: string;
  readonly message: string;
  /** The field that was probably meant by an unknown one. */
  readonly meant?: string;
}

export interface Checked {
  /** Pruned and with defaults; of use only when there are no problems. */
  readonly value: unknown;
  readonly problems: readonly FieldProblem[];
  readonly warnings: readonly FieldProblem[];
}

export interface Node {
  readonly schema: Schema;
  readonly properties: ReadonlyMap<string, Node>;
  /** Of the values of a map. */
  readonly values: Node | undefined;
  readonly items: Node | undefined;
  readonly defaults: readonly (readonly [name: string, value: unknown])[];
  /** What a null in a list stands for. */
  readonly standard: unknown;
  /** Fields that the schema does not name stay. */
  readonly open: boolean;
  readonly accepts: Accepts | undefined;
  readonly rules: readonly { readonly rule: CelRule; readonly check: CelCheck }[];
  /** The properties with CEL rules in them or below them. */
  readonly ruled: readonly (readonly [name: string, node: Node])[];
  readonly branches: Branches | undefined;
}

export interface Branches {
  readonly allOf: readonly Node[];
  readonly anyOf: readonly Node[];
  readonly oneOf: readonly Node[];
  readonly not: Node | undefined;
}
