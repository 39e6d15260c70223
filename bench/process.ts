// What the benches of processes have in common: what one prints, answers over HTTP, memory of a process.
import { readFileSync } from 'node:fs';
import http from 'node:http';

export function say(what: string, figure: string): void {
  process.stdout.write(`${what.padEnd(58)} ${figure}\n`);
}

export interface Memory {
  /** Octets. */
  readonly resident: number;
  readonly most: number;
}

export function memoryOf(pid: number | undefined): Memory {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const of = (name: string): number => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1]) * 1024;
  return { resident: of('VmRSS'), most: of('VmHWM') };
}

/** Milliseconds on a processor, of all its threads; to a hundredth of a second. */
export function processorOf(pid: number | undefined): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

export function memoryText({ resident, most }: Memory): string {
  return `${Math.round(resident / 1e6)} MB resident, ${Math.round(most / 1e6)} MB at most`;
}

export interface Answer {
  /** 0: there was none. */
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: string;
}

export function get(options: http.RequestOptions): Promise<Answer> {
  return new Promise((resolve) => {
    http
      .get({ host: '127.0.0.1', agent: false, ...options }, (response) => {
        let body = '';
        response
          .setEncoding('utf8')
          .on('data', (text: string) => (body += text))
          .on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }));
      })
      .on('error', () => resolve({ status: 0, headers: {}, body: '' }));
  });
}
