// Generated descriptors -> message types of protobufjs. Only its reflection is used, at run time; nothing is compiled ahead.
import { readFileSync } from 'node:fs';
import protobuf from 'protobufjs/light.js';

/** @param file beside the module of `base`, made by scripts/generate-protobuf.ts */
export function readDescriptors(file: string, base: string): protobuf.Root {
  const json = JSON.parse(readFileSync(new URL(file, base), 'utf8')) as protobuf.INamespace;
  return protobuf.Root.fromJSON(json).resolveAll() as protobuf.Root;
}
