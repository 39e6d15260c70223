// docs/guides/rbac.md against the roles of the chart, without a cluster: with one, `npm run test:install` asks it the same.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { list, record, text } from '../../src/support/untrusted.ts';
import type { UnknownRecord } from '../../src/support/untrusted.ts';
import { aggregatedTo, allows, manifests, nameOf, one, rulesOf } from './manifests.ts';
import type { Rule } from './manifests.ts';
import { asked, bindings } from './people.ts';

const objects = [...manifests('portolan.yaml'), ...bindings()];

/** As much of the edit that every cluster has as the table asks for. */
const editOfEveryCluster: readonly Rule[] = [
  { verbs: ['get', 'list', 'watch'], resources: ['secrets'], names: [] },
  { verbs: ['create', 'update', 'patch', 'delete'], resources: ['secrets', 'services', 'deployments.apps'], names: [] },
];

function rulesBoundBy(binding: UnknownRecord): readonly Rule[] {
  const role = text(record(binding['roleRef'])['name']) ?? '';
  if (role === 'edit') return [...aggregatedTo(objects, 'edit'), ...editOfEveryCluster];
  return rulesOf(objects, one(objects, 'ClusterRole', role));
}

function may(user: string, verb: string, { resource, namespace }: { resource: string; namespace: string }): boolean {
  return bindings().some((binding) => {
    const within = text(record(binding['metadata'])['namespace']);
    const isBound = list(binding['subjects']).some((subject) => record(subject)['name'] === user);
    const isThere = binding['kind'] === 'ClusterRoleBinding' || within === namespace;
    return isBound && isThere && allows(rulesBoundBy(binding), { verb, resource });
  });
}

test('what the guide says of people is what the roles say', () => {
  const rows = asked();
  assert.ok(rows.length > 100);
  for (const row of rows)
    assert.equal(
      may(row.user, row.verb, row),
      row.may,
      `${row.user} ${row.verb} ${row.resource} in ${row.namespace || 'the cluster'}`,
    );
});

test('no role for people names Secrets, statuses, roles, or everything', () => {
  const ofPeople = objects.filter(
    (object) => object['kind'] === 'ClusterRole' && nameOf(object).startsWith('portolan-'),
  );
  assert.equal(ofPeople.length, 3 + 6);
  for (const role of ofPeople) {
    for (const { resources, verbs } of rulesOf(objects, role)) {
      for (const resource of resources) {
        assert.doesNotMatch(resource, /^secrets|\/status$|rbac\.authorization|\*/, nameOf(role));
      }
      assert.ok(!verbs.some((verb) => ['*', 'bind', 'escalate', 'impersonate'].includes(verb)), nameOf(role));
    }
  }
});

test('every kind that is served can be read by view, and is written by one of the people', () => {
  const watched = rulesOf(objects, one(objects, 'ClusterRole', 'portolan:portolan:watch'))
    .flatMap(({ resources }) => resources)
    .filter((resource) => /gateway\.networking|portolan\.dev/.test(resource) && !resource.endsWith('/status'));
  const written = ['platform-provider', 'cluster-operator', 'application-developer'].flatMap((persona) =>
    rulesOf(objects, one(objects, 'ClusterRole', `portolan-${persona}`)),
  );
  assert.ok(watched.length >= 12);
  for (const resource of [...watched, 'gatewayclasses.gateway.networking.k8s.io']) {
    assert.ok(allows(aggregatedTo(objects, 'view'), { verb: 'watch', resource }), resource);
    assert.ok(allows(written, { verb: 'create', resource }), resource);
  }
});
