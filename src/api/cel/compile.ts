// A CEL expression, parsed by cel-js -> a JavaScript function: an HTTPRoute of two rules is 59 evaluations, which cost cel-js'
// own evaluator five times as much (0.08 ms warm against 0.017 ms). test/validation holds both to the same answers on every
// rule of the CRDs. Only what CRDs use is compiled; anything else throws when compiled, which a test over all rules shows.
import type { ASTNode } from '@marcbachmann/cel-js';
import { compilePattern } from '../patterns.ts';
import { formats, functions, methods } from './functions.ts';
import { add, compare, contains, equalValues, failure, has, index, itemsOf, select } from './values.ts';

/** Evaluates on the values of the variables, `failure` when the evaluation fails. */
export type Evaluate = (frame: unknown[]) => unknown;

/** @param variables the names of the first values of the frame */
export function compileAst(ast: ASTNode, variables: readonly string[]): Evaluate {
  switch (ast.op) {
    case 'value':
      return constant(literal(ast.args));
    case 'id':
      return variable(ast.args, variables);
    case '.':
      return field(ast.args, variables);
    case '[]':
      return binary(ast.args, variables, index);
    case 'list':
      return list(ast.args, variables);
    case '&&':
      return junction(ast.args, variables, false);
    case '||':
      return junction(ast.args, variables, true);
    case '!_':
      return negation(ast.args, variables);
    case '?:':
      return choice(ast.args, variables);
    case '==':
      return binary(ast.args, variables, equalValues);
    case '!=':
      return binary(ast.args, variables, (a, b) => !equalValues(a, b));
    case 'in':
      return binary(ast.args, variables, (a, b) => contains(b, a));
    case '<':
      return comparison(ast.args, variables, (order) => order < 0);
    case '<=':
      return comparison(ast.args, variables, (order) => order <= 0);
    case '>':
      return comparison(ast.args, variables, (order) => order > 0);
    case '>=':
      return comparison(ast.args, variables, (order) => order >= 0);
    case '+':
      return binary(ast.args, variables, add);
    case 'call':
      return call(ast, variables);
    case 'rcall':
      return methodCall(ast, variables);
    default:
      return unsupported(ast);
  }
}

function unsupported(ast: ASTNode): never {
  throw new Error(`CEL: ${ast.op} is not compiled, in ${ast.input}`);
}

function constant(value: unknown): Evaluate {
  return () => value;
}

function literal(value: unknown): unknown {
  return typeof value === 'bigint' ? Number(value) : value;
}

function variable(name: string, variables: readonly string[]): Evaluate {
  const slot = variables.lastIndexOf(name);
  if (slot < 0) throw new Error(`CEL: unknown variable ${name}`);
  return (frame) => frame[slot];
}

function field([object, name]: readonly [ASTNode, string], variables: readonly string[]): Evaluate {
  const evaluate = compileAst(object, variables);
  const key = unescaped(name);
  return (frame) => {
    const value = evaluate(frame);
    return value === failure ? failure : select(value, key);
  };
}

/** Kubernetes escapes field names that CEL could not spell. */
function unescaped(name: string): string {
  const escape = /^__([a-z]+)__$/.exec(name)?.[1];
  if (escape !== undefined && keywords.has(escape)) return escape;
  return name.replaceAll(/__(underscores|dot|dash|slash)__/g, (_, word: keyof typeof marks) => marks[word]);
}

const marks = { underscores: '__', dot: '.', dash: '-', slash: '/' } as const;
const keywords: ReadonlySet<string> = new Set(
  'true false null in as break const continue else for function if import let loop package namespace return void var while'.split(
    ' ',
  ),
);

function binary(
  [left, right]: readonly [ASTNode, ASTNode],
  variables: readonly string[],
  apply: (a: unknown, b: unknown) => unknown,
): Evaluate {
  const first = compileAst(left, variables);
  const second = compileAst(right, variables);
  return (frame) => {
    const a = first(frame);
    if (a === failure) return failure;
    const b = second(frame);
    return b === failure ? failure : apply(a, b);
  };
}

function comparison(
  operands: readonly [ASTNode, ASTNode],
  variables: readonly string[],
  holds: (order: number) => boolean,
): Evaluate {
  return binary(operands, variables, (a, b) => {
    const order = compare(a, b);
    return order === undefined ? failure : holds(order);
  });
}

/** `||` (decided by true) and `&&` (decided by false): one operand that decides outweighs a failure of the other. */
function junction(
  [left, right]: readonly [ASTNode, ASTNode],
  variables: readonly string[],
  decisive: boolean,
): Evaluate {
  const first = compileAst(left, variables);
  const second = compileAst(right, variables);
  return (frame) => {
    const a = first(frame);
    if (a === decisive) return decisive;
    const b = second(frame);
    if (b === decisive) return decisive;
    return a === !decisive && b === !decisive ? !decisive : failure;
  };
}

