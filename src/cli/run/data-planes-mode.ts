// `portolan controller` that gives each Gateway data planes of its own: flags → the stream that they dial, and what is provisioned.
import { networkInterfaces } from 'node:os';
import type { Fleet, FleetOptions } from '../../controller/fleet-plane.ts';
import { FleetPlane } from '../../controller/fleet-plane.ts';
import { provisioned } from '../../controller/provisioned.ts';
import { envoyDialect } from '../../engines/envoy/dialect.ts';
import type { Dialect } from '../../engines/stream/fleet/dialect.ts';
import { startFleet } from '../../engines/stream/fleet/fleet.ts';
import { controllerUri, gatewayUri } from '../../engines/stream/identity.ts';
import { Misuse } from '../command.ts';
import type { Arguments } from '../command.ts';
import type { HostPort } from '../model/names.ts';
import { formatHostPort, parseHostPort, parseListen } from '../model/names.ts';
import { keepHeapsSmall } from '../proxy/memory.ts';
import type { ControllerMode } from './controller-mode.ts';

const service = 'portolan-controller';
const streamPort = 9443;

/** What stands on the command line of a process that serves, and in a GatewayConfig otherwise. */
const ofThisProcess = ['workers', 'trusted-hops', 'limit', 'access-log'];

/** @param namespace of the controller */
export function byDataPlanes(args: Arguments, image: string, namespace: string): ControllerMode {
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
