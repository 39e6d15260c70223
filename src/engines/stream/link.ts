// The client's side of streams: it connects, and when anything ends it connects again, for ever, with pauses that grow and vary. All
// streams of a link share one connection and live and die together.
import * as grpc from '@grpc/grpc-js';
import type { TlsMaterial } from './credentials.ts';

export interface StreamSpec<Request, Response> {
  readonly path: string;
  readonly serialize: (request: Request) => Buffer;
  /** What it throws ends the stream. */
  readonly deserialize: (bytes: Buffer) => Response;
  /** A new stream. `write` is good until `down` is called. */
  readonly up: (write: (request: Request) => void) => void;
  readonly data: (response: Response) => void;
  readonly down: () => void;
}

export interface LinkOptions {
  /** `host:port`, or `unix:/path` */
  readonly address: string;
  /** Read before each connection; null: without TLS. What it throws counts as a connection that failed. */
  readonly credentials: () => TlsMaterial | null;
  /** That the certificate of the server is for. */
  readonly serverName: string;
  // oxlint-disable-next-line typescript/no-explicit-any -- each stream has types of its own
  readonly streams: readonly StreamSpec<any, any>[];
  readonly onUp?: () => void;
  /** Told of each connection that ended or failed. @param next milliseconds until the next one */
  readonly onDown?: (reason: string, next: number) => void;
  /** Longest pause, in milliseconds. Default 15,000. */
  readonly longestPause?: number;
}

const FIRST_PAUSE = 200;
const LONGEST_PAUSE = 15_000;
const PING_EVERY = 10_000;
const PING_TIMEOUT = 5000;
/** Octets of one response: a single virtual host or certificate is far smaller. */
const RESPONSE_BYTES = 67_108_864;

export class Link {
  readonly #options: LinkOptions;
  #client: grpc.Client | null = null;
  #calls: readonly grpc.ClientDuplexStream<unknown, unknown>[] = [];
  #timer: NodeJS.Timeout | null = null;
  #failures = 0;
  #isUp = false;
  #closed = false;

  constructor(options: LinkOptions) {
    this.#options = options;
    this.#connect();
  }

  get isUp(): boolean {
    return this.#isUp;
  }

  close(): void {
    this.#closed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#hangUp();
  }

  #connect(): void {
    this.#timer = null;
    const { address, serverName, streams } = this.#options;
    let credentials: grpc.ChannelCredentials;
    try {
      credentials = credentialsOf(this.#options.credentials());
    } catch (error) {
      this.#lost(`the certificates cannot be used: ${(error as Error).message}`);
      return;
    }
    const client = new grpc.Client(address, credentials, {
      'grpc.ssl_target_name_override': serverName,
      'grpc.default_authority': serverName,
      'grpc.max_receive_message_length': RESPONSE_BYTES,
      'grpc.keepalive_time_ms': PING_EVERY,
      'grpc.keepalive_timeout_ms': PING_TIMEOUT,
      'grpc.use_local_subchannel_pool': 1,
      'grpc.enable_retries': 0,
      'grpc.enable_http_proxy': 0,
      'grpc.service_config_disable_resolution': 1,
    });
    this.#client = client;
    this.#calls = streams.map((spec) => this.#open(client, spec));
  }

  #open(client: grpc.Client, spec: StreamSpec<unknown, unknown>): grpc.ClientDuplexStream<unknown, unknown> {
    const call = client.makeBidiStreamRequest(spec.path, spec.serialize, spec.deserialize, new grpc.Metadata());
    const isCurrent = (): boolean => this.#client === client;
    call.on('data', (response: unknown) => {
      if (!isCurrent()) return;
      if (!this.#isUp) {
        this.#isUp = true;
        this.#failures = 0;
        this.#options.onUp?.();
      }
      spec.data(response);
    });
    // The status says it, too.
    call.on('error', () => {});
    call.on('status', ({ code, details }: grpc.StatusObject) => {
      if (isCurrent()) this.#lost(`${grpc.status[code]}: ${details}`);
    });
    spec.up((request) => {
      if (isCurrent()) call.write(request);
    });
    return call;
  }

  #lost(reason: string): void {
    this.#hangUp();
    if (this.#closed) return;
    const longest = this.#options.longestPause ?? LONGEST_PAUSE;
    const pause = Math.min(longest, FIRST_PAUSE * 2 ** Math.min(this.#failures, 10));
    // Half of it by chance, so that many proxies do not come back to a controller all at once.
    const next = Math.round(pause / 2 + (Math.random() * pause) / 2);
    this.#failures++;
    this.#timer = setTimeout(() => this.#connect(), next);
    this.#options.onDown?.(reason, next);
  }

  #hangUp(): void {
    const client = this.#client;
    if (client === null) return;
    this.#client = null;
    this.#isUp = false;
    for (const call of this.#calls) call.cancel();
    this.#calls = [];
    client.close();
    for (const { down } of this.#options.streams) down();
  }
}

function credentialsOf(material: TlsMaterial | null): grpc.ChannelCredentials {
  if (material === null) return grpc.credentials.createInsecure();
  return grpc.credentials.createSsl(material.ca, material.key, material.certificate);
}
