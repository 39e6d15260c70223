// The examples of the Gateway API's own repository: what it says is valid is accepted in its channel, what it says is invalid
// is refused. They are not kept here: GATEWAY_API names the folder of the Go module sigs.k8s.io/gateway-api, unpacked.
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseAllDocuments } from 'yaml';
import { isClusterScoped } from '../../src/api/kinds.ts';
import { groupOf, type KubeObject } from '../../src/api/objects.ts';
import { validate } from '../../src/api/validate.ts';

const root = process.env['GATEWAY_API'] ?? '';

for (const channel of root === '' ? [] : (['standard', 'experimental'] as const)) {
  for (const file of globSync(`examples/${channel}/**/*.yaml`, { cwd: root })) {
    test(`accepts ${file}`, () => {
      const problems = objectsIn(file).flatMap((object) => {
        const result = validate(object, channel);
        return result.ok ? result.warnings : result.problems;
      });
      assert.deepEqual(problems, []);
    });
  }
  for (const file of globSync(`hack/invalid-examples/${channel}/**/*.yaml`, { cwd: root })) {
    test(`refuses ${file}`, () => {
      assert.ok(objectsIn(file).some((object) => !validate(object, channel).ok));
    });
  }
}

function objectsIn(file: string): KubeObject[] {
  return parseAllDocuments(readFileSync(join(root, file), 'utf8'))
    .map((document) => document.toJS() as KubeObject | null)
    .filter((object) => object !== null)
    .map((object) =>
      isClusterScoped(groupOf(object.apiVersion), object.kind)
        ? object
        : { ...object, metadata: { namespace: 'default', ...object.metadata } },
    );
}
