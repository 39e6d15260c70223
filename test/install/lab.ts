// npm run test:install: the chart in a real cluster, the lab (test/lab): what helm makes of it, that the controller lives on the rights that
// it gives, and that people may do what docs/guides/rbac.md says. Starts a lab of its own, and takes it down.
//   --keep     leave the lab up
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './manifests.ts';

const lab = join(root, 'test/lab');
const name = process.env['LAB'] ?? 'install';
const env = { ...process.env, LAB: name, SUITE: 'v1.7', CHANNEL: 'experimental' };

process.exitCode = main(process.argv.includes('--keep'));

function main(keep: boolean): number {
  if (process.getuid?.() !== 0) return stop('the lab is a network namespace, which only root can make');
  if (!existsSync(join(lab, 'bin/kube-lab')) && !script('build.sh', 'all')) return stop('the lab cannot be built');
  if (!existsSync(join(lab, 'bin/helm')) && !script('build.sh', 'helm')) return stop('helm cannot be built');
  if (!script('up.sh')) return stop('the lab cannot be started');
  try {
    const kubeconfig = join(lab, `.state/${name}/pki/admin.kubeconfig`);
    const { status } = spawnSync(
      'nsenter',
      [`--net=/run/netns/${name}`, '--', process.execPath, '--test', join(import.meta.dirname, 'in-cluster.ts')],
      { stdio: 'inherit', env: { ...env, KUBECONFIG: kubeconfig } },
    );
    return status ?? 1;
  } finally {
    if (!keep) script('down.sh');
  }
}

function script(file: string, ...args: readonly string[]): boolean {
  return spawnSync(join(lab, file), args, { stdio: ['ignore', 'inherit', 'inherit'], env }).status === 0;
}

function stop(why: string): number {
  process.stderr.write(`test:install: ${why}\n`);
  return 1;
}
