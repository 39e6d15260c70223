// --admin: health, readiness, metrics and the model over HTTP, for people, probes and Prometheus. Reads only.
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { isIPv4, isIPv6 } from 'node:net';
import type { AddressInfo } from 'node:net';
import { formatHostPort } from '../model/names.ts';
import type { HostPort } from '../model/names.ts';

export interface AdminPages {
  /** What is not ready yet; empty when all is. */
  readonly waiting: () => readonly string[];
  /** What does not work, although the rest does. */
  readonly failing?: () => readonly string[];
  /** Prometheus text format. */
  readonly metrics: () => Promise<string>;
  readonly config: () => unknown;
}

export interface Admin {
  readonly url: string;
  close(): void;
}

const textType = 'text/plain; charset=utf-8';

export function startAdmin({ host, port }: HostPort, pages: AdminPages): Promise<Admin> {
  const server = createServer({ headersTimeout: 10_000, requestTimeout: 10_000 }, (request, response) => {
    if (!isAsked(server, request)) {
      send(response, 421, textType, 'ask by address or as localhost\n');
      return;
    }
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      send(response, 405, textType, 'GET only\n');
      return;
    }
    answer(request.url ?? '/', response, pages).catch((error: unknown) => {
      send(response, 500, textType, `${(error as Error).message}\n`);
    });
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ ...(host === '' ? {} : { host }), port }, () => {
      const { port } = server.address() as AddressInfo;
      const url = `http://${formatHostPort({ host: host === '' ? 'localhost' : host, port })}`;
      resolve({ url, close: () => server.close(() => {}).closeAllConnections() });
    });
  });
}

async function answer(url: string, response: ServerResponse, pages: AdminPages): Promise<void> {
  switch (url.split('?')[0]) {
    case '/healthz':
      send(response, 200, textType, 'ok\n');
      return;
    case '/readyz': {
      const waiting = pages.waiting();
      const lines = [...waiting, ...(pages.failing?.() ?? [])];
      send(response, waiting.length === 0 ? 200 : 503, textType, `${lines.join('\n') || 'ok'}\n`);
      return;
    }
    case '/metrics':
      send(response, 200, 'text/plain; version=0.0.4; charset=utf-8', await pages.metrics());
      return;
    case '/config':
      send(response, 200, 'application/json', `${JSON.stringify(pages.config(), undefined, 2)}\n`);
      return;
    default:
      send(response, 404, textType, '/healthz /readyz /metrics /config\n');
  }
}

function send(response: ServerResponse, status: number, type: string, text: string): void {
  const body = Buffer.from(text);
  response.writeHead(status, {
    'content-type': type,
    'content-length': body.length,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  });
  response.end(response.req.method === 'HEAD' ? undefined : body);
}

/** A page on the web can make its own name point at 127.0.0.1 and read answers; it cannot choose the Host. */
function isAsked(server: Server, request: IncomingMessage): boolean {
  const { address } = server.address() as AddressInfo;
  if (!address.startsWith('127.') && address !== '::1') return true;
  const host = (request.headers.host ?? '').replace(/:\d+$/, '');
  const bare = host.replace(/^\[(.*)\]$/, '$1');
  return host === 'localhost' || isIPv4(bare) || isIPv6(bare);
}
