// A row that an upgrade made, as YAML that one would write by hand: without defaults, and without what only Portolan
// understands, which becomes a standard field where one means the same, else a note.
import type { KubeObject } from '../../api/objects.ts';
import { originOf, type Sourced } from '../../api/sourced.ts';
import type { Problem } from '../../routing/problem.ts';
import { isRecord, list, record, text } from '../../support/untrusted.ts';

type Named = { readonly metadata: KubeObject['metadata'] };
type Fields = Record<string, unknown>;

export function presentable(row: Sourced<Named>, notes: Problem[]): KubeObject {
  const object = row.object as unknown as KubeObject;
  const spec = strip(object['spec'], '') as Fields;
  if (object.kind === 'HTTPRoute') {
    spec['rules'] = list(spec['rules']).map((rule, at) =>
      standardRule(record(rule), { row, notes, path: `spec.rules[${at}]` }),
    );
  }
  const { name, namespace, labels, annotations } = object.metadata;
  const metadata = {
    name,
    ...(namespace === undefined ? {} : { namespace }),
    ...(labels === undefined ? {} : { labels }),
    ...(annotations === undefined ? {} : { annotations }),
  };
  return { apiVersion: object.apiVersion, kind: object.kind, metadata, spec };
}

/** Fields that say nothing: the CRD's own defaults. */
const defaults: Readonly<Record<string, readonly [field: string, value: unknown][]>> = {
  parentRefs: [
    ['group', 'gateway.networking.k8s.io'],
    ['kind', 'Gateway'],
  ],
  backendRefs: [
    ['group', ''],
    ['kind', 'Service'],
    ['weight', 1],
  ],
  backendRef: [
    ['group', ''],
    ['kind', 'Service'],
  ],
  certificateRefs: [
    ['group', ''],
    ['kind', 'Secret'],
  ],
  tls: [['mode', 'Terminate']],
  namespaces: [['from', 'Same']],
};

/** @param field the name of the field that the value, or the list around it, stands in */
function strip(value: unknown, field: string): unknown {
  if (Array.isArray(value)) return value.map((item) => strip(item, field));
  if (!isRecord(value)) return value;
  const result: Fields = {};
  for (const [name, inner] of Object.entries(value)) {
    const standard = defaults[field]?.some(([each, usual]) => each === name && usual === inner) === true;
    const empty = Array.isArray(inner) && inner.length === 0;
    const stripped = strip(inner, name);
    const hollow = isRecord(stripped) && Object.keys(stripped).length === 0 && name !== 'podSelector';
    if (!standard && !empty && !hollow) result[name] = stripped;
  }
  return result;
}

interface Scope {
  readonly row: Sourced<Named>;
  readonly notes: Problem[];
  readonly path: string;
}

/** A rewrite by groups: the usual form of it is a prefix that is taken off; any other has no standard form. */
function standardRule(rule: Readonly<Fields>, scope: Scope): Fields {
  const rewrite = list(rule['filters'])
    .map(record)
    .find((filter) => isRecord(record(filter['extensionRef'])['regexRewrite']));
  if (rewrite === undefined) return { ...rule };
  const { pattern, value } = record(record(rewrite['extensionRef'])['regexRewrite']);
  const prefix = strippedPrefix(text(pattern) ?? '', text(value) ?? '');
  const others = list(rule['filters']).filter((filter) => filter !== rewrite);
  if (prefix !== undefined) {
    const urlRewrite = {
      type: 'URLRewrite',
      urlRewrite: { path: { type: 'ReplacePrefixMatch', replacePrefixMatch: prefix.replacement } },
    };
    return {
      ...rule,
      matches: [{ path: { type: 'PathPrefix', value: prefix.path } }],
      filters: [...others, urlRewrite],
    };
  }
  const { filters: _filters, ...rest } = rule;
  const { object, path } = originOf(scope.row, `${scope.path}.filters[0]`);
  scope.notes.push({
    code: 'NotCarriedOver',
    at: { object, path },
    message: `the rewrite ${text(value) ?? ''} by groups of ${text(pattern) ?? ''} has no standard form; the upgraded rule has no rewrite`,
  });
  return others.length === 0 ? rest : { ...rest, filters: others };
}

/** `(?i)/app(/|$)(.*)` with `/$2` takes /app off; with `/new/$2` it puts /new in its place. */
function strippedPrefix(
  pattern: string,
  value: string,
): { readonly path: string; readonly replacement: string } | undefined {
  const path = /^\(\?i\)(\/[\w./~-]*)\(\/\|\$\)\(\.\*\)$/.exec(pattern)?.[1];
  const replacement = /^(\/[\w./~-]*?)\/?\$2$/.exec(value)?.[1];
  return path === undefined || replacement === undefined
    ? undefined
    : { path, replacement: replacement === '' ? '/' : replacement };
}
