// --echo: the Services that routes name and nothing serves get an echo server each, and those that are not in the files
// at all are presumed.
import type { KubeObject } from '../../api/objects.ts';
import { portName, presumedService, slices } from '../model/local-backends.ts';
import type { Outside, OutsideView } from '../model/model.ts';
import { startEcho } from './echo-server.ts';
import type { Echo } from './echo-server.ts';

/** Each echo server is a socket of this process. */
const maxServers = 4000;

export class EchoBackends implements Outside {
  /** By `namespace/service:port`. They stay open: a request may be on its way to one that is no longer wanted. */
  readonly #servers = new Map<string, Promise<Echo>>();

  async objects(view: OutsideView): Promise<readonly KubeObject[]> {
    const objects: Promise<readonly KubeObject[]>[] = [];
    for (const [name, ports] of view.wanted) {
      if (!view.hasEndpoints(name)) objects.push(this.#standIn(view, name, ports));
    }
    return (await Promise.all(objects)).flat();
  }

  async close(): Promise<void> {
    for (const server of this.#servers.values()) (await server).close();
  }

  async #standIn(view: OutsideView, name: string, wanted: readonly number[]): Promise<readonly KubeObject[]> {
    const [namespace = '', service = ''] = name.split('/');
    const written = view.service(namespace, service);
    if (written?.spec?.type === 'ExternalName') return [];
    const named = written?.spec?.ports?.map(({ name = '', port }) => ({ name, port }));
    const ports =
      named?.filter(({ port }) => wanted.includes(port)) ?? wanted.map((port) => ({ name: portName(port), port }));
    const objects: KubeObject[] = written === undefined ? [presumedService(namespace, service, ports)] : [];
    for (const { name, port } of ports) {
      const echo = await this.#server(namespace, service, port);
      if (echo === undefined) continue;
      const target = { namespace, service, portName: name, port: echo.port };
      objects.push(...slices(`portolan-echo-${service}-${port}`, target, [echo.address]));
    }
    return objects;
  }

  #server(namespace: string, service: string, port: number): Promise<Echo | undefined> {
    const key = `${namespace}/${service}:${port}`;
    let server = this.#servers.get(key);
    if (server === undefined) {
      if (this.#servers.size >= maxServers) return Promise.resolve(undefined);
      server = startEcho({ namespace, service, port });
      this.#servers.set(key, server);
    }
    return server;
  }
}
