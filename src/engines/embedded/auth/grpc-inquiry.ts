// A question over gRPC: one Check of envoy.service.auth.v3 on a stream of HTTP/2, answered by one message. Anything that is not
// exactly that is no verdict.
import { toldFields } from '../../../routing/filters/external-auth.ts';
import type { FieldLines } from '../../../routing/filters/header-changes.ts';
import type { LiveCluster } from '../balance.ts';
import type { HeldRequest } from '../held.ts';
import type { FieldList, Taken } from '../sides.ts';
import { noFields, TAKEN } from '../sides.ts';
import { type Allowed, CHECK_PATH, decodeCheck, type Denied, encodeCheck } from './check-messages.ts';
import type { CheckPlan } from './check-plan.ts';
import { type Asked, type From, Inquiry, type NoVerdict } from './inquiry.ts';

export interface GrpcAsker {
  decided(verdict: Allowed | Denied): void;
  unanswered(why: NoVerdict): void;
}

const DEADLINE_EXCEEDED = '4';

export class GrpcInquiry extends Inquiry {
  readonly #asker: GrpcAsker;
  readonly #limit: number;
  #head: FieldList = noFields;
  #pieces: Buffer[] = [];
  #size = 0;

  constructor(asker: GrpcAsker, from: From, cluster: LiveCluster, asked: Asked) {
    super(from, cluster, asked);
    this.#asker = asker;
    this.#limit = from.thread.limits.authAnswerBytes;
  }

  responded(status: number, fields: FieldList): void {
    this.reached();
    this.#head = fields;
    const type = valueOf(fields, 'content-type') ?? '';
    if (status !== 200) this.reject(`status ${status}`);
    else if (!/^application\/grpc(?:$|[+;])/i.test(type)) this.reject('not gRPC');
  }

  received(octets: Buffer): Taken {
    this.#size += octets.length;
    if (this.#size > this.#limit) this.reject('answer too long');
    // The memory may be reused once this returns.
    else this.#pieces.push(Buffer.from(octets));
    return TAKEN;
  }

  completed(trailers: FieldList): void {
    // A response of trailers only has them in its head.
    const status = valueOf(trailers, 'grpc-status') ?? valueOf(this.#head, 'grpc-status') ?? 'missing';
    const verdict = status === '0' ? decodeCheck(Buffer.concat(this.#pieces, this.#size)) : undefined;
    if (status === DEADLINE_EXCEEDED) {
      // It was told how long we wait.
      this.expired();
      return;
    }
    if (verdict === undefined) {
      this.reject(status === '0' ? 'not a CheckResponse' : `grpc-status ${status.slice(0, 16)}`);
      return;
    }
    this.release();
    this.#asker.decided(verdict);
  }

  protected unanswered(why: NoVerdict): void {
    this.#asker.unanswered(why);
  }
}

function valueOf(fields: FieldList, name: string): string | undefined {
  for (let i = 0; i < fields.length; i += 2) if (fields[i] === name) return fields[i + 1];
  return undefined;
}

/** @param lines all that the service could be told; names as they came */
export function grpcQuestion(plan: CheckPlan, held: HeldRequest, lines: FieldLines, from: From): Asked {
  const { client, thread } = from;
  const { row } = plan.cluster as LiveCluster;
  const message = encodeCheck({
    id: held.field('x-request-id') ?? '',
    method: held.method,
    fields: toldFields(plan.auth, lines),
    path: held.path + held.query,
    host: held.authority === '' ? client.localAuthority : held.authority,
    scheme: client.scheme,
    size: held.length,
    version: held.version,
    body: plan.auth.bodyLimit > 0 ? Buffer.concat(held.pieces, held.size) : undefined,
    source: { address: client.address, port: client.port },
    destination: client.localAuthority,
    serverName: client.serverName,
  });
  const list: FieldList = ['content-type', 'application/grpc', 'grpc-timeout', `${thread.limits.authTimeout}m`];
  return {
    body: [message],
    question: {
      method: 'POST',
      scheme: row?.tls === undefined ? 'http' : 'https',
      authority: row?.tls?.serverName ?? `${row?.backend.name}.${row?.backend.namespace}`,
      path: CHECK_PATH,
      length: message.length,
      acceptsTrailers: true,
      repeatable: true,
      anew: false,
      upgrade: '',
      framed: false,
      http1: () => '',
      list: () => list,
    },
  };
}
