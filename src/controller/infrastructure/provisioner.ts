// Objects of Gateways → the API server, by server-side apply: when they differ from what was applied last, and again when somebody
// edits or deletes one; one that is refused keeps none of the others from it. What is not needed any more is deleted. An object of
// somebody else that has the same name is left alone, and nothing goes over it. What fails is tried again, later each time.
import type { KubeClient } from '../../sources/cluster/client.ts';
import { ApiError } from '../../sources/cluster/client.ts';
import type { KubeObject } from '../../api/objects.ts';
import { list, record, text } from '../../support/untrusted.ts';
import type { Plural, Provided } from './owned.ts';
import { manager, pathOf } from './owned.ts';
import { Retries } from '../retries.ts';

export interface Infrastructure {
  /** Of the Gateway. */
  readonly key: string;
  /** Of what owns the objects. */
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  readonly objects: readonly Provided[];
  /** Objects of that name that are not wanted. */
  readonly absent: readonly Plural[];
  /** Done before the objects are applied. */
  readonly prepare?: () => Promise<void>;
}

export interface ProvisionerOptions {
  readonly client: KubeClient;
  /** `error` undefined: all is applied. */
  readonly settled: (gateway: string, error: Error | undefined) => void;
}

/** An object that has the name of ours. */
export class ForeignObjectError extends Error {
  readonly code = 'FOREIGN_OBJECT';
}

/** The address within the cluster that a Service was to have. */
export class RefusedAddressError extends Error {
  readonly code = 'REFUSED_ADDRESS';
  readonly address: string;

  constructor(address: string, message: string) {
    super(message);
    this.address = address;
  }
}

/** Several objects could not be applied. */
export class SeveralObjectsError extends Error {
  readonly code = 'SEVERAL_OBJECTS';
  readonly errors: readonly Error[];

  constructor(errors: readonly Error[]) {
    super([...new Set(errors.map(({ message }) => message))].join('; '));
    this.errors = errors;
  }
}

/** The cluster does not take an object as it is: trying again alone does not help. An address that is refused is another matter. */
export function isRefusal(error: Error): boolean {
  if (error instanceof SeveralObjectsError) return error.errors.some(isRefusal);
  return error instanceof ForeignObjectError || (error instanceof ApiError && REFUSALS.has(error.status));
}

/** Not well-formed, not allowed (rights, a quota, an admission), too large, invalid. */
const REFUSALS: ReadonlySet<number> = new Set([400, 403, 413, 422]);

/** Who asks, or the server as a whole: the next object would be told the same. */
const NOT_OF_OBJECTS: ReadonlySet<number> = new Set([401, 429, 503, 504]);

/** Milliseconds. */
const LONGEST_PAUSE = 300_000;

interface State {
  wanted: Infrastructure;
  /** What was applied, or is being. */
  text: string;
  /** resourceVersion by path, as our own writes left it. */
  readonly versions: Map<string, string>;
  /** resourceVersion by path, as it was told while our own writes were under way. */
  readonly seen: Map<string, string>;
  /** Whose the objects are has been looked at. */
  checked: boolean;
  /** It is to be applied, and this has not begun. */
  pending: boolean;
}

export class Provisioner {
  readonly #options: ProvisionerOptions;
  readonly #states = new Map<string, State>();
  readonly #queues = new Map<string, Promise<void>>();
  readonly #retries = new Retries(LONGEST_PAUSE);
  #closed = false;

  constructor(options: ProvisionerOptions) {
    this.#options = options;
  }

