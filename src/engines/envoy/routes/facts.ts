// What the routes of a listener depend on beside their rules.
import type { Frontend } from '../../../routing/model.ts';

export interface ListenerFacts {
  readonly scheme: 'http' | 'https';
  /** As declared. */
  readonly port: number;
  readonly publicPorts: Readonly<Record<string, number>>;
}

export function factsOf(frontend: Frontend): ListenerFacts {
  const { protocol, port, publicPorts } = frontend;
  return { scheme: protocol === 'HTTPS' ? 'https' : 'http', port, publicPorts };
}
