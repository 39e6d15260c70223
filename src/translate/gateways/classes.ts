// GatewayClass → BoundClass: whose Gateways are ours to serve. A class that only Gateways name may be presumed.
import type { GatewayClass } from '../../api/generated/types.ts';
import type { Sourced } from '../../api/sourced.ts';
import { originOf } from '../../api/sourced.ts';
import type { BoundClass } from '../../routing/bound.ts';
import type { ObjectRef } from '../../routing/origin.ts';
import type { Engines } from '../../routing/parameters.ts';
import type { Problem } from '../../routing/problem.ts';
import { isRecognised } from './bundle-versions.ts';
import type { ConfigState } from './parameters.ts';
import { engineProblem, resolveParameters } from './parameters.ts';

export interface ClassOptions {
  readonly controllerName: string;
  /** `any`: whatever the class; `named`: one class, whatever its controller; `by-controller`: those that name us. */
  readonly classes: 'any' | { readonly named: string } | 'by-controller';
  readonly presume: boolean;
  /** Which of them parameters may name. Absent: what they say of it is not heeded. */
  readonly engines?: Engines | undefined;
}

export interface ClassLookups {
  /** Bundle versions of the CRDs. */
  readonly installed: readonly string[];
  /** By namespace/name. */
  readonly config: (key: string) => ConfigState | undefined;
}

/** Undefined: there is no such class, and it is not presumed. */
export function bindClass(
  name: string,
  sourced: Sourced<GatewayClass> | undefined,
  options: ClassOptions,
  { installed, config }: ClassLookups,
): BoundClass | undefined {
  const bundleVersions = [...new Set(installed)];
  const ref: ObjectRef = { group: 'gateway.networking.k8s.io', kind: 'GatewayClass', namespace: '', name };
  if (sourced === undefined) {
    if (!options.presume) return undefined;
    const { controllerName } = options;
    return {
      ref,
      controllerName,
      ours: false,
      managed: isManaged(name, controllerName, options),
      bundleVersions,
      presumed: true,
      parameters: {},
      problems: [],
    };
  }
  const { metadata, spec } = sourced.object;
  const ours = spec.controllerName === options.controllerName;
  // Those of another controller's class are not ours to judge.
  const found: ReturnType<typeof resolveParameters> = ours
    ? parametersOf(sourced, config, options.engines)
    : { parameters: {} };
  return {
    ref,
    controllerName: spec.controllerName,
    ours,
    managed: isManaged(name, spec.controllerName, options),
    bundleVersions,
    presumed: false,
    ...(metadata.generation === undefined ? {} : { generation: metadata.generation }),
    ...('problem' in found ? {} : { parameters: found.parameters }),
    problems: [
      ...('problem' in found ? [found.problem] : []),
      ...(ours ? versionProblems(sourced, bundleVersions) : []),
    ],
  };
}

function isManaged(name: string, controllerName: string, options: ClassOptions): boolean {
  if (options.classes === 'any') return true;
  if (options.classes === 'by-controller') return controllerName === options.controllerName;
  return name === options.classes.named;
}

function parametersOf(
  sourced: Sourced<GatewayClass>,
  config: ClassLookups['config'],
  engines: Engines | undefined,
): ReturnType<typeof resolveParameters> {
  const ref = sourced.object.spec.parametersRef;
  if (ref === undefined) return { parameters: {} };
  const at = originOf(sourced, 'spec.parametersRef');
  const found = resolveParameters({ ...ref, namespace: ref.namespace }, at, config);
  const problem = 'problem' in found ? undefined : engineProblem(found.parameters, engines, at);
  return problem === undefined ? found : { problem };
}

/** Served all the same, as well as it goes. */
function versionProblems(sourced: Sourced<GatewayClass>, installed: readonly string[]): readonly Problem[] {
  const versions = installed.filter((version) => !isRecognised(version));
  return versions.length === 0 ? [] : [{ code: 'UnsupportedVersion', at: originOf(sourced, ''), versions }];
}
