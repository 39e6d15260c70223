// Reading decoded messages, and the choices that both directions share. What a receiver must not guess about throws
// Undecodable: the resource is refused, and everything else takes effect.
import { list, type UnknownRecord } from '../../../support/untrusted.ts';

/** A message as protobufjs gives and takes it; absent fields read as null or as what they are by default. */
export type Message = UnknownRecord;

/** A resource that this version cannot take as a whole. */
export class Undecodable extends Error {
  readonly code = 'EUNDECODABLE';
}

export function str(message: Message, field: string): string {
  const value = message[field];
  return typeof value === 'string' ? value : '';
}

export function num(message: Message, field: string): number {
  const value = message[field];
  return typeof value === 'number' ? value : 0;
}

export function strings(message: Message, field: string): readonly string[] {
  return list(message[field]) as readonly string[];
}

export function messages(message: Message, field: string): readonly Message[] {
  return list(message[field]) as readonly Message[];
}

export function child(message: Message, field: string): Message | undefined {
  return (message[field] as Message | null | undefined) ?? undefined;
}

/** A field that the model leaves out when there is nothing to say: `{}` or `{ [field]: value }`. */
export function maybe<K extends string, T>(field: K, value: T | null | undefined): { readonly [P in K]?: T } {
  return (value === undefined || value === null ? {} : { [field]: value }) as { readonly [P in K]?: T };
}

/** An optional field of the message. */
export function optional<T>(message: Message, field: string): T | undefined {
  return (message[field] as T | null | undefined) ?? undefined;
}

/** Names of the model by the numbers of an enum that begins with 1. */
export interface Choice<T extends string> {
  readonly write: (name: T) => number;
  /** Throws Undecodable for a number of a later version. */
  readonly read: (message: Message, field: string) => T;
}

export function choice<T extends string>(...names: readonly T[]): Choice<T> {
  return {
    write: (name) => names.indexOf(name) + 1,
    read: (message, field) => {
      const name = names[num(message, field) - 1];
      if (name === undefined) throw new Undecodable(`${field} has a value that this version does not know`);
      return name;
    },
  };
}

/** What a receiver has to understand to take the message. This version knows of nothing yet. */
const understood: ReadonlySet<string> = new Set();

export function checkNeeds(message: Message): void {
  for (const need of strings(message, 'needs')) {
    if (!understood.has(need)) throw new Undecodable(`"${need}" is needed, which this version does not know`);
  }
}
