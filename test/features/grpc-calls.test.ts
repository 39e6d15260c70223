// gRPC through the front door with a real client and server: all four kinds of calls, metadata, trailers, deadlines, cancels
// and the statuses of calls that no backend answers. Cleartext and TLS.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http2 from 'node:http2';
import { before, describe, it } from './engine-tests.ts';
import { onEnvoy } from './test-engine.ts';
import grpc from '@grpc/grpc-js';
import { atEnd, type Gateway, listen, secret, service, startGateway } from './http2-gateway.ts';
import { certificateFor } from './tls-certificates.ts';
import { eventually } from '../eventually.ts';

const identity = (octets: Buffer): Buffer => octets;

function method(path: string, requestStream: boolean, responseStream: boolean): grpc.MethodDefinition<Buffer, Buffer> {
  return {
    path,
    requestStream,
    responseStream,
    requestSerialize: identity,
    requestDeserialize: identity,
    responseSerialize: identity,
    responseDeserialize: identity,
  };
}

const methods = {
  unary: method('/test.Echo/Unary', false, false),
  upload: method('/test.Echo/Upload', true, false),
  download: method('/test.Echo/Download', false, true),
  chat: method('/test.Echo/Chat', true, true),
  fail: method('/test.Echo/Fail', false, false),
  drip: method('/test.Echo/Drip', false, true),
};

/** What the server saw of calls that ended early. */
const cancelled: string[] = [];

function echo(): grpc.UntypedServiceImplementation {
  return {
    unary: (call: grpc.ServerUnaryCall<Buffer, Buffer>, done: grpc.sendUnaryData<Buffer>) => {
      const initial = new grpc.Metadata();
      initial.set('x-initial', call.metadata.get('x-mine').join('|'));
      initial.set('x-deadline', String(call.getDeadline() instanceof Date || Number.isFinite(call.getDeadline())));
      initial.set('octets-bin', call.metadata.get('octets-bin')[0] ?? Buffer.alloc(0));
      call.sendMetadata(initial);
      const trailing = new grpc.Metadata();
      trailing.set('x-trailing', 'end');
      done(null, call.request, trailing);
    },
    upload: (call: grpc.ServerReadableStream<Buffer, Buffer>, done: grpc.sendUnaryData<Buffer>) => {
      let size = 0;
      call.on('data', (octets: Buffer) => {
        size += octets.length;
      });
      call.on('end', () => done(null, Buffer.from(String(size))));
      call.on('cancelled', () => cancelled.push('upload'));
    },
    download: (call: grpc.ServerWritableStream<Buffer, Buffer>) => {
      for (let i = 0; i < 100; i++) call.write(Buffer.from(`${String(call.request)} ${i}`));
      call.end();
    },
    chat: (call: grpc.ServerDuplexStream<Buffer, Buffer>) => {
      call.on('data', (octets: Buffer) => call.write(Buffer.from(`re: ${String(octets)}`)));
      call.on('end', () => call.end());
      call.on('cancelled', () => cancelled.push('chat'));
    },
    fail: (_call: unknown, done: grpc.sendUnaryData<Buffer>) => {
      const metadata = new grpc.Metadata();
      metadata.set('x-why', 'because');
      done({ code: grpc.status.FAILED_PRECONDITION, details: 'no, 100% no', metadata });
    },
    drip: (call: grpc.ServerWritableStream<Buffer, Buffer>) => {
      call.write(Buffer.from('first'));
      call.on('cancelled', () => cancelled.push('drip'));
    },
  };
}

async function backend(): Promise<number> {
  const server = new grpc.Server();
  server.addService(methods, echo());
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) => {
      if (error === null) resolve(bound);
      else reject(error);
    });
  });
  atEnd(() => server.forceShutdown());
  return port;
}

