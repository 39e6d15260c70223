// A settled pipeline as text that one reads line by line: statuses, what is wrong and the model, without what only
// machines want (origins, empty lists, keys that stand twice).
import { Document, isCollection, isMap, isSeq, visit } from 'yaml';
import type { Dump } from '../../src/pipeline/dump.ts';
import { dump } from '../../src/pipeline/dump.ts';
import type { Pipeline } from '../../src/pipeline/pipeline.ts';
import { nameOf } from '../../src/routing/origin.ts';
import { sentence } from '../../src/routing/problem-text.ts';
import { severityOf } from '../../src/routing/problem.ts';
import type { Condition } from '../../src/status/object-status.ts';
import { compareText } from '../../src/support/sorted.ts';

export function readable(pipeline: Pipeline): string {
  const model = shortened(dump(pipeline.tables)) as Dump;
  const policies = [...pipeline.tables.policies.keys()].toSorted(compareText).flatMap((key) => {
    const policy = pipeline.tables.policies.get(key);
    if (policy === undefined) return [];
    const targets = policy.targets.map(({ ref, found }) => `${nameOf(ref)}${found ? '' : ' (not found)'}`);
    return [{ policy: nameOf(policy.ref), targets, override: policy.override, default: policy.default }];
  });
  return print({
    presumed: pipeline.presumed().map(({ ref, because }) => `${nameOf(ref)}, since ${because}`),
    statuses: statusesOf(pipeline),
    problems: pipeline.problems().map((problem) => {
      const where = `${nameOf(problem.at.object)}${problem.at.path === '' ? '' : ` ${problem.at.path}`}`;
      return `${severityOf[problem.code]} ${problem.code} at ${where}: ${sentence(problem)}`;
    }),
    policies: shortened(policies),
    ...model,
  });
}

function statusesOf({ tables }: Pipeline): unknown {
  const keys = [...tables.statuses.keys()].toSorted(compareText);
  return Object.fromEntries(
    keys.map((key) => {
      const status = tables.statuses.get(key);
      if (status === undefined) return [key, {}];
      const { ref, written } = status;
      const made = written === undefined ? '' : ` (made of ${nameOf(written)})`;
      return [`${nameOf(ref)}${made}`, withShortConditions(status.status)];
    }),
  );
}

/** `Accepted=True Accepted` instead of five lines; what every condition says when all is well is left out. */
function withShortConditions(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withShortConditions);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, item]) => {
      if (key === 'conditions') return [[key, (item as Condition[]).map(shortCondition)]];
      if (key === 'supportedKinds') return [[key, (item as { kind: string }[]).map(({ kind }) => kind)]];
      if (key === 'supportedFeatures') return [];
      if (key === 'controllerName' && item === controllerName) return [];
      return [[key, withShortConditions(item)]];
    }),
  );
}

export const controllerName: string = 'portolan.dev/gateway-controller';

function shortCondition({ type, status, reason, message, observedGeneration }: Condition): string {
  const generation = observedGeneration === 1 ? '' : ` (generation ${observedGeneration})`;
  return `${type}=${status} ${reason}${generation}${type === reason && status === 'True' ? '' : `: ${message}`}`;
}

function shortened(value: unknown, key = ''): unknown {
  if (Array.isArray(value)) return value.map((item) => shortened(item));
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value)
    .filter(([name, item]) => name !== 'origin' && !(name === 'key' && item === key) && !isEmpty(item))
    .map(([name, item]): [string, unknown] => [
      name,
      name === 'problem' ? (item as { code: string }).code : shortened(item, name),
    ]);
  return Object.fromEntries(entries);
}

function isEmpty(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0;
}

const width = 120;

/** Small collections stand on one line. */
function print(value: object): string {
  const document = new Document(Object.fromEntries(Object.entries(value).filter(([, item]) => !isEmpty(item))));
  visit(document, {
    Collection: (_, node, path) => {
      if (
        path.length > 2 &&
        (isMap(node) || isSeq(node)) &&
        JSON.stringify(node).length < width - 20 &&
        !isNested(node)
      ) {
        node.flow = true;
      }
    },
  });
  return document.toString({ lineWidth: 0, flowCollectionPadding: false });
}

/** A list of maps reads better on several lines. */
function isNested(node: unknown): boolean {
  return isSeq(node) && node.items.some((item) => isCollection(item) && item.items.length > 1);
}
