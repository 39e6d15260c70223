// The flags of `portolan controller` → how Gateways are served: in this process, or by data planes of their own.
import { AddressPool } from '../../controller/addresses.ts';
import { allInOne } from '../../controller/all-in-one.ts';
import type { Mode } from '../../controller/serving.ts';
import { Misuse } from '../command.ts';
import type { Arguments } from '../command.ts';
import { YOUNG_SPACE } from '../proxy/memory.ts';
import { engineSettings, startLocalEngine } from './engines.ts';

export interface ControllerMode {
  readonly mode: Mode;
  /** HOST:PORT at which other replicas reach the stream of this one; in one process there is none. */
  readonly streamAddress?: string;
  /** Rejects when what serves in this process does not start; never resolved. */
  readonly failed?: Promise<never>;
}

/** @param namespace of the controller */
export async function controllerMode(args: Arguments, namespace: string): Promise<ControllerMode> {
  const range = args.text('address-pool');
  const image = args.text('proxy-image');
  if (range !== undefined && image !== undefined) {
    throw new Misuse('--address-pool and --proxy-image go not together', 'serve in this process, or by Deployments');
  }
  if (range !== undefined && args.text('envoy-image') !== undefined)
    throw new Misuse('--envoy-image is for Deployments', '--engine envoy is for --address-pool');
  if (range !== undefined) return inThisProcess(args, range);
  if (args.text('engine') === 'envoy') {
    throw new Misuse('--engine envoy is for --address-pool', 'a GatewayConfig says engine: envoy for Deployments');
  }
  const found = image ?? process.env['PORTOLAN_IMAGE'];
  if (found !== undefined && found !== '') {
    // gRPC, the authority and the dialect of Envoys: 20 MB that a process which serves by itself does without.
    const { byDataPlanes } = await import('./data-planes-mode.ts');
    return byDataPlanes(args, found, namespace);
  }
  throw new Misuse(
    'it is not said how Gateways are served',
    '--proxy-image IMAGE gives each Gateway a Deployment; --address-pool 192.0.2.10 serves them in this process',
  );
}

function inThisProcess(args: Arguments, range: string): ControllerMode {
  const settings = { ...engineSettings(args), embedded: { youngSpace: YOUNG_SPACE } };
  const { promise: failed, reject } = Promise.withResolvers<never>();
  // Whoever does not wait for it is told by the log.
  failed.catch(() => {});
  const mode = allInOne({
    pool: poolOf(range),
    engine: args.text('engine') === 'envoy' ? 'envoy' : 'embedded',
    start: (events) => {
      const engine = startLocalEngine(args, settings, events);
      engine.catch(reject);
      return engine;
    },
  });
  return { mode, failed };
}

function poolOf(range: string): AddressPool {
  try {
    return new AddressPool(range);
  } catch (error) {
    throw new Misuse(`--address-pool: ${(error as Error).message}`, 'for example 10.0.0.0/24, or a single address');
  }
}
