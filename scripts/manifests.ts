// deploy/helm/portolan → deploy/manifests: what `kubectl apply` takes, for people without helm. Needs helm ($HELM, or that of the lab).
//   node scripts/manifests.ts [--check]     --check: only says whether they are up to date
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const chart = join(root, 'deploy/helm/portolan');
const folder = join(root, 'deploy/manifests');

/** Values by file. */
const variants: Readonly<Record<string, readonly string[]>> = {
  'portolan.yaml': [],
  'portolan-all-in-one.yaml': ['mode=all-in-one'],
};

const namespace = `apiVersion: v1
kind: Namespace
metadata:
  name: portolan
`;

if (process.argv[1] === import.meta.filename) process.exitCode = main(process.argv.includes('--check'));

function main(check: boolean): number {
  let stale = 0;
  mkdirSync(folder, { recursive: true });
  for (const [file, values] of Object.entries(variants)) {
    const path = join(folder, file);
    const text = manifests(values);
    if (existsSync(path) && readFileSync(path, 'utf8') === text) continue;
    stale++;
    if (check) process.stderr.write(`deploy/manifests/${file} is not what the chart says: run scripts/manifests.ts\n`);
    else writeFileSync(path, text);
  }
  return check && stale > 0 ? 1 : 0;
}

/** Of all files of the chart: by it a test without helm knows that the chart was changed and the manifests were not. */
export function chartDigest(): string {
  const hash = createHash('sha256');
  const files = globSync('**/*', { cwd: chart, withFileTypes: true }).filter((entry) => entry.isFile());
  for (const path of files.map((entry) => join(entry.parentPath, entry.name)).sort())
    hash
      .update(`${path.slice(chart.length)}\0`)
      .update(readFileSync(path))
      .update('\0');
  return hash.digest('hex');
}

function manifests(values: readonly string[]): string {
  const sets = values.flatMap((value) => ['--set', value]);
  const { status, stdout, stderr, error } = spawnSync(
    helm(),
    ['template', 'portolan', chart, '--namespace', 'portolan', ...sets],
    { encoding: 'utf8' },
  );
  if (status !== 0) throw new Error(`helm template: ${error?.message ?? stderr}`);
  // Whose labels these would be does not install it here.
  const plain = stdout
    .replaceAll(/^ *(helm\.sh\/chart|app\.kubernetes\.io\/managed-by): .*\n/gm, (line) =>
      line.includes('managed-by: portolan') ? line : '',
    )
    .replaceAll(/^# Source: .*\n/gm, '')
    .replaceAll(/\n+---\n/g, '\n---\n')
    .replace(/^---\n/, '');
  return `# Made of deploy/helm/portolan by scripts/manifests.ts; do not edit. Digest of the chart: ${chartDigest()}\n${namespace}---\n${plain}`;
}

export function helm(): string {
  const ofLab = join(root, 'test/lab/bin/helm');
  return process.env['HELM'] ?? (existsSync(ofLab) ? ofLab : 'helm');
}
