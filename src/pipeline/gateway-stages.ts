// GatewayClasses and Gateways, and what each Gateway offers to routes.
import { Derived } from '../incremental/derived.ts';
import { Expanded } from '../incremental/expanded.ts';
import { Grouped } from '../incremental/grouped.ts';
import type { Table } from '../incremental/table.ts';
import type { BoundClass, BoundGateway, BoundListenerSet } from '../routing/bound.ts';
import { refKey } from '../routing/origin.ts';
import { compareText } from '../support/sorted.ts';
import type { ClassOptions } from '../translate/gateways/classes.ts';
import { bindClass } from '../translate/gateways/classes.ts';
import { bindGateway } from '../translate/gateways/gateway.ts';
import type { ListenerSetDraft } from '../translate/gateways/listener-sets.ts';
import { compareListenerSets, draftListenerSet, orphanProblem } from '../translate/gateways/listener-sets.ts';
import type { Offer } from '../translate/gateways/offers.ts';
import { offersOf } from '../translate/gateways/offers.ts';
import type { Current, ObjectProblems } from './current.ts';
import type { References } from './reference-stages.ts';
import type { Add, Facts } from './stage-list.ts';

interface Inputs {
  readonly current: Current;
  readonly references: References;
  readonly facts: Facts;
  readonly options: ClassOptions & { readonly presume: boolean };
}

export interface GatewayTables {
  readonly classes: Table<BoundClass>;
  readonly gateways: Table<BoundGateway>;
  /** Those of Gateways that are ours, by namespace/name. */
  readonly listenerSets: Table<BoundListenerSet>;
  /** ListenerSets without a Gateway. */
  readonly orphans: Table<ObjectProblems>;
  /** By kind/namespace/name of the parent. */
  readonly offers: Table<Offer>;
}

export function gatewayStages({ current, references, facts, options }: Inputs, add: Add): GatewayTables {
  // A class is looked at when it is given, and when a Gateway names it.
  const given = add(new Derived('given classes', current.classes, (_, __, name) => name));
  const named = add(new Derived('named classes', current.gateways, ({ object }) => object.spec.gatewayClassName));
  const byName = (name: string, user: string): [[string, string]] => [[name, user]];
  const classNames = add(
    new Grouped(
      'class names',
      [given, named].map((table) => ({ table, split: byName })),
      compareText,
    ),
  );
  const classes = add(
    new Derived('classes', classNames, (_, read, name) =>
      bindClass(name, read(current.classes, name), options, {
        installed: read(references.bundleVersions, 'installed') ?? [],
        config: (key) => read(current.configs, key),
      }),
    ),
  );
  const { grants, certificateStates: certificates, bundleStates: bundles, namespaces } = references;
  const drafts = add(
    new Derived(
      'drafts of ListenerSets',
      current.listenerSets,
      draftListenerSet({ ...references, grants, certificates }),
    ),
  );
  const listenerSets = add(
    new Grouped(
      'ListenerSets by Gateway',
      [{ table: drafts, split: (draft: ListenerSetDraft) => [[draft.gateway, draft] as const] }],
      compareListenerSets,
    ),
  );
  const orphans = add(
    new Derived('orphaned ListenerSets', current.listenerSets, (sourced, read): ObjectProblems | undefined => {
      const problem = orphanProblem(sourced, (gateway) => read(named, gateway) !== undefined);
      return problem && { key: refKey(sourced.written), problems: [problem] };
    }),
  );
  const reads = {
    ...references,
    classes,
    grants,
    certificates,
    bundles,
    listenerSets,
    namespaces,
    presume: options.presume,
    engines: options.engines,
    clusterAddresses: options.engines !== undefined && 'deployed' in options.engines,
    configs: current.configs,
    ...facts,
  };
  const gateways = add(new Derived('gateways', current.gateways, bindGateway(reads)));
  const boundSets = add(
    new Expanded('ListenerSets', gateways, ({ listenerSets }) => listenerSets.map((set) => [set.key, set] as const)),
  );
  const offers = add(new Expanded('offers', gateways, offersOf));
  return { classes, gateways, listenerSets: boundSets, orphans, offers };
}
