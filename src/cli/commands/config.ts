// portolan config ENGINE: what an engine is told, as its own configuration; and what an Envoy of the user's own is started with.
import { stringify } from 'yaml';
import { printedResources } from '../../engines/envoy/printed.ts';
import { Misuse } from '../command.ts';
import type { Run } from '../main.ts';
import { misreadPaths } from '../misread.ts';
import { Model } from '../model/model.ts';
import { modelOptions } from '../model/options.ts';
import { DevCertificates } from '../run/dev-certificates.ts';
import { PortPlan } from '../run/ports.ts';
import { Paint } from '../terminal.ts';
import { writeBootstrap } from './envoy-bootstrap.ts';

export const run: Run = async (args) => {
  const [engine] = args.operands;
  if (engine !== 'envoy') throw new Misuse(`config takes an engine: envoy, not "${engine ?? ''}"`);
  const folder = args.text('bootstrap');
  if (folder !== undefined) return writeBootstrap(args, folder);
  for (const flag of ['controller', 'tls-dir', 'node', 'mounted-at']) {
    if (args.on(flag)) throw new Misuse(`--${flag} is for --bootstrap`);
  }
  const offset = args.number('port-offset', { min: 0, max: 64_512 }) ?? 8000;
  const model = new Model({ ...modelOptions(args, 1), serving: true });
  if (args.on('dev-certificates')) model.add(new DevCertificates(false));
  await model.load();
  const unread = misreadPaths(model, new Paint(process.stderr));
  const { pipeline } = model;
  const binds = [...pipeline.tables.binds.keys()].flatMap((key) => pipeline.tables.binds.get(key) ?? []);
  const address = args.text('bind') ?? '127.0.0.1';
  pipeline.place(binds.map(({ key, port }) => ({ bind: key, address, port: PortPlan.local(port, offset) })));
  await model.settle();
  const { resources, leftOut } = printedResources(pipeline.snapshot());
  model.close();
  for (const { table, key, faults } of leftOut) {
    for (const { effect, match, reason } of faults) {
      const words = effect === 'dropped' ? 'left out' : 'served otherwise';
      const part = match === undefined ? '' : `, match ${match}`;
      process.stderr.write(`${words}: ${table} ${key}${part}: ${reason}\n`);
    }
  }
  const tree = { resources };
  process.stdout.write(
    args.text('output') === 'yaml'
      ? stringify(tree, { version: '1.1', aliasDuplicateObjects: false })
      : `${JSON.stringify(tree, undefined, 2)}\n`,
  );
  return unread && model.source.size === 0 ? 1 : 0;
};
