// A client of delta discovery over gRPC, for tests: it says what it is told to, and keeps what it is sent.
import * as grpc from '@grpc/grpc-js';
import {
  decodeResponse,
  type DeltaRequest,
  type DeltaResponse,
  deltaPath,
  encodeRequest,
} from '../../src/engines/stream/discovery.ts';
import { controllerUri, gatewayUri } from '../../src/engines/stream/identity.ts';
import type { TlsMaterial } from '../../src/engines/stream/credentials.ts';
import type { Authority } from './tls-certificates.ts';

/** The name that certificates of test servers are for. */
export const serverName = 'portolan-controller';

export async function serverMaterial(ca: Authority): Promise<TlsMaterial> {
  return materialOf(ca, await ca.issue({ names: [serverName], uris: [controllerUri] }));
}

export async function gatewayMaterial(ca: Authority, gateway: string): Promise<TlsMaterial> {
  return materialOf(ca, await ca.issue({ commonName: 'proxy', uris: [gatewayUri(gateway)] }));
}

export function materialOf(
  ca: Pick<Authority, 'certificate'>,
  leaf: { readonly certificate: string; readonly privateKey: string },
): TlsMaterial {
  return {
    ca: Buffer.from(ca.certificate),
    certificate: Buffer.from(leaf.certificate),
    key: Buffer.from(leaf.privateKey),
  };
}

export interface RawOptions {
  readonly acknowledge?: boolean;
  /** Why a response is refused; undefined: it is not. */
  readonly refusal?: (response: DeltaResponse) => string | undefined;
}

export class RawClient {
  readonly responses: DeltaResponse[] = [];
  readonly names: Set<string> = new Set();
  /** With what the stream ended. */
  readonly ended: Promise<grpc.StatusObject>;
  bytes = 0;
  readonly #client: grpc.Client;
  readonly #call: grpc.ClientDuplexStream<DeltaRequest, DeltaResponse>;
  #woken: () => void = () => {};

  constructor(address: string, material?: Partial<TlsMaterial>, options: RawOptions = {}) {
    const credentials =
      material === undefined
        ? grpc.credentials.createInsecure()
        : grpc.credentials.createSsl(material.ca ?? null, material.key ?? null, material.certificate ?? null);
    this.#client = new grpc.Client(address, credentials, {
      'grpc.ssl_target_name_override': serverName,
      'grpc.use_local_subchannel_pool': 1,
      'grpc.max_receive_message_length': -1,
    });
    this.#call = this.#client.makeBidiStreamRequest(
      deltaPath,
      encodeRequest,
      (bytes) => {
        this.bytes += bytes.length;
        return decodeResponse(bytes);
      },
      new grpc.Metadata(),
    );
    this.#call.on('data', (response: DeltaResponse) => {
      this.responses.push(response);
      for (const { name } of response.resources) this.names.add(`${response.typeUrl} ${name}`);
      for (const name of response.removed) this.names.delete(`${response.typeUrl} ${name}`);
      const error = options.refusal?.(response);
      const answer = { nonce: response.nonce, ...(error === undefined ? {} : { error }) };
      if (options.acknowledge !== false) this.ask(response.typeUrl, [], answer);
      this.#woken();
    });
    this.#call.on('error', () => {});
    this.ended = new Promise((resolve) => {
      this.#call.on('status', resolve);
    });
  }

  ask(typeUrl: string, subscribe: readonly string[] = [], more: Partial<DeltaRequest> = {}): this {
    const request = { typeUrl, subscribe, unsubscribe: [], initialVersions: new Map(), nonce: '', ...more };
    this.#call.write({ node: { id: 'raw', agent: 'test 1' }, ...request });
    return this;
  }

  /** Resolves when `condition` holds, looked at after each response. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      await new Promise<void>((resolve) => {
        this.#woken = resolve;
      });
    }
  }

  close(): void {
    this.#call.cancel();
    this.#client.close();
  }
}
