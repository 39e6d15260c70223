// Problems of one thing (a class, a Gateway, a listener, a route under a parent) → its conditions. The summary conditions
// of positive polarity always stand; those of negative polarity only when they are True.
import type { ObjectRef } from '../routing/origin.ts';
import { nameOf, refKey } from '../routing/origin.ts';
import { sentence } from '../routing/problem-text.ts';
import type { Problem } from '../routing/problem.ts';
import type { Condition } from './object-status.ts';
import { verdictOf } from './reasons.ts';

/** The object that a condition stands on. */
export interface Subject {
  readonly ref: ObjectRef;
  readonly generation: number;
}

/** Objects from files have no generation; the first one of a cluster is 1. */
export const firstGeneration = 1;

/** The longest message that the CRDs take. */
const longest = 32_768;

/** The condition that the problems make of `type`, or what it is without any. */
export function conditionOf(
  type: string,
  problems: readonly Problem[],
  { ref, generation }: Subject,
): Condition | undefined {
  const own = problems.filter((problem) => {
    const verdict = verdictOf(problem);
    return verdict !== 'none' && verdict.type === type;
  });
  // What is only worth saying does not outweigh what is wrong.
  const first = own.find((problem) => problem.code !== 'ServedOtherwise') ?? own[0];
  const verdict = first === undefined ? 'none' : verdictOf(first);
  if (verdict === 'none') return undefined;
  // One reason, and every problem in the message.
  return {
    type,
    status: verdict.status,
    reason: verdict.reason,
    message: messageOf(own, { ref, generation }),
    observedGeneration: generation,
  };
}

/** Every problem, each once. */
export function messageOf(problems: readonly Problem[], { ref }: Subject): string {
  return cut([...new Set(problems.map((problem) => located(problem, ref)))].join('. '));
}

export function holds(type: string, reason: string, message: string, { generation }: Subject): Condition {
  return { type, status: 'True', reason, message, observedGeneration: generation };
}

export function fails(type: string, reason: string, message: string, { generation }: Subject): Condition {
  return { type, status: 'False', reason, message, observedGeneration: generation };
}

export function pending(type: string, message: string, { generation }: Subject): Condition {
  return { type, status: 'Unknown', reason: 'Pending', message, observedGeneration: generation };
}

/**
 * With the field that it is about, and the object when it is another one: the Ingress that a route was made from. The
 * condition PartiallyInvalid has to begin with the words "Dropped Rule".
 */
function located(problem: Problem, subject: ObjectRef): string {
  const { object, path } = problem.at;
  const where = refKey(object) === refKey(subject) ? path : `${nameOf(object)} ${path}`.trimEnd();
  const words = sentence(problem);
  if (problem.code === 'DroppedRule') return `Dropped Rule: ${where} ${words}`;
  return where === '' ? words : `${where}: ${words}`;
}

function cut(message: string): string {
  return message.length <= longest ? message : `${message.slice(0, longest - 1)}…`;
}
