// The table of values in docs/guides/install.md, made of values.schema.json and values.yaml of the chart.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { isRecord, record, text } from '../../src/support/untrusted.ts';
import type { UnknownRecord } from '../../src/support/untrusted.ts';
import { root } from './manifests.ts';

const chart = join(root, 'deploy/helm/portolan');

export const schema: UnknownRecord = record(JSON.parse(readFileSync(join(chart, 'values.schema.json'), 'utf8')));
export const values: UnknownRecord = record(parse(readFileSync(join(chart, 'values.yaml'), 'utf8')));

export interface Value {
  readonly path: string;
  readonly default: unknown;
  readonly description: string;
}

/** Of every value that can be set, in the order of values.yaml; maps that take any key are one value. */
export function valuesIn(schemas: UnknownRecord, defaults: UnknownRecord, prefix = ''): readonly Value[] {
  return Object.keys(defaults).flatMap((name): readonly Value[] => {
    const path = `${prefix}${name}`;
    const schema = record(record(schemas['properties'])[name]);
    if (Object.keys(schema).length === 0) throw new Error(`values.yaml has ${path}, and values.schema.json does not`);
    const value = defaults[name];
    if (isRecord(schema['properties'])) return valuesIn(schema, record(value), `${path}.`);
    return [{ path, default: value, description: text(schema['description']) ?? '' }];
  });
}

export function valuesTable(): string {
  const rows = valuesIn(schema, values).map(
    ({ path, default: standard, description }) =>
      `| \`${path}\` | ${isNothing(standard) ? '' : `\`${JSON.stringify(standard).replaceAll('"', '')}\``} | ${description.replaceAll('|', '\\|')} |`,
  );
  return ['| value | default | what it does |', '| --- | --- | --- |', ...rows, ''].join('\n');
}

function isNothing(value: unknown): boolean {
  return value === '' || (typeof value === 'object' && value !== null && Object.keys(value).length === 0);
}
