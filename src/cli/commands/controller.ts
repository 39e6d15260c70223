// portolan controller: a cluster → its Gateways, served here or by data planes of their own, until it is told to stop.
import { Controller } from '../../controller/controller.ts';
import type { ControllerOptions } from '../../controller/controller.ts';
import { dump } from '../../pipeline/dump.ts';
import { AccessError, accessFrom } from '../../sources/cluster/access.ts';
import type { Access } from '../../sources/cluster/access.ts';
import { KubeClient } from '../../sources/cluster/client.ts';
import { Misuse } from '../command.ts';
import type { Arguments } from '../command.ts';
import { logLine } from '../log-line.ts';
import type { Run } from '../main.ts';
import { parseListen } from '../model/names.ts';
import { keepYoungSmall } from '../proxy/memory.ts';
import { startAdmin } from '../run/admin.ts';
import type { Admin } from '../run/admin.ts';
import { controllerMode } from '../run/controller-mode.ts';
import { leaveSoon, stopSignal } from '../stop-signal.ts';

export const run: Run = async (args) => {
  keepYoungSmall();
  const access = accessOf(args);
  const drain = args.number('drain', { min: 0, max: 3600 }) ?? 10;
  const namespace = args.text('lease-namespace') ?? access.namespace;
  const { failed, ...mode } = await controllerMode(args, namespace);
  const controller = new Controller({
    client: new KubeClient(access),
    controllerName: controllerNameOf(args),
    ...mode,
    selection: selectionOf(args),
    namespace,
    electsLeader: !args.on('no-leader-election'),
    log: logLine,
  });
  const told = stopSignal();
  try {
    const admin = await openAdmin(args, controller);
    controller.start();
    logLine({ level: 'info', message: `watching ${access.server}` });
    await (failed === undefined ? told : Promise.race([told, failed]));
    logLine({ level: 'info', message: `stopping: requests in flight have ${drain} s` });
    await controller.stop(drain * 1000);
    admin?.close();
    return 0;
  } catch (error) {
    // Another replica may take over at once.
    await controller.stop(0);
    throw error;
  } finally {
    await controller.plane.close();
    leaveSoon();
  }
};

/** In the form that the CRD of GatewayClasses asks for: a class could name no other. */
function controllerNameOf(args: Arguments): string {
  const name = args.text('controller-name') ?? 'portolan.dev/gateway-controller';
  if (/^[a-z0-9.-]+\/[A-Za-z0-9/\-._~%!$&'()*+,;=:]+$/.test(name)) return name;
  throw new Misuse(`--controller-name takes DOMAIN/PATH, not "${name}"`, 'for example example.com/gateways');
}

/** What is left out of the cluster. */
function selectionOf(args: Arguments): NonNullable<ControllerOptions['selection']> {
  const namespaces = args.texts('namespace');
  const namespaceSelector = args.text('namespace-selector');
  const selector = args.text('selector');
  if (namespaces.length > 0 && namespaceSelector !== undefined) {
    throw new Misuse(
      '--namespace and --namespace-selector go not together',
      'name the namespaces, or select them by labels',
    );
  }
  return {
    ...(namespaces.length === 0 ? {} : { namespaces }),
    ...(namespaceSelector === undefined ? {} : { namespaceSelector }),
    ...(selector === undefined ? {} : { selector }),
  };
}

function accessOf(args: Arguments): Access {
  try {
    return accessFrom(args.text('kubeconfig'), args.text('context'));
  } catch (error) {
    if (error instanceof AccessError) throw new Misuse(error.message);
    throw error;
  }
}

async function openAdmin(args: Arguments, controller: Controller): Promise<Admin | undefined> {
  const text = args.text('admin');
  if (text === undefined) return undefined;
  return startAdmin(parseListen('--admin', text), {
    waiting: () => controller.waiting(),
    failing: () => controller.failing(),
    metrics: () => controller.metrics(),
    config: () => (controller.pipeline === undefined ? {} : dump(controller.pipeline.tables)),
  });
}
