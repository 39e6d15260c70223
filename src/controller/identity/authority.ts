// The Secret with the authority of the streams, as every replica sees it: the leader makes and renews it, all of them read it. Of two
// that would make it at once the first wins, for it is only ever created, or written over the version that was read.
import type { KubeClient } from '../../sources/cluster/client.ts';
import { ApiError } from '../../sources/cluster/client.ts';
import { texts } from '../../support/untrusted.ts';
import type { UnknownRecord } from '../../support/untrusted.ts';
import type { LogEntry } from '../log.ts';
import type { AuthorityState } from './authority-state.ts';
import { nextState, trustedBy } from './authority-state.ts';

export interface AuthorityOptions {
  readonly client: KubeClient;
  readonly namespace: string;
  /** Whether this replica writes. */
  readonly leads: () => boolean;
  /** Another authority signs, or is trusted. */
  readonly changed: (state: AuthorityState) => void;
  readonly log: (entry: LogEntry) => void;
}

export const authoritySecret = 'portolan-ca';

/** Milliseconds between two looks; sooner as long as there is none. */
const LOOK_AGAIN = 60_000;
const LOOK_SOON = 1000;

export class Authority {
  readonly #options: AuthorityOptions;
  #state: AuthorityState | undefined;
  #seen = '';
  #timer: NodeJS.Timeout | undefined;
  #looking = false;
  #closed = false;

  constructor(options: AuthorityOptions) {
    this.#options = options;
  }

  /** Undefined until there is one. */
  get state(): AuthorityState | undefined {
    return this.#state;
  }

  /** Looks now, and from then on. */
  look(): void {
    clearTimeout(this.#timer);
    if (this.#looking) return;
    this.#looking = true;
    this.#refresh()
      .catch((error: unknown) => {
        const message = `the Secret ${authoritySecret} could not be read or written: ${(error as Error).message}`;
        this.#options.log({ level: 'warn', message });
      })
      .finally(() => {
        this.#looking = false;
        if (this.#closed) return;
        this.#timer = setTimeout(() => this.look(), this.#state === undefined ? LOOK_SOON : LOOK_AGAIN).unref();
      });
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  async #refresh(): Promise<void> {
    const stored = await this.#read();
    const found = stored && stateOf(stored);
    const next = this.#options.leads() ? await nextState(found) : undefined;
    if (next === undefined) this.#take(found);
    else if (await this.#write(next, stored?.metadata?.resourceVersion)) this.#take(next);
  }

  #take(state: AuthorityState | undefined): void {
    if (state === undefined || this.#closed) return;
    const text = JSON.stringify(state);
    if (text === this.#seen) return;
    this.#seen = text;
    this.#state = state;
    this.#options.changed(state);
  }

  get #path(): string {
    return `/api/v1/namespaces/${encodeURIComponent(this.#options.namespace)}/secrets`;
  }

  async #read(): Promise<StoredSecret | undefined> {
    try {
      return await this.#options.client.request<StoredSecret>('GET', `${this.#path}/${authoritySecret}`);
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return undefined;
      throw error;
    }
  }

  /** False when another was quicker: its authority is found at the next look. */
  async #write(state: AuthorityState, resourceVersion: string | undefined): Promise<boolean> {
    const body = {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: {
        name: authoritySecret,
        namespace: this.#options.namespace,
        labels: { 'app.kubernetes.io/managed-by': 'portolan' },
        ...(resourceVersion === undefined ? {} : { resourceVersion }),
      },
      type: 'Opaque',
      data: dataOf(state),
    };
    const [method, path] =
      resourceVersion === undefined
        ? (['POST', this.#path] as const)
        : (['PUT', `${this.#path}/${authoritySecret}`] as const);
    try {
      await this.#options.client.request(method, path, { body });
      this.#options.log({ level: 'info', message: `the authority of data planes was made or renewed` });
      return true;
    } catch (error) {
      if (!(error instanceof ApiError && error.status === 409)) throw error;
      this.#take(stateOf((await this.#read()) ?? {}));
      return false;
    }
  }
}

export interface StoredSecret extends UnknownRecord {
  readonly metadata?: { readonly resourceVersion?: string; readonly uid?: string };
  readonly data?: unknown;
}

/** Of a Secret as the server has it: its values, decoded. */
export function secretTexts(stored: Readonly<Record<string, unknown>> | undefined): Readonly<Record<string, string>> {
  const entries = Object.entries(texts(stored?.['data']));
  return Object.fromEntries(entries.map(([key, value]) => [key, Buffer.from(value, 'base64').toString('utf8')]));
}

export function secretData(values: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [key, Buffer.from(value).toString('base64')]));
}

function dataOf(state: AuthorityState): Readonly<Record<string, string>> {
  const { current, next, previous } = state;
  return secretData({
    'tls.crt': current.certificate,
    'tls.key': current.privateKey,
    ...(next === undefined ? {} : { 'next.crt': next.certificate, 'next.key': next.privateKey }),
    ...(previous === undefined ? {} : { 'previous.crt': previous }),
    'ca.crt': trustedBy(state),
  });
}

/** Undefined when it holds none. */
function stateOf(stored: StoredSecret): AuthorityState | undefined {
  const values = secretTexts(stored);
  const pair = (name: string): AuthorityState['current'] | undefined => {
    const certificate = values[`${name}.crt`];
    const privateKey = values[`${name}.key`];
    return certificate === undefined || privateKey === undefined ? undefined : { certificate, privateKey };
  };
  const current = pair('tls');
  const next = pair('next');
  const previous = values['previous.crt'];
  if (current === undefined) return undefined;
  return { current, ...(next === undefined ? {} : { next }), ...(previous === undefined ? {} : { previous }) };
}
