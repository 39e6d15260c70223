// Flags that all commands share → what the model is made from.
import type { Channel } from '../../api/kinds.ts';
import { Misuse } from '../command.ts';
import type { Arguments } from '../command.ts';
import { parseBackend } from './local-backends.ts';
import type { FileOptions, ModelOptions } from './model.ts';
import { parseName } from './names.ts';

/** `operands`: those that are not paths come first (METHOD and URL). */
export function modelOptions(args: Arguments, operands = 0): Omit<ModelOptions, 'serving'> {
  const attach = args.text('attach');
  const gatewayClass = args.text('gateway-class');
  return {
    ...fileOptions(args, operands),
    ...(attach === undefined ? {} : { attach: parseName('--attach', attach) }),
    ...(gatewayClass === undefined ? {} : { gatewayClass }),
    channel: args.text('channel') as Channel,
    backends: args.texts('backend').map(parseBackend),
  };
}

/** Of commands that have the flag --engine. */
export function engineOf(args: Arguments): Pick<ModelOptions, 'engine'> {
  return args.text('engine') === 'envoy' ? { engine: 'envoy' } : {};
}

export function fileOptions(args: Arguments, operands = 0): FileOptions {
  // A shell that expands `-f *.yaml` leaves all but the first file as operands.
  const paths = [...new Set([...args.texts('filename'), ...args.operands.slice(operands)])];
  if (paths.length === 0) {
    throw new Misuse(
      'no files: name them with -f',
      'for example -f . for the YAML in this folder, -f - for standard input',
    );
  }
  return { paths, recursive: args.on('recursive'), standardInput: readStandardInput };
}

const maxInput = 128 * 1024 * 1024;

async function readStandardInput(): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > maxInput) throw new Misuse(`standard input is longer than ${maxInput >> 20} MiB`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
