// The corpus of framing attacks with HAProxy and nginx around us. Behind us: what we forward they understand as exactly the
// messages that we meant. In front of us: what they forward we understand as exactly the messages that they meant, which a
// witness right behind them tells. Responses likewise, from backend to client.
import assert from 'node:assert/strict';
import net from 'node:net';
import { after, before, describe, it } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { type RequestCase, requestCases, type ResponseCase, responseCases } from './framing/cases.ts';
import { MARK, missing, type PeerKind, startPeer } from './framing/peers.ts';
import { type Read, readResponses } from './framing/responses.ts';
import { type Message, type Response, startWitness, textOf, valuesOf, type Witness } from './framing/witness.ts';
import { startProxy } from './proxy.ts';
import { freePort } from '../free-port.ts';

const AT_ONCE = 48;
const requests = requestCases();
const responses = responseCases();

/** One way from a client to a witness. */
interface Way {
  readonly port: number;
  readonly witness: Witness;
}

describe('the corpus of framing attacks', { concurrency: 2 }, () => {
  for (const kind of ['haproxy', 'nginx'] as const) {
    describe(kind, { skip: missing(kind) ?? false }, () => {
      let world: World;
      before(async () => {
        world = new World(kind);
        await world.start();
      });
      after(() => world.close());

      it('behind us, it gets the messages that we mean', async () => {
        const { seen, answers, doubts } = await converseAll(world.requests.behind);
        for (const [index, each] of requests.entries()) {
          const meant = [...each.messages, ...(each.outcome === 'served' ? ['GET /innocent '] : [])];
          // What it does not like it may refuse, as a whole.
          const refused = refusals(answers[index]) - (typeof each.outcome === 'object' ? 1 : 0);
          const got = (seen.get(index) ?? []).map(plain);
          assert.ok(isPart(got, meant, refused), `${each.name}: ${JSON.stringify({ got, meant, refused })}`);
        }
        assert.deepEqual(seen.get(Number.NaN), undefined, 'requests of no case');
        assert.deepEqual(doubts, []);
      });

      it('in front of us, we get the messages that it means', async () => {
        const both = (only?: ReadonlySet<number>): Promise<[Conversations, Conversations]> =>
          Promise.all([converseAll(world.requests.alone, only), converseAll(world.requests.front, only)]);
        // What is wrong of a case.
        const wrong = (index: number, witnessed: Conversations, ours: Conversations): readonly string[] => {
          const meant = (witnessed.seen.get(index) ?? []).map(plain);
          const got = (ours.seen.get(index) ?? []).map(plain);
          const refused = refusals(ours.answers[index]);
          const { name = '' } = requests[index] ?? {};
          return isPart(got, meant, refused) ? [] : [`${name}: ${JSON.stringify({ got, meant, refused })}`];
        };
        // A kept connection that ends just when it is used again costs a 502, and what comes behind it; not twice.
        const [alone, front] = await both();
        const first = [...requests.keys()].filter((index) => wrong(index, alone, front).length > 0);
        const again = await both(new Set(first));
        assert.deepEqual(
          first.flatMap((index) => wrong(index, ...again)),
          [],
        );
        // Hidden requests that it took for real ones.
        const hidden = (front.seen.get(Number.NaN) ?? []).map(textOf).toSorted();
        const meant = (alone.seen.get(Number.NaN) ?? []).map(textOf).toSorted();
        assert.ok(isPart(hidden, meant, meant.length), `hidden: ${JSON.stringify({ hidden, meant })}`);
        const marks = front.all.map(({ lines }) => valuesOf(lines, MARK).join());
        const odd = marks.find((mark) => !/^[0-9a-f-]{32,36}$/.test(mark));
        assert.equal(odd, undefined, 'every message is one that it sent');
        assert.equal(new Set(marks).size, marks.length, 'and no message became two');
        assert.deepEqual(front.doubts, []);
      });

      it('in front of us, it hands on responses as we mean them', async () => {
        const wrong = (received: (readonly Read[])[], cases: readonly ResponseCase[]): readonly ResponseCase[] =>
          cases.filter((each, index) => !isAsMeant(each, received[index] ?? []));
        const first = wrong(await receiveAll(world.responses.front, responses), responses);
        // A kept connection that ends just when it is used again costs a 502; not twice.
        const again = wrong(await receiveAll(world.responses.front, first), first);
        assert.deepEqual(
          again.map(({ name }) => name),
          [],
        );
      });

      it('behind us, we hand on responses as it means them', async () => {
        const [alone, behind] = await Promise.all([
          receiveAll(world.responses.alone, responses),
          receiveAll(world.responses.behind, responses),
        ]);
        for (const [index, each] of responses.entries()) {
          const [meant, next] = alone[index] ?? [];
          const [got, second] = behind[index] ?? [];
          if (got?.status !== 502 && meant?.status !== 502) assert.deepEqual(essence(got), essence(meant), each.name);
          // It may have lost a race against a backend that closed the connection behind the first.
          if (second !== undefined && second.status !== 502)
            assert.equal(
              second.content,
              next === undefined || next.status === 502 ? 'innocent' : next.content,
              each.name,
            );
        }
      });
    });
  }
});

type Ways = Readonly<Record<'alone' | 'behind' | 'front', Way>>;

/** Of one peer: client → peer → witness; client → us → peer → witness; client → peer → us → witness. */
class World {
  readonly #kind: PeerKind;
  readonly #ends: (() => unknown)[] = [];
  #requests: Ways | undefined;
  #responses: Ways | undefined;

  constructor(kind: PeerKind) {
    this.#kind = kind;
  }

