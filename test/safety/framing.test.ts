// The corpus of framing attacks against us alone: every case cut at every octet, with an innocent request pipelined behind it.
// What two implementations make of it together is framing-peers.test.ts.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type RequestCase, requestCases, type ResponseCase, responseCases } from './framing/cases.ts';
import { Direct } from './framing/direct.ts';
import { readResponses } from './framing/responses.ts';
import { FRAMING, startWitness, textOf, type Witness } from './framing/witness.ts';

/** Connections at a time. */
const AT_ONCE = 64;
/** For a message that is not over to do nothing. */
const PATIENCE = 100;

let witness: Witness;
let direct: Direct;
before(async () => {
  witness = await startWitness();
  direct = new Direct({ routes: [{ backends: [{ to: witness.port }] }] });
});
after(() => {
  direct.close();
  witness.close();
});

describe('a request', () => {
  const groups = Map.groupBy(requestCases(), ({ name }) => name.slice(0, name.indexOf(':')));
  for (const [what, cases] of groups) {
    it(`${what} (${cases[0]?.rule})`, async () => {
      witness.clear();
      const jobs = cases.flatMap((each, index) => {
        const { length } = each.octets;
        // -1: all at once; the length: octet by octet.
        return Array.from({ length: length + 2 }, (_, cut) => ({ each, id: `${index}x${cut}`, cut: cut - 1 }));
      });
      const problems: string[] = [];
      await inTurns(jobs, async ({ each, id, cut }) => {
        const problem = await play(each, id, cut);
        if (problem !== undefined) problems.push(`${each.name}, cut at ${cut}: ${problem}`);
      });
      assert.deepEqual(problems.slice(0, 10), []);
      const seen = Map.groupBy(witness.messages, ({ target }) => /-(\d+x\d+)/.exec(target)?.[1] ?? target);
      for (const { each, id, cut } of jobs) {
        const expected = [...each.messages, ...(each.outcome === 'served' ? ['GET /innocent '] : [])];
        const messages = seen.get(id)?.map((message) => textOf(message).replaceAll(`-${id}`, '')) ?? [];
        assert.deepEqual(messages, expected, `${each.name}, cut at ${cut}`);
        seen.delete(id);
      }
      assert.deepEqual([...seen.keys()], [], 'requests of no case');
      assert.deepEqual(witness.doubts, []);
    });
  }
});

/** Undefined, or what went wrong. */
async function play(each: RequestCase, id: string, cut: number): Promise<string | undefined> {
  const innocent = 'GET /innocent HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n';
  const name = (text: string): string => text.replaceAll(/\/(here|innocent)(?![a-z])/g, `/$1-${id}`);
  // The length of what a case says about itself must not change: ids only go where nothing counts octets.
  const octets = name(each.octets);
  const last = name(each.outcome === 'waits' ? '' : innocent);
  const conversation = direct.connect();
  const at = cut < 0 ? octets.length + last.length : octets.length - each.octets.length + cut;
  if (cut === each.octets.length) for (const octet of octets + last) await conversation.send(octet);
  else for (const piece of [(octets + last).slice(0, at), (octets + last).slice(at)]) await conversation.send(piece);
  if (each.outcome === 'waits') {
    await new Promise((resolve) => setTimeout(resolve, PATIENCE));
    const { received } = conversation;
    conversation.close();
    return received === '' ? undefined : `answered ${JSON.stringify(received)}`;
  }
  const timer = setTimeout(() => conversation.close(), 5000);
  const received = await conversation.ended;
  clearTimeout(timer);
  conversation.close();
  const answers = [...received.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status]) => status);
  const expected = each.messages.map(() => '200');
  if (each.outcome === 'served') expected.push('200');
  if (typeof each.outcome === 'object') {
    const reason = /: ([a-z0-9.-]+)\n$/.exec(received)?.[1];
    if (reason !== each.outcome.refused)
      return `refused as ${reason}, not ${each.outcome.refused}: ${JSON.stringify(received)}`;
    answers.pop();
  }
  return answers.join() === expected.join() ? undefined : `answers ${answers.join()}: ${JSON.stringify(received)}`;
}

describe('a response', () => {
  const innocent = 'HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\ninnocent';
  const all = responseCases();
  let backend: Witness;
  let route: Direct;
  before(async () => {
    backend = await startWitness(({ target }) => {
      const [, index, at] = /^\/case-(\d+)x(\d+)$/.exec(target) ?? [];
      if (index === undefined) return { pieces: [innocent] };
      const { octets, surplus, closes } = all[Number(index)] as ResponseCase;
      const cut = Number(at);
      const pieces =
        cut > octets.length ? Array.from(octets) : [octets.slice(0, cut), octets.slice(cut)].filter(Boolean);
      return { pieces: [...pieces.slice(0, -1), (pieces.at(-1) ?? '') + surplus], closes };
    });
    route = new Direct({ routes: [{ backends: [{ to: backend.port }] }] });
  });
  after(() => {
    route.close();
    backend.close();
  });

  for (const [what, cases] of Map.groupBy(all, ({ name }) => name.slice(0, name.indexOf(':')))) {
    it(`${what} (${cases[0]?.rule})`, async () => {
      const jobs = cases.flatMap((each) =>
        Array.from({ length: each.octets.length + 2 }, (_, cut) => ({ each, target: `${all.indexOf(each)}x${cut}` })),
      );
      const problems: string[] = [];
      await inTurns(jobs, async ({ each, target }) => {
        const problem = await receive(route, each, `/case-${target}`);
        if (problem !== undefined) problems.push(`${each.name}, ${target}: ${problem}`);
      });
      assert.deepEqual(problems.slice(0, 10), []);
    });
  }
});

/** Undefined, or what went wrong. */
async function receive(route: Direct, each: ResponseCase, target: string): Promise<string | undefined> {
  const conversation = route.connect();
  const { method, status, content, broken } = each;
  await conversation.send(
    `${method} ${target} HTTP/1.1\r\nHost: a\r\n\r\nGET /innocent HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`,
  );
  const timer = setTimeout(() => conversation.close(), 5000);
  const received = await conversation.ended;
  clearTimeout(timer);
  conversation.close();
  const [first, second, ...more] = readResponses(received, [method, 'GET']);
  const understood = JSON.stringify(received);
  const odd = received
    .split('\r\n')
    .find((line) => /^(?:content-length|transfer-encoding)/i.test(line) && !FRAMING.test(line));
  if (odd !== undefined) return `framed in an odd way: ${odd}`;
  if (received.includes('poison')) return `poison: ${understood}`;
  if (first?.status !== status || more.length > 0) return `status ${first?.status}: ${understood}`;
  const same = broken ? content.startsWith(first.content) : first.content === content;
  if (status !== 502 && !same) return `content ${JSON.stringify(first.content)}: ${understood}`;
  if (first.complete === broken) return `${first.complete ? '' : 'not '}complete: ${understood}`;
  if (broken) return second === undefined ? undefined : `something behind it: ${understood}`;
  return second?.content === 'innocent' ? undefined : `the next one: ${understood}`;
}

async function inTurns<T>(jobs: readonly T[], work: (job: T) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < jobs.length) await work(jobs[next++] as T);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}
