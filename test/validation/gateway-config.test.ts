// The CRD of GatewayConfigs against the engine that they configure.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { kindOf } from '../../src/api/kinds.ts';
import type { Schema } from '../../src/api/schema.ts';
import { defaultLimits } from '../../src/engines/embedded/options.ts';
import { defaultLimits as envoyDefaults } from '../../src/engines/envoy/limits.ts';
import { limitsOfEnvoy } from '../../src/routing/parameters.ts';

test('the limits of a GatewayConfig are those of the engine', () => {
  const schema = kindOf('portolan.dev', 'GatewayConfig', 'standard')?.versions[0]?.schema as Schema;
  const limits = schema.properties?.['spec']?.properties?.['proxy']?.properties?.['limits'];
  assert.deepEqual(Object.keys(limits?.properties ?? {}).toSorted(), Object.keys(defaultLimits).toSorted());
});

test('the limits that count as those of Envoy are those of its engine', () => {
  assert.deepEqual([...limitsOfEnvoy].toSorted(), Object.keys(envoyDefaults).toSorted());
});
