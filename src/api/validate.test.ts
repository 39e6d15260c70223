// What is checked stays the object that it was as long as nothing is missing: thousands of copies would be kept.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from './objects.ts';
import { validate } from './validate.ts';

/** As an API server gives it, with defaults. */
function complete(): KubeObject {
  return {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'HTTPRoute',
    metadata: { namespace: 'shop', name: 'web' },
    spec: {
      parentRefs: [{ group: 'gateway.networking.k8s.io', kind: 'Gateway', name: 'edge' }],
      hostnames: ['web.example.com'],
      rules: [
        {
          matches: [{ path: { type: 'PathPrefix', value: '/' } }],
          backendRefs: [{ group: '', kind: 'Service', name: 'web', port: 80, weight: 1 }],
        },
      ],
    },
  };
}

function valid(object: KubeObject): KubeObject {
  const result = validate(object, 'standard');
  assert.ok(result.ok, JSON.stringify(result));
  return result.object;
}

test('an object that lacks nothing stays the same one', () => {
  const object = complete();
  assert.equal(valid(object), object);
});

test('of an object that lacks a default only what is around it is made anew, and the object itself stays as it was', () => {
  const object = complete();
  const spec = object['spec'] as { rules: { backendRefs: { weight?: number }[] }[]; parentRefs: unknown };
  delete spec.rules[0]?.backendRefs[0]?.weight;
  const before = structuredClone(object);
  const checked = valid(object);
  assert.deepEqual(object, before);
  assert.deepEqual(checked, complete());
  assert.equal((checked['spec'] as typeof spec).parentRefs, spec.parentRefs);
});

test('fields that do not exist are left out, and null is as if it were absent', () => {
  const object = complete();
  const written = {
    ...object,
    spec: { ...(object['spec'] as object), unheardOf: { of: 1 }, useDefaultGateways: null },
  };
  assert.deepEqual(valid(written), complete());
});
