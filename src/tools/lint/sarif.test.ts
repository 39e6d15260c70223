import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Finding, LintReport } from './finding.ts';
import { toSarif, type Locate } from './sarif.ts';

const at = (name: string, path: string): Finding['at'] => ({
  object: { group: 'gateway.networking.k8s.io', kind: 'HTTPRoute', namespace: 'shop', name },
  path,
});
const findings: readonly Finding[] = [
  {
    severity: 'error',
    code: 'BackendNotFound',
    at: at('cart', 'spec.rules[0].backendRefs[0]'),
    message: 'the backend Service shop/web does not exist',
    fix: 'create Service shop/web',
    related: [],
  },
  {
    severity: 'warning',
    code: 'ConflictingMatch',
    at: at('pay', 'spec.rules[0].matches[0]'),
    message: 'HTTPRoute shop/cart takes every request',
    related: [{ at: at('cart', 'spec.rules[0].matches[0]'), message: 'takes them first' }],
  },
  { severity: 'info', code: 'UnusedListener', at: at('nowhere', ''), message: 'no route', related: [] },
];
const report: LintReport = { findings, counts: { error: 1, warning: 1, info: 1 } };
const locate: Locate = ({ object, path }) =>
  object.name === 'nowhere' ? undefined : { file: `routes/${object.name} #1.yaml`, line: path.length, column: 3 };

interface Result {
  readonly ruleId: string;
  readonly ruleIndex: number;
  readonly level: string;
  readonly message: { readonly text: string };
  readonly locations: readonly unknown[];
  readonly relatedLocations?: readonly unknown[];
  readonly partialFingerprints: Readonly<Record<string, string>>;
}
interface Log {
  readonly version: string;
  readonly runs: readonly {
    readonly tool: {
      readonly driver: {
        readonly name: string;
        readonly version: string;
        readonly rules: readonly { readonly id: string; readonly shortDescription: { readonly text: string } }[];
      };
    };
    readonly results: readonly Result[];
  }[];
}

test('a report as SARIF', () => {
  const log = toSarif(report, locate, '1.2.3') as unknown as Log;
  assert.equal(log.version, '2.1.0');
  const [run] = log.runs;
  assert.ok(run !== undefined && log.runs.length === 1);
  const { name, version, rules } = run.tool.driver;
  assert.deepEqual([name, version], ['portolan', '1.2.3']);
  assert.deepEqual(
    rules.map(({ id, shortDescription }) => [id, shortDescription.text]),
    [
      ['BackendNotFound', 'Backend not found.'],
      ['ConflictingMatch', 'Two routes claim the same requests, and only their age or their names decide.'],
      ['UnusedListener', 'No route is attached to this listener.'],
    ],
  );
  assert.deepEqual(
    run.results.map(({ ruleId, ruleIndex, level }) => [ruleId, rules[ruleIndex]?.id, level]),
    [
      ['BackendNotFound', 'BackendNotFound', 'error'],
      ['ConflictingMatch', 'ConflictingMatch', 'warning'],
      ['UnusedListener', 'UnusedListener', 'note'],
    ],
  );
  const [first, second, third] = run.results;
  assert.equal(
    first?.message.text,
    'HTTPRoute shop/cart: the backend Service shop/web does not exist\ncreate Service shop/web',
  );
  assert.deepEqual(first.locations, [
    {
      physicalLocation: {
        artifactLocation: { uri: 'routes/cart%20%231.yaml' },
        region: { startLine: 28, startColumn: 3 },
      },
      logicalLocations: [{ fullyQualifiedName: 'HTTPRoute shop/cart spec.rules[0].backendRefs[0]', kind: 'object' }],
    },
  ]);
  assert.deepEqual(second?.relatedLocations, [
    {
      id: 0,
      physicalLocation: {
        artifactLocation: { uri: 'routes/cart%20%231.yaml' },
        region: { startLine: 24, startColumn: 3 },
      },
      logicalLocations: [{ fullyQualifiedName: 'HTTPRoute shop/cart spec.rules[0].matches[0]', kind: 'object' }],
      message: { text: 'HTTPRoute shop/cart: takes them first' },
    },
  ]);
  assert.deepEqual(third?.locations, [
    { logicalLocations: [{ fullyQualifiedName: 'HTTPRoute shop/nowhere', kind: 'object' }] },
  ]);
});

test('a finding keeps its fingerprint wherever it stands in its file', () => {
  const prints = (locate: Locate): string[] =>
    (toSarif(report, locate, '1') as unknown as Log).runs[0]?.results.map(
      ({ partialFingerprints }) => partialFingerprints['portolan/v1'] ?? '',
    ) ?? [];
  assert.deepEqual(
    prints(() => undefined),
    prints(locate),
  );
  assert.equal(new Set(prints(locate)).size, findings.length);
});
