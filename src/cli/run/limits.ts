// --limit NAME=N: the limits of the data plane by the names of the command line.
import { defaultLimits } from '../../engines/embedded/options.ts';
import type { Limits } from '../../engines/embedded/options.ts';
import { Misuse } from '../command.ts';
import { nearest } from '../nearest.ts';

/** Milliseconds, octets or counts, as the name says. */
const meanings: Readonly<Record<keyof Limits, string>> = {
  headBytes: 'octets of the head of a request (431) or response (502)',
  headFields: 'fields in a head',
  targetBytes: 'octets of a request target (414)',
  bodyBytes: 'octets of a request body (413); 0 = any',
  headTimeout: 'ms until the head of a request must be complete (408)',
  idleTimeout: 'ms between two requests on a connection',
  bodyTimeout: 'ms of silence within a request body (408)',
  writeTimeout: 'ms for a client to take what is buffered for it',
  connections: 'connections of clients, per worker',
  requests: 'requests under way, upgraded connections included, per worker (503)',
  connectTimeout: 'ms to connect to a backend',
  responseTimeout: 'ms of silence of a backend (504)',
  tunnelTimeout: 'ms of silence on an upgraded connection',
  udpIdleTimeout: 'ms of silence after which a flow of datagrams ends',
  udpFlows: 'flows of datagrams, per listener and worker',
  poolSize: 'idle connections kept per endpoint and worker',
  poolTimeout: 'ms that an idle connection to a backend is kept',
  freshTimeout: 'ms of idleness after which a connection is not used for requests that must not be repeated',
  replayBytes: 'octets of a body that are kept for retries and mirrors',
  mirrors: 'mirrored requests at a time, per worker',
  mirrorTimeout: 'ms for a mirrored request',
  authTimeout: 'ms for a question to an auth service (504)',
  authBodyBytes: 'octets of a body that are kept for an auth service, whatever its filter allows (413)',
  authHeldBytes: 'octets of all such bodies at a time, per worker (503)',
  authAnswerBytes: 'octets of an answer of an auth service over gRPC (502)',
  drainTimeout: 'ms for requests in flight when a listener is closed',
  skipTimeout: 'ms for which an endpoint that cannot be reached is left out at first',
  longestSkip: 'ms for which it is left out at most',
};

export interface LimitName {
  /** As on the command line: `head-bytes`. */
  readonly name: string;
  readonly meaning: string;
  readonly default: number;
}

/** As on the command line: `head-bytes`. */
export function limitName(key: keyof Limits): string {
  return dashed(key);
}

export function limitNames(): readonly LimitName[] {
  return (Object.keys(meanings) as (keyof Limits)[]).map((key) => ({
    name: dashed(key),
    meaning: meanings[key],
    default: defaultLimits[key],
  }));
}

export function parseLimits(texts: readonly string[]): Partial<Limits> {
  const limits: Partial<Record<keyof Limits, number>> = {};
  for (const text of texts) {
    const [, name = '', digits] = /^([a-z-]+)=(\d{1,12})$/.exec(text) ?? [];
    if (digits === undefined)
      throw new Misuse(`--limit takes NAME=NUMBER, not "${text}"`, 'for example --limit body-bytes=1048576');
    const key = (Object.keys(meanings) as (keyof Limits)[]).find((key) => dashed(key) === name);
    if (key === undefined) {
      const guess = nearest(
        name,
        limitNames().map(({ name }) => name),
      );
      throw new Misuse(
        `--limit knows no "${name}"`,
        guess === undefined ? undefined : `did you mean --limit ${guess}=${digits}?`,
      );
    }
    if (Number(digits) === 0 && key !== 'bodyBytes' && key !== 'mirrors' && key !== 'poolSize') {
      throw new Misuse(`--limit ${name} must be more than 0`);
    }
    limits[key] = Number(digits);
  }
  return limits;
}

function dashed(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
