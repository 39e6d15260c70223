// The engine of this process, or an Envoy beside it: the flags of `run`, `controller` and `proxy` -> one that is started.
import { startEngine } from '../../engines/embedded/engine.ts';
import type { EngineOptions, Limits } from '../../engines/embedded/options.ts';
import type { EnvoyEngineOptions } from '../../engines/envoy/engine.ts';
import { defaultLimits, type EnvoyLimits } from '../../engines/envoy/limits.ts';
import type { Engine, EngineEvents } from '../../routing/engine.ts';
import { type Arguments, Misuse } from '../command.ts';
import { limitName, parseLimits } from './limits.ts';

export interface EngineSettings {
  readonly workers: number;
  readonly trustedHops: number;
  readonly accessLog: boolean;
  /** Of no meaning for an Envoy. */
  readonly embedded?: Pick<EngineOptions, 'sessionKeys' | 'youngSpace'>;
}

/** The engine of this process can be given other keys of sessions. */
export type LocalEngine = Engine & { renewSessionKeys?(keys: readonly Uint8Array[]): void };

export function engineSettings(args: Arguments): EngineSettings {
  return {
    workers: args.number('workers', { min: 1, max: 256 }) ?? 1,
    trustedHops: args.number('trusted-hops', { min: 0, max: 16 }) ?? 0,
    accessLog: args.on('access-log'),
  };
}

export interface LocalEvents extends EngineEvents {
  /** A certificate is missing for a name that a client asks for. Absent: nobody issues any. */
  readonly onMissingName?: (secrets: readonly string[], name: string) => void;
}

/** Rejects with an Error of the code EENVOY when an Envoy is wanted and there is none that can be used. */
export async function startLocalEngine(
  args: Arguments,
  settings: EngineSettings,
  events: LocalEvents,
): Promise<LocalEngine> {
  const { onReport, onLeftOut, onMissingName, say } = events;
  const { accessLog, embedded, ...common } = settings;
  const limits = parseLimits(args.texts('limit'));
  const shared = { ...common, onReport, ...(accessLog ? { accessLog: '-' } : {}) };
  const envoy = args.text('envoy');
  if (args.text('engine') !== 'envoy') {
    if (envoy !== undefined) throw new Misuse('--envoy names the Envoy of --engine envoy');
    return startEngine({
      ...shared,
      ...embedded,
      limits,
      ...(onMissingName === undefined ? {} : { onMissingName }),
      onCrash: (error) => say(`a worker ended and is started again: ${error.message}`, 'error'),
    });
  }
  const options: EnvoyEngineOptions = {
    ...shared,
    limits: envoyLimits(limits),
    ...(envoy === undefined ? {} : { envoy }),
    onCrash: (error) => say(`${error.message}; it is started again`, 'error'),
    ...(onLeftOut === undefined ? {} : { onLeftOut }),
    onRefusal: ({ names, message }) => say(`Envoy refused ${names.join(', ')}: ${message.trim()}`, 'error'),
  };
  // Its messages are thousands of descriptors: nobody else waits for them.
  const { startEnvoyEngine } = await import('../../engines/envoy/engine.ts');
  return startEnvoyEngine(options);
}

function envoyLimits(limits: Partial<Limits>): Partial<EnvoyLimits> {
  for (const key of Object.keys(limits)) {
    if (!(key in defaultLimits))
      throw new Misuse(`--limit ${limitName(key as keyof Limits)} is not one that Envoy has`);
  }
  return limits;
}
