// What the chart makes, and what the image is made of, as far as it can be told without helm, a registry and a cluster.
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { commands } from '../../src/cli/commands.ts';
import { limitNames } from '../../src/cli/run/limits.ts';
import { limitsOfEnvoy } from '../../src/routing/parameters.ts';
import { list, record, text } from '../../src/support/untrusted.ts';
import type { UnknownRecord } from '../../src/support/untrusted.ts';
import { chartDigest } from '../../scripts/manifests.ts';
import type { ManifestFile } from './manifests.ts';
import { manifests, manifestText, nameOf, one, root } from './manifests.ts';
import { schema, values, valuesIn, valuesTable } from './values-table.ts';

const files: readonly ManifestFile[] = ['portolan.yaml', 'portolan-all-in-one.yaml'];
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

function podSpec(file: ManifestFile): UnknownRecord {
  const objects = manifests(file);
  const workload = one(objects, file === 'portolan.yaml' ? 'Deployment' : 'DaemonSet');
  return record(record(record(workload['spec'])['template'])['spec']);
}

function container(file: ManifestFile): UnknownRecord {
  const containers = list(podSpec(file)['containers']);
  assert.equal(containers.length, 1);
  return record(containers[0]);
}

for (const file of files) {
  test(`deploy/manifests/${file} is of the chart as it is (scripts/manifests.ts writes it)`, () => {
    const [, digest] = /Digest of the chart: (\w+)/.exec(manifestText(file)) ?? [];
    assert.equal(digest, chartDigest());
  });

  test(`${file}: the Pod may do nothing that it does not need`, () => {
    const pod = podSpec(file);
    const { securityContext, ...rest } = container(file);
    assert.deepEqual(record(pod['securityContext'])['seccompProfile'], { type: 'RuntimeDefault' });
    assert.equal(record(securityContext)['allowPrivilegeEscalation'], false);
    assert.equal(record(securityContext)['readOnlyRootFilesystem'], true);
    assert.equal(pod['volumes'], undefined);
    assert.equal(rest['volumeMounts'], undefined);
    assert.equal(pod['hostPID'], undefined);
    if (file === 'portolan.yaml') {
      assert.equal(pod['hostNetwork'], undefined);
      assert.equal(record(pod['securityContext'])['runAsNonRoot'], true);
      assert.equal(record(pod['securityContext'])['runAsUser'], 65_532);
      assert.deepEqual(record(securityContext)['capabilities'], { drop: ['ALL'] });
    } else {
      assert.deepEqual(record(securityContext)['capabilities'], { drop: ['ALL'], add: ['NET_BIND_SERVICE'] });
    }
  });

  test(`${file}: the command line is one that the controller takes, and probes ask what is there`, () => {
    const args = list(container(file)['args']).map(String);
    const controller = commands.find(({ name }) => name === 'controller');
    const flags = controller?.flags.flatMap(({ flags }) => flags) ?? [];
    assert.equal(args[0], 'controller');
    for (const [index, arg] of args.entries()) {
      if (!arg.startsWith('--')) continue;
      const flag = flags.find(({ name }) => `--${name}` === arg);
      assert.ok(flag, `${arg} is no flag of portolan controller`);
      assert.equal(flag.value === undefined, args[index + 1]?.startsWith('--') ?? true, arg);
    }
    const ports = list(container(file)['ports']).map((port) => record(port));
    const admin = args[args.indexOf('--admin') + 1] ?? '';
    assert.ok(admin.endsWith(`:${String(ports.find(({ name }) => name === 'admin')?.['containerPort'])}`));
    const paths = ['readinessProbe', 'livenessProbe'].map(
      (probe) => record(record(container(file)[probe])['httpGet'])['path'],
    );
    assert.deepEqual(paths, ['/readyz', '/healthz']);
  });

  test(`${file}: every object is in the namespace, or needs none, and is bound to who is there`, () => {
    const clusterScoped = new Set(['Namespace', 'ClusterRole', 'ClusterRoleBinding', 'GatewayClass']);
    const objects = manifests(file);
    for (const object of objects) {
      const { namespace } = record(object['metadata']);
      const kind = text(object['kind']) ?? '';
      assert.equal(namespace, clusterScoped.has(kind) ? undefined : 'portolan', `${kind} ${nameOf(object)}`);
      if (kind !== 'RoleBinding' && kind !== 'ClusterRoleBinding') continue;
      const role = record(object['roleRef']);
      one(objects, String(role['kind']), String(role['name']));
      assert.deepEqual(object['subjects'], [
        { kind: 'ServiceAccount', name: nameOf(one(objects, 'ServiceAccount')), namespace: 'portolan' },
      ]);
    }
    assert.equal(objects.filter(({ kind }) => kind === 'CustomResourceDefinition').length, 0);
  });
}

test('without an image with Envoy in the values the controller is given none', () => {
  assert.ok(!list(container('portolan.yaml')['args']).includes('--envoy-image'));
});