  /** Nothing is done for what is applied already. */
  provide(wanted: Infrastructure): void {
    const state = this.#states.get(wanted.key);
    const text = JSON.stringify([wanted.uid, wanted.objects, wanted.absent]);
    if (state === undefined) {
      const fresh: State = {
        wanted,
        text,
        versions: new Map(),
        seen: new Map(),
        checked: false,
        pending: false,
      };
      this.#states.set(wanted.key, fresh);
      this.#applySoon(fresh);
      return;
    }
    if (state.wanted.name !== wanted.name) {
      // Of another class now: under another name.
      this.withdraw(wanted.key);
      this.provide(wanted);
      return;
    }
    const isSame = state.text === text;
    state.checked &&= state.wanted.uid === wanted.uid;
    state.wanted = wanted;
    state.text = text;
    if (!isSame) this.#applySoon(state);
  }

  /** The Gateway is not ours any more: what it was given goes. Of one that is deleted the server removes it as well, and either may be first. */
  withdraw(key: string): void {
    const state = this.#states.get(key);
    if (state === undefined) return;
    this.#retries.done(key);
    this.#states.delete(key);
    this.#removeSoon(state.wanted);
  }

  /** An object of the Gateway was changed or deleted by somebody: it is brought back, unless it was our own hand. */
  touched(key: string, { plural, object }: { readonly plural: Plural; readonly object: Touched }): void {
    const state = this.#states.get(key);
    if (state === undefined) return;
    const path = pathOf(plural, state.wanted.namespace, state.wanted.name);
    const version = object?.resourceVersion ?? '';
    if (state.versions.get(path) === version) return;
    // Likely our own hand: told afterwards.
    if (this.#queues.has(key)) state.seen.set(path, version);
    else this.#applySoon(state);
  }

  /** All of it once more. */
  again(key: string): void {
    const state = this.#states.get(key);
    if (state !== undefined) this.#applySoon(state);
  }

  close(): void {
    this.#closed = true;
    this.#retries.close();
    this.#states.clear();
  }

  /** Once, however many reasons come before it begins. */
  #applySoon(state: State): void {
    if (state.pending) return;
    state.pending = true;
    const { key } = state.wanted;
    this.#enqueue(key, () =>
      this.#apply(state).then(
        () => this.#succeeded(key),
        (error: unknown) => this.#failed(key, error as Error),
      ),
    );
  }

  #removeSoon(wanted: Infrastructure): void {
    const { key, name } = wanted;
    const removal = `${key} without ${name}`;
    this.#enqueue(key, () =>
      this.#remove(wanted).then(
        () => {
          this.#retries.done(removal);
          if (!this.#states.has(key)) this.#options.settled(key, undefined);
        },
        (error: unknown) => {
          this.#retries.later(removal, error as Error, () => this.#removeSoon(wanted));
          if (!this.#states.has(key)) this.#options.settled(key, error as Error);
        },
      ),
    );
  }

  async #remove(wanted: Infrastructure): Promise<void> {
    // Unless it is wanted again by now.
    if (this.#states.get(wanted.key)?.wanted.name === wanted.name) return;
    const plurals = new Set<Plural>([...wanted.objects.map(({ plural }) => plural), ...wanted.absent, 'secrets']);
    for (const plural of plurals) await this.#delete(plural, wanted);
  }

  /** @param work never rejects */
  #enqueue(key: string, work: () => Promise<void>): void {
    if (this.#closed) return;
    const before = this.#queues.get(key) ?? Promise.resolve();
    const turn = before.then(work);
    this.#queues.set(key, turn);
    void turn.then(() => this.#queues.get(key) === turn && this.#queues.delete(key));
  }

  #succeeded(key: string): void {
    const state = this.#states.get(key);
    if (state === undefined || this.#closed) return;
    this.#retries.done(key);
    this.#options.settled(key, undefined);
    const isTouched = [...state.seen].some(([path, version]) => state.versions.get(path) !== version);
    state.seen.clear();
    if (isTouched) this.#applySoon(state);
  }

  #failed(key: string, error: Error): void {
    if (this.#closed) return;
    if (this.#states.has(key)) this.#retries.later(key, error, () => this.again(key));
    this.#options.settled(key, error);
  }

  async #apply(state: State): Promise<void> {
    state.pending = false;
    // Newer wishes have the place of older ones in the queue.
    if (this.#closed || this.#states.get(state.wanted.key) !== state) return;
    const { wanted } = state;
    if (!state.checked) {
      for (const { plural } of wanted.objects) await this.#refuseForeign(plural, wanted);
      state.checked = true;
    }
    await wanted.prepare?.();
    // None of them is made of another one: what is wrong with a Service keeps no new image from the Pods.
    const failures: Error[] = [];
    for (const object of wanted.objects) {
      try {
        await this.#applyOne(object, state);
      } catch (error) {
        if (!isOfOneObject(error)) throw error;
        failures.push(refusedAddress(object, error) ?? error);
      }
    }
    for (const plural of wanted.absent) await this.#delete(plural, wanted);
    if (failures.length > 0) throw together(failures);
  }

  async #applyOne(object: Provided, { wanted, versions }: State): Promise<void> {
    const path = pathOf(object.plural, wanted.namespace, wanted.name);
    const applied = await this.#options.client.request<KubeObject>('PATCH', path, {
      query: { fieldManager: manager, force: 'true' },
      type: 'application/apply-patch+yaml',
      body: { ...object, plural: undefined },
    });
    versions.set(path, text(record(applied.metadata)['resourceVersion']) ?? '');
  }

  async #refuseForeign(plural: Plural, { namespace, name, uid }: Infrastructure): Promise<void> {
    const found = await this.#read(plural, namespace, name);
    if (found === undefined || ownedBy(found, uid)) return;
    throw new ForeignObjectError(
      `${found.kind} ${namespace}/${name} exists and does not belong to the Gateway: delete or rename it`,
    );
  }

  async #delete(plural: Plural, { namespace, name, uid }: Infrastructure): Promise<void> {
    const found = await this.#read(plural, namespace, name);
    if (found === undefined || !ownedBy(found, uid)) return;
    const body = { apiVersion: 'v1', kind: 'DeleteOptions', preconditions: { uid: found.metadata.uid } };
    await this.#options.client.request('DELETE', pathOf(plural, namespace, name), { body }).catch(ignoreGone);
  }

  async #read(plural: Plural, namespace: string, name: string): Promise<KubeObject | undefined> {
    try {
      return await this.#options.client.request<KubeObject>('GET', pathOf(plural, namespace, name));
    } catch (error) {
      ignoreAbsent(error);
      return undefined;
    }
  }
}

