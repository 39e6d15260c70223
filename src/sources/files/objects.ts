// The value of a document → the Kubernetes objects in it: lists expanded, the namespace filled in, and a name and kind
// ensured, since everything behind this keys objects by them. What an API server would drop (status, managed fields) is
// dropped. All other fields are left to validation.
import type { KubeObject, ObjectMeta } from '../../api/objects.ts';

export interface ReadingRules {
  /** What an object without apiVersion must be, by its shape; undefined when nothing fits. */
  readonly inferApiVersion: (
    object: Readonly<Record<string, unknown>>,
  ) => { readonly apiVersion: string; readonly presumed: boolean } | undefined;
  readonly clusterScoped: (apiVersion: string, kind: string) => boolean;
}

export interface FoundObject {
  readonly object: KubeObject;
  /** The path of the object in its document: '' or `items[3]`. */
  readonly path: string;
  /** The apiVersion that was not written. */
  readonly presumed?: string;
}

/** Why a value is no object that can be used. */
export interface ObjectFault {
  /** `foreign`: not a Kubernetes object at all (package.json, values.yaml), of no interest in a folder. */
  readonly code: 'invalid' | 'foreign';
  readonly path: string;
  readonly message: string;
  readonly kind: string;
  readonly name: string;
}

export interface Found {
  readonly objects: readonly FoundObject[];
  readonly faults: readonly ObjectFault[];
}

type Fields = Readonly<Record<string, unknown>>;

const deepestList = 4;

export function objectsIn(value: unknown, rules: ReadingRules): Found {
  const objects: FoundObject[] = [];
  const faults: ObjectFault[] = [];
  collect(value, '', 0);
  return { objects, faults };

  function collect(value: unknown, path: string, depth: number): void {
    if (value === null && path === '') return;
    if (isFields(value) && isList(value) && depth < deepestList) {
      value['items'].forEach((item, index) =>
        collect(typed(item, value), path === '' ? `items[${index}]` : `${path}.items[${index}]`, depth + 1),
      );
      return;
    }
    const result = read(value, path, rules);
    if ('object' in result) objects.push(result);
    else faults.push(result);
  }
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isList(value: Fields): value is Fields & { readonly items: readonly unknown[] } {
  return typeof value['kind'] === 'string' && value['kind'].endsWith('List') && Array.isArray(value['items']);
}

/** The items of an HTTPRouteList may leave out what they are. */
function typed(item: unknown, list: Fields): unknown {
  const kind = (list['kind'] as string).slice(0, -'List'.length);
  if (kind === '' || !isFields(item) || item['kind'] !== undefined) return item;
  return { apiVersion: list['apiVersion'], kind, ...item };
}

function read(value: unknown, path: string, rules: ReadingRules): FoundObject | ObjectFault {
  if (!isFields(value)) {
    const what = Array.isArray(value) ? 'a list' : 'a single value';
    return { code: 'foreign', path, message: `is ${what}, not a Kubernetes object`, kind: '', name: '' };
  }
  const { kind, metadata } = value;
  if (typeof kind !== 'string' || kind === '') {
    const foreign = value['apiVersion'] === undefined || metadata === undefined;
    const message = 'has no kind: it is not a Kubernetes object';
    return { code: foreign ? 'foreign' : 'invalid', path: join(path, 'kind'), message, kind: '', name: '' };
  }
  const written = value['apiVersion'] ?? undefined;
  const name = isFields(metadata) && typeof metadata['name'] === 'string' ? metadata['name'] : '';
  const invalid = (field: string, message: string): ObjectFault => ({
    code: 'invalid',
    path: join(path, field),
    message,
    kind,
    name,
  });
  if (written !== undefined && !isApiVersion(written)) return invalid('apiVersion', 'must be GROUP/VERSION, or v1');
  const inferred = written === undefined ? rules.inferApiVersion(value) : undefined;
  const apiVersion = written ?? inferred?.apiVersion;
  if (apiVersion === undefined) {
    return metadata === undefined
      ? { ...invalid('apiVersion', 'has no apiVersion: it is not a Kubernetes object'), code: 'foreign' }
      : invalid('apiVersion', 'is missing, and nothing that Portolan knows has this shape');
  }
  if (kind === 'Kustomization' && name === '') {
    return { ...invalid('kind', 'is for kustomize: run `kubectl kustomize` and give its output'), code: 'foreign' };
  }
  const meta = readMetadata(metadata, rules.clusterScoped(apiVersion, kind));
  if ('field' in meta) return invalid(meta.field, meta.message);
  const { status: _status, ...fields } = value;
  const object: KubeObject = { ...fields, apiVersion, kind, metadata: meta };
  return inferred?.presumed === true ? { object, path, presumed: apiVersion } : { object, path };
}

function join(path: string, field: string): string {
  return path === '' ? field : `${path}.${field}`;
}

function isApiVersion(value: unknown): value is string {
  return typeof value === 'string' && /^(?:[a-z0-9](?:[-a-z0-9.]{0,250}[a-z0-9])?\/)?[a-z0-9]{1,63}$/.test(value);
}

interface MetaFault {
  readonly field: string;
  readonly message: string;
}

function readMetadata(value: unknown, clusterScoped: boolean): ObjectMeta | MetaFault {
  if (!isFields(value)) {
    return { field: 'metadata', message: value === undefined ? 'is missing' : 'must be an object with a name' };
  }
  const { name, namespace } = value;
  if (name === undefined || name === null || name === '') {
    return { field: 'metadata.name', message: 'is missing' };
  }
  if (typeof name !== 'string') return { field: 'metadata.name', message: mustBeText(name) };
  if (name.length > maxName || unusable.test(name)) {
    return { field: 'metadata.name', message: 'must be lower case letters, digits, `-` and `.`' };
  }
  if (namespace !== undefined && namespace !== null && typeof namespace !== 'string') {
    return { field: 'metadata.namespace', message: mustBeText(namespace) };
  }
  if (typeof namespace === 'string' && (namespace.length > maxName || unusable.test(namespace))) {
    return { field: 'metadata.namespace', message: 'must be lower case letters, digits and `-`' };
  }
  const { managedFields: _managed, namespace: _namespace, ...kept } = value;
  return {
    ...Object.fromEntries(
      Object.entries(kept).filter(([field, content]) => content !== null && trusted(field, content)),
    ),
    name,
    ...(clusterScoped ? {} : { namespace: (namespace ?? undefined) || 'default' }),
  };
}

/** What ObjectMeta promises the type of; the rest of metadata passes as it is. */
function trusted(field: string, content: unknown): boolean {
  switch (field) {
    case 'uid':
    case 'creationTimestamp':
    case 'deletionTimestamp':
      return typeof content === 'string';
    case 'generation':
      return typeof content === 'number';
    default:
      return true;
  }
}

function mustBeText(value: unknown): string {
  return typeof value === 'number' || typeof value === 'boolean'
    ? `must be text: write "${value}", with the quotes`
    : 'must be text';
}

const maxName = 253;
/** What would make a name look like two in a key: validation refuses much more. */
const unusable = /[/|#\s\p{Cc}]/u;
