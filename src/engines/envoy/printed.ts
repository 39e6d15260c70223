// Resources -> plain JSON for people and goldens, as Envoy writes it itself. Key material is left out.
import type { Update } from '../../routing/update.ts';
import type { LeftOut } from '../../routing/engine.ts';
import { systemTrust } from './dialect.ts';
import { codec } from './encode.ts';
import { defaultLimits } from './limits.ts';
import { messageOf } from './names.ts';
import { Translation, type TranslationOptions } from './translation.ts';
import type { Message, Tree } from './tree.ts';

export interface Printed {
  /** By type URL, in the order in which they are sent; each with its name, as protobuf is written in JSON. */
  readonly resources: readonly { readonly type: string; readonly resources: readonly unknown[] }[];
  readonly leftOut: readonly LeftOut[];
}

/** @param update all rows */
export function printedResources(update: Update, options: Partial<TranslationOptions> = {}): Printed {
  const leftOut: LeftOut[] = [];
  const translation = new Translation({
    limits: defaultLimits,
    trustedHops: 0,
    requestIds: true,
    sharesPorts: true,
    accessLog: '',
    systemTrust,
    ...options,
    scopeOf: () => 'all',
    onLeftOut: (rows) => leftOut.push(...rows),
  });
  const changes = translation.apply(update).get('all') ?? [];
  const resources = changes.map(({ typeUrl, set }) => ({
    type: typeUrl,
    resources: set
      .toSorted((a, b) => (a.name < b.name ? -1 : 1))
      .map(({ bytes }) => printable(codec.decode(messageOf(typeUrl), bytes))),
  }));
  return { resources, leftOut };
}

const REDACTED = '[redacted]';

function printable(tree: Tree | undefined): unknown {
  if (tree instanceof Uint8Array) return Buffer.from(tree).toString('utf8');
  if (Array.isArray(tree)) return (tree as readonly Tree[]).map(printable);
  if (typeof tree !== 'object') return tree;
  return Object.fromEntries(
    Object.entries(tree as Message).map(([name, value]) => [
      name,
      name === 'private_key' ? REDACTED : printable(value),
    ]),
  );
}
