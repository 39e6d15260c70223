// metadata: names, labels and annotations, as the API server checks them on every object.
import type { ObjectMeta } from './objects.ts';
import type { FieldProblem } from './schema.ts';

const label = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const subdomain = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const labelKey =
  /^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/;
const labelValue = /^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$/;
/** RFC 1035: Services, until a cluster relaxes it. */
const serviceName = /^[a-z]([-a-z0-9]*[a-z0-9])?$/;

export function validateMetadata(kind: string, metadata: ObjectMeta): readonly FieldProblem[] {
  const problems: FieldProblem[] = [];
  const say = (path: string, rule: string, message: string): void =>
    void problems.push({ kind: 'invalid', path: `metadata.${path}`, rule, message });
  const { name, namespace, labels, annotations } = metadata;
  const [pattern, longest] =
    kind === 'Service' ? [serviceName, 63] : kind === 'Namespace' ? [label, 63] : [subdomain, 253];
  if (typeof name !== 'string' || name === '') say('name', 'required', 'is required');
  else if (name.length > longest)
    say('name', 'maxLength', `is ${name.length} characters long, at most ${longest} are allowed`);
  else if (!pattern.test(name))
    say(
      'name',
      'pattern',
      `is ${JSON.stringify(name)}; must be lower-case letters, digits, '-'${pattern === subdomain ? " and '.'" : ''}, and start and end with a letter or digit`,
    );
  if (namespace !== undefined && (typeof namespace !== 'string' || namespace.length > 63 || !label.test(namespace))) {
    say('namespace', 'pattern', `is ${JSON.stringify(namespace)}; must be a DNS label of at most 63 characters`);
  }
  entries('labels', labels, say).forEach(([key, value]) => {
    checkKey('labels', key, say);
    if (typeof value !== 'string') say(`labels.${key}`, 'type', `must be a string, is ${typeof value} (quote it)`);
    else if (value.length > 63 || !labelValue.test(value))
      say(
        `labels.${key}`,
        'pattern',
        `is ${JSON.stringify(value.slice(0, 80))}; must be at most 63 letters, digits, '-', '_' and '.'`,
      );
  });
  entries('annotations', annotations, say).forEach(([key, value]) => {
    checkKey('annotations', key.toLowerCase(), say);
    if (typeof value !== 'string') say(`annotations.${key}`, 'type', `must be a string, is ${typeof value} (quote it)`);
  });
  return problems;
}

type Say = (path: string, rule: string, message: string) => void;

function entries(field: string, value: unknown, say: Say): [string, unknown][] {
  if (value === undefined || value === null) return [];
  if (typeof value === 'object' && !Array.isArray(value)) return Object.entries(value);
  say(field, 'type', 'must be an object of strings');
  return [];
}

function checkKey(field: string, key: string, say: Say): void {
  const name = key.slice(key.indexOf('/') + 1);
  if (name.length > 63 || key.length > 317 || !labelKey.test(key))
    say(
      `${field}.${key.slice(0, 80)}`,
      'key',
      "must be a qualified name: an optional DNS prefix and '/', then at most 63 letters, digits, '-', '_' and '.'",
    );
}
