// What must hold for any objects in any order: settling piece by piece gives what settling once gives; the order of
// arrival does not matter; nothing is left when everything is gone; no object breaks the pipeline or its neighbours.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { KubeObject } from '../../src/api/objects.ts';
import type { Table } from '../../src/incremental/table.ts';
import { dump } from '../../src/pipeline/dump.ts';
import type { PipelineOptions } from '../../src/pipeline/pipeline.ts';
import { Pipeline } from '../../src/pipeline/pipeline.ts';
import { refOf } from '../../src/pipeline/sources.ts';
import { refKey } from '../../src/routing/origin.ts';
import { compareText } from '../../src/support/sorted.ts';
import { Replica } from './pipeline-replica.ts';
import { anyObject, damaged, history } from './pipeline-objects.ts';

const options: PipelineOptions = {
  channel: 'standard',
  controllerName: 'x.y/us',
  classes: 'any',
  presume: true,
  engine: 'embedded',
  awaitEngine: false,
};

const runs = Number(process.env['PROPERTY_RUNS'] ?? 40);

/** Everything that anyone can see of a pipeline. */
function seen(pipeline: Pipeline): unknown {
  const { statuses, attached, policies } = pipeline.tables;
  const rows = (table: Table<unknown>): unknown =>
    [...table.keys()].toSorted(compareText).map((key) => [key, table.get(key)]);
  return structuredClone({
    model: dump(pipeline.tables),
    statuses: rows(statuses),
    attached: rows(attached),
    policies: rows(policies),
    problems: pipeline.problems(),
    presumed: pipeline.presumed(),
  });
}

function fromScratch(objects: Iterable<KubeObject>): Pipeline {
  const pipeline = new Pipeline(options);
  for (const object of objects) pipeline.apply(object);
  pipeline.settle();
  return pipeline;
}

test('piece by piece is as good as all at once, and the updates lead an engine there', () => {
  fc.assert(
    fc.property(history, (steps) => {
      const pipeline = new Pipeline(options);
      const replica = new Replica();
      const standing = new Map<string, KubeObject>();
      for (const { object, delete: gone, settle } of steps) {
        const key = refKey(refOf(object));
        if (gone) {
          standing.delete(key);
          pipeline.delete(object);
        } else {
          standing.set(key, object);
          pipeline.apply(object);
        }
        if (settle) replica.apply(pipeline.settle().update);
      }
      replica.apply(pipeline.settle().update);
      const whole = fromScratch(standing.values());
      assert.deepEqual(seen(pipeline), seen(whole));
      assert.deepEqual(replica.rows(), new Replica().apply(whole.snapshot()).rows());
    }),
    { numRuns: runs },
  );
});

test('the order of arrival does not matter', () => {
  const objects = fc.uniqueArray(anyObject, {
    maxLength: 30,
    size: 'max',
    selector: (object) => refKey(refOf(object)),
  });
  const shuffled = objects.chain((list) =>
    fc.record({ list: fc.constant(list), other: fc.shuffledSubarray([...list], { minLength: list.length }) }),
  );
  fc.assert(
    fc.property(shuffled, ({ list, other }) => {
      assert.deepEqual(seen(fromScratch(list)), seen(fromScratch(other)));
    }),
    { numRuns: runs },
  );
});

test('when everything is gone, nothing is left', () => {
  fc.assert(
    fc.property(history, (steps) => {
      const pipeline = fromScratch(steps.map(({ object }) => object));
      for (const { object } of steps) pipeline.delete(object);
      pipeline.settle();
      const { placements: _placements, reports: _reports, ...tables } = pipeline.tables;
      for (const [name, table] of Object.entries(tables)) assert.equal(table.size, 0, name);
      assert.deepEqual(pipeline.problems(), []);
      assert.deepEqual(pipeline.presumed(), []);
    }),
    { numRuns: runs },
  );
});

test('damaged objects break neither the pipeline nor their neighbours', () => {
  const bystanders: readonly KubeObject[] = [
    {
      apiVersion: 'gateway.networking.k8s.io/v1',
      kind: 'Gateway',
      metadata: { name: 'quiet', namespace: 'apart' },
      spec: { gatewayClassName: 'calm', listeners: [{ name: 'http', port: 80, protocol: 'HTTP' }] },
    },
    {
      apiVersion: 'gateway.networking.k8s.io/v1',
      kind: 'HTTPRoute',
      metadata: { name: 'quiet', namespace: 'apart' },
      spec: { parentRefs: [{ name: 'quiet' }], rules: [{ backendRefs: [{ name: 'quiet', port: 80 }] }] },
    },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'quiet', namespace: 'apart' },
      spec: { ports: [{ port: 80 }] },
    },
  ];
  const alone = quietRows(fromScratch(bystanders));
  assert.ok(JSON.stringify(alone).includes('"attachedRoutes":1'));
  fc.assert(
    fc.property(
      fc.array(fc.oneof(anyObject, damaged(anyObject), damaged(anyObject)), { maxLength: 25, size: 'max' }),
      (objects) => {
        const pipeline = fromScratch([...objects, ...bystanders]);
        pipeline.problems();
        pipeline.presumed();
        assert.deepEqual(quietRows(pipeline), alone);
      },
    ),
    { numRuns: runs * 2 },
  );
});

/** The rows of the model and the statuses that belong to the bystanders. */
function quietRows(pipeline: Pipeline): unknown {
  const { statuses } = pipeline.tables;
  const model = Object.entries(dump(pipeline.tables)).map(([table, rows]) => [
    table,
    Object.entries(rows).filter(([key]) => key.startsWith('apart/')),
  ]);
  const own = [...statuses.keys()].filter((key) => key.includes('/apart/')).toSorted(compareText);
  return structuredClone([model, own.map((key) => statuses.get(key))]);
}
