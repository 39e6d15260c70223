// metadata: names, labels and annotations, as the API server checks them on every object.
import { isRecord, record } from '../support/untrusted.ts';
import { isDns1123Label, isDns1123Subdomain, isLabelValue, isQualifiedName } from './names.ts';
import type { Checked, FieldProblem } from './schema.ts';
import { described, quote, similar } from './words.ts';

/** @param kind decides what names are allowed */
export function checkMetadata(kind: string, metadata: unknown): Checked {
  const problems: FieldProblem[] = [];
  const say = (path: string, rule: string, message: string): void =>
    void problems.push({ kind: 'invalid', path: path === '' ? 'metadata' : `metadata.${path}`, rule, message });
  if (metadata !== undefined && !isRecord(metadata)) {
    say('', 'type', `must be an object, is ${described(metadata)}`);
    return { value: metadata, problems, warnings: [] };
  }
  const { name, namespace, labels, annotations } = record(metadata);
  checkName(kind, name, say);
  if (namespace !== undefined && (typeof namespace !== 'string' || !isDns1123Label(namespace)))
    say('namespace', 'pattern', `is ${quote(namespace)}; must be ${label.words}`);
  for (const [key, value] of fields('labels', labels, say)) {
    if (!isQualifiedName(key)) say(`labels.${cut(key)}`, 'key', `must be ${qualifiedName}`);
    if (typeof value === 'string' && !isLabelValue(value))
      say(
        `labels.${cut(key)}`,
        'pattern',
        `is ${quote(value)}; must be at most 63 letters, digits, '-', '_' and '.', or empty`,
      );
  }
  let size = 0;
  for (const [key, value] of fields('annotations', annotations, say)) {
    if (!isQualifiedName(key.toLowerCase())) say(`annotations.${cut(key)}`, 'key', `must be ${qualifiedName}`);
    if (typeof value === 'string') size += Buffer.byteLength(key) + Buffer.byteLength(value);
  }
  if (size > longestAnnotations)
    say('annotations', 'maxLength', `are ${size} bytes in total, at most ${longestAnnotations} are allowed`);
  return { value: metadata, problems, warnings: unknownFields(record(metadata)) };
}

const longestAnnotations = 256 * 1024;
const qualifiedName =
  "a qualified name: an optional DNS name and '/', then at most 63 letters, digits, '-', '_' and '.', starting and ending with a letter or digit";

interface NameForm {
  readonly accepts: (name: string) => boolean;
  readonly words: string;
}

const label: NameForm = {
  accepts: isDns1123Label,
  words: "a DNS label: at most 63 lower-case letters, digits and '-', starting and ending with a letter or digit",
};
const subdomain: NameForm = {
  accepts: isDns1123Subdomain,
  words: "a DNS name: at most 253 lower-case letters, digits, '-' and '.', starting and ending with a letter or digit",
};
/** Other kinds are named by DNS subdomains. Until Kubernetes 1.35 the name of a Service had to begin with a letter. */
const nameForms: Readonly<Record<string, NameForm>> = { Namespace: label, Service: label };

type Say = (path: string, rule: string, message: string) => void;

function checkName(kind: string, name: unknown, say: Say): void {
  const form = (Object.hasOwn(nameForms, kind) && nameForms[kind]) || subdomain;
  if (name === undefined || name === null || name === '') say('name', 'required', 'is required');
  else if (typeof name !== 'string') say('name', 'type', `must be a string, is ${described(name)}`);
  else if (!form.accepts(name)) say('name', 'pattern', `is ${quote(name)}; must be ${form.words}`);
}

function fields(field: string, value: unknown, say: Say): readonly (readonly [string, unknown])[] {
  if (value === undefined || value === null) return [];
  if (!isRecord(value)) {
    say(field, 'type', `must be an object of strings, is ${described(value)}`);
    return [];
  }
  const all = Object.entries(value);
  for (const [key, each] of all) {
    if (typeof each !== 'string' && each !== null)
      say(`${field}.${cut(key)}`, 'type', `must be a string, is ${described(each)}; write it in quotes`);
  }
  return all;
}

function cut(key: string): string {
  return key.length > 80 ? `${key.slice(0, 79)}…` : key;
}

const known: ReadonlySet<string> = new Set([
  'annotations',
  'creationTimestamp',
  'deletionGracePeriodSeconds',
  'deletionTimestamp',
  'finalizers',
  'generateName',
  'generation',
  'labels',
  'managedFields',
  'name',
  'namespace',
  'ownerReferences',
  'resourceVersion',
  'selfLink',
  'uid',
]);

function unknownFields(metadata: Readonly<Record<string, unknown>>): FieldProblem[] {
  return Object.keys(metadata)
    .filter((name) => !known.has(name))
    .map((name) => {
      const meant = similar(name, known);
      return {
        kind: 'unknown-field',
        path: `metadata.${cut(name)}`,
        rule: 'unknown field',
        ...(meant === undefined ? {} : { meant }),
        message: `is not a field of metadata and is ignored${meant === undefined ? '' : `; did you mean ${meant}?`}`,
      };
    });
}
