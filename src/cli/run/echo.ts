// --echo: the Services that routes and listeners name and nothing serves get an echo server each, and those that are not in
// the files at all are presumed. TLS in which clients reach an echo is answered with certificates of the local authority, or of
// one that nobody knows.
import type { KubeObject } from '../../api/objects.ts';
import { portOf, presumedPort, presumedService, slices, socketName } from '../model/local-backends.ts';
import type { Outside, OutsideView } from '../model/model.ts';
import type { WantedPort } from '../model/wanted-backends.ts';
import type { Authority } from './authority.ts';
import { startDatagramEcho } from './echo-datagrams.ts';
import { startEcho } from './echo-server.ts';
import type { Echo, EchoedService } from './echo-server.ts';
import { EchoTls } from './echo-tls.ts';

/** Each echo server is a socket of this process. */
const maxServers = 4000;

export class EchoBackends implements Outside {
  /** By `namespace/service:port/transport/spoken`. They stay open: a request may be on its way to one that is no longer wanted. */
  readonly #servers = new Map<string, Promise<Echo>>();
  readonly #tls: EchoTls;

  /** @param authority signs the certificates of backends that clients speak TLS with; asked when the first does */
  constructor(authority: () => Promise<Authority>) {
    this.#tls = new EchoTls(authority);
  }

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

  async #standIn(view: OutsideView, name: string, wanted: readonly WantedPort[]): Promise<readonly KubeObject[]> {
    const [namespace = '', service = ''] = name.split('/');
    const written = view.service(namespace, service);
    if (written?.spec?.type === 'ExternalName') return [];
    const ports = written?.spec?.ports?.map(portOf) ?? wanted.map(presumedPort);
    const objects: KubeObject[] = written === undefined ? [presumedService(namespace, service, ports)] : [];
    for (const { name, port, protocol } of ports) {
      const as = wanted.find((each) => each.port === port && each.transport === protocol);
      const echo = as === undefined ? undefined : await this.#server({ namespace, service, port }, as);
      if (echo === undefined) continue;
      const target = { namespace, service, portName: name, port: echo.port, protocol };
      objects.push(...slices(`portolan-echo-${service}-${socketName(port, protocol)}`, target, [echo.address]));
    }
    return objects;
  }

  #server(of: EchoedService, { transport, spoken }: WantedPort): Promise<Echo | undefined> {
    const key = `${of.namespace}/${of.service}:${of.port}/${transport}/${spoken}`;
    let server = this.#servers.get(key);
    if (server === undefined) {
      if (this.#servers.size >= maxServers) return Promise.resolve(undefined);
      server = transport === 'UDP' ? startDatagramEcho() : startEcho(of, { spoken, tls: this.#tls });
      this.#servers.set(key, server);
    }
    return server;
  }
}
