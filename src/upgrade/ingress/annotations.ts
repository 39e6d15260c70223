// The ingress-nginx annotations of an Ingress: what is honoured, and a word on each one that is not.
import { record } from '../../support/untrusted.ts';
import type { KubeObject } from '../../api/objects.ts';
import type { Notes } from '../upgraded.ts';

const prefix = 'nginx.ingress.kubernetes.io/';

export interface NginxAnnotations {
  /** rewrite-target: the whole path becomes this; `$1` is a group of the path's expression. */
  readonly rewriteTarget: string | undefined;
  /** Paths are regular expressions: use-regex, or implied by rewrite-target. */
  readonly regex: boolean;
  /** ssl-redirect as written; undefined is the default (true where the host has TLS). */
  readonly sslRedirect: boolean | undefined;
  readonly forceSslRedirect: boolean;
}

export function readAnnotations(object: KubeObject, notes: Notes): NginxAnnotations {
  const annotations = record(object.metadata.annotations);
  const text = (name: string): string | undefined => {
    const value = annotations[prefix + name];
    return typeof value === 'string' ? value.trim() : undefined;
  };
  for (const key of Object.keys(annotations)) {
    if (!key.startsWith(prefix) || honoured.has(key.slice(prefix.length))) continue;
    notes.say(`metadata.annotations[${key}]`, {
      code: 'NotCarriedOver',
      message: `the annotation ${key} is not acted on`,
    });
  }
  const rewriteTarget = pathOf(text('rewrite-target') ?? '', notes);
  return {
    rewriteTarget: rewriteTarget === '' ? undefined : rewriteTarget,
    regex: rewriteTarget !== '' || text('use-regex') === 'true',
    sslRedirect: text('ssl-redirect') === undefined ? undefined : text('ssl-redirect') === 'true',
    forceSslRedirect: text('force-ssl-redirect') === 'true',
  };
}

const honoured: ReadonlySet<string> = new Set(['rewrite-target', 'use-regex', 'ssl-redirect', 'force-ssl-redirect']);

/** In nginx a `?` begins a query; here paths are rewritten, and the query of the request stays as it is. */
function pathOf(target: string, notes: Notes): string {
  const mark = target.indexOf('?');
  if (mark < 0) return target;
  const [path, query] = [target.slice(0, mark), target.slice(mark + 1)];
  const message =
    query === ''
      ? `rewrite-target drops the query of the request in nginx; here the path becomes ${path} and the query stays`
      : `rewrite-target sets the query ${query} in nginx; here the path becomes ${path} and the query stays as it is`;
  notes.say(`metadata.annotations[${prefix}rewrite-target]`, { code: 'NotCarriedOver', message });
  return path;
}
