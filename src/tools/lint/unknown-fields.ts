// What to do about a field that does not exist: the schemas know which one was probably meant, and whether the field belongs
// to the experimental channel; the model keeps neither.
import { kindOf } from '../../api/kinds.ts';
import { groupOf, versionOf } from '../../api/objects.ts';
import { validate, type FieldProblem } from '../../api/validate.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import { refKey } from '../../routing/origin.ts';
import type { Problem } from '../../routing/problem.ts';

export class UnknownFields {
  readonly #pipeline: Pipeline;
  readonly #warnings = new Map<string, readonly FieldProblem[] | undefined>();

  constructor(pipeline: Pipeline) {
    this.#pipeline = pipeline;
  }

  /** As an imperative sentence without a full stop; undefined when there is no more to say than what the problem says. */
  fix({ at }: Problem): string | undefined {
    const key = refKey(at.object);
    if (!this.#warnings.has(key)) this.#warnings.set(key, this.#validate(at.object));
    const warnings = this.#warnings.get(key);
    if (warnings === undefined) return undefined;
    const unknown = warnings.find(({ path }) => path === at.path);
    if (unknown === undefined) return 'validate by the experimental channel, which has the field, or remove it';
    return unknown.meant === undefined ? undefined : `write ${unknown.meant}`;
  }

  /** Unknown to the experimental channel, which knows the most; undefined for an object of another shape. */
  #validate(ref: Problem['at']['object']): readonly FieldProblem[] | undefined {
    const object = this.#pipeline.object(ref);
    if (object === undefined) return undefined;
    const known = kindOf(groupOf(object.apiVersion), object.kind, 'experimental');
    if (known?.versions.some(({ name }) => name === versionOf(object.apiVersion)) !== true) return undefined;
    return validate(object, 'experimental').warnings;
  }
}
