// What a replica of the controller counts, in the text format of Prometheus.

export interface ReplicaFacts {
  readonly leads: boolean;
  readonly statusWrites: number;
}

export function replicaMetrics({ leads, statusWrites }: ReplicaFacts): string {
  const rows = [
    ['portolan_controller_leads', 'gauge', 'Whether this replica writes.', leads ? 1 : 0],
    ['portolan_controller_status_writes_total', 'counter', 'Statuses written to the API server.', statusWrites],
  ] as const;
  return rows
    .map(([name, type, help, value]) => `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${name} ${value}\n`)
    .join('');
}
