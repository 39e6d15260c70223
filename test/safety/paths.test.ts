// The path that a rule matched is the path that its backend gets; and a backend that reads paths with more indulgence than we do
// (parameters cut off, dot segments resolved as browsers resolve them) sees no path of another rule in it.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { runs } from '../fuzz/http1-messages.ts';
import { Direct } from './framing/direct.ts';
import { readResponses } from './framing/responses.ts';
import { startWitness, type Witness } from './framing/witness.ts';

const rules = ['/admin', '/admin/open', '/public', '/'] as const;
const witnesses: Witness[] = [];
let direct: Direct;
before(async () => {
  for (const rule of rules) {
    // Answers which rule took the request.
    witnesses.push(
      await startWitness(() => ({ pieces: [`HTTP/1.1 200 OK\r\nContent-Length: ${rule.length}\r\n\r\n${rule}`] })),
    );
  }
  direct = new Direct({
    routes: rules.map((path, index) => ({ path, backends: [{ to: (witnesses[index] as Witness).port }] })),
  });
});
after(() => {
  direct.close();
  for (const witness of witnesses) witness.close();
});

const pieces =
  'admin open public Admin %61dmin admi%6E ADMIN x . .. ... %2e %2E%2e .%2e ..; .;a=b admin;x ; %3b ..%3B %2f %2F.. ..%2f a%2fb ' +
  '%5c \\ ..\\ %00 %0a %20 %c0%ae %c0%af %e0%80%ae %c3%a9 %25 %252e %252f % %4 %zz %u002e ~ : @ * + #';
const piece = fc.constantFrom('', ...pieces.split(' '));
const path = fc
  .array(fc.tuple(fc.constantFrom('/', '/', '/', '/', '//', '', '%2f', '\\'), piece), { minLength: 1, maxLength: 7 })
  .map((parts) => `/${parts.flat().join('')}`);

test('what is matched is what is forwarded, whatever the path', async () => {
  let served = 0;
  await fc.assert(
    fc.asyncProperty(path, async (sent) => {
      for (const witness of witnesses) witness.clear();
      const conversation = direct.connect();
      await conversation.send(`GET ${sent} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
      const [answer] = readResponses(await conversation.ended, ['GET']);
      conversation.close();
      const got = witnesses.flatMap(({ messages }) => messages);
      if (answer?.status === 400) {
        assert.deepEqual(got, []);
        return;
      }
      assert.equal(answer?.status, 200);
      served++;
      const [{ target } = assert.fail('nobody got it')] = got;
      assert.equal(got.length, 1);
      assert.equal(answer.content, ruleOf(target), `${sent} went on as ${target}`);
      for (const [reader, read] of Object.entries(readers)) {
        assert.equal(
          ruleOf(read(target)),
          answer.content,
          `${sent} went on as ${target}, which is ${read(target)} to ${reader}`,
        );
      }
    }),
    runs(1500),
  );
  assert.ok(process.env['PORTOLAN_FUZZ_SEED'] !== undefined || served > 100, `${served} served`);
});

/** The longest prefix by elements. */
function ruleOf(target: string): string {
  return rules
    .filter((rule) => rule === '/' || target === rule || target.startsWith(`${rule}/`))
    .reduce((best, rule) => (rule.length > best.length ? rule : best), '');
}

const readers: Readonly<Record<string, (target: string) => string>> = {
  'a browser': (target) => new URL(`http://a${target}`).pathname,
  'a server that resolves dot segments': resolved,
  'a server that decodes dots and slashes for that': (target) => {
    const decoded = target.replaceAll(/%2e/gi, '.').replaceAll(/%2f/gi, '/').replaceAll(/%5c/gi, '/');
    // What it then makes of empty segments and new ones is its own affair; that it climbs is not.
    return resolved(decoded) === decoded ? target : `climbs: ${decoded}`;
  },
  'a server that cuts parameters off and then resolves': (target) => {
    const cut = target.replaceAll(/(?:;|%3b)[^/]*/gi, '');
    return resolved(cut) === cut ? target : `climbs: ${cut}`;
  },
};

function resolved(target: string): string {
  const kept: string[] = [];
  for (const segment of target.slice(1).split('/')) {
    if (segment === '..') kept.pop();
    else if (segment !== '.') kept.push(segment);
  }
  return `/${kept.join('/')}`;
}
