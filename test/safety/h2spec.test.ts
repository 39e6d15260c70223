// h2spec against our listeners, over TLS and in the clear. Every failure stands in h2spec.yaml with its reason; one that is not
// listed fails the test, and so does a listed one that passes: the list only shrinks. `scripts/h2spec.sh` builds the tool.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { parse } from 'yaml';
import type { Engine } from '../../src/engines/embedded/engine.ts';
import { listen } from '../features/http2-gateway.ts';
import { certificateFor } from '../features/tls-certificates.ts';
import { startProxy } from './proxy.ts';

const root = join(import.meta.dirname, '..', '..');
const tool = process.env['PORTOLAN_H2SPEC'] ?? join(root, '.cache', 'h2spec', 'h2spec');
const skip = existsSync(tool) ? false : 'h2spec is not built (scripts/h2spec.sh)';

/** One failure of h2spec that stays, and why. */
interface Listed {
  /** As h2spec numbers and names it: `section: description`. */
  readonly test: string;
  /** The one listener that has it; both without. */
  readonly on?: 'tls' | 'cleartext';
  readonly why: string;
}

const listed = parse(readFileSync(join(import.meta.dirname, 'h2spec.yaml'), 'utf8')) as readonly Listed[];

const ports = new Map<string, number>();
const engines: Engine[] = [];
before(async () => {
  if (skip !== false) return;
  const backend = http.createServer((request, response) => {
    request.resume();
    request.on('end', () => response.end('content enough for several DATA frames'));
  });
  const world = { routes: [{ backends: [{ to: await listen(backend) }] }] };
  const certificate = await certificateFor('test/cert', ['h2.test']);
  for (const [name, tls] of [
    ['cleartext', undefined],
    ['tls', certificate],
  ] as const) {
    const { engine, port } = await startProxy(world, {}, tls);
    engines.push(engine);
    ports.set(name, port);
  }
});
after(() => Promise.all(engines.map((engine) => engine.close())));

describe('h2spec', { skip, concurrency: 2 }, () => {
  for (const [name, listener, flags] of [
    ['HTTP/2 over TLS', 'tls', ['--tls', '--insecure']],
    ['HTTP/2 in the clear, by prior knowledge', 'cleartext', []],
  ] as const) {
    it(`${name}: fails what is listed, and nothing else`, async () => {
      const port = ports.get(listener) as number;
      const { failed, passed } = await run(port, flags);
      assert.ok(passed > 120, `${passed} tests passed`);
      const known = new Set(listed.filter(({ on = listener }) => on === listener).map(({ test }) => test));
      let unknown = failed.filter((test) => !known.has(test));
      // Where we close with octets unread, the system may reset the connection before h2spec has read our last frames: a test counts
      // as failed when its section fails again.
      if (unknown.length > 0) {
        const sections = new Set(unknown.map((test) => test.slice(0, test.indexOf(':'))));
        const again = await run(port, [...flags, ...sections]);
        unknown = unknown.filter((test) => again.failed.includes(test));
      }
      assert.deepEqual(unknown, [], 'not in test/safety/h2spec.yaml');
      assert.deepEqual(
        [...known].filter((test) => !failed.includes(test)),
        [],
        'these pass now: take them off test/safety/h2spec.yaml',
      );
    });
  }
});

async function run(port: number, flags: readonly string[]): Promise<{ failed: readonly string[]; passed: number }> {
  const folder = mkdtempSync(join(tmpdir(), 'portolan-h2spec-'));
  try {
    const report = join(folder, 'report.xml');
    const options = ['--strict', '--port', String(port), '--timeout', '1', '--junit-report', report, ...flags];
    // It exits with 1 when a test fails, which the report tells better.
    await new Promise<void>((resolve) => {
      execFile(tool, options, { timeout: 120_000, maxBuffer: 16_777_216 }, () => resolve());
    });
    return read(readFileSync(report, 'utf8'));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What h2spec writes in the form of JUnit: one line per element. */
function read(report: string): { failed: readonly string[]; passed: number } {
  const failed: string[] = [];
  let passed = 0;
  for (const [, attributes = '', closed, inside = ''] of report.matchAll(
    /<testcase\b([^>]*?)(\/>|>([\s\S]*?)<\/testcase>)/g,
  )) {
    const section = /\bpackage="([^"]*)"/.exec(attributes)?.[1] ?? '';
    const description = /\bclassname="([^"]*)"/.exec(attributes)?.[1] ?? '';
    if (closed !== '/>' && /<(?:failure|error)\b/.test(inside)) failed.push(`${section}: ${plain(description)}`);
    else passed++;
  }
  return { failed, passed };
}

function plain(text: string): string {
  return text
    .replaceAll('&#34;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&amp;', '&');
}