test('data planes find the stream: Service, port and Pods belong together', () => {
  const objects = manifests('portolan.yaml');
  const { selector, ports } = record(one(objects, 'Service')['spec']);
  const deployment = record(one(objects, 'Deployment')['spec']);
  assert.deepEqual(record(deployment['selector'])['matchLabels'], selector);
  const port = record(list(ports)[0]);
  const args = list(container('portolan.yaml')['args']).map(String);
  assert.equal(args[args.indexOf('--advertise') + 1], `portolan-controller.portolan.svc:${String(port['port'])}`);
  assert.equal(args[args.indexOf('--stream-address') + 1], `:${String(port['port'])}`);
  assert.equal(port['targetPort'], 'stream');
});

test('the schema is strict, describes each value, and knows no other than values.yaml', () => {
  for (const value of valuesIn(schema, values)) assert.notEqual(value.description, '', value.path);
  assertStrict(schema, values, '');
});

function assertStrict(schema: UnknownRecord, values: UnknownRecord, path: string): void {
  assert.equal(schema['additionalProperties'], false, path);
  const known = Object.keys(record(schema['properties'])).filter((name) => name !== 'global');
  assert.deepEqual(known.toSorted(), Object.keys(values).toSorted(), path);
  for (const name of known) {
    const part = record(record(schema['properties'])[name]);
    if (part['properties'] !== undefined) assertStrict(part, record(values[name]), `${path}.${name}`);
  }
}

test('the schema knows the limits of the command line, and those that Envoy has', () => {
  const named = (definition: string): readonly string[] => {
    const [pattern = ''] = Object.keys(record(record(record(schema['definitions'])[definition])['patternProperties']));
    return pattern.slice(2, -2).split('|');
  };
  const all = limitNames().map(({ name }) => name);
  assert.deepEqual(named('limits'), all);
  const camel = (name: string): string => name.replaceAll(/-[a-z]/g, ([, letter = '']) => letter.toUpperCase());
  assert.deepEqual(
    named('limitsOfEnvoy'),
    all.filter((name) => limitsOfEnvoy.has(camel(name))),
  );
});

test('docs/guides/install.md tells each value as the schema does (UPDATE_GOLDEN=1 writes it)', () => {
  const path = join(root, 'docs/guides/install.md');
  const page = readFileSync(path, 'utf8');
  const updated = page.replace(
    /(<!-- values -->\n)[^]*?(\n<!-- \/values -->)/,
    (_, start, end) => `${start}\n${valuesTable()}${end}`,
  );
  if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(path, updated);
  assert.ok(updated.includes('`image.repository`'));
  assert.equal(readFileSync(path, 'utf8'), updated);
});

test('versions of the chart and of the image are that of the package', () => {
  const { version, devDependencies } = JSON.parse(read('package.json')) as {
    version: string;
    devDependencies: Readonly<Record<string, string>>;
  };
  assert.match(read('deploy/helm/portolan/Chart.yaml'), new RegExp(`^appVersion: ${version}$`, 'm'));
  assert.match(read('deploy/Dockerfile'), new RegExp(`^ARG VERSION=${version}$`, 'm'));
  assert.match(read('deploy/Dockerfile'), new RegExp(`^ARG NODE_IMAGE=node:${devDependencies['node']}-`, 'm'));
  const [, envoy = 'none'] = /^VERSION=(.*)$/m.exec(read('scripts/envoy.sh')) ?? [];
  assert.match(
    read('deploy/Dockerfile'),
    new RegExp(`^ARG ENVOY_IMAGE=\\S+-v${envoy}$`, 'm'),
    'the Envoy that is tested',
  );
});

test('the image holds what is published, and the context has what is copied', () => {
  const { files } = JSON.parse(read('package.json')) as { files: readonly string[] };
  const stages = read('deploy/Dockerfile').split(/^FROM /m);
  const image = stages.find((stage) => stage.startsWith('scratch AS portolan\n')) ?? '';
  const copied = [...image.matchAll(/^COPY (?:--from=\S+ )?(.*) \S+$/gm)].flatMap(([, sources = '']) =>
    sources.split(' ').map((source) => source.replace(/^\/build\//, '')),
  );
  assert.deepEqual(copied.toSorted(), [...files, 'package.json', 'node_modules', '/root-of-image'].toSorted());
  const context = read('.dockerignore')
    .split('\n')
    .filter((line) => line.startsWith('!'))
    .map((line) => line.slice(1));
  const fromContext = stages.flatMap((stage) =>
    [...stage.matchAll(/^COPY (?!--from)(.*) \S+$/gm)].flatMap(([, sources = '']) => sources.split(' ')),
  );
  assert.deepEqual([...new Set(fromContext)].toSorted(), context.toSorted());
  for (const source of context) assert.ok(existsSync(join(root, source)), source);
  assert.match(image, /^USER 65532:65532$/m);
  assert.equal(stages.at(-1)?.trim(), 'portolan', 'what is built when no target is named');
  const withEnvoy = stages.find((stage) => stage.startsWith('portolan AS envoy\n')) ?? '';
  assert.doesNotMatch(withEnvoy, /^USER/m);
});
