// Single requests to a Gateway.
import http from 'node:http';
import { until } from '../../bench/cluster/cluster.ts';

export interface Answered {
  /** 0: no answer. */
  readonly status: number;
}

export function answer(address: string, hostname: string, port = 80): Promise<Answered> {
  return new Promise((resolve) => {
    const request = http.get(
      { host: address, port, agent: false, headers: { host: hostname }, timeout: 10_000 },
      (response) => {
        response.resume();
        response.on('end', () => resolve({ status: response.statusCode ?? 0 }));
        response.on('error', () => resolve({ status: 0 }));
      },
    );
    request.on('timeout', () => request.destroy(new Error('timeout')));
    request.on('error', () => resolve({ status: 0 }));
  });
}

/** @throws when it does not answer so in time */
export async function serves(address: string, hostname: string, status: number): Promise<void> {
  await until(`${hostname} answers ${status}`, 60, async () => (await answer(address, hostname)).status === status);
}
