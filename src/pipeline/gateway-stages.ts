// GatewayClasses and Gateways, and what each Gateway offers to routes.
import { Derived } from '../incremental/derived.ts';
import { Grouped } from '../incremental/grouped.ts';
import type { Table } from '../incremental/table.ts';
import type { BoundClass, BoundGateway } from '../routing/bound.ts';
import { compareText } from '../support/sorted.ts';
import type { ClassOptions } from '../translate/gateways/classes.ts';
import { bindClass } from '../translate/gateways/classes.ts';
import { bindGateway } from '../translate/gateways/gateway.ts';
import type { GatewayOffer } from '../translate/gateways/offers.ts';
import { offerOf } from '../translate/gateways/offers.ts';
import type { Current } from './current.ts';
import type { References } from './reference-stages.ts';
import type { Add, Facts } from './stage-list.ts';

interface Inputs {
  readonly current: Current;
  readonly references: References;
  readonly facts: Facts;
  readonly options: ClassOptions;
}

export interface GatewayTables {
  readonly classes: Table<BoundClass>;
  readonly gateways: Table<BoundGateway>;
  readonly offers: Table<GatewayOffer>;
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
      bindClass(name, read(current.classes, name), read(references.bundleVersions, 'installed') ?? [], options),
    ),
  );
  const reads = {
    classes,
    grants: references.grants,
    certificates: references.certificateStates,
    ...facts,
  };
  const gateways = add(new Derived('gateways', current.gateways, bindGateway(reads)));
  const offers = add(new Derived('offers', gateways, offerOf));
  return { classes, gateways, offers };
}
