// Two whole configurations → the update that leads from one to the other, for an engine that serves the first.
import type { Update } from '../routing/update.ts';

export function replacement(old: Update, next: Update): Update {
  const update: Record<string, unknown> = { version: next.version };
  for (const table of [
    'binds',
    'frontends',
    'rules',
    'clusters',
    'endpoints',
    'certificates',
    'trustBundles',
  ] as const) {
    const rows: readonly { readonly key: string }[] = next[table]?.set ?? [];
    const keys = new Set(rows.map(({ key }) => key));
    const gone = (old[table]?.set ?? []).map(({ key }) => key).filter((key) => !keys.has(key));
    update[table] = { set: rows, delete: gone };
  }
  const placed = new Set((next.placements?.set ?? []).map(({ bind }) => bind));
  const unplaced = (old.placements?.set ?? []).map(({ bind }) => bind).filter((bind) => !placed.has(bind));
  update['placements'] = { set: next.placements?.set ?? [], delete: unplaced };
  const hosts = new Map((next.virtualHosts ?? []).map((host) => [host.key, host]));
  const before = new Map((old.virtualHosts ?? []).map((host) => [host.key, host]));
  update['virtualHosts'] = [
    ...[...hosts.values()].map((host) => ({ ...host, removed: before.get(host.key)?.inserted ?? [] })),
    ...[...before.values()]
      .filter(({ key }) => !hosts.has(key))
      .map((host) => ({ ...host, removed: host.inserted, inserted: [] })),
  ];
  return update as unknown as Update;
}
