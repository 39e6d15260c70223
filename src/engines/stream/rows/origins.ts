// Origins and problems. Within a row most origins are of one object, which is then said once.
import type { ObjectRef, Origin } from '../../../routing/origin.ts';
import type { Problem } from '../../../routing/problem.ts';
import { child, type Message, str, Undecodable } from './message.ts';

/** @param around the object that goes without saying */
export function writeOrigin({ object, path }: Origin, around?: ObjectRef): Message {
  return around !== undefined && isSame(object, around) ? { path } : { object, path };
}

export function readOrigin(message: Message | undefined, around?: ObjectRef): Origin {
  const object = message === undefined ? undefined : child(message, 'object');
  const path = message === undefined ? '' : str(message, 'path');
  if (object === undefined && around !== undefined) return { object: around, path };
  return { object: readObject(object ?? {}), path };
}

export function writeProblem({ at, code, ...details }: Problem, around: ObjectRef): Message {
  return { at: writeOrigin(at, around), code, details: JSON.stringify(details) };
}

/** Engines only pass problems on, so that codes of later versions are no trouble. */
export function readProblem(message: Message, around: ObjectRef): Problem {
  let details: unknown;
  try {
    details = JSON.parse(str(message, 'details') || '{}');
  } catch (error) {
    throw new Undecodable('the details of a problem are no JSON', { cause: error });
  }
  const at = readOrigin(child(message, 'at'), around);
  return { ...(details as object), at, code: str(message, 'code') } as Problem;
}

function readObject(message: Message): ObjectRef {
  return {
    group: str(message, 'group'),
    kind: str(message, 'kind'),
    namespace: str(message, 'namespace'),
    name: str(message, 'name'),
  };
}

function isSame(a: ObjectRef, b: ObjectRef): boolean {
  return a.name === b.name && a.namespace === b.namespace && a.kind === b.kind && a.group === b.group;
}
