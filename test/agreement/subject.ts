// One pipeline whose objects are replaced by those of the next model, and the data planes that are fed from it: each serves the
// same update at a port of its own.
import assert from 'node:assert/strict';
import type { KubeObject } from '../../src/api/objects.ts';
import { startEngine } from '../../src/engines/embedded/engine.ts';
import { startEnvoyEngine } from '../../src/engines/envoy/engine.ts';
import { Pipeline } from '../../src/pipeline/pipeline.ts';
import type { Update } from '../../src/routing/update.ts';
import { Client } from './peers.ts';
import { freePort } from '../free-port.ts';

export interface DataPlane {
  readonly name: string;
  readonly client: Client;
  apply(update: Update): Promise<void>;
  close(): Promise<void>;
}

export async function startEmbedded(): Promise<DataPlane> {
  const port = await freePort();
  const engine = startEngine();
  const client = new Client(port);
  return {
    name: 'embedded',
    client,
    apply: (update) => engine.apply(placedAt(update, port)),
    close: async () => {
      client.close();
      await engine.close();
    },
  };
}

/** On a real Envoy, where one is found. @param splits hosts are sent in parts, however small they are */
export async function startEnvoy(envoy: string, splits: boolean): Promise<DataPlane> {
  const port = await freePort();
  const refusals: string[] = [];
  const engine = await startEnvoyEngine({
    envoy,
    onRefusal: (refusal) => refusals.push(JSON.stringify(refusal)),
    ...(splits ? { splitting: { from: 2, share: 0, parts: [2, 8], crowd: 2 } } : {}),
  });
  const client = new Client(port);
  return {
    name: splits ? 'Envoy, hosts in parts' : 'Envoy',
    client,
    apply: async (update) => {
      await engine.apply(placedAt(update, port));
      assert.deepEqual(refusals, [], 'what Envoy would refuse is not sent');
    },
    close: async () => {
      client.close();
      await engine.close();
    },
  };
}

/** The one bind of these models, wherever the data plane has a port to spare. */
export function placedAt(update: Update, port: number): Update {
  if (update.placements === undefined) return update;
  const set = update.placements.set.map((placement) => ({ ...placement, port }));
  return { ...update, placements: { ...update.placements, set } };
}

export class Subject {
  readonly pipeline: Pipeline;
  readonly #fixed: readonly KubeObject[];
  #objects: readonly KubeObject[] = [];

  constructor(fixed: readonly KubeObject[]) {
    this.pipeline = new Pipeline({
      channel: 'experimental',
      controllerName: 'portolan.dev/gateway-controller',
      classes: 'any',
      presume: false,
      engine: 'embedded',
      awaitEngine: false,
      loopbackEndpoints: true,
    });
    this.#fixed = fixed;
    for (const object of fixed) this.pipeline.apply(object);
    this.pipeline.settle();
    this.pipeline.place([{ bind: 'ns/g:80/tcp', address: '127.0.0.1', port: 80 }]);
  }

  /** What changes when these objects are all there are, beside the fixed ones. */
  replace(objects: readonly KubeObject[]): Update {
    const stay = new Set([...this.#fixed, ...objects].map(keyOf));
    for (const object of this.#objects) {
      if (stay.has(keyOf(object))) continue;
      const { kind, apiVersion, metadata } = object;
      this.pipeline.delete({ kind, apiVersion, metadata });
    }
    for (const object of objects) this.pipeline.apply(object);
    this.#objects = objects;
    return this.pipeline.settle().update;
  }
}

function keyOf({ kind, metadata }: KubeObject): string {
  return `${kind}/${metadata.name}`;
}
