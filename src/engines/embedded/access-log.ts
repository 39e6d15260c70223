// Lines of the access log, gathered and appended a batch at a time: a slow disk costs lines, which are counted, not memory and
// not requests. One JSON object per line.
import fs from 'node:fs';
import type { Metrics } from './metrics.ts';

export interface AccessRecord {
  /** Milliseconds since the epoch. */
  readonly time: number;
  readonly client: string;
  readonly method: string;
  readonly scheme: string;
  readonly authority: string;
  readonly target: string;
  readonly version: string;
  readonly userAgent: string | undefined;
  readonly requestId: string;
  /** 499: the client went away before the response began. */
  readonly status: number;
  /** Octets of content sent to the client, and received from it. */
  readonly sent: number;
  readonly received: number;
  /** Milliseconds. */
  readonly duration: number;
  readonly listener: string;
  /** kind/namespace/name, '' if none took it. */
  readonly route: string;
  /** Address and port of the endpoint that was asked last, '' if none. */
  readonly upstream: string;
  readonly attempts: number;
  /** Why the exchange failed, '' if it did not. */
  readonly failure: string;
  /** What the system or OpenSSL said of it, '' if nothing. */
  readonly detail: string;
}

const BATCH = 65_536;
/** Characters that may wait for the disk. */
const BACKLOG = 8_388_608;
const PERIOD = 250;

export class AccessLog {
  readonly #descriptor: number;
  readonly #metrics: Metrics;
  readonly #timer: NodeJS.Timeout;
  #lines = '';
  #writing = false;
  #second = 0;
  #date = '';

  /** @param path a file to append to, or `-` for standard output. Throws the error of the operating system. */
  constructor(path: string, metrics: Metrics) {
    this.#descriptor = path === '-' ? 1 : fs.openSync(path, 'a', 0o640);
    this.#metrics = metrics;
    this.#timer = setInterval(() => this.flush(), PERIOD);
    this.#timer.unref();
  }

  add(record: AccessRecord): void {
    if (this.#lines.length > BACKLOG) {
      this.#metrics.counts.logLinesDropped++;
      return;
    }
    this.#lines += this.#line(record);
    if (this.#lines.length >= BATCH) this.flush();
  }

  flush(): void {
    if (this.#writing || this.#lines === '') return;
    const batch = Buffer.from(this.#lines, 'utf8');
    this.#lines = '';
    this.#writing = true;
    this.#write(batch, 0);
  }

  /** Writes what is left, at once. */
  close(): void {
    clearInterval(this.#timer);
    try {
      if (this.#lines !== '') fs.writeSync(this.#descriptor, this.#lines);
    } catch {
      // Whoever reads the log is gone.
    }
    this.#lines = '';
    if (this.#descriptor !== 1) fs.closeSync(this.#descriptor);
  }

  #write(batch: Buffer, from: number): void {
    fs.write(this.#descriptor, batch, from, batch.length - from, null, (error, written) => {
      if (error?.code === 'EAGAIN') {
        setTimeout(() => this.#write(batch, from), PERIOD).unref();
      } else if (error === null && from + written < batch.length) {
        this.#write(batch, from + written);
      } else {
        this.#writing = false;
        if (error !== null) this.#metrics.counts.logLinesDropped += countLines(batch, from);
        if (this.#lines.length >= BATCH) this.flush();
      }
    });
  }

  #line(record: AccessRecord): string {
    const { userAgent, upstream, failure, detail } = record;
    let line = `{"time":"${this.#timestamp(record.time)}","client":"${record.client}","method":"${record.method}"`;
    line += `,"scheme":"${record.scheme}","host":${JSON.stringify(record.authority)}`;
    line += `,"target":${JSON.stringify(record.target)},"version":"${record.version}","status":${record.status}`;
    line += `,"sent":${record.sent},"received":${record.received},"ms":${Math.round(record.duration * 1000) / 1000}`;
    line += `,"listener":${JSON.stringify(record.listener)},"route":${JSON.stringify(record.route)}`;
    if (upstream !== '') line += `,"upstream":"${upstream}","attempts":${record.attempts}`;
    if (failure !== '') line += `,"failure":"${failure}"`;
    if (detail !== '') line += `,"detail":${JSON.stringify(detail)}`;
    if (record.requestId !== '') line += `,"requestId":${JSON.stringify(record.requestId)}`;
    if (userAgent !== undefined) line += `,"userAgent":${JSON.stringify(userAgent)}`;
    return `${line}}\n`;
  }

  /** RFC 3339 in UTC; the date is made once per second. */
  #timestamp(time: number): string {
    const millisecond = time % 1000;
    const second = time - millisecond;
    if (second !== this.#second) {
      this.#second = second;
      this.#date = new Date(second).toISOString().slice(0, 19);
    }
    return `${this.#date}.${String(millisecond).padStart(3, '0')}Z`;
  }
}

function countLines(batch: Buffer, from: number): number {
  let lines = 0;
  for (let at = batch.indexOf(10, from); at >= 0; at = batch.indexOf(10, at + 1)) lines++;
  return lines;
}
