// Questions to the admin interface of an Envoy, over its socket in the file system.
import http from 'node:http';

const ANSWER_WITHIN = 5000;
const LONGEST_ANSWER = 268_435_456;

/** Rejects with an Error of the code EADMIN when there is no answer with status 200. */
export function ask(socket: string, path: string, method: 'GET' | 'POST' = 'GET'): Promise<string> {
  return new Promise((resolve, reject) => {
    const fail = (cause: unknown): void => {
      reject(Object.assign(new Error(`Envoy does not answer ${path}`, { cause }), { code: 'EADMIN' }));
    };
    const request = http.request(
      { socketPath: socket, path, method, timeout: ANSWER_WITHIN, agent: false },
      (response) => {
        const pieces: Buffer[] = [];
        let length = 0;
        response.on('data', (piece: Buffer) => {
          length += piece.length;
          if (length > LONGEST_ANSWER) request.destroy(new Error('the answer is too long'));
          else pieces.push(piece);
        });
        response.on('error', fail);
        response.on('end', () => {
          const text = Buffer.concat(pieces).toString('utf8');
          if (response.statusCode === 200) resolve(text);
          else fail(new Error(`${response.statusCode}: ${text.slice(0, 200)}`));
        });
      },
    );
    request.on('timeout', () => request.destroy(new Error('no answer in time')));
    request.on('error', fail);
    request.end();
  });
}

/** Names of the listeners that accept connections. */
export async function listenersOf(socket: string): Promise<ReadonlySet<string>> {
  const said = JSON.parse(await ask(socket, '/listeners?format=json')) as {
    readonly listener_statuses?: readonly { readonly name: string }[];
  };
  return new Set((said.listener_statuses ?? []).map(({ name }) => name));
}

/** The sum of the counters and gauges with such names. @param names a regular expression of RE2 */
export async function statSum(socket: string, names: string): Promise<number> {
  const text = await ask(socket, `/stats?filter=${encodeURIComponent(names)}`);
  let sum = 0;
  // The question itself is a request, too.
  const lines = text.split('\n').filter((line) => !line.startsWith('http.admin.'));
  for (const line of lines) sum += Number(/: (\d+)$/.exec(line)?.[1] ?? 0);
  return sum;
}
