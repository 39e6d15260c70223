import assert from 'node:assert/strict';
import { test } from 'node:test';
import { distinctProblems } from './problem-order.ts';
import { describe, sentence } from './problem-text.ts';
import type { Problem } from './problem.ts';
import { severityOf } from './problem.ts';

const route = { group: 'gateway.networking.k8s.io', kind: 'HTTPRoute', namespace: 'shop', name: 'cart' };
const service = { group: '', kind: 'Service', namespace: 'stock', name: 'items' };
const gateway = { group: 'gateway.networking.k8s.io', kind: 'Gateway', namespace: 'infra', name: 'edge' };
const at = { object: route, path: 'spec.rules[0].backendRefs[0]' };

test('a reference that is not permitted: the fix is a grant, in the namespace where it has to stand', () => {
  const { message, fix } = describe({ code: 'RefNotPermitted', at, from: route, target: service });
  assert.match(message, /HTTPRoute shop\/cart may not refer to Service stock\/items/);
  assert.match(
    fix ?? '',
    /ReferenceGrant in namespace stock from .*kind HTTPRoute, namespace shop to group "", kind Service/,
  );
});

test('a route that is not allowed: which listener refused it, and why', () => {
  const why = ['listener http takes routes of its own namespace infra only', 'listener grpc takes only GRPCRoute'];
  const { message } = describe({ code: 'NotAllowedByListeners', at, parent: gateway, why });
  for (const reason of why) assert.ok(message.includes(reason));
});

test('a missing listener is named by what was asked for', () => {
  const text = (asked: { sectionName?: string; port?: number }): string =>
    describe({ code: 'NoMatchingParent', at, parent: gateway, ...asked }).message;
  assert.equal(text({ sectionName: 'http' }), 'Gateway infra/edge has no listener named http');
  assert.equal(text({ port: 81 }), 'Gateway infra/edge has no listener on port 81');
  assert.equal(text({ sectionName: 'http', port: 81 }), 'Gateway infra/edge has no listener named http on port 81');
});

test('every code has a severity', () => {
  assert.equal(severityOf.RefNotPermitted, 'error');
  for (const severity of Object.values(severityOf)) assert.ok(['error', 'warning', 'info'].includes(severity));
});

test('problems are ordered as one reads, and each is said once', () => {
  const at = (path: string): Problem => ({ code: 'UnsupportedValue', at: { object: route, path }, message: 'm' });
  const paths = distinctProblems([at('spec.rules[10]'), at('spec.rules[2]'), at('spec.rules[10]')]).map(
    ({ at }) => at.path,
  );
  assert.deepEqual(paths, ['spec.rules[2]', 'spec.rules[10]']);
});

test('a sentence is the message and the fix', () => {
  assert.equal(
    sentence({ code: 'NoParent', at }),
    'the route names no parent, so nothing serves it; name a Gateway in parentRefs',
  );
});

test('a port that something has: another one, and what has it where that is known', () => {
  const fix = (port: number, message: string): string | undefined =>
    describe({ code: 'PortUnavailable', at, port, message }).fix;
  assert.equal(
    fix(80, 'listen EADDRINUSE: address already in use 0.0.0.0:80'),
    'choose another port, or end what has it',
  );
  assert.match(fix(9902, "cannot bind '0.0.0.0:9902': Address already in use") ?? '', /probes and metrics/);
  assert.equal(fix(80, 'listen EACCES: permission denied 0.0.0.0:80'), undefined);
});
