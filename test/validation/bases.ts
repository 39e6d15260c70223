// The objects that mutations start from: all that the golden cases, the examples and the founding manifests have and that is
// accepted as it is, once for each different one, by kind.
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { kindOf, type Channel } from '../../src/api/kinds.ts';
import { groupOf, versionOf, type KubeObject } from '../../src/api/objects.ts';
import { validate } from '../../src/api/validate.ts';
import { baseOf } from './cases.ts';

export const namespace = 'validation';

const root = join(import.meta.dirname, '../..');
const manifests = ['test/golden/**/*.in.yaml', 'examples/**/*.yaml', 'test/founding/manifests/*.yaml'];

export function basesByKind(channel: Channel): Map<string, KubeObject[]> {
  const found = new Map<string, Map<string, KubeObject>>();
  for (const object of allObjects(channel)) {
    const kind = kindOf(groupOf(object.apiVersion), object.kind, channel);
    const version = kind?.versions.find(({ name }) => name === versionOf(object.apiVersion));
    if (kind === undefined || version?.served !== true) continue;
    const { name, labels, annotations } = object.metadata;
    const metadata = {
      name,
      ...(kind.namespaced ? { namespace } : {}),
      ...(labels === undefined ? {} : { labels }),
      ...(annotations === undefined ? {} : { annotations }),
    };
    const base = { ...object, metadata };
    const result = validate(base, channel);
    if (!result.ok || result.warnings.length > 0 || 'status' in base) continue;
    const id = `${kind.group}/${kind.kind}`;
    if (!found.has(id)) found.set(id, new Map());
    const { metadata: _, ...body } = base;
    found.get(id)?.set(JSON.stringify(body), base);
  }
  return new Map([...found].map(([id, objects]) => [id, [...objects.values()]]));
}

function* allObjects(channel: Channel): Iterable<KubeObject> {
  for (const file of globSync(manifests, { cwd: root }).toSorted()) {
    for (const document of parseAllDocuments(readFileSync(join(root, file), 'utf8'))) {
      const object = document.errors.length > 0 ? undefined : (document.toJS() as KubeObject | null);
      if (typeof object?.apiVersion === 'string' && typeof object.metadata?.name === 'string') yield object;
    }
  }
  for (const kind of minimal) {
    const object = baseOf(kind, channel);
    if (object !== undefined) yield object;
  }
}

const minimal = [
  'BackendTLSPolicy', 'Gateway', 'GatewayClass', 'GRPCRoute', 'HTTPRoute', 'ListenerSet', 'ReferenceGrant', 'TCPRoute', 'TLSRoute', 'UDPRoute',
  'XBackend', 'XBackendTrafficPolicy', 'XMesh', 'XTelemetryPolicy',
]; // prettier-ignore