  get requests(): Ways {
    return this.#requests as Ways;
  }

  get responses(): Ways {
    return this.#responses as Ways;
  }

  async start(): Promise<void> {
    this.#requests = await this.#ways();
    this.#responses = await this.#ways(respond);
  }

  async close(): Promise<void> {
    for (const end of this.#ends.toReversed()) await end();
  }

  async #ways(answer?: (message: Message) => Response): Promise<Ways> {
    const witnesses = [await startWitness(answer), await startWitness(answer), await startWitness(answer)] as const;
    for (const witness of witnesses) this.#ends.push(() => witness.close());
    const ports = [await freePort(), await freePort(), await freePort()] as const;
    const [alone, behind, front] = witnesses;
    const peer = await startPeer(this.#kind, [
      { listen: ports[0], to: alone.port },
      { listen: ports[1], to: behind.port },
      { listen: ports[2], to: await this.#ourselves(front.port) },
    ]);
    this.#ends.push(() => peer.close());
    return {
      alone: { port: ports[0], witness: alone },
      behind: { port: await this.#ourselves(ports[1]), witness: behind },
      front: { port: ports[2], witness: front },
    };
  }

  /** Returns our port. */
  async #ourselves(to: number): Promise<number> {
    const { engine, port } = await startProxy({ routes: [{ backends: [{ to }] }] });
    this.#ends.push(() => engine.close());
    return port;
  }
}

interface Conversations {
  /** By case, what the witness got. */
  readonly seen: ReadonlyMap<number, readonly Message[]>;
  readonly all: readonly Message[];
  readonly doubts: readonly string[];
  /** By case, what the client got. */
  readonly answers: readonly (readonly Read[])[];
}

/** Every case, or those that are named, on a connection of its own, with an innocent request right behind it. */
async function converseAll({ port, witness }: Way, only?: ReadonlySet<number>): Promise<Conversations> {
  witness.clear();
  const answers = await inTurns(requests, async (each, index) => {
    if (only?.has(index) === false) return [];
    const innocent =
      each.outcome === 'waits' ? '' : 'GET /innocent HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n';
    const octets = (each.octets + innocent).replaceAll(/\/(here|innocent)(?![a-z])/g, `/$1-${index}`);
    return readResponses(await exchange(port, octets), methodsOf(each));
  });
  const seen = Map.groupBy(witness.messages, ({ target }) => Number(/-(\d+)/.exec(target)?.[1] ?? Number.NaN));
  return { seen, answers, all: [...witness.messages], doubts: [...witness.doubts] };
}

/** `part` is `whole` without up to `missing` of its elements, in any order: peers use several connections. */
function isPart(part: readonly string[], whole: readonly string[], missing: number): boolean {
  const found = part.toSorted();
  let at = 0;
  for (const each of whole.toSorted()) if (found[at] === each) at++;
  return at === found.length && whole.length - found.length <= missing;
}

function refusals(answers: readonly Read[] | undefined): number {
  // Without a head to a client that nginx takes for one of HTTP/0.9.
  return (answers ?? []).filter(({ status, content }) => status >= 400 || content.startsWith('400 ')).length;
}

function methodsOf({ messages }: RequestCase): readonly string[] {
  return messages.map((message) => message.slice(0, message.indexOf(' ')));
}

function plain(message: Message): string {
  // HAProxy leaves absolute targets as they are; we do not.
  return textOf(message)
    .replaceAll(/(\/here|\/innocent)-\d+/g, '$1')
    .replace(/^(\S+) https?:\/\/[^/ ]+/i, '$1 ');
}

function isAsMeant(each: ResponseCase, [first, second]: readonly Read[]): boolean {
  if (second !== undefined && second.content !== 'innocent') return false;
  const got = essence(first);
  if (each.broken) return got === 'broken' || got === 502;
  return isDeepStrictEqual(got, each.status >= 500 ? each.status : [each.status, each.content]);
}

function receiveAll({ port }: Way, cases: readonly ResponseCase[]): Promise<(readonly Read[])[]> {
  return inTurns(cases, async (each) => {
    const { method } = each;
    const text = await exchange(
      port,
      `${method} /case-${responses.indexOf(each)} HTTP/1.1\r\nHost: a\r\n\r\nGET /innocent HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`,
    );
    return readResponses(text, [method, 'GET']);
  });
}

function respond({ target }: Message): Response {
  const index = /^\/case-(\d+)$/.exec(target)?.[1];
  if (index === undefined) return { pieces: ['HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\ninnocent'] };
  const { octets, surplus, closes } = responses[Number(index)] as ResponseCase;
  return { pieces: [octets + surplus], closes };
}

/** What a response means; of one that is not complete, that it is not. */
function essence(read: Read | undefined): unknown {
  if (read?.complete !== true) return 'broken';
  return read.status >= 500 ? read.status : [read.status, read.content];
}

/** Everything that comes back until the connection ends or nothing more comes. */
function exchange(port: number, octets: string): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    const socket = net.connect({ port, host: '127.0.0.1' });
    socket.setTimeout(6000, () => socket.destroy());
    socket.on('data', (piece) => {
      text += piece.toString('latin1');
    });
    socket.on('error', () => {});
    socket.on('end', () => socket.destroy());
    socket.on('close', () => resolve(text));
    socket.write(Buffer.from(octets, 'latin1'));
  });
}

async function inTurns<T, R>(jobs: readonly T[], work: (job: T, index: number) => Promise<R>): Promise<R[]> {
  const results: R[] = Array.from({ length: jobs.length });
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < jobs.length) {
      const index = next++;
      results[index] = await work(jobs[index] as T, index);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return results;
}
