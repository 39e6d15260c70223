// All connections to one endpoint, in pools that only those share who may: clusters without TLS and PROXY protocol one pool per
// protocol, clusters with TLS one per settings, and with the PROXY protocol each client has its own, since the header says
// whose the connection is.
import type { Cluster, Endpoint } from '../../routing/model.ts';
import type { Way } from './dial.ts';
import { Http1Pool } from './http1/pool.ts';
import { Http2Pool } from './http2/pool.ts';
import type { Client, Connector } from './sides.ts';
import type { Thread } from './thread.ts';
import type { BackendTls, SecuredPools } from './tls/backend-tls.ts';

interface OwnPool {
  readonly way: Way;
  readonly pool: Connector;
}

export class EndpointPools implements SecuredPools {
  readonly #endpoint: Endpoint;
  readonly #thread: Thread;
  #http1: Connector | null = null;
  #http2: Connector | null = null;
  /** null: there is none, as at most endpoints, of which there may be tens of thousands. */
  #byTls: Map<BackendTls, Connector> | null = null;
  /** Of clusters with the PROXY protocol; the key null: connections for nobody. */
  #byClient: Map<Client | null, OwnPool[]> | null = null;

  constructor(endpoint: Endpoint, thread: Thread) {
    this.#endpoint = endpoint;
    this.#thread = thread;
  }

  poolFor(row: Cluster, tls: BackendTls | null, client: Client | null): Connector {
    if (row.proxyProtocol !== undefined) return this.#ownPool({ row, tls, client });
    if (tls !== null) return this.#securedPool(tls, row);
    // Which fails: a row with TLS has settings.
    if (row.tls !== undefined) return this.#newPool({ row, tls, client: null });
    if (row.protocol === 'http1') return (this.#http1 ??= this.#newPool({ row, tls, client: null }));
    return (this.#http2 ??= this.#newPool({ row, tls, client: null }));
  }

  #newPool(way: Way): Connector {
    return way.row.protocol === 'http1'
      ? new Http1Pool(this.#endpoint, way, this.#thread)
      : new Http2Pool(this.#endpoint, way, this.#thread);
  }

  #securedPool(tls: BackendTls, row: Cluster): Connector {
    const byTls = (this.#byTls ??= new Map<BackendTls, Connector>());
    let pool = byTls.get(tls);
    if (pool === undefined) {
      pool = this.#newPool({ row, tls, client: null });
      byTls.set(tls, pool);
      tls.join(this);
    }
    return pool;
  }

  #ownPool(way: Way): Connector {
    const { row, tls, client } = way;
    const byClient = (this.#byClient ??= new Map<Client | null, OwnPool[]>());
    let own = byClient.get(client);
    if (own === undefined) {
      own = [];
      byClient.set(client, own);
      if (client !== null) this.#thread.dedicate(client, this);
    }
    const known = own.find(
      (each) =>
        each.way.tls === tls &&
        each.way.row.protocol === row.protocol &&
        each.way.row.proxyProtocol === row.proxyProtocol &&
        (tls !== null || each.way.row.tls === row.tls),
    );
    if (known !== undefined) return known.pool;
    const pool = this.#newPool(way);
    own.push({ way, pool });
    tls?.join(this);
    return pool;
  }

  /** The client is gone. */
  leave(client: Client): void {
    for (const { pool } of this.#byClient?.get(client) ?? []) pool.close();
    this.#byClient?.delete(client);
  }

  /** What was established with these settings takes nothing new. */
  retire(tls: BackendTls): void {
    this.#byTls?.get(tls)?.close();
    this.#byTls?.delete(tls);
    for (const [client, own] of this.#byClient ?? []) {
      for (const { way, pool } of own) if (way.tls === tls) pool.close();
      this.#byClient?.set(
        client,
        own.filter(({ way }) => way.tls !== tls),
      );
    }
  }

  /** The endpoint is gone. */
  close(): void {
    this.#http1?.close();
    this.#http2?.close();
    for (const [tls, pool] of this.#byTls ?? []) {
      pool.close();
      tls.leave(this);
    }
    this.#byTls = null;
    for (const own of this.#byClient?.values() ?? []) {
      for (const { way, pool } of own) {
        pool.close();
        way.tls?.leave(this);
      }
    }
    this.#byClient = null;
  }
}
