// Envoy as a dialect of the fleet: the rows of one gateway -> its resources, for Envoys that ask a controller for them by themselves.
import { StandingLeftOut } from '../../routing/left-out.ts';
import type { Dialect, PublishChanges } from '../stream/fleet/dialect.ts';
import type { EnvoyLimits } from './limits.ts';
import { order, types } from './names.ts';
import { codeOf, reasonIn } from './refusals.ts';

export interface DialectOptions {
  /** What is served otherwise than by default; asked when the first Envoy of the gateway comes. */
  readonly settings?: (gateway: string) => EnvoySettings;
}

export interface EnvoySettings {
  readonly limits?: Partial<EnvoyLimits>;
  readonly trustedHops?: number;
  /** Lines of JSON on the standard output of Envoy. */
  readonly accessLog?: boolean;
}

/** Where most systems have the authorities that they trust, and Envoy's own images as well. */
export const systemTrust = '/etc/ssl/certs/ca-certificates.crt';

export function envoyDialect({ settings }: DialectOptions = {}): Dialect {
  return {
    node: 'Envoy',
    order,
    essential: [types.cluster, types.listener],
    // What is missing of the others is not gone.
    wholeTypes: [types.cluster, types.listener, types.scopes],
    bindType: types.listener,
    isPassing: (message) => codeOf(message) !== undefined,
    reasonOf: (message) => ({ code: codeOf(message) ?? 'EREFUSED', message: reasonIn(message) }),
    translator: async (gateway) => {
      // Its messages are thousands of descriptors: nobody else waits for them.
      const { Translation } = await import('./translation.ts');
      const { defaultLimits } = await import('./limits.ts');
      const { limits, trustedHops = 0, accessLog = false } = settings?.(gateway) ?? {};
      const { Culprits } = await import('./culprits.ts');
      const leftOut = new StandingLeftOut();
      const translation = new Translation({
        limits: { ...defaultLimits, ...limits },
        trustedHops,
        requestIds: true,
        sharesPorts: true,
        accessLog: accessLog ? '-' : '',
        systemTrust,
        scopeOf: () => gateway,
        onLeftOut: (rows) => leftOut.take(rows),
      });
      let publish: PublishChanges | undefined;
      let last = 0;
      const culprits = new Culprits(translation, (changes) =>
        publish === undefined ? Promise.resolve({ outcome: 'unconnected' }) : publish(changes.get(gateway) ?? []),
      );
      return {
        apply: (update) => {
          last = culprits.next(update);
          return translation.apply(update).get(gateway) ?? [];
        },
        leftOut: () => leftOut.all(),
        judge: {
          last: () => last,
          changedSince: (call) => culprits.changedSince(call),
          suspect: (rows) => culprits.suspect(rows),
          isClear: () => translation.faults.isClear,
          judge: (outcome, call, to) => {
            publish = to;
            return culprits.judge(outcome, call);
          },
        },
      };
    },
  };
}
