// npm run faults: what happens to traffic and statuses when things break around the controller, in the lab: a real API server, killed and
// restarted; watches that are cut; leaders that die; certificates that turn every second; and more (faults.ts).
import { parseArgs } from 'node:util';
import { join } from 'node:path';
import { runInside } from '../lab/inside.ts';

const usage = `npm run faults -- [options]
  --long             a minute and more of each instead of some seconds
  --only PATTERN     only faults whose names match
  --engine ENGINE    embedded (default) or envoy, which is found by ENVOY, on PATH or in .cache/envoy
  --keep             leave the lab up
`;

const { values } = parseArgs({
  options: {
    long: { type: 'boolean', default: false },
    only: { type: 'string' },
    engine: { type: 'string', default: 'embedded' },
    keep: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

if (values.help) process.stdout.write(usage);
else if (values.engine !== 'embedded' && values.engine !== 'envoy') {
  process.stderr.write(`there is no engine "${values.engine}"\n${usage}`);
  process.exitCode = 2;
} else {
  process.env['FAULTS_ENGINE'] = values.engine;
  if (values.long) process.env['FAULTS_LONG'] = '1';
  const pattern = values.only === undefined ? [] : [`--test-name-pattern=${values.only}`];
  const args = ['--test', '--test-reporter=spec', ...pattern, join(import.meta.dirname, 'faults.ts')];
  const [script = '', ...rest] = args;
  process.exitCode = runInside({ script, args: rest, channel: 'standard', keep: values.keep });
}
