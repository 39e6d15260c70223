// What is said of an object → one form for both sides, so that they can be compared: which fields are refused and which are unknown.
import type { Channel } from '../../src/api/kinds.ts';
import type { KubeObject } from '../../src/api/objects.ts';
import { groupOf } from '../../src/api/objects.ts';
import { validate } from '../../src/api/validate.ts';
import { equal } from '../../src/support/equal.ts';
import { list, record, text } from '../../src/support/untrusted.ts';

export interface Verdict {
  /** Sorted; empty for an object that is accepted. */
  readonly refused: readonly string[];
  readonly unknown: readonly string[];
  /** Only the first field in the way is named, without indices and keys: the object could not even be decoded. */
  readonly first?: true;
}

export interface Answer {
  readonly status: number;
  readonly body: unknown;
  readonly warnings: readonly string[];
}

export function ourVerdict(object: KubeObject, channel: Channel): Verdict {
  const result = validate(object, channel);
  return {
    refused: fieldsOf(result.ok ? [] : result.problems.map(({ path }) => path)),
    unknown: fieldsOf(result.warnings.map(({ path }) => path)),
  };
}

/**
 * Undefined where the object stands and falls with the server's own settings.
 * @throws for an answer that is neither a verdict nor an object
 */
export function serverVerdict({ status, body, warnings }: Answer, object: KubeObject): Verdict | undefined {
  // Core kinds have fields that are not read: nothing is claimed of those.
  const claimed = groupOf(object.apiVersion).startsWith('gateway.') ? '' : 'metadata.';
  const unknown = fieldsOf(
    warnings
      .flatMap((warning) => unquoted(/unknown field "(.*)"$/s.exec(warning)?.[1]))
      .filter((path) => path.startsWith(claimed)),
  );
  if (status === 200 || status === 201) return { refused: [], unknown };
  const message = text(record(body)['message']) ?? '';
  if (/not configured on this cluster|not in the valid range/.test(message)) return undefined;
  if (status === 422) {
    const causes = list(record(record(body)['details'])['causes'])
      .map((cause) => ({ field: text(record(cause)['field']) ?? '', message: text(record(cause)['message']) ?? '' }))
      .filter((cause) => !isOfCluster(cause, object));
    const named = causes.map(({ field }) => field).filter((field) => field !== '<nil>');
    const unnamed = causes.filter(({ field }) => field === '<nil>').flatMap(({ message }) => fieldIn(message, named));
    const mistyped = causes.filter(({ message }) => message.includes('in body must be of type'));
    // A value of the wrong type has no fields that could be unknown.
    const belongs = (field: string): boolean =>
      mistyped.some(({ field: above }) => field.startsWith(`${above}.`) || field.startsWith(`${above}[`));
    // A clusterIP that is none is in the way of all else.
    if (causes.length === 1 && named[0] === 'spec.clusterIPs[0]')
      return { refused: ['spec.clusterIP'], unknown, first: true };
    return { refused: fieldsOf([...named, ...unnamed]), unknown: unknown.filter((field) => !belongs(field)) };
  }
  if (status !== 400 || !/json: cannot unmarshal|illegal base64/.test(message))
    throw new Error(`the API server answered ${status}: ${message}`);
  const field = /Go struct field (\w+)\.([\w.]+) of type/.exec(message);
  const path = field === null ? [] : [field[1] === 'ObjectMeta' ? `metadata.${field[2]}` : (field[2] ?? '')];
  return {
    refused: fieldsOf(
      path.map((each) =>
        each.replace(/^metadata\.metadata\.|IngressRuleValue\./, (part) => (part.startsWith('m') ? 'metadata.' : '')),
      ),
    ),
    unknown: [],
    first: true,
  };
}

function unquoted(text: string | undefined): string[] {
  try {
    return text === undefined ? [] : [JSON.parse(`"${text.replaceAll('\\x', '\\u00')}"`) as string];
  } catch {
    // Of custom resources the field stands there as it is.
    return [text as string];
  }
}

/** Whether both say the same: where the server gave up at one field, that we refuse that one too. */
export function agree(ours: Verdict, theirs: Verdict): boolean {
  if (theirs.first !== true) return equal(ours, theirs);
  const [first] = theirs.refused;
  // Keys of maps are not named.
  return ours.refused.some(
    (field) => first === undefined || `${field.replaceAll(/\[\d+\]/g, '')}.`.startsWith(`${first}.`),
  );
}

/** What only the cluster can say, or what we accept on purpose (src/api/core). */
function isOfCluster(
  { field, message }: { readonly field: string; readonly message: string },
  object: KubeObject,
): boolean {
  if (object.kind === 'Service') {
    // The server chose it.
    if (field.endsWith('.nodePort')) return true;
    // What was left out is filled in from the port, and then refused with it.
    const { at } = /^spec\.ports\[(?<at>\d+)\]\.targetPort$/.exec(field)?.groups ?? {};
    const { targetPort } = at === undefined ? {} : record(list(record(object['spec'])['ports'])[Number(at)]);
    return (
      at !== undefined && (targetPort === undefined || targetPort === null || targetPort === 0 || targetPort === '')
    );
  }
  // The label that every Namespace is given.
  if (object.kind === 'Namespace' && field === 'metadata.labels')
    return message.includes(JSON.stringify(object.metadata.name));
  return object.kind === 'EndpointSlice' && /may not be in the (?:loopback|link-local) range/.test(message);
}

/** What the server says of no field: the field stands in the words. That no form of several fits is said beside what does not fit. */
function fieldIn(message: string, named: readonly string[]): string[] {
  if (message.includes('some validation rules were not checked')) return [];
  const field = /^.*?"(\w\S*)" must validate/.exec(message)?.[1] ?? / in (\w\S*)$/.exec(message)?.[1];
  if (field === undefined) return ['<nil>'];
  return named.some((other) => other.startsWith(`${field}.`)) ? [] : [field];
}

/**
 * One spelling for both: the server says `metadata.labels` where one label is wrong, `data[key]` also for stringData, and the list of
 * addresses of a Service where only the one field was written.
 */
function fieldsOf(paths: readonly string[]): string[] {
  const one = (path: string): string =>
    path
      .replace(/^metadata\.(labels|annotations)[.[].*$/s, 'metadata.$1')
      .replace(/^(?:data|stringData)(?:\[(.*)\]|\.(.*))$/s, 'data.$1$2')
      .replace(/^stringData$/, 'data')
      .replace(/^binaryData(?:\[(.*)\]|\.(.*))$/s, 'binaryData.$1$2')
      .replace(/^spec\.clusterIPs(\[0\])?$/, 'spec.clusterIP');
  return [...new Set(paths.map(one))].toSorted();
}
