// Retries of a rule -> a RetryPolicy. Without any, a connection that cannot be made is tried at one other endpoint all the same.
import type { Rule } from '../../../routing/model.ts';
import { codec } from '../encode.ts';
import { duration, extension, type Message } from '../tree.ts';

const DEFAULT_BACKOFF = 25;
const LONGEST_BACKOFF = 10;

/** Fields of RouteAction. */
export function timesAndRetries({ timeouts, retry }: Pick<Rule, 'timeouts' | 'retry'>): Message {
  const attempt = timeouts.backendRequest ?? 0;
  return {
    timeout: duration(timeouts.request ?? 0),
    retry_policy: retry === undefined && attempt === 0 ? usualRetries : policy(retry, attempt),
  };
}

function policy(retry: Rule['retry'], attempt: number): Message {
  return {
    ...(retry === undefined ? failover : retries(retry, attempt > 0)),
    ...(attempt > 0 ? { per_try_timeout: duration(attempt) } : {}),
    ...elsewhere,
  };
}

/** Attempts are timed, and there is only one of them. */
export function isOnce({ timeouts, retry }: Pick<Rule, 'timeouts' | 'retry'>): boolean {
  return (timeouts.backendRequest ?? 0) > 0 && retry === undefined;
}

/**
 * Fields of a RetryPolicy, by which an endpoint that was tried is tried again only where there is no other. Envoy draws one until it
 * is another: with 5 draws, of two endpoints it would be the same for one request in 50.
 */
export const elsewhere: Message = {
  retry_host_predicate: [
    extension(
      'envoy.retry_host_predicates.previous_hosts',
      'envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate',
    ),
  ],
  host_selection_retry_max_attempts: 20,
};

const failover: Message = {
  retry_on: 'connect-failure,refused-stream',
  num_retries: 1,
  retry_back_off: { base_interval: '0.001s', max_interval: '0.001s' },
};

/** Of rules that say nothing of it, which are most: encoded once, since it is a third of what a route says. */
export const usualRetries: Uint8Array = codec.encode('envoy.config.route.v3.RetryPolicy', policy(undefined, 0));

function retries(retry: NonNullable<Rule['retry']>, timed: boolean): Message {
  const base = Math.max(1, retry.backoff ?? DEFAULT_BACKOFF);
  const codes = retry.codes.filter((code) => code >= 400 && code < 600);
  const when = ['connect-failure', 'refused-stream', ...(timed ? ['reset'] : [])];
  if (codes.length > 0) when.push('retriable-status-codes');
  return {
    retry_on: when.join(','),
    num_retries: retry.attempts,
    ...(codes.length > 0 ? { retriable_status_codes: codes } : {}),
    retry_back_off: { base_interval: duration(base), max_interval: duration(base * LONGEST_BACKOFF) },
  };
}
