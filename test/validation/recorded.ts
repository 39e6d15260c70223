// Mutated objects with what an API server (v1.36) said of each, written by `npm run validation -- --record N`.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Channel } from '../../src/api/kinds.ts';
import type { KubeObject } from '../../src/api/objects.ts';
import { mutated, type Mutation } from './mutations.ts';
import type { Verdict } from './verdict.ts';

export interface Recorded {
  readonly bases: readonly KubeObject[];
  readonly cases: readonly (Verdict & { readonly base: number; readonly mutations: readonly Mutation[] })[];
}

export function recordedFile(channel: Channel): string {
  return join(import.meta.dirname, `recorded-${channel}.json`);
}

export interface RecordedCase {
  readonly name: string;
  readonly object: KubeObject;
  readonly theirs: Verdict;
}

export function recordedCases(channel: Channel): RecordedCase[] {
  const { bases, cases } = JSON.parse(readFileSync(recordedFile(channel), 'utf8')) as Recorded;
  return cases.map(({ base, mutations, ...theirs }) => {
    const from = bases[base] as KubeObject;
    const name = `${from.kind} ${mutations.map(({ at, value }) => `${at.join('.')} = ${JSON.stringify(value)}`).join('; ')}`;
    return { name: name.slice(0, 400), object: mutated(from, mutations), theirs };
  });
}
