// The CRD of GatewayConfigs against the engine that they configure.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { kindOf } from '../../src/api/kinds.ts';
import type { Schema } from '../../src/api/schema.ts';
import { validate } from '../../src/api/validate.ts';
import { defaultLimits } from '../../src/engines/embedded/options.ts';
import { defaultLimits as envoyDefaults } from '../../src/engines/envoy/limits.ts';
import { limitsOfEnvoy } from '../../src/routing/parameters.ts';

const schema = kindOf('portolan.dev', 'GatewayConfig', 'standard')?.versions[0]?.schema as Schema;

test('the limits of a GatewayConfig are those of the engine', () => {
  const limits = schema.properties?.['spec']?.properties?.['proxy']?.properties?.['limits'];
  assert.deepEqual(Object.keys(limits?.properties ?? {}).toSorted(), Object.keys(defaultLimits).toSorted());
});

test('the limits that count as those of Envoy are those of its engine', () => {
  assert.deepEqual([...limitsOfEnvoy].toSorted(), Object.keys(envoyDefaults).toSorted());
});

test('with the engine envoy the limits that it does not have are refused where they stand, and no others', () => {
  const refused = (limit: string, spec: object): readonly string[] => {
    const config = {
      apiVersion: 'portolan.dev/v1alpha1',
      kind: 'GatewayConfig',
      metadata: { name: 'edge', namespace: 'default' },
      spec: { ...spec, proxy: { limits: { [limit]: 1 } } },
    };
    const validation = validate(config, 'standard');
    return validation.ok ? [] : validation.problems.map(({ path }) => path);
  };
  for (const limit of Object.keys(defaultLimits)) {
    const expected = limit in envoyDefaults ? [] : ['spec.proxy.limits'];
    assert.deepEqual(refused(limit, { engine: 'envoy' }), expected, limit);
    assert.deepEqual(refused(limit, { engine: 'embedded' }), []);
    assert.deepEqual(refused(limit, {}), []);
  }
});
