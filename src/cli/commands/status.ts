// portolan status: the statuses that a cluster would show, as tables or as objects.
import { stringify } from 'yaml';
import { compareText } from '../../support/sorted.ts';
import type { ObjectStatus } from '../../status/object-status.ts';
import { misreadPaths } from '../misread.ts';
import type { Run } from '../main.ts';
import { Model } from '../model/model.ts';
import { engineOf, modelOptions } from '../model/options.ts';
import { DevCertificates } from '../run/dev-certificates.ts';
import { statusTables } from '../status-tables.ts';
import { Paint, printable } from '../terminal.ts';
import { objectOf } from '../upgraded.ts';

export const run: Run = async (args) => {
  const model = new Model({ ...modelOptions(args), ...engineOf(args), serving: false });
  if (args.on('dev-certificates')) model.add(new DevCertificates(false));
  await model.load();
  const unread = misreadPaths(model, new Paint(process.stderr));
  const statuses = statusesOf(model);
  switch (args.text('output')) {
    case 'json':
      process.stdout.write(`${JSON.stringify(listOf(model, statuses), undefined, 2)}\n`);
      break;
    case 'yaml':
      process.stdout.write(stringify(listOf(model, statuses), { version: '1.1', aliasDuplicateObjects: false }));
      break;
    case 'wide':
      process.stdout.write(printable(statusTables(model.pipeline, statuses, true)));
      break;
    default:
      process.stdout.write(printable(statusTables(model.pipeline, statuses, false)));
  }
  model.close();
  return unread && model.source.size === 0 ? 1 : 0;
};

function statusesOf(model: Model): readonly ObjectStatus[] {
  const { statuses } = model.pipeline.tables;
  return [...statuses.keys()].toSorted(compareText).flatMap((key) => statuses.get(key) ?? []);
}

/** As `kubectl get -o yaml` prints several objects. */
function listOf({ pipeline }: Model, statuses: readonly ObjectStatus[]): unknown {
  const items = statuses.map((row) => ({ ...objectOf(row, pipeline), status: row.status }));
  return { apiVersion: 'v1', kind: 'List', items };
}
