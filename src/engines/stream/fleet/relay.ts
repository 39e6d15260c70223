// What the nodes of this replica say -> the replica that writes statuses.
import type { TlsMaterial } from '../credentials.ts';
import { Link } from '../link.ts';
import { decodeAck, encodeRelayReport, type RelayReport, relayPath } from './messages.ts';
import type { NodeReport } from './reports.ts';

export interface RelayOptions {
  readonly credentials: () => TlsMaterial;
  readonly serverName: string;
  readonly log: (message: string) => void;
}

export class Relay {
  readonly #options: RelayOptions;
  /** What nodes said last, by id. */
  readonly #known = new Map<string, RelayReport>();
  #address: string | undefined;
  #link: Link | null = null;
  #write: ((report: RelayReport) => void) | null = null;

  constructor(options: RelayOptions) {
    this.#options = options;
  }

  /** @param address of the other replica; undefined: nobody is told */
  to(address: string | undefined): void {
    if (address === this.#address) return;
    this.#address = address;
    this.#link?.close();
    this.#link = null;
    this.#write = null;
    if (address === undefined) return;
    this.#link = new Link({
      address,
      credentials: this.#options.credentials,
      serverName: this.#options.serverName,
      streams: [
        {
          path: relayPath,
          serialize: encodeRelayReport,
          deserialize: decodeAck,
          up: (write: (report: RelayReport) => void) => {
            this.#write = write;
            for (const report of this.#known.values()) write(report);
          },
          data: () => {},
          down: () => {
            this.#write = null;
          },
        },
      ],
      onDown: (reason, next) => this.#options.log(`the relay to ${address} is down, again in ${next} ms: ${reason}`),
    });
  }

  /** @param report undefined: the node is gone */
  tell(id: string, gateway: string, report: NodeReport | undefined): void {
    if (report === undefined) {
      this.#known.delete(id);
      this.#write?.({ id, gateway });
    } else {
      const relayed = { id, gateway, report };
      this.#known.set(id, relayed);
      this.#write?.(relayed);
    }
  }

  close(): void {
    this.to(undefined);
  }
}
