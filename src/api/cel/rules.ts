// CEL rules of CRDs (x-kubernetes-validations) -> checks of a value: compiled when first needed, once per distinct text.
import { Environment, type ASTNode } from '@marcbachmann/cel-js';
import { compileAst } from './compile.ts';
import { Optional } from './values.ts';

export interface CelRule {
  readonly rule: string;
  readonly message?: string;
  readonly messageExpression?: string;
  /** Below the value: `.field`. */
  readonly fieldPath?: string;
  readonly optionalOldSelf?: boolean;
}

/** Whether the value satisfies the rule, as for an object that is created. An evaluation that fails does not. */
export type CelCheck = (self: unknown) => boolean;

const checks = new Map<string, CelCheck>();

export function celCheck({ rule, optionalOldSelf = false }: CelRule): CelCheck {
  const key = `${optionalOldSelf} ${rule}`;
  let check = checks.get(key);
  if (check === undefined) {
    let compiled: CelCheck | undefined;
    checks.set(key, (check = (self) => (compiled ??= compileRule(rule, optionalOldSelf))(self)));
  }
  return check;
}

/** What the API server would say of a value that breaks the rule. */
export function celMessage({ rule, message, messageExpression }: CelRule, self: unknown): string {
  if (messageExpression !== undefined) {
    const said = compileAst(parse(messageExpression), ['self'])([self]);
    if (typeof said === 'string' && said.trim() !== '' && !said.includes('\n')) return said.trim();
  }
  return message?.trim() ?? `does not satisfy ${rule.trim()}`;
}

function compileRule(rule: string, optionalOldSelf: boolean): CelCheck {
  const ast = parse(rule);
  // A rule on the change from an old value says nothing of an object that has none, unless it asks whether there is one.
  if (!optionalOldSelf && mentions(ast, 'oldSelf')) return () => true;
  const evaluate = compileAst(ast, ['self', 'oldSelf']);
  return (self) => evaluate([self, Optional.none]) === true;
}

function mentions(node: unknown, name: string): boolean {
  if (Array.isArray(node)) return node.some((each) => mentions(each, name));
  if (typeof node !== 'object' || node === null || !('op' in node) || !('args' in node)) return false;
  return (node.op === 'id' && node.args === name) || mentions(node.args, name);
}

const environment = new Environment({ limits: { maxAstNodes: 10_000 } });

function parse(expression: string): ASTNode {
  return environment.parse(expression).ast;
}
