// Objects → what an API server says of each when it is asked to create it, without creating it (dry run).
import https from 'node:https';
import { kindOf, type Channel } from '../../src/api/kinds.ts';
import { groupOf, type KubeObject } from '../../src/api/objects.ts';
import { accessFrom } from '../../src/sources/cluster/access.ts';
import { text } from '../../src/support/untrusted.ts';
import type { Answer } from './verdict.ts';

export class DryRunServer {
  readonly #access = accessFrom(process.env['KUBECONFIG']);
  readonly #agent = new https.Agent({ keepAlive: true, maxSockets: 16 });

  /** Which channel's CRDs it has. */
  async channel(): Promise<Channel> {
    const name = 'httproutes.gateway.networking.k8s.io';
    const { body } = await this.#send('GET', `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/${name}`);
    const { metadata } = body as KubeObject;
    return metadata?.annotations?.['gateway.networking.k8s.io/channel'] === 'experimental'
      ? 'experimental'
      : 'standard';
  }

  async makeNamespace(name: string): Promise<void> {
    const { status } = await this.#send('POST', '/api/v1/namespaces', JSON.stringify({ metadata: { name } }));
    if (status !== 201 && status !== 409) throw new Error(`the namespace ${name} cannot be made: ${status}`);
  }

  /** Whether it has the kind of the object in its version. */
  async has({ apiVersion, kind }: KubeObject, channel: Channel): Promise<boolean> {
    const { plural = '' } = kindOf(groupOf(apiVersion), kind, channel) ?? {};
    const base = apiVersion.includes('/') ? '/apis' : '/api';
    return (await this.#send('GET', `${base}/${apiVersion}/${plural}?limit=1`)).status === 200;
  }

  /** As kubectl would create it, but that unknown fields are told and not refused, so that everything else is told as well. */
  async ask(object: KubeObject, namespace: string, channel: Channel): Promise<Answer> {
    const group = groupOf(object.apiVersion);
    const kind = kindOf(group, object.kind, channel);
    if (kind === undefined) throw new Error(`${object.apiVersion} ${object.kind} is not known`);
    const base = group === '' ? `/api/${object.apiVersion}` : `/apis/${object.apiVersion}`;
    const scope = kind.namespaced ? `/namespaces/${namespace}` : '';
    return this.#send('POST', `${base}${scope}/${kind.plural}?dryRun=All&fieldValidation=Warn`, JSON.stringify(object));
  }

  close(): void {
    this.#agent.destroy();
  }

  async #send(method: string, path: string, body?: string): Promise<Answer> {
    const { authorization, certificate, key } = await this.#access.credentials();
    const { server, authorities } = this.#access;
    return new Promise((resolve, reject) => {
      const request = https.request(
        `${server}${path}`,
        {
          method,
          agent: this.#agent,
          ca: authorities,
          cert: certificate,
          key,
          headers: {
            accept: 'application/json',
            ...(authorization === undefined ? {} : { authorization }),
            ...(body === undefined
              ? {}
              : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
          },
        },
        (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('end', () => {
            const said = jsonOf(Buffer.concat(chunks).toString('utf8'));
            const warnings = warningsIn(text(response.headers['warning']) ?? '');
            resolve({ status: response.statusCode ?? 0, body: said, warnings });
          });
          response.on('error', reject);
        },
      );
      request.on('error', reject);
      request.end(body);
    });
  }
}

/** Of an API that is not there the server speaks in plain text. */
function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return {};
  }
}

/** `299 - "text", 299 - "text"` (RFC 7234 section 5.5), in the octets that Node reads as Latin-1. */
function warningsIn(field: string): string[] {
  const utf8 = Buffer.from(field, 'latin1').toString('utf8');
  return [...utf8.matchAll(/299 [^ ]+ "((?:[^"\\]|\\.)*)"/gs)].map(([, quoted = '']) =>
    quoted.replaceAll(/\\(.)/gs, '$1'),
  );
}
