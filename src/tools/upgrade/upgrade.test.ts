import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseAllDocuments } from 'yaml';
import type { KubeObject } from '../../api/objects.ts';
import { Pipeline } from '../../pipeline/pipeline.ts';
import type { Tables } from '../../pipeline/tables.ts';
import { upgrade } from './upgrade.ts';

const vintages = join(import.meta.dirname, '..', '..', '..', 'test', 'golden', 'vintages');

function objectsOf(yaml: string): KubeObject[] {
  return parseAllDocuments(yaml).map((document) => {
    const object = document.toJS() as KubeObject;
    return { ...object, metadata: { namespace: 'default', ...object.metadata } };
  });
}

function golden(name: string): KubeObject[] {
  return objectsOf(readFileSync(join(vintages, `${name}.in.yaml`), 'utf8'));
}

interface Served {
  readonly hosts: Readonly<Record<string, unknown>>;
  readonly clusters: Readonly<Record<string, unknown>>;
}

/** Who gets what, without the names of who says so; of streams only those that name hosts, where they could. */
function served(objects: readonly KubeObject[], named = false): Served {
  const pipeline = new Pipeline({
    channel: 'standard',
    controllerName: 'portolan.dev/gateway-controller',
    classes: 'any',
    presume: true,
    engine: 'embedded',
    awaitEngine: false,
  });
  for (const object of objects) pipeline.apply(object);
  pipeline.settle();
  const { tables } = pipeline;
  const hosts: Record<string, unknown> = {};
  for (const key of tables.virtualHosts.keys()) {
    const protocol = tables.frontends.get(key.slice(0, key.indexOf('|')))?.protocol;
    const entries = (tables.virtualHosts.get(key) ?? []).filter(
      ({ rank }) => !named || protocol !== 'TLS' || rank.hostname !== '',
    );
    if (entries.length > 0) hosts[key] = entries.map(({ match, rule }) => [match, actionOf(tables, rule)]);
  }
  const clusters = [...tables.clusters.keys()].map((key) => [key, tables.clusters.get(key)] as const);
  return { hosts, clusters: Object.fromEntries(clusters) };
}

function actionOf(tables: Tables, key: string): unknown {
  const action = tables.rules.get(key)?.action;
  if (action?.kind !== 'forward') return action?.kind;
  return action.backends.map(({ weight, target }) => [weight, target.kind === 'cluster' ? target.cluster : '-']);
}

for (const name of ['backend-tls-policies', 'xlistenersets']) {
  test(`${name}: what is upgraded serves as what was written does`, () => {
    const objects = golden(name);
    const { objects: upgraded } = upgrade(objects, 'standard');
    assert.deepEqual(served(upgraded), served(objects));
    // But for what was refused, which is left as it was.
    const old = upgraded.filter(({ apiVersion }) => apiVersion.includes('alpha'));
    assert.deepEqual(
      old.map(({ metadata }) => metadata.name),
      name === 'xlistenersets' ? [] : ['refused', 'elsewhere'],
    );
    assert.ok(!JSON.stringify(upgraded).includes('XListenerSet'));
  });
}

test('streams of the first vintages: v1 has no words for a TLSRoute of any name, which is said', () => {
  for (const name of ['v1alpha1-streams', 'v1alpha2-streams']) {
    const objects = golden(name);
    const { objects: upgraded, notes } = upgrade(objects, 'standard');
    assert.deepEqual(served(upgraded, true).hosts, served(objects, true).hosts);
    const unnamed = upgraded.filter(({ kind, spec }) => kind === 'TLSRoute' && !('hostnames' in (spec as object)));
    assert.ok(unnamed.length > 0);
    for (const { metadata } of unnamed) {
      const said = notes.filter(({ at }) => at.object.name === metadata.name).map(({ code }) => code);
      assert.ok(said.includes('NotCarriedOver') || said.includes('InvalidField'), `${metadata.name}: ${said.join()}`);
    }
  }
});

test('a ListenerSet of the name of an XListenerSet goes before it, which is said', () => {
  const { objects, notes } = upgrade(golden('xlistenersets'), 'standard');
  assert.equal(objects.filter(({ kind, metadata }) => kind === 'ListenerSet' && metadata.name === 'twice').length, 1);
  assert.ok(notes.some(({ code, at }) => code === 'NotCarriedOver' && at.object.name === 'twice'));
});

test('what is current stays as it is', () => {
  const objects = golden('v1alpha2-streams').filter(({ apiVersion }) => !apiVersion.includes('alpha'));
  const { objects: upgraded, notes } = upgrade(objects, 'standard');
  assert.deepEqual(notes, []);
  assert.ok(upgraded.every((object) => objects.includes(object)));
});
