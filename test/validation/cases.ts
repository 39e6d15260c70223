// The cases in cases/*.yaml -> whole objects with what is to be said of them. A group puts its values, one after the other,
// at one place (`at`) of the base object of each of its kinds (bases.yaml):
//
//   kinds: [HTTPRoute]
//   channels: [standard]                 # both, if not given
//   with: { PATH: value }                # put in before
//   without: [PATH]                      # taken out before
//   at: spec.rules[0].timeouts
//   accepted: [value, …]
//   refused:
//     - says: words, or a list of words  # of the only problem, or of each
//       at: PATH                         # where it is found, if not at the group's `at`; `.name` is below that
//       also: { PATH: words }            # what else is found
//       values: [value, …]
//
// In values, { $repeat: n, value } is a list of n, `#` in it the number of the item; { $text, length } is a text repeated up
// to that length; { $key, after, value } is an object with a made key; { $absent: true } takes out what is there.
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { kindsOf, type Channel } from '../../src/api/kinds.ts';
import type { KubeObject } from '../../src/api/objects.ts';

interface Refused {
  readonly says: string | readonly string[];
  readonly at?: string;
  readonly also?: Readonly<Record<string, string>>;
  readonly values: readonly unknown[];
}
interface Group {
  readonly kinds: readonly string[];
  readonly channels?: readonly Channel[];
  readonly with?: Readonly<Record<string, unknown>>;
  readonly without?: readonly string[];
  readonly at: string;
  readonly accepted?: readonly unknown[];
  readonly refused?: readonly Refused[];
}

export interface Case {
  readonly file: string;
  /** Where in the file it comes from. */
  readonly name: string;
  readonly channel: Channel;
  readonly kind: string;
  readonly object: KubeObject;
  /** What must be found, and nothing else; empty for an object that is accepted. */
  readonly problems: readonly { readonly path: string; readonly says: string }[];
}

const here = import.meta.dirname;
const bases = parse(readFileSync(join(here, 'bases.yaml'), 'utf8')) as Readonly<Record<string, unknown>>;

export function loadCases(): Case[] {
  return globSync('cases/*.yaml', { cwd: here })
    .toSorted()
    .flatMap((file) =>
      (parse(readFileSync(join(here, file), 'utf8')) as readonly Group[]).flatMap((group) => casesOf(file, group)),
    );
}

/** Of the kind in its current version. */
export function baseOf(kind: string, channel: Channel): KubeObject | undefined {
  const known = [...kindsOf(channel).values()].find((each) => each.kind === kind && each.group.startsWith('gateway.'));
  if (known === undefined) return undefined;
  const metadata = known.namespaced ? { name: 'case', namespace: 'default' } : { name: 'case' };
  return { apiVersion: `${known.group}/${known.current}`, kind, metadata, spec: structuredClone(bases[kind]) };
}

function casesOf(file: string, group: Group): Case[] {
  const found: Case[] = [];
  for (const channel of group.channels ?? (['standard', 'experimental'] as const)) {
    for (const kind of group.kinds) {
      if (baseOf(kind, channel) === undefined) continue;
      const add = (value: unknown, problems: Case['problems']): void => {
        const name = `${group.at} = ${JSON.stringify(value).slice(0, 200)}`;
        found.push({ file, name, channel, kind, object: build(group, kind, channel, value), problems });
      };
      for (const value of group.accepted ?? []) add(value, []);
      for (const refused of group.refused ?? []) {
        const path = refused.at?.startsWith('.') === true ? `${group.at}${refused.at}` : (refused.at ?? group.at);
        const problems = [
          ...[refused.says].flat().map((says) => ({ path, says })),
          ...Object.entries(refused.also ?? {}).map(([path, says]) => ({ path, says })),
        ];
        for (const value of refused.values) add(value, problems);
      }
    }
  }
  return found;
}

function build(group: Group, kind: string, channel: Channel, value: unknown): KubeObject {
  const object = baseOf(kind, channel) as KubeObject;
  for (const path of group.without ?? []) put(object, path, undefined);
  for (const [path, each] of Object.entries(group.with ?? {})) put(object, path, structuredClone(each));
  put(object, group.at, expand(value, ''));
  return object;
}

/** Makes what is missing on the way; `undefined` takes the field out. */
function put(object: unknown, path: string, value: unknown): void {
  const steps = path.split(/[.[\]]+/).filter((step) => step !== '');
  let at = object as Record<string, unknown>;
  steps.forEach((step, n) => {
    if (n < steps.length - 1) at = (at[step] ??= /^\d+$/.test(steps[n + 1] ?? '') ? [] : {}) as Record<string, unknown>;
    else if (value === undefined) delete at[step];
    else at[step] = value;
  });
}

function expand(value: unknown, number: string): unknown {
  if (typeof value === 'string') return number === '' ? value : value.replaceAll('#', number);
  if (Array.isArray(value)) return value.map((item) => expand(item, number));
  if (typeof value !== 'object' || value === null) return value;
  if ('$absent' in value) return undefined;
  if ('$repeat' in value && 'value' in value)
    return Array.from({ length: Number(value.$repeat) }, (_, n) => expand(value.value, `${n}`));
  if ('$text' in value && 'length' in value)
    return String(value.$text).repeat(Number(value.length)).slice(0, Number(value.length));
  if ('$key' in value && 'after' in value && 'value' in value)
    return { [`${expand(value.$key, number) as string}${String(value.after)}`]: value.value };
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, expand(each, number)]));
}
