// Virtual hosts -> a RouteConfiguration as it is sent: pieces that were encoded before, one after the other. Each piece ends with a seal,
// a digest of its octets: the version of a table is a digest of the seals, so that nobody reads a whole table for one route of it
// (measured: that was half of what a change cost in tables of 30 KiB).
import type { Resource } from '../stream/resource.ts';
import { codec, digest } from './encode.ts';
import { messageOf, SHARD_HEADER, types } from './names.ts';
import { WireWriter } from './wire.ts';

/** Octets that are written into tables, and behind them SEAL more. */
export type Sealed = Buffer;

/** Octets of a digest. */
const SEAL = 16;

/** Of all that was written; the writer is empty again. */
export function seal(writer: WireWriter): Sealed {
  writer.ascii(digest(writer.written()));
  return writer.finish();
}

/** Whether nothing is in it but the seal. */
export function isEmpty(piece: Sealed): boolean {
  return piece.length === SEAL;
}

const TABLE = messageOf(types.routes);
const HOST = 'envoy.config.route.v3.VirtualHost';
const tags = {
  name: codec.tag(TABLE, 'name'),
  host: codec.tag(TABLE, 'virtual_hosts'),
  hostName: codec.tag(HOST, 'name'),
  domain: codec.tag(HOST, 'domains'),
};

/** What is behind the hosts of each table. */
const common = sealedFields(TABLE, {
  ignore_port_in_host_matching: true,
  request_headers_to_remove: [SHARD_HEADER, 'x-envoy-internal', 'x-envoy-external-address'],
  max_direct_response_body_size_bytes: 65_536,
});

/** Fields of a message as a piece. */
export function sealedFields(type: string, fields: Parameters<typeof codec.encode>[1]): Sealed {
  const writer = new WireWriter();
  codec.write(writer, type, fields);
  return seal(writer);
}

export class TableWriter {
  readonly #octets = new WireWriter();
  /** What the version is a digest of: no two tables of one name have the same. */
  readonly #seals = new WireWriter();

  /** @param hosts calls `host` for each */
  table(name: string, hosts: (table: TableWriter) => void): Resource {
    // A table that failed may have left something.
    this.#octets.reset();
    this.#seals.reset();
    this.#octets.varint(tags.name);
    this.#octets.text(name);
    hosts(this);
    this.#piece(common);
    return { name, version: digest(this.#seals.written()), bytes: this.#octets.finish() };
  }

  /** @param pieces its other fields */
  host(name: string, domains: readonly string[], pieces: readonly Sealed[]): void {
    this.#octets.varint(tags.host);
    const start = this.#octets.open();
    this.#octets.varint(tags.hostName);
    this.#octets.text(name);
    for (const domain of domains) {
      this.#octets.varint(tags.domain);
      this.#octets.text(domain);
    }
    // The domains follow from the name.
    this.#seals.text(name);
    this.#seals.varint(pieces.length);
    for (const piece of pieces) this.#piece(piece);
    this.#octets.close(start);
  }

  #piece(piece: Sealed): void {
    const end = piece.length - SEAL;
    this.#octets.range(piece, 0, end);
    this.#seals.range(piece, end, piece.length);
  }
}
