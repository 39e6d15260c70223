// What each worker says of each bind -> one report per bind: serving when all workers serve it, failed when one cannot.
import type { BindReport, Placement } from '../../routing/model.ts';
import type { WorkerReport } from './messages.ts';

interface Standing {
  readonly placement: Placement;
  readonly byWorker: Map<number, WorkerReport>;
  /** What was reported last: the state, with the code of a failure. */
  told: string;
}

export class Reports {
  readonly #workers: number;
  readonly #tell: (report: BindReport) => void;
  readonly #standings = new Map<string, Standing>();

  constructor(workers: number, tell: (report: BindReport) => void) {
    this.#workers = workers;
    this.#tell = tell;
  }

  /** A bind is to be served at a place; what was said of another place counts no more. */
  expect(placement: Placement): void {
    const standing = this.#standings.get(placement.bind);
    if (standing !== undefined && isAt(standing.placement, placement)) return;
    this.#standings.set(placement.bind, { placement, byWorker: new Map(), told: '' });
  }

  drop(bind: string): void {
    this.#standings.delete(bind);
  }

  take(worker: number, report: WorkerReport): void {
    const standing = this.#standings.get(report.bind);
    if (standing === undefined || !isAt(standing.placement, report)) return;
    standing.byWorker.set(worker, report);
    this.#settle(standing);
  }

  /** Known without asking the workers. */
  refuse(placement: Placement, error: NodeJS.ErrnoException): void {
    const standing = this.#standings.get(placement.bind);
    if (standing === undefined) return;
    const { code = 'unknown', message } = error;
    this.#say(standing, { bind: placement.bind, state: 'failed', code, message });
  }

  /** A worker died; the one that takes its place will speak for itself. */
  forget(worker: number): void {
    for (const standing of this.#standings.values()) standing.byWorker.delete(worker);
  }

  isServing(bind: string): boolean {
    return this.#standings.get(bind)?.told === 'serving';
  }

  servesAt(placement: Placement): boolean {
    const standing = this.#standings.get(placement.bind);
    return standing !== undefined && isAt(standing.placement, placement) && this.isServing(placement.bind);
  }

  #settle(standing: Standing): void {
    const reports = [...standing.byWorker.values()];
    const failed = reports.find((report) => report.state === 'failed');
    const { bind } = standing.placement;
    if (failed !== undefined) {
      const { code = 'unknown', message = '' } = failed;
      this.#say(standing, { bind, state: 'failed', code, message });
    } else if (reports.length === this.#workers) {
      this.#say(standing, { bind, state: 'serving' });
    }
  }

  #say(standing: Standing, report: BindReport): void {
    const words = report.state === 'serving' ? 'serving' : `failed ${report.code}`;
    if (standing.told === words) return;
    standing.told = words;
    this.#tell(report);
  }
}

function isAt(a: { readonly address: string; readonly port: number }, b: typeof a): boolean {
  return a.address === b.address && a.port === b.port;
}
