// Header changes of the model -> what Envoy adds and removes. A `%` begins a command of Envoy and is doubled.
import { type HeaderPlan, isFieldName } from '../../../routing/filters/header-changes.ts';
import type { Message } from '../tree.ts';

/** Fields of Route and WeightedCluster.ClusterWeight. */
export function headerChanges(request: HeaderPlan, response: HeaderPlan): Message {
  return {
    ...oneWay('request', request),
    ...oneWay('response', response),
  };
}

function oneWay(direction: 'request' | 'response', { dropped, appended }: HeaderPlan): Message {
  const added = additions(appended);
  // What is no name is in no message.
  const removed = [...dropped].filter(isFieldName);
  return {
    ...(removed.length > 0 ? { [`${direction}_headers_to_remove`]: removed } : {}),
    ...(added.length > 0 ? { [`${direction}_headers_to_add`]: added } : {}),
  };
}

/** @param lines name, value, name, value… with one character per octet */
export function additions(lines: readonly string[]): readonly Message[] {
  const list: Message[] = [];
  for (let i = 0; i + 1 < lines.length; i += 2) {
    const value = Buffer.from(lines[i + 1] as string, 'latin1').toString('utf8');
    list.push(raw(lines[i] as string, literal(value)));
  }
  return list;
}

/** A line of its own. @param value with commands of Envoy in it */
export function raw(name: string, value: string): Message {
  return { header: { key: name, value }, append_action: 'APPEND_IF_EXISTS_OR_ADD', keep_empty_value: true };
}

/** A text that Envoy takes as it is. */
export function literal(text: string): string {
  return text.replaceAll('%', '%%');
}
