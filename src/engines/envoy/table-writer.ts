// Virtual hosts -> a RouteConfiguration as it is sent: pieces that were encoded before, one after the other. The version of a large table
// is a digest of those of its pieces, so that nobody reads all of it for one route (measured: half of what a change cost in tables of
// 30 KiB).
import type { Resource } from '../stream/resource.ts';
import { codec, digest } from './encode.ts';
import { messageOf, SHARD_HEADER, types } from './names.ts';
import type { Message } from './tree.ts';
import { WireWriter } from './wire.ts';

/** Fields that are written into tables. */
export class Piece {
  /** With one character per octet: such texts take half the memory of a Buffer each, and leave no holes behind. */
  readonly octets: string;
  #digest: string | undefined;

  constructor(octets: string) {
    this.octets = octets;
  }

  get digest(): string {
    return (this.#digest ??= digest(this.octets));
  }
}

/** Fields of a message as a piece. */
export function pieceOf(type: string, fields: Message): Piece {
  const writer = new WireWriter();
  codec.write(writer, type, fields);
  return new Piece(writer.taken());
}

/** Name and domains of a VirtualHost. */
export function writeNames(writer: WireWriter, name: string, domains: readonly string[]): void {
  writer.varint(tags.hostName);
  writer.text(name);
  for (const domain of domains) {
    writer.varint(tags.domain);
    writer.text(domain);
  }
}

/** Octets up to which reading a table again costs less than the digests of its pieces. */
const SMALL = 4096;

const TABLE = messageOf(types.routes);
const HOST = 'envoy.config.route.v3.VirtualHost';
const tags = {
  name: codec.tag(TABLE, 'name'),
  host: codec.tag(TABLE, 'virtual_hosts'),
  hostName: codec.tag(HOST, 'name'),
  domain: codec.tag(HOST, 'domains'),
};

/** What is behind the hosts of each table. */
const common = pieceOf(TABLE, {
  ignore_port_in_host_matching: true,
  request_headers_to_remove: [SHARD_HEADER, 'x-envoy-internal', 'x-envoy-external-address'],
  max_direct_response_body_size_bytes: 65_536,
});

export class TableWriter {
  readonly #octets = new WireWriter();
  readonly #digests = new WireWriter();
  /** Of the table that is being written: names of its hosts, their pieces, and after which of these each host ends. */
  readonly #names: string[] = [];
  readonly #pieces: Piece[] = [];
  readonly #ends: number[] = [];

  /** @param contents calls `host` for each */
  table(name: string, contents: { readonly write: (table: TableWriter) => void }): Resource {
    // A table that failed may have left something.
    this.#octets.reset();
    this.#names.length = 0;
    this.#pieces.length = 0;
    this.#ends.length = 0;
    this.#octets.varint(tags.name);
    this.#octets.text(name);
    contents.write(this);
    this.#octets.octets(common.octets);
    const bytes = this.#octets.finish();
    return { name, version: bytes.length <= SMALL ? digest(bytes) : this.#digestOfPieces(), bytes };
  }

  /**
   * @param name says which domains it has, too; '': they are among the pieces
   * @param pieces its other fields; the list is not kept
   */
  host(name: string, domains: readonly string[], pieces: readonly Piece[]): void {
    const octets = this.#octets;
    octets.varint(tags.host);
    const start = octets.open();
    if (name !== '') writeNames(octets, name, domains);
    for (let at = 0; at < pieces.length; at++) {
      const piece = pieces[at] as Piece;
      octets.octets(piece.octets);
      this.#pieces.push(piece);
    }
    octets.close(start);
    this.#names.push(name);
    this.#ends.push(this.#pieces.length);
  }

  #digestOfPieces(): string {
    const digests = this.#digests;
    digests.reset();
    let at = 0;
    for (const [host, end] of this.#ends.entries()) {
      digests.text(this.#names[host] ?? '');
      digests.varint(end - at);
      for (; at < end; at++) digests.octets((this.#pieces[at] as Piece).digest);
    }
    digests.octets(common.digest);
    return digest(digests.written());
  }
}
