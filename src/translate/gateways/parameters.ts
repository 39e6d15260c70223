// parametersRef of a GatewayClass or Gateway → the parameters that it leads to, or what is wrong with it; and what those of a class
// and of a Gateway make together. A Gateway that was served keeps its last good parameters, whatever becomes of the reference.
import { isIPv6 } from 'node:net';
import type { Gateway } from '../../api/generated/types.ts';
import type { GatewayConfig } from '../../api/generated/portolan-types.ts';
import { portolanGroup } from '../../api/kinds.ts';
import type { Sourced } from '../../api/sourced.ts';
import { originOf } from '../../api/sourced.ts';
import type { BoundClass } from '../../routing/bound.ts';
import type { ObjectRef, Origin } from '../../routing/origin.ts';
import { nameOf } from '../../routing/origin.ts';
import type { Engines, Parameters } from '../../routing/parameters.ts';
import { limitsOfEnvoy, mergeParameters } from '../../routing/parameters.ts';
import { sentence } from '../../routing/problem-text.ts';
import type { Problem } from '../../routing/problem.ts';
import type { Checked } from '../native.ts';

/** A GatewayConfig that exists. */
export interface ConfigState {
  readonly ref: ObjectRef;
  /** Absent when the object is refused. */
  readonly parameters?: Parameters;
  readonly problems: readonly Problem[];
}

/** The checks of its schema are not repeated; what a schema cannot say is added. */
export function configState({ ref, sourced, problems }: Checked<GatewayConfig>): ConfigState {
  if (sourced === undefined) return { ref, problems };
  const { spec } = sourced.object;
  const wrong = prefixProblem(spec.addressPool);
  if (wrong === undefined) return { ref, parameters: spec, problems };
  const at = originOf(sourced, 'spec.addressPool');
  const problem: Problem = { code: 'InvalidField', at, rule: 'prefix length', message: wrong };
  return { ref, problems: [...problems, problem] };
}

function prefixProblem(pool: string | undefined): string | undefined {
  const [address = '', length] = pool?.split('/') ?? [];
  const longest = isIPv6(address) ? 128 : 32;
  if (length === undefined || Number(length) <= longest) return undefined;
  return `is "${pool}"; the length of a prefix is at most ${longest} there`;
}

export interface NamedParameters {
  readonly group: string;
  readonly kind: string;
  readonly namespace: string | undefined;
  readonly name: string;
}

type Resolved = { readonly parameters: Parameters } | { readonly problem: Problem };

/** @param config by namespace/name */
export function resolveParameters(
  { group, kind, namespace, name }: NamedParameters,
  at: Origin,
  config: (key: string) => ConfigState | undefined,
): Resolved {
  const invalid = (message: string, fix: string): Resolved => ({
    problem: { code: 'InvalidParameters', at, message, fix },
  });
  if (group !== portolanGroup || kind !== 'GatewayConfig') {
    const message = `parameters of kind ${kind}${group === '' ? '' : `.${group}`} are not known`;
    return invalid(message, `name a GatewayConfig of ${portolanGroup}, or remove parametersRef`);
  }
  if (namespace === undefined) {
    return invalid(`GatewayConfig ${name} is named without its namespace`, 'add namespace to parametersRef');
  }
  const state = config(`${namespace}/${name}`);
  const named = `GatewayConfig ${namespace}/${name}`;
  if (state === undefined)
    return invalid(`${named} does not exist`, 'create it (its CRD is in deploy/crds), or remove parametersRef');
  if (state.parameters !== undefined) return { parameters: state.parameters };
  const [first] = state.problems;
  const what = first === undefined ? '' : `: ${first.at.path} ${sentence(first)}`;
  return invalid(`${named} is refused${what}`, `correct ${nameOf(state.ref)}`);
}

/** @param at where what is wrong with the engine is told */
export function engineProblem(
  { engine, proxy }: Parameters,
  engines: Engines | undefined,
  at: Origin,
): Problem | undefined {
  if (engine === undefined || engines === undefined) return undefined;
  const invalid = (message: string, fix: string): Problem => ({ code: 'InvalidParameters', at, message, fix });
  if ('only' in engines) {
    if (engine === engines.only) return undefined;
    const message = `spec.engine asks for ${engine}, and the controller serves all Gateways by itself, with the engine ${engines.only}`;
    return invalid(message, `start the controller with --engine ${engine}, or leave the field out`);
  }
  if (engine !== 'envoy') return undefined;
  if (!engines.deployed.includes(engine)) {
    const message = 'the engine envoy is asked for, and the controller has no image of it';
    return invalid(message, 'start the controller with --envoy-image IMAGE, or set engine: embedded');
  }
  const unknown = Object.keys(proxy?.limits ?? {}).filter((limit) => !limitsOfEnvoy.has(limit));
  if (unknown.length === 0) return undefined;
  // In one object its schema refuses it.
  const message = `class and Gateway together ask for the engine envoy and for limits that Envoy does not have: ${unknown.join(', ')} (proxy.limits)`;
  return invalid(message, 'remove them, or set engine: embedded');
}

export interface GatewayParameters {
  /** Absent: there are none that are good, and never were. */
  readonly parameters?: Parameters;
  /** They are those from before something broke. */
  readonly keptParameters?: true;
  readonly problems: readonly Problem[];
}

/** What of the surroundings is asked for. */
export interface ParameterLookups {
  /** By namespace/name. */
  readonly config: (key: string) => ConfigState | undefined;
  /** The good ones of before; asked for only when there are none now. */
  readonly last: () => Parameters | undefined;
  readonly engines: Engines | undefined;
}

export function parametersOf(
  sourced: Sourced<Gateway>,
  gatewayClass: BoundClass,
  { config, last, engines }: ParameterLookups,
): GatewayParameters {
  const own = ownParameters(sourced, config);
  const merged = mergeParameters(gatewayClass.parameters ?? {}, 'problem' in own ? {} : own.parameters);
  const at = originOf(sourced, 'spec.infrastructure.parametersRef');
  const problem = 'problem' in own ? own.problem : engineProblem(merged, engines, at);
  if (problem !== undefined && !gatewayClass.ours) {
    // Run from files, a Gateway may be meant for another implementation: its parameters are not ours to refuse.
    const ignored = { code: 'IgnoredField', at: problem.at, message: messageOf(problem) } as const;
    return { parameters: {}, problems: [ignored] };
  }
  if (problem === undefined && gatewayClass.parameters !== undefined) {
    return { parameters: merged, problems: [] };
  }
  const before = last();
  if (before !== undefined) {
    const told = problem?.code === 'InvalidParameters' ? [{ ...problem, kept: true as const }] : [];
    return { parameters: before, keptParameters: true, problems: told };
  }
  return { problems: problem === undefined ? [] : [problem] };
}

function ownParameters(sourced: Sourced<Gateway>, config: (key: string) => ConfigState | undefined): Resolved {
  const ref = sourced.object.spec.infrastructure?.parametersRef;
  if (ref === undefined) return { parameters: {} };
  const { namespace } = sourced.object.metadata;
  const at = originOf(sourced, 'spec.infrastructure.parametersRef');
  return resolveParameters({ ...ref, namespace: namespace ?? '' }, at, config);
}

function messageOf(problem: Problem): string {
  return problem.code === 'InvalidParameters' ? problem.message : '';
}
