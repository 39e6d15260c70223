// All rows -> what of them is left out or served otherwise, without an Envoy.
import type { LeftOut } from '../../../routing/engine.ts';
import type { Update } from '../../../routing/update.ts';
import { Faults } from './faults.ts';

export function screened(everything: Update): readonly LeftOut[] {
  const found: LeftOut[] = [];
  const faults = new Faults((rows) => found.push(...rows));
  faults.take(everything);
  faults.settle();
  return found;
}
