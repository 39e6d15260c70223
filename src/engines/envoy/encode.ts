// Trees -> resources as they are sent: bytes, and a version that is a hash of what they say.
import { hash } from 'node:crypto';
import { readDescriptors } from '../stream/descriptors.ts';
import type { Resource, Asked } from '../stream/resource.ts';
import { Codec } from './codec.ts';
import { messageOf, type ResourceType } from './names.ts';
import type { Message } from './tree.ts';

/** Of all messages that are sent to Envoy. */
export const codec: Codec = new Codec(readDescriptors('./generated/envoy.json', import.meta.url));

/** @param asks what Envoy is going to ask for by name once it has the resource */
export function encodeResource(type: ResourceType, name: string, tree: Message, asks: readonly Asked[] = []): Resource {
  const bytes = codec.encode(messageOf(type), tree);
  return { name, version: digest(bytes), bytes, ...(asks.length > 0 ? { asks } : {}) };
}

/** 96 bits: nobody chooses what is hashed so as to meet another. */
export function digest(bytes: Uint8Array | string): string {
  return hash('sha256', bytes, 'base64url').slice(0, 16);
}
