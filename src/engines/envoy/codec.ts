// Trees (tree.ts) <-> the bytes of protobuf, by the descriptors of the messages. Encoders are made once per type. A field that a
// message does not have, or a value of another kind, throws: it is a mistake of ours, never of a user.
import protobuf from 'protobufjs/light.js';
import type { Message, Tree } from './tree.ts';
import { readDuration, scalarFor, writeDuration } from './scalars.ts';
import { FIXED64, LENGTH_DELIMITED, VARINT, WireWriter } from './wire.ts';

type Write = (writer: WireWriter, value: Tree) => void;

/** How a message is written, by field: each is found out when it is first written, since few of those that there are ever are. */
interface Plan {
  readonly type: string;
  readonly fields: Map<string, Write>;
}

const ANY = 'google.protobuf.Any';
const DURATION = 'google.protobuf.Duration';
const STRUCT = 'google.protobuf.Struct';
const VALUE = 'google.protobuf.Value';
const WRAPPER = /^google\.protobuf\.\w+Value$/;

export class Codec {
  readonly #root: protobuf.Root;
  readonly #plans = new Map<string, Plan>();
  readonly #writer = new WireWriter();

  constructor(root: protobuf.Root) {
    this.#root = root;
  }

  /** @param type full name of the message */
  encode(type: string, tree: Message): Buffer {
    const writer = this.#writer;
    try {
      this.write(writer, type, tree);
      return writer.finish();
    } catch (error) {
      writer.reset();
      throw error;
    }
  }

  /** The fields of a message, behind what was written before. */
  write(writer: WireWriter, type: string, tree: Message): void {
    this.#message(this.#plan(type), tree, writer);
  }

  /** What stands in front of a field with a length: for those that write octets themselves. */
  tag(type: string, field: string): number {
    const { id } = this.#root.lookupType(type).fields[field] ?? {};
    if (id === undefined) throw new Error(`${type} has no field ${field}`);
    return (id << 3) | LENGTH_DELIMITED;
  }

  decode(type: string, bytes: Uint8Array): Message {
    return this.#decode(type, protobuf.Reader.create(bytes), bytes.length) as Message;
  }

