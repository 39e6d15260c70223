// A Lease (coordination.k8s.io) that one of several replicas holds at a time: only that one writes. All of them serve.
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { KubeClient } from '../sources/cluster/client.ts';
import { ApiError } from '../sources/cluster/client.ts';
import { record, text } from '../support/untrusted.ts';

export interface LeaseOptions {
  readonly client: KubeClient;
  readonly namespace: string;
  readonly name: string;
  /** Now it writes, or does not any more. */
  readonly changed: (leads: boolean) => void;
  /** What this one tells of itself: where other replicas reach it. */
  readonly address?: string;
  /** What the replica that holds it tells of itself; undefined: this one holds it, or it is not known. Told when it changes. */
  readonly leader?: (address: string | undefined) => void;
  readonly failed: (error: Error) => void;
}

/** Of the Lease: where the replica that holds it is reached. */
const addressAnnotation = 'portolan.dev/stream-address';
/** Seconds until others may take it. */
const DURATION = 15;
/** Milliseconds between renewals, and after which one that could not be renewed is given up. */
const RENEW = 3000;
const GIVE_UP = 10_000;

export class Lease {
  readonly identity: string = `${hostname()}_${randomUUID().slice(0, 8)}`;
  readonly #options: LeaseOptions;
  #leads = false;
  /** What was seen last, and since when it stands: clocks of other machines are not read. */
  #seen = '';
  #since = 0;
  #renewed = 0;
  #leader: string | undefined;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: LeaseOptions) {
    this.#options = options;
  }

  get leads(): boolean {
    return this.#leads;
  }

  start(): void {
    void this.#turn();
  }

  /** Gives it up, so that another need not wait. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    if (!this.#leads) return;
    this.#lead(false);
    await this.#release().catch(() => {});
  }

  async #turn(): Promise<void> {
    try {
      if (await this.#take()) {
        this.#renewed = performance.now();
        this.#lead(true);
      } else this.#lead(false);
    } catch (error) {
      this.#options.failed(error as Error);
      if (performance.now() - this.#renewed > GIVE_UP) this.#lead(false);
    }
    if (!this.#closed) this.#timer = setTimeout(() => void this.#turn(), RENEW * (0.9 + Math.random() / 5)).unref();
  }

  #lead(leads: boolean): void {
    if (leads === this.#leads) return;
    this.#leads = leads;
    if (leads) this.#follow(undefined);
    this.#options.changed(leads);
  }

  #follow(address: string | undefined): void {
    if (address === this.#leader) return;
    this.#leader = address;
    this.#options.leader?.(address);
  }

  get #path(): string {
    const { namespace } = this.#options;
    return `/apis/coordination.k8s.io/v1/namespaces/${encodeURIComponent(namespace)}/leases`;
  }

  /** Whether it is ours now. */
  async #take(): Promise<boolean> {
    const { client, name } = this.#options;
    const stored = await client.request('GET', `${this.#path}/${name}`).catch(absent);
    if (stored === undefined)
      return this.#write('POST', this.#path, {
        metadata: { name },
        kept: { leaseTransitions: 0, acquireTime: timeNow() },
      });
    const { metadata, spec } = record(stored) as { metadata?: unknown; spec?: unknown };
    const { resourceVersion, annotations } = record(metadata);
    const { holderIdentity, renewTime, leaseTransitions, acquireTime } = record(spec);
    const holder = text(holderIdentity) ?? '';
    const state = `${holder} ${text(renewTime) ?? ''}`;
    if (state !== this.#seen) {
      this.#seen = state;
      this.#since = performance.now();
    }
    const free = holder === '' || holder === this.identity || performance.now() - this.#since > DURATION * 1000;
    if (!free) {
      this.#follow(text(record(annotations)[addressAnnotation]));
      return false;
    }
    const before = typeof leaseTransitions === 'number' ? leaseTransitions : 0;
    const kept =
      holder === this.identity
        ? { leaseTransitions: before, acquireTime: text(acquireTime) ?? timeNow() }
        : { leaseTransitions: before + 1, acquireTime: timeNow() };
    return this.#write('PUT', `${this.#path}/${name}`, { metadata: { name, resourceVersion }, kept });
  }

  async #write(
    method: 'POST' | 'PUT',
    path: string,
    { metadata, kept }: { readonly metadata: object; readonly kept: object },
  ): Promise<boolean> {
    const { address } = this.#options;
    const body = {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: { ...metadata, annotations: address === undefined ? {} : { [addressAnnotation]: address } },
      spec: { ...kept, holderIdentity: this.identity, leaseDurationSeconds: DURATION, renewTime: timeNow() },
    };
    try {
      await this.#options.client.request(method, path, { body });
      return true;
    } catch (error) {
      // Another was quicker.
      if (error instanceof ApiError && error.status === 409) return false;
      throw error;
    }
  }

  async #release(): Promise<void> {
    const { client, name } = this.#options;
    const { metadata, spec } = record(await client.request('GET', `${this.#path}/${name}`));
    if (record(spec)['holderIdentity'] !== this.identity) return;
    const body = {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: { name, resourceVersion: record(metadata)['resourceVersion'] },
      spec: { ...record(spec), holderIdentity: '' },
    };
    await client.request('PUT', `${this.#path}/${name}`, { body });
  }
}

function absent(error: unknown): undefined {
  if (error instanceof ApiError && error.status === 404) return undefined;
  throw error;
}

/** MicroTime. */
function timeNow(): string {
  return `${new Date().toISOString().slice(0, -1)}000Z`;
}