/** A service that cares for no deadline: `…/Silent` never answers, `…/Begun` begins to, `…/Broken` breaks off. */
async function careless(): Promise<number> {
  const server = http2.createServer();
  server.on('stream', (stream: http2.ServerHttp2Stream, headers) => {
    stream.on('error', () => {});
    stream.on('close', () => cancelled.push(`careless ${stream.rstCode}`));
    stream.resume();
    if (headers[':path']?.endsWith('/Silent') === true) return;
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' });
    stream.write(Buffer.alloc(5));
    if (headers[':path']?.endsWith('/Broken') === true) setTimeout(() => stream.destroy(new Error('broken')), 20);
  });
  return listen(server);
}

function grpcRoute(name: string, spec: string): string {
  return `---
apiVersion: gateway.networking.k8s.io/v1
kind: GRPCRoute
metadata: { name: ${name} }
spec:
  parentRefs: [{ name: gw }]
  hostnames: [${name}.test]
  rules:
${spec}`;
}

let gateway: Gateway;
let certificate: string;
before(async () => {
  const row = await certificateFor('default/cert', ['echo.test']);
  certificate = row.certificate;
  gateway = await startGateway(
    `apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: gw }
spec:
  gatewayClassName: any
  listeners:
  - { name: http, port: 80, protocol: HTTP }
  - { name: https, port: 443, protocol: HTTPS, tls: { certificateRefs: [{ name: cert }] } }
${secret(row)}` +
      grpcRoute(
        'echo',
        '  - { matches: [{ method: { service: test.Echo } }], backendRefs: [{ name: echo, port: 8080 }] }\n',
      ) +
      grpcRoute('broken', '  - { backendRefs: [{ name: missing, port: 8080 }] }\n') +
      grpcRoute('empty', '  - { backendRefs: [{ name: empty, port: 8080 }] }\n') +
      grpcRoute('refusing', '  - { backendRefs: [{ name: refusing, port: 8080 }] }\n') +
      grpcRoute('careless', '  - { backendRefs: [{ name: careless, port: 8080 }] }\n') +
      service('careless', await careless()) +
      service('echo', await backend()) +
      service('refusing', 1) +
      service('empty', 1).replace('ready: true', 'ready: false') +
      // The same backend behind an HTTPRoute with a timeout of its own.
      `---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: hurried }
spec:
  parentRefs: [{ name: gw }]
  hostnames: [hurried.test]
  rules: [{ backendRefs: [{ name: h2c, port: 8080 }], timeouts: { request: 500ms } }]
${service('h2c', await careless(), 'kubernetes.io/h2c')}`,
  );
});

type Client = grpc.Client;

function connect(authority: string, tls = false): Client {
  const port = gateway.port(tls ? 443 : 80);
  const credentials = tls ? grpc.credentials.createSsl(Buffer.from(certificate)) : grpc.credentials.createInsecure();
  const client = new grpc.Client(`127.0.0.1:${port}`, credentials, {
    'grpc.default_authority': authority,
    ...(tls ? { 'grpc.ssl_target_name_override': authority } : {}),
  });
  atEnd(() => client.close());
  return client;
}

interface Outcome {
  readonly code: number;
  readonly details: string;
  readonly value: string;
  readonly initial: grpc.Metadata;
  readonly trailing: grpc.Metadata;
}

function unary(
  client: Client,
  path: string,
  options: { metadata?: grpc.Metadata; deadline?: number } = {},
): Promise<Outcome> {
  return new Promise((resolve) => {
    let initial = new grpc.Metadata();
    let value = '';
    const call = client.makeUnaryRequest(
      path,
      identity,
      identity,
      Buffer.from('hello'),
      options.metadata ?? new grpc.Metadata(),
      options.deadline === undefined ? {} : { deadline: Date.now() + options.deadline },
      (_error, answer) => {
        value = String(answer ?? '');
      },
    );
    call.on('metadata', (metadata) => {
      initial = metadata;
    });
    call.on('status', ({ code, details, metadata }) => {
      resolve({ code, details, value, initial, trailing: metadata });
    });
  });
}

