// The flags of `portolan controller` → how Gateways are served: in this process, or by data planes of their own.
import { networkInterfaces } from 'node:os';
import { AddressPool } from '../../controller/addresses.ts';
import { allInOne } from '../../controller/all-in-one.ts';
import type { Fleet, FleetOptions } from '../../controller/fleet-plane.ts';
import { FleetPlane } from '../../controller/fleet-plane.ts';
import { provisioned } from '../../controller/provisioned.ts';
import type { Mode } from '../../controller/serving.ts';
import { envoyDialect } from '../../engines/envoy/dialect.ts';
import type { Dialect } from '../../engines/stream/fleet/dialect.ts';
import { startFleet } from '../../engines/stream/fleet/fleet.ts';
import { controllerUri, gatewayUri } from '../../engines/stream/identity.ts';
import { Misuse } from '../command.ts';
import type { Arguments } from '../command.ts';
import type { HostPort } from '../model/names.ts';
import { formatHostPort, parseHostPort, parseListen } from '../model/names.ts';
import { keepHeapsSmall, YOUNG_SPACE } from '../proxy/memory.ts';
import { engineSettings, startLocalEngine } from './engines.ts';

export interface ControllerMode {
  readonly mode: Mode;
  /** HOST:PORT at which other replicas reach the stream of this one; in one process there is none. */
  readonly streamAddress?: string;
  /** Rejects when what serves in this process does not start; never resolved. */
  readonly failed?: Promise<never>;
}

const service = 'portolan-controller';
const streamPort = 9443;

/** @param namespace of the controller */
export function controllerMode(args: Arguments, namespace: string): ControllerMode {
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
  if (found !== undefined && found !== '') return byDataPlanes(args, found, namespace);
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

/** What stands on the command line of a process that serves, and in a GatewayConfig otherwise. */
const ofThisProcess = ['workers', 'trusted-hops', 'limit', 'access-log'];

function byDataPlanes(args: Arguments, image: string, namespace: string): ControllerMode {
  for (const flag of ofThisProcess) {
    if (args.on(flag) || args.texts(flag).length > 0) {
      throw new Misuse(`--${flag} is for --address-pool`, 'for Deployments it stands in spec.proxy of a GatewayConfig');
    }
  }
  const listen = parseListen('--stream-address', args.text('stream-address') ?? `:${streamPort}`);
  const advertised = args.text('advertise');
  const advertise =
    advertised === undefined
      ? { host: `${service}.${namespace}.svc`, port: streamPort }
      : parseHostPort('--advertise', advertised);
  keepHeapsSmall();
  const own = process.env['POD_IP'] ?? ownAddress();
  // Replicas dial each other by address, and expect the name of the Service.
  const names = new Set([advertise.host, service, `${service}.${namespace}`, `${service}.${namespace}.svc`]);
  if (own !== undefined) names.add(own);
  const envoyImage = args.text('envoy-image') ?? process.env['PORTOLAN_ENVOY_IMAGE'];
  const mode = provisioned({
    image,
    ...(envoyImage === undefined || envoyImage === '' ? {} : { envoyImage }),
    controller: formatHostPort(advertise),
    namespace,
    uriOf: gatewayUri,
    plane: ({ report, leftOut, changed, log }) =>
      new FleetPlane({
        start: (options) => openFleet(listen, { ...options, log, serverName: service, dialect: ofEnvoys(options) }),
        names: [...names],
        uri: controllerUri,
        report,
        leftOut,
        changed,
        log,
      }),
  });
  return { mode, ...(own === undefined ? {} : { streamAddress: formatHostPort({ host: own, port: listen.port }) }) };
}

/** Envoys that users run by themselves ask at the same port. */
function ofEnvoys({ parameters }: FleetOptions): Dialect {
  return envoyDialect({ settings: (gateway) => parameters(gateway) ?? {} });
}

type FleetArguments = Omit<Parameters<typeof startFleet>[0], 'address' | 'port'>;

/** On all addresses means those of both families, where there are both. */
async function openFleet({ host, port }: HostPort, options: FleetArguments): Promise<Fleet> {
  if (host !== '') return startFleet({ address: host, port, ...options });
  try {
    return await startFleet({ address: '::', port, ...options });
  } catch {
    return startFleet({ address: '0.0.0.0', port, ...options });
  }
}

/** The first that is not of this machine alone. */
function ownAddress(): string | undefined {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  return all.find(({ internal, family }) => !internal && family === 'IPv4')?.address;
}
