// A script that wants an API server → the same script run inside the lab's network namespace, with KUBECONFIG set: the lab is started
// before, and taken down afterwards.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

export interface Inside {
  /** Of the script that is run. */
  readonly script: string;
  readonly args: readonly string[];
  readonly channel: 'standard' | 'experimental';
  /** The lab stays up. */
  readonly keep?: boolean;
}

const lab = import.meta.dirname;

export const labName: string = process.env['LAB'] ?? 'kubelab';
/** Logs, process ids and credentials of the lab. */
export const labState: string = join(lab, '.state', labName);
export const labKubeconfig: string = join(labState, 'pki/admin.kubeconfig');

/** What the script exits with; 1 when the lab cannot be started, which is said on standard error. */
export function runInside({ script, args, channel, keep = false }: Inside): number {
  if (process.getuid?.() !== 0) {
    process.stderr.write('the lab is a network namespace, which only root can make: run as root, or give --kubeconfig\n');
    return 1;
  }
  const env = { ...process.env, CHANNEL: channel, KUBECONFIG: labKubeconfig };
  const up = spawnSync(join(lab, 'up.sh'), [], { stdio: ['ignore', 'inherit', 'inherit'], env });
  if (up.status !== 0) {
    process.stderr.write('the lab could not be started; test/lab/build.sh all builds it\n');
    return 1;
  }
  const command = [`--net=/run/netns/${labName}`, '--', process.execPath, script, ...args];
  const { status } = spawnSync('nsenter', command, { stdio: 'inherit', env });
  if (!keep) spawnSync(join(lab, 'down.sh'), [], { stdio: 'ignore', env });
  return status ?? 1;
}