for (const tls of [false, true]) {
  describe(tls ? 'gRPC over TLS' : 'gRPC in cleartext', () => {
    it('unary, with metadata and trailers', async () => {
      const metadata = new grpc.Metadata();
      metadata.add('x-mine', 'a');
      metadata.add('x-mine', 'b');
      metadata.set('octets-bin', Buffer.from([0, 255, 10]));
      const outcome = await unary(connect('echo.test', tls), methods.unary.path, { metadata, deadline: 5000 });
      assert.equal(outcome.code, grpc.status.OK);
      assert.equal(outcome.value, 'hello');
      assert.deepEqual(outcome.initial.get('x-initial'), ['a, b']);
      assert.deepEqual(outcome.initial.get('x-deadline'), ['true'], 'the deadline is passed on');
      assert.deepEqual(outcome.initial.get('octets-bin'), [Buffer.from([0, 255, 10])]);
      assert.deepEqual(outcome.trailing.get('x-trailing'), ['end']);
    });

    it('many at once', async () => {
      const client = connect('echo.test', tls);
      const outcomes = await Promise.all(Array.from({ length: 50 }, () => unary(client, methods.unary.path)));
      assert.deepEqual([...new Set(outcomes.map(({ code }) => code))], [grpc.status.OK]);
    });

    it('client streaming', async () => {
      const client = connect('echo.test', tls);
      const answer = await new Promise<string>((resolve, reject) => {
        const call = client.makeClientStreamRequest(methods.upload.path, identity, identity, (error, value) => {
          if (error === null) resolve(String(value));
          else reject(error);
        });
        for (let i = 0; i < 50; i++) call.write(Buffer.alloc(20_000));
        call.end();
      });
      assert.equal(answer, '1000000');
    });

    it('server streaming', async () => {
      const client = connect('echo.test', tls);
      const call = client.makeServerStreamRequest(methods.download.path, identity, identity, Buffer.from('n'));
      const got: string[] = [];
      call.on('data', (octets: Buffer) => got.push(String(octets)));
      const [status] = (await once(call, 'status')) as [grpc.StatusObject];
      assert.equal(status.code, grpc.status.OK);
      assert.equal(got.length, 100);
      assert.equal(got[99], 'n 99');
    });

    it('both ways, one message after the other', async () => {
      const client = connect('echo.test', tls);
      const call = client.makeBidiStreamRequest(methods.chat.path, identity, identity);
      for (let i = 0; i < 5; i++) {
        call.write(Buffer.from(`${i}`));
        const [octets] = (await once(call, 'data')) as [Buffer];
        assert.equal(String(octets), `re: ${i}`);
      }
      call.end();
      call.resume();
      const [status] = (await once(call, 'status')) as [grpc.StatusObject];
      assert.equal(status.code, grpc.status.OK);
    });

    it('a failure of the service, with its message and trailers', async () => {
      const { code, details, trailing } = await unary(connect('echo.test', tls), methods.fail.path);
      assert.equal(code, grpc.status.FAILED_PRECONDITION);
      assert.equal(details, 'no, 100% no');
      assert.deepEqual(trailing.get('x-why'), ['because']);
    });

    it('a cancel, which reaches the service', async () => {
      cancelled.length = 0;
      const call = connect('echo.test', tls).makeServerStreamRequest(
        methods.drip.path,
        identity,
        identity,
        Buffer.alloc(0),
      );
      call.on('error', () => {});
      await once(call, 'data');
      call.cancel();
      await eventually(() => cancelled.includes('drip'));
      const chat = connect('echo.test', tls).makeBidiStreamRequest(methods.chat.path, identity, identity);
      chat.on('error', () => {});
      chat.write(Buffer.from('x'));
      await once(chat, 'data');
      chat.cancel();
      await eventually(() => cancelled.includes('chat'));
    });
  });
}

