// Trees and bytes: both ways, against the reference implementation of the same descriptors.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readDescriptors } from '../stream/descriptors.ts';
import { codec } from './encode.ts';
import { any, duration, type Message } from './tree.ts';

const CLUSTER = 'envoy.config.cluster.v3.Cluster';

const cluster: Message = {
  name: 'one',
  type: 'EDS',
  connect_timeout: duration(1500),
  per_connection_buffer_limit_bytes: 0,
  circuit_breakers: { thresholds: [{ max_retries: 3 }, {}] },
  metadata: { filter_metadata: { a: { text: 'x', number: 1.5, yes: true, list: ['a', 2], deep: { b: '' } } } },
  typed_extension_protocol_options: {
    http: any('envoy.extensions.upstreams.http.v3.HttpProtocolOptions', {
      explicit_http_config: { http2_protocol_options: { max_concurrent_streams: 7 } },
    }),
  },
};

test('what is encoded is decoded as it was', () => {
  assert.deepEqual(codec.decode(CLUSTER, codec.encode(CLUSTER, cluster)), cluster);
});

test('the bytes are those that protobufjs reads', () => {
  const type = readDescriptors('./generated/envoy.json', import.meta.url).lookupType(CLUSTER);
  const read = type.toObject(type.decode(codec.encode(CLUSTER, cluster)), { enums: String, longs: Number });
  assert.equal(read['name'], 'one');
  assert.equal(read['type'], 'EDS');
  assert.deepEqual(read['connect_timeout'], { seconds: 1, nanos: 500_000_000 });
  assert.deepEqual(read['per_connection_buffer_limit_bytes'], { value: 0 });
});

test('a message that was encoded before stands for its tree', () => {
  const thresholds = [codec.encode('envoy.config.cluster.v3.CircuitBreakers.Thresholds', { max_retries: 3 })];
  const whole = codec.encode(CLUSTER, { name: 'a', circuit_breakers: { thresholds: [{ max_retries: 3 }] } });
  assert.deepEqual(
    Buffer.from(codec.encode(CLUSTER, { name: 'a', circuit_breakers: { thresholds } })),
    Buffer.from(whole),
  );
});

test('a mistake leaves nothing behind', () => {
  assert.throws(() => codec.encode(CLUSTER, { name: 'one', nam: 'two' }));
  assert.deepEqual(codec.decode(CLUSTER, codec.encode(CLUSTER, { name: 'three' })), { name: 'three' });
});

test('what a message does not have is a mistake of ours', () => {
  assert.throws(() => codec.encode(CLUSTER, { nam: 'one' }), /no field nam/);
  assert.throws(() => codec.encode(CLUSTER, { name: 1 }), /not a text/);
  assert.throws(() => codec.encode(CLUSTER, { type: 'NEVER' }), /never/);
  assert.throws(() => codec.encode(CLUSTER, { connect_timeout: '1e9s' }), /no duration/);
  assert.throws(() => codec.encode(CLUSTER, { per_connection_buffer_limit_bytes: -1 }), /less than nothing/);
});