  #plan(type: string): Plan {
    let plan = this.#plans.get(type);
    if (plan === undefined) this.#plans.set(type, (plan = { type, fields: new Map() }));
    return plan;
  }

  #message(plan: Plan, tree: Tree, writer: WireWriter): void {
    const message = tree as Message;
    for (const name of Object.keys(message)) {
      const value = message[name];
      if (value === undefined || name === '@type') continue;
      const write = plan.fields.get(name) ?? this.#newField(plan, name);
      write(writer, value);
    }
  }

  #newField({ type, fields }: Plan, name: string): Write {
    const { fields: known } = this.#root.lookupType(type);
    const field = Object.hasOwn(known, name) ? known[name] : undefined;
    if (field === undefined) throw new Error(`${type} has no field ${name}`);
    const write = this.#field(field.resolve());
    fields.set(name, write);
    return write;
  }

  #field(field: protobuf.Field): Write {
    if (field instanceof protobuf.MapField) return this.#map(field);
    const one = this.#single(field, field.id);
    if (!field.repeated) return one;
    return (writer, value) => {
      for (const each of listOf(field, value)) one(writer, each);
    };
  }

  #map(field: protobuf.MapField): Write {
    const key = scalarFor(field.keyType);
    const value = this.#single(field as unknown as protobuf.Field, 2);
    const tag = (field.id << 3) | LENGTH_DELIMITED;
    return (writer, entries) => {
      for (const [name, each] of Object.entries(entries as Message)) {
        if (each === undefined) continue;
        writer.varint(tag);
        const start = writer.open();
        writer.varint((1 << 3) | key.wire);
        key.write(writer, name);
        value(writer, each);
        writer.close(start);
      }
    };
  }

  #single(field: protobuf.Field, id: number): Write {
    const { resolvedType, type } = field;
    if (resolvedType instanceof protobuf.Type) {
      const write = this.#nested(resolvedType.fullName.slice(1));
      const tag = (id << 3) | LENGTH_DELIMITED;
      return (writer, value) => {
        writer.varint(tag);
        // Encoded before.
        if (value instanceof Uint8Array) writer.bytes(value);
        else {
          const start = writer.open();
          write(writer, value);
          writer.close(start);
        }
      };
    }
    if (resolvedType instanceof protobuf.Enum) {
      const { values } = resolvedType;
      const tag = (id << 3) | VARINT;
      return (writer, value) => {
        const number = values[value as string];
        if (number === undefined) throw new Error(`${field.fullName} is never ${JSON.stringify(value)}`);
        writer.varint(tag);
        writer.signed(number);
      };
    }
    const scalar = scalarFor(type);
    const tag = (id << 3) | scalar.wire;
    return (writer, value) => {
      writer.varint(tag);
      scalar.write(writer, value);
    };
  }

  #nested(type: string): Write {
    if (type === ANY) return (writer, value) => this.#any(writer, value as Message);
    if (type === DURATION) return (writer, value) => writeDuration(writer, value as string);
    if (type === STRUCT) return (writer, value) => this.#struct(writer, value as Message);
    if (type === VALUE) return (writer, value) => this.#value(writer, value);
    const plan = this.#plan(type);
    if (WRAPPER.test(type)) return (writer, value) => this.#message(plan, { value }, writer);
    return (writer, value) => this.#message(plan, value, writer);
  }

  #any(writer: WireWriter, value: Message): void {
    const url = value['@type'];
    if (typeof url !== 'string') throw new Error('an Any needs its @type');
    writer.varint((1 << 3) | LENGTH_DELIMITED);
    writer.text(url);
    writer.varint((2 << 3) | LENGTH_DELIMITED);
    const start = writer.open();
    this.#message(this.#plan(typeOf(url)), value, writer);
    writer.close(start);
  }

  #struct(writer: WireWriter, value: Message): void {
    for (const [name, each] of Object.entries(value)) {
      if (each === undefined) continue;
      writer.varint((1 << 3) | LENGTH_DELIMITED);
      const entry = writer.open();
      writer.varint((1 << 3) | LENGTH_DELIMITED);
      writer.text(name);
      writer.varint((2 << 3) | LENGTH_DELIMITED);
      const start = writer.open();
      this.#value(writer, each);
      writer.close(start);
      writer.close(entry);
    }
  }

  #value(writer: WireWriter, value: Tree): void {
    if (typeof value === 'number') {
      writer.varint((2 << 3) | FIXED64);
      writer.double(value);
    } else if (typeof value === 'string') {
      writer.varint((3 << 3) | LENGTH_DELIMITED);
      writer.text(value);
    } else if (typeof value === 'boolean') {
      writer.varint((4 << 3) | VARINT);
      writer.varint(value ? 1 : 0);
    } else if (isList(value)) {
      writer.varint((6 << 3) | LENGTH_DELIMITED);
      const list = writer.open();
      for (const each of value) {
        writer.varint((1 << 3) | LENGTH_DELIMITED);
        const start = writer.open();
        this.#value(writer, each);
        writer.close(start);
      }
      writer.close(list);
    } else {
      writer.varint((5 << 3) | LENGTH_DELIMITED);
      const start = writer.open();
      this.#struct(writer, value as Message);
      writer.close(start);
    }
  }

  #decode(type: string, reader: protobuf.Reader, end: number): Tree {
    if (type === DURATION) return readDuration(reader, end);
    const fields = this.#root.lookupType(type).fieldsById;
    const tree: Record<string, Tree> = {};
    while (reader.pos < end) {
      const tag = reader.uint32();
      const field = fields[tag >>> 3];
      if (field === undefined) reader.skipType(tag & 7);
      else this.#take(tree, field, reader, tag & 7);
    }
    if (type === ANY) return this.#opened(tree);
    if (type === STRUCT) return tree['fields'] ?? {};
    if (type === VALUE) return Object.values(tree)[0] ?? '';
    if (type === 'google.protobuf.ListValue') return tree['values'] ?? [];
    return WRAPPER.test(type) ? (tree['value'] ?? zeroOf(type)) : tree;
  }

  #opened(tree: Record<string, Tree>): Message {
    const { type_url: type } = tree;
    const url = typeof type === 'string' ? type : '';
    const held = tree['value'] instanceof Uint8Array ? tree['value'] : new Uint8Array();
    return { '@type': url, ...this.decode(typeOf(url), held) };
  }

  #take(tree: Record<string, Tree>, field: protobuf.Field, reader: protobuf.Reader, wire: number): void {
    const { name } = field;
    if (field instanceof protobuf.MapField) {
      const end = reader.uint32() + reader.pos;
      const entry: Record<string, Tree> = {};
      while (reader.pos < end) {
        if (reader.uint32() >>> 3 === 1) entry['key'] = scalarFor(field.keyType).read(reader);
        else entry['value'] = this.#one(field, reader);
      }
      tree[name] = {
        ...(tree[name] as Message | undefined),
        [typeof entry['key'] === 'string' ? entry['key'] : '']: entry['value'],
      };
    } else if (!field.repeated) {
      tree[name] = this.#one(field, reader);
    } else {
      const list = [...((tree[name] as readonly Tree[] | undefined) ?? [])];
      const isPacked =
        wire === LENGTH_DELIMITED && field.resolvedType === null && scalarFor(field.type).wire !== LENGTH_DELIMITED;
      if (isPacked) {
        const end = reader.uint32() + reader.pos;
        while (reader.pos < end) list.push(this.#one(field, reader));
      } else {
        list.push(this.#one(field, reader));
      }
      tree[name] = list;
    }
  }

  #one(field: protobuf.Field, reader: protobuf.Reader): Tree {
    const { resolvedType } = field;
    if (resolvedType instanceof protobuf.Type) {
      const length = reader.uint32();
      return this.#decode(resolvedType.fullName.slice(1), reader, reader.pos + length);
    }
    if (resolvedType instanceof protobuf.Enum) {
      const number = reader.int32();
      return resolvedType.valuesById[number] ?? number;
    }
    return scalarFor(field.type).read(reader);
  }
}

function typeOf(url: string): string {
  return url.slice(url.lastIndexOf('/') + 1);
}

function isList(value: Tree): value is readonly Tree[] {
  return Array.isArray(value);
}

function listOf(field: protobuf.Field, value: Tree): readonly Tree[] {
  if (!isList(value)) throw new Error(`${field.fullName} is a list`);
  return value;
}

function zeroOf(type: string): Tree {
  if (type.endsWith('StringValue')) return '';
  return type.endsWith('BoolValue') ? false : 0;
}