function negation(operand: ASTNode, variables: readonly string[]): Evaluate {
  const evaluate = compileAst(operand, variables);
  return (frame) => {
    const value = evaluate(frame);
    return typeof value === 'boolean' ? !value : failure;
  };
}

function choice([test, yes, no]: readonly [ASTNode, ASTNode, ASTNode], variables: readonly string[]): Evaluate {
  const condition = compileAst(test, variables);
  const then = compileAst(yes, variables);
  const otherwise = compileAst(no, variables);
  return (frame) => {
    const value = condition(frame);
    return value === true ? then(frame) : value === false ? otherwise(frame) : failure;
  };
}

function list(items: readonly ASTNode[], variables: readonly string[]): Evaluate {
  const all = items.map((item) => compileAst(item, variables));
  if (items.every(({ op }) => op === 'value')) return constant(all.map((evaluate) => evaluate([])));
  return (frame) => {
    const values = all.map((evaluate) => evaluate(frame));
    return values.includes(failure) ? failure : values;
  };
}

function call(ast: ASTNode & { readonly op: 'call' }, variables: readonly string[]): Evaluate {
  const [name, operands] = ast.args;
  const [only] = operands;
  if (name === 'has' && only?.op === '.') {
    const object = compileAst(only.args[0], variables);
    const key = unescaped(only.args[1]);
    return (frame) => {
      const value = object(frame);
      return value === failure ? failure : has(value, key);
    };
  }
  const apply = functions[`${name}/${operands.length}`];
  return apply === undefined ? unsupported(ast) : application(apply, operands, variables);
}

function methodCall(ast: ASTNode & { readonly op: 'rcall' }, variables: readonly string[]): Evaluate {
  const [name, receiver, operands] = ast.args;
  const [first, second] = operands;
  if (first?.op === 'id' && second !== undefined && operands.length === 2 && Object.hasOwn(macros, name)) {
    return macro({ name, range: receiver, over: first.args, body: second }, variables);
  }
  if (receiver.op === 'id' && receiver.args === 'format' && !variables.includes('format')) {
    const format = formats[name];
    return format === undefined ? unsupported(ast) : constant(format);
  }
  if (name === 'matches' && first?.op === 'value' && typeof first.args === 'string' && operands.length === 1) {
    const matches = compilePattern(first.args);
    return application((text) => (typeof text === 'string' ? matches(text) : failure), [receiver], variables);
  }
  const apply = methods[`${name}/${operands.length}`];
  return apply === undefined ? unsupported(ast) : application(apply, [receiver, ...operands], variables);
}

function application(
  apply: (...values: readonly unknown[]) => unknown,
  operands: readonly ASTNode[],
  variables: readonly string[],
): Evaluate {
  const all = operands.map((operand) => compileAst(operand, variables));
  const [only] = all;
  if (all.length === 1 && only !== undefined) {
    return (frame) => {
      const value = only(frame);
      return value === failure ? failure : apply(value);
    };
  }
  return (frame) => {
    const values = all.map((evaluate) => evaluate(frame));
    return values.includes(failure) ? failure : apply(...values);
  };
}

/** What the macro makes of the answers of its body, item by item. */
type Macro = (items: readonly unknown[], holds: (item: unknown) => unknown) => unknown;

const macros: Readonly<Record<string, Macro>> = {
  all: (items, holds) => quantified(items, holds, false),
  exists: (items, holds) => quantified(items, holds, true),
  exists_one(items, holds) {
    let count = 0;
    for (const item of items) {
      const held = holds(item);
      if (typeof held !== 'boolean') return failure;
      if (held) count++;
    }
    return count === 1;
  },
  filter(items, holds) {
    const kept: unknown[] = [];
    for (const item of items) {
      const held = holds(item);
      if (typeof held !== 'boolean') return failure;
      if (held) kept.push(item);
    }
    return kept;
  },
};

function quantified(items: readonly unknown[], holds: (item: unknown) => unknown, decisive: boolean): unknown {
  let failed = false;
  for (const item of items) {
    const held = holds(item);
    if (held === decisive) return decisive;
    if (held !== !decisive) failed = true;
  }
  return failed ? failure : !decisive;
}

interface MacroCall {
  readonly name: string;
  readonly range: ASTNode;
  readonly over: string;
  readonly body: ASTNode;
}

function macro({ name, range, over, body }: MacroCall, variables: readonly string[]): Evaluate {
  const run = macros[name] as Macro;
  const items = compileAst(range, variables);
  const slot = variables.length;
  const holds = compileAst(body, [...variables, over]);
  return (frame) => {
    const value = items(frame);
    if (value === failure) return failure;
    const all = itemsOf(value);
    if (all === failure) return failure;
    return run(all, (item) => {
      frame[slot] = item;
      return holds(frame);
    });
  };
}
