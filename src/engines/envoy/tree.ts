// Messages of Envoy as they are written here: plain trees in the JSON form of protobuf, with the field names of Envoy's own
// documentation (snake_case). What is wrong in a tree is a bug and shows when it is encoded (codec.ts).

export type Tree = string | number | boolean | Uint8Array | readonly Tree[] | Message;

/** Fields that are undefined are left out. `@type` says what a google.protobuf.Any holds. */
export interface Message {
  readonly [field: string]: Tree | undefined;
}

const URL = 'type.googleapis.com/';

/** A google.protobuf.Any. @param type full name of the message */
export function any(type: string, fields: Message = {}): Message {
  return { '@type': URL + type, ...fields };
}

/** An extension as Envoy refers to it. */
export function extension(name: string, type: string, fields: Message = {}): Message {
  return { name, typed_config: any(type, fields) };
}

/** @param milliseconds any number that is not negative */
export function duration(milliseconds: number): string {
  return `${milliseconds / 1000}s`;
}

/** What comes over the stream that a resource came over (ADS). */
export const overAds: Message = { ads: {}, resource_api_version: 'V3' };
