// CEL rules of CRDs (x-kubernetes-validations): compiled once per distinct text, evaluated on plain values. cel-js is the
// language; what Kubernetes adds to it or spells differently is here.
import { Environment } from '@marcbachmann/cel-js';
import { RE2JS } from 're2js';

export interface CelRule {
  readonly rule: string;
  readonly message?: string;
  readonly messageExpression?: string;
  readonly fieldPath?: string;
}

/** Whether the value satisfies the rule. A rule that cannot be evaluated on it (an absent field) is not satisfied. */
export type CelCheck = (self: unknown) => boolean;

const compiled = new Map<string, CelCheck | undefined>();

/** The check of a rule, or undefined for a transition rule (oldSelf), which says nothing about a single object. */
export function compileCel(rule: string): CelCheck | undefined {
  if (compiled.has(rule)) return compiled.get(rule);
  const check = /\boldSelf\b/.test(rule) ? undefined : compile(rule);
  compiled.set(rule, check);
  return check;
}

function compile(rule: string): CelCheck {
  const evaluate = environment.parse(spellOut(rule));
  return (self) => {
    try {
      return evaluate({ self }) === true;
    } catch {
      return false;
    }
  };
}

/**
 * What cel-js spells differently: field names that are CEL keywords come escaped (`__namespace__`), `matches` is RE2, which
 * JavaScript's RegExp is not, and `has` takes no path with an index in it.
 */
function spellOut(rule: string): string {
  return rule
    .replaceAll(/\.__([a-z_]+?)__/g, '.$1')
    .replaceAll('.matches(', '.matchesRe2(')
    .replaceAll(/\bhas\(([\w.]+\[\d+\][\w.[\]]*)\.(\w+)\)/g, 'hasField($1, "$2")');
}

const patterns = new Map<string, RE2JS>();

function matchesRe2(text: string, pattern: string): boolean {
  let regex = patterns.get(pattern);
  if (regex === undefined) patterns.set(pattern, (regex = RE2JS.compile(pattern)));
  return regex.test(text);
}

const dns1123Subdomain = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const qualifiedName =
  /^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;

/** Kubernetes' `format` library: `validate` gives an optional list of errors, absent when the text is well formed. */
class Format {
  readonly #accepts: (text: string) => boolean;

  constructor(accepts: (text: string) => boolean) {
    this.#accepts = accepts;
  }

  accepts(text: string): boolean {
    return this.#accepts(text);
  }
}

/** The `format` of a rule. */
class Formats {
  readonly library = 'format';
}

/** The optional of `validate`. */
class FormatErrors {
  readonly present: boolean;

  constructor(present: boolean) {
    this.present = present;
  }
}

function isIP(text: string): boolean {
  return /^\d{1,3}(\.\d{1,3}){3}$/.test(text)
    ? text.split('.').every((part) => Number(part) <= 255)
    : /^[0-9a-fA-F:.]+$/.test(text) && text.includes(':');
}

const environment: Environment = new Environment({ limits: { maxAstNodes: 10_000 } })
  .registerVariable('self', 'dyn')
  .registerType('k8s.Formats', Formats)
  .registerType('k8s.Format', Format)
  .registerType('k8s.FormatErrors', FormatErrors)
  .registerConstant('format', 'k8s.Formats', new Formats())
  .registerFunction(
    'k8s.Formats.dns1123Subdomain(): k8s.Format',
    () => new Format((text) => text.length <= 253 && dns1123Subdomain.test(text)),
  )
  .registerFunction('k8s.Formats.qualifiedName(): k8s.Format', () => new Format((text) => qualifiedName.test(text)))
  .registerFunction(
    'k8s.Format.validate(string): k8s.FormatErrors',
    (format: Format, text: string) => new FormatErrors(!format.accepts(text)),
  )
  .registerFunction('k8s.FormatErrors.hasValue(): bool', (errors: FormatErrors) => errors.present)
  .registerFunction('string.matchesRe2(string): bool', matchesRe2)
  .registerFunction(
    'hasField(dyn, string): bool',
    (object: unknown, field: string) => typeof object === 'object' && object !== null && Object.hasOwn(object, field),
  )
  .registerFunction('isIP(string): bool', isIP);
