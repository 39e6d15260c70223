// What data planes say between two turns of the loop -> the pipeline, and a line of the log for what they do not serve.
import type { Pipeline } from '../pipeline/pipeline.ts';
import type { LeftOut } from '../routing/engine.ts';
import type { BindReport } from '../routing/model.ts';
import type { LogEntry } from './log.ts';

export class Heard {
  readonly #changed: () => void;
  readonly #log: (entry: LogEntry) => void;
  #reports: BindReport[] = [];
  #leftOut: LeftOut[] = [];

  /** @param changed there is something to take */
  constructor(changed: () => void, log: (entry: LogEntry) => void) {
    this.#changed = changed;
    this.#log = log;
  }

  readonly report = (row: BindReport): void => {
    this.#reports.push(row);
    this.#changed();
  };

  readonly leftOut = (rows: readonly LeftOut[]): void => {
    this.#leftOut.push(...rows);
    this.#changed();
  };

  /** Everything since the last time. */
  give(pipeline: Pipeline): void {
    const [reports, rows] = [this.#reports, this.#leftOut];
    this.#reports = [];
    this.#leftOut = [];
    for (const report of reports) take(pipeline, report);
    pipeline.leaveOut(rows);
    for (const { table, key, faults } of rows) {
      const words = [...new Set(faults.map(({ reason }) => reason))].join('; ');
      const what = `${table} ${key}`;
      if (faults.length === 0) this.#log({ level: 'info', message: `${what}: served as it was asked for` });
      else this.#log({ level: 'warn', message: `${what}: not served as it was asked for: ${words}` });
    }
  }
}

/** What was said to one pipeline, to the next one. */
export function handOver(old: Pipeline, next: Pipeline): void {
  for (const key of old.tables.reports.keys()) {
    const report = old.tables.reports.get(key);
    if (report !== undefined) next.report(report);
  }
  next.leaveOut(old.leftOut());
}

/** A bind that no data plane speaks for is no fault of its listener. */
function take(pipeline: Pipeline, report: BindReport): void {
  if (report.state === 'failed' && report.code === 'ENOPROXY') pipeline.unreport(report.bind);
  else pipeline.report(report);
}