/** Without a client of gRPC, which has a deadline of its own: what the gateway says. */
async function rawCall(authority: string, path: string, timeout?: string): Promise<http2.IncomingHttpHeaders> {
  const session = http2.connect(`http://127.0.0.1:${gateway.port(80)}`);
  atEnd(() => session.destroy());
  const stream = session.request({
    ':method': 'POST',
    ':path': path,
    ':authority': authority,
    'content-type': 'application/grpc',
    te: 'trailers',
    ...(timeout === undefined ? {} : { 'grpc-timeout': timeout }),
  });
  // One empty message.
  stream.end(Buffer.alloc(5));
  let fields: http2.IncomingHttpHeaders = {};
  stream.on('response', (headers) => {
    fields = { ...fields, ...headers };
  });
  stream.on('trailers', (trailers) => {
    fields = { ...fields, ...trailers };
  });
  stream.resume();
  await once(stream, 'close');
  session.close();
  return fields;
}

describe('a call that no backend answers', () => {
  it('UNIMPLEMENTED without a matching rule, as a response of trailers only', async () => {
    const { code } = await unary(connect('echo.test'), '/other.Service/Method');
    assert.equal(code, grpc.status.UNIMPLEMENTED);
    assert.equal((await unary(connect('unknown.test'), methods.unary.path)).code, grpc.status.UNIMPLEMENTED);
    const fields = await rawCall('unknown.test', '/a/b');
    assert.equal(fields[':status'], 200);
    assert.equal(fields['grpc-status'], '12');
    assert.equal(fields['content-type'], 'application/grpc');
  });

  it('UNAVAILABLE without backend, endpoint or connection', async () => {
    for (const authority of ['broken.test', 'empty.test', 'refusing.test']) {
      const { code } = await unary(connect(authority), methods.unary.path);
      assert.equal(code, grpc.status.UNAVAILABLE, authority);
    }
  });

  it('DEADLINE_EXCEEDED when the rule gives no more time', async () => {
    cancelled.length = 0;
    const fields = await rawCall('hurried.test', '/a.B/Silent');
    assert.equal(fields[':status'], 200);
    assert.equal(fields['grpc-status'], '4');
    assert.equal(fields['content-type'], 'application/grpc');
    await eventually(() => cancelled.some((each) => (onEnvoy ? /^careless/ : /^careless 8$/).test(each)));
  });

  it("DEADLINE_EXCEEDED at the call's own deadline, which the gateway keeps too", async () => {
    cancelled.length = 0;
    const fields = await rawCall('careless.test', '/a.B/Silent', '500m');
    assert.equal(fields[':status'], 200);
    assert.equal(fields['grpc-status'], '4');
    await eventually(() => cancelled.some((each) => (onEnvoy ? /^careless/ : /^careless 8$/).test(each)));
    const { code } = await unary(connect('careless.test'), '/a.B/Silent', { deadline: 100 });
    assert.equal(code, grpc.status.DEADLINE_EXCEEDED);
  });

  it("the shorter of the rule's and the call's deadlines", async () => {
    const begin = performance.now();
    assert.equal((await rawCall('hurried.test', '/a.B/Silent', '30S'))['grpc-status'], '4');
    assert.ok(performance.now() - begin < 3000);
  });

  it('DEADLINE_EXCEEDED in trailers when the response had begun', async () => {
    cancelled.length = 0;
    const fields = await rawCall('careless.test', '/a.B/Begun', '700m');
    assert.equal(fields[':status'], 200);
    assert.equal(fields['grpc-status'], '4');
    await eventually(() => cancelled.some((each) => (onEnvoy ? /^careless/ : /^careless 8$/).test(each)));
  });

  it('UNAVAILABLE in trailers when the backend breaks off', async () => {
    const fields = await rawCall('careless.test', '/a.B/Broken');
    assert.equal(fields['grpc-status'], '14');
    assert.equal(fields['grpc-message'], 'reset');
  });

  it('an ordinary request gets an ordinary answer', async () => {
    const session = http2.connect(`http://127.0.0.1:${gateway.port(80)}`);
    atEnd(() => session.destroy());
    const stream = session.request({ ':path': '/', ':authority': 'echo.test' });
    stream.resume();
    const [headers] = (await once(stream, 'response')) as [http2.IncomingHttpHeaders];
    assert.equal(headers[':status'], 404);
    session.close();
  });
});
