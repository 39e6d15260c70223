// The log of what runs for long: one line of JSON each, on standard error, since standard output belongs to the access log.
import type { LogEntry } from '../controller/log.ts';

export function logLine(entry: LogEntry): void {
  process.stderr.write(`${JSON.stringify({ time: new Date().toISOString(), ...entry })}\n`);
}
