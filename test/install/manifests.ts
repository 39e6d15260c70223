// What deploy/manifests gives to a cluster, read: objects, and what roles allow.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { list, record, text, texts } from '../../src/support/untrusted.ts';
import type { UnknownRecord } from '../../src/support/untrusted.ts';

export const root: string = join(import.meta.dirname, '..', '..');

export type ManifestFile = 'portolan.yaml' | 'portolan-all-in-one.yaml';

export function manifestText(file: ManifestFile): string {
  return readFileSync(join(root, 'deploy/manifests', file), 'utf8');
}

export function manifests(file: ManifestFile): readonly UnknownRecord[] {
  return objectsIn(manifestText(file));
}

export function objectsIn(yaml: string): readonly UnknownRecord[] {
  return parseAllDocuments(yaml).flatMap((document) => {
    if ('errors' in document && document.errors.length > 0) throw document.errors[0] as Error;
    const object: unknown = document.toJS();
    return object === null || object === undefined ? [] : [record(object)];
  });
}

export function nameOf(object: UnknownRecord): string {
  return text(record(object['metadata'])['name']) ?? '';
}

export function one(objects: readonly UnknownRecord[], kind: string, name?: string): UnknownRecord {
  const found = objects.filter((object) => object['kind'] === kind && (name === undefined || nameOf(object) === name));
  if (found.length !== 1) throw new Error(`${found.length} objects are ${kind} ${name ?? ''}`);
  return found[0] as UnknownRecord;
}

/** Something that may be done; `name` empty: to any, or to one that is not there yet. */
export interface Right {
  readonly verb: string;
  /** `resource.group`, or `resource` of the core; with `/status` at the end. */
  readonly resource: string;
  readonly name?: string;
}

export interface Rule {
  readonly verbs: readonly string[];
  readonly resources: readonly string[];
  readonly names: readonly string[];
}

/** Rules of a role, with resources as in Right; those of an aggregated one are the rules of its parts. */
export function rulesOf(objects: readonly UnknownRecord[], role: UnknownRecord): readonly Rule[] {
  const selectors = list(record(role['aggregationRule'])['clusterRoleSelectors']).map((selector) =>
    texts(record(selector)['matchLabels']),
  );
  const parts = objects.filter(
    (object) => object['kind'] === 'ClusterRole' && selectors.some((labels) => hasLabels(object, labels)),
  );
  return [role, ...parts].flatMap((part) => list(part['rules']).map((rule) => ruleOf(record(rule))));
}

/** The rules that a role which every cluster has gets: by the label that it aggregates. */
export function aggregatedTo(objects: readonly UnknownRecord[], role: 'view' | 'edit' | 'admin'): readonly Rule[] {
  const below = { view: ['view'], edit: ['view', 'edit'], admin: ['view', 'edit', 'admin'] }[role];
  return below.flatMap((level) =>
    objects
      .filter((object) => hasLabels(object, { [`rbac.authorization.k8s.io/aggregate-to-${level}`]: 'true' }))
      .flatMap((part) => rulesOf([], part)),
  );
}

export function allows(rules: readonly Rule[], { verb, resource, name = '' }: Right): boolean {
  return rules.some(
    (rule) =>
      rule.verbs.includes(verb) &&
      rule.resources.includes(resource) &&
      (rule.names.length === 0 || rule.names.includes(name)),
  );
}

function ruleOf(rule: UnknownRecord): Rule {
  const strings = (field: string): readonly string[] => list(rule[field]).flatMap((value) => text(value) ?? []);
  return {
    verbs: strings('verbs'),
    names: strings('resourceNames'),
    resources: strings('apiGroups').flatMap((group) => strings('resources').map((plural) => qualified(plural, group))),
  };
}

export function qualified(plural: string, group: string): string {
  if (group === '') return plural;
  const [resource = '', part] = plural.split('/');
  return `${resource}.${group}${part === undefined ? '' : `/${part}`}`;
}

function hasLabels(object: UnknownRecord, labels: Readonly<Record<string, string>>): boolean {
  const own = texts(record(object['metadata'])['labels']);
  return Object.entries(labels).every(([key, value]) => own[key] === value);
}