/** The server answered, and with another object it may be otherwise. */
function isOfOneObject(error: unknown): error is ApiError {
  return error instanceof ApiError && !NOT_OF_OBJECTS.has(error.status);
}

/** An address that is refused goes first: with the next one the Service is another, and what else is wrong is told then. */
function together(errors: readonly Error[]): Error {
  const [only = new Error('nothing failed'), ...others] = errors;
  if (others.length === 0) return only;
  return errors.find((error) => error instanceof RefusedAddressError) ?? new SeveralObjectsError(errors);
}

/** Of a Service that asks for an address within the cluster that is taken, or none of the cluster's. */
function refusedAddress({ spec }: Provided, error: ApiError): RefusedAddressError | undefined {
  const address = text(record(spec)['clusterIP']);
  if (address === undefined || error.status !== 422) return undefined;
  return /\bspec\.clusterIPs?\b/.test(error.message) ? new RefusedAddressError(address, error.message) : undefined;
}

/** Undefined: it was deleted. */
export type Touched = { readonly resourceVersion: string } | undefined;

function ownedBy({ metadata }: KubeObject, uid: string): boolean {
  return list(record(metadata)['ownerReferences']).some((owner) => record(owner)['uid'] === uid);
}

function ignoreAbsent(error: unknown): void {
  if (!(error instanceof ApiError && error.status === 404)) throw error;
}

/** Or another object has its name by now, which is not the one that was to be deleted. */
function ignoreGone(error: unknown): void {
  if (!(error instanceof ApiError && error.status === 409)) ignoreAbsent(error);
}
