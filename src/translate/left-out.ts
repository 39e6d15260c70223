// What an engine says that it leaves out (routing/engine.ts) -> problems of the object that it comes from. The model stays as it is:
// what is left out of an engine is offered to it again, with each change.
import type { Sourced } from '../api/sourced.ts';
import { originOf } from '../api/sourced.ts';
import type { Read, Table } from '../incremental/table.ts';
import type { Fault, LeftOut } from '../routing/engine.ts';
import type { Frontend } from '../routing/model.ts';
import type { Origin } from '../routing/origin.ts';
import { at } from '../routing/origin.ts';
import type { Problem } from '../routing/problem.ts';
import type { AnyRoute } from './routes/dialects.ts';
import type { TranslatedRule } from './routes/rules.ts';

/** By `readerOf`. */
export type LeftOutTable = Table<readonly LeftOut[]>;

/** The key under which rows are read: `rules kind/namespace/name` of a route, `clusters kind/namespace/name` of a backend. */
export function readerOf({ table, key }: Pick<LeftOut, 'table' | 'key'>): string {
  const [, owner = ''] = key.split('|');
  if (table === 'rules') return `rules ${owner}`;
  if (table !== 'clusters') return `${table} ${key}`;
  return `clusters ${owner.startsWith('XBackend/') ? owner : `Service/${owner.slice(0, owner.lastIndexOf(':'))}`}`;
}

/** The rule as far as an engine serves it. */
export function asServed(
  rule: TranslatedRule,
  index: number,
  said: readonly LeftOut[],
  sourced: Sourced<AnyRoute>,
): TranslatedRule {
  const faults = said.find(({ key }) => key === rule.rule.key)?.faults ?? [];
  if (faults.length === 0) return rule;
  const place = ({ match, field }: Fault): Origin => {
    const steps = [...(match === undefined ? [] : [`matches[${match}]`]), ...(field === undefined ? [] : [field])];
    return originOf(sourced, [`spec.rules[${index}]`, ...steps].join('.'));
  };
  const lost = faults.filter(({ effect }) => effect === 'dropped');
  const matches = rule.matches.map((match, at) => (lost.some((fault) => fault.match === at) ? undefined : match));
  return {
    ...rule,
    refusals: [
      ...rule.refusals,
      ...lost.map((fault): Problem => ({ code: 'UnsupportedValue', at: place(fault), message: notServed(fault) })),
    ],
    problems: [
      ...rule.problems,
      ...faults
        .filter(({ effect }) => effect === 'differs')
        .map((fault): Problem => ({ code: 'ServedOtherwise', at: place(fault), message: fault.reason })),
    ],
    dropped:
      rule.dropped || lost.some(({ match }) => match === undefined) || matches.every((match) => match === undefined),
  };
}

/** Of a listener: those of its frontend, of its certificates and of the authorities of its clients. */
export function listenerProblems(
  frontend: Frontend,
  tables: { readonly leftOut: LeftOutTable },
  read: Read,
): Problem[] {
  const { key, tls, origin } = frontend;
  const faultsOf = (table: LeftOut['table'], of: string): readonly Fault[] =>
    faultsFor(frontend.gateway, read(tables.leftOut, readerOf({ table, key: of })));
  const problems = faultsOf('frontends', key).map((fault): Problem => frontendProblem(fault, origin));
  if (tls?.mode !== 'terminate') return problems;
  const wrong = tls.certificates.map((certificate) => faultsOf('certificates', certificate));
  tls.certificates.forEach((certificate, index) => {
    for (const { reason } of wrong[index] ?? []) {
      const [namespace = '', name = ''] = certificate.split('/');
      problems.push({
        code: 'InvalidCertificateRef',
        at: at(origin, 'tls', 'certificateRefs'),
        target: { group: '', kind: 'Secret', namespace, name },
        message: notServed({ reason }),
      });
    }
  });
  if (wrong.length > 0 && wrong.every((faults) => faults.some(({ effect }) => effect === 'dropped'))) {
    problems.push({ code: 'NotProgrammed', at: origin, message: 'none of its certificates is served' });
  }
  for (const { reason } of (tls.clients?.authorities ?? []).flatMap((bundle) => faultsOf('trustBundles', bundle))) {
    problems.push({ code: 'NotProgrammed', at: origin, message: `an authority of its clients: ${reason}` });
  }
  return problems;
}

/** Of the certificate that a Gateway shows to backends. */
export function shownCertificateProblems(
  { gateway, key }: { readonly gateway: string; readonly key: string },
  origin: Origin,
  tables: { readonly leftOut: LeftOutTable },
  read: Read,
): readonly Problem[] {
  const [namespace = '', name = ''] = key.split('/');
  const target = { group: '', kind: 'Secret', namespace, name };
  return faultsFor(gateway, read(tables.leftOut, `certificates ${key}`)).map((fault) => ({
    code: 'InvalidClientCertificateRef',
    at: origin,
    target,
    message: notServed(fault),
  }));
}

/** Certificates and authorities are shared, and each gateway has data planes of its own. */
function faultsFor(own: string, rows: readonly LeftOut[] = []): readonly Fault[] {
  return rows.flatMap(({ gateway, faults }) => (gateway === undefined || gateway === own ? faults : []));
}

function frontendProblem(fault: Fault, at: Origin): Problem {
  return fault.effect === 'dropped'
    ? { code: 'NotProgrammed', at, message: notServed(fault) }
    : { code: 'ServedOtherwise', at, message: fault.reason };
}

/**
 * Of a policy.
 * @param asked the backends that it is for, and the field of clusters that comes from it; absent: all of them
 */
export function policyProblems(
  { backends, field }: { readonly backends: readonly string[]; readonly field?: 'tls' | 'retryBudget' },
  origin: Origin,
  tables: { readonly leftOut: LeftOutTable },
  read: Read,
): readonly Problem[] {
  const faults = backends
    .flatMap((backend) => read(tables.leftOut, `clusters ${backend}`) ?? [])
    .flatMap((row) => row.faults)
    .filter((fault) => field === undefined || fault.field === undefined || fault.field === field);
  const said = new Map<string, Problem>();
  for (const fault of faults) {
    said.set(
      fault.reason,
      fault.effect === 'dropped'
        ? { code: 'InvalidPolicy', at: origin, message: notServed(fault) }
        : { code: 'ServedOtherwise', at: origin, message: fault.reason },
    );
  }
  return [...said.values()];
}

function notServed({ reason }: Pick<Fault, 'reason'>): string {
  return `the data plane cannot serve it: ${reason}`;
}
