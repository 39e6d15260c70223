// Gateways, ListenerSets and routes that take no part because their schema refuses them: an API server would not have taken them.
// Who wonders why a request goes elsewhere looks for them first.
import type { Tables } from '../../pipeline/tables.ts';
import { refKey } from '../../routing/origin.ts';
import { severityOf } from '../../routing/problem.ts';
import { compareText } from '../../support/sorted.ts';
import type { LeftOut } from './explanation.ts';

const shown = 10;

export function leftOut(tables: Tables): readonly LeftOut[] {
  const found: LeftOut[] = [];
  const { objectProblems, gateways, listenerSets, routes } = tables;
  for (const key of [...objectProblems.keys()].toSorted(compareText)) {
    const problems = (objectProblems.get(key) ?? []).filter(({ code }) => severityOf[code] === 'error');
    const object = problems[0]?.at.object;
    if (object === undefined || refKey(object) !== key || !matters.test(object.kind)) continue;
    const name = `${object.namespace}/${object.name}`;
    const takesPart =
      gateways.get(name)?.written.kind === object.kind ||
      listenerSets.get(name)?.written.kind === object.kind ||
      routes.get(`${object.kind}/${name}`) !== undefined;
    if (!takesPart && found.length < shown) found.push({ object, problems });
  }
  return found;
}

const matters = /^(Gateway|X?ListenerSet|.+Route)$/;
