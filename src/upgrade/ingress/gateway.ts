// The Ingresses of one class -> the Gateway that serves them: port 80 for every host, and a listener on port 443 for each
// host that one of them has TLS for. One Gateway a class, because that is what an ingress controller is: hosts of all
// namespaces share its two ports.
import type { Gateway } from '../../api/generated/types.ts';
import type { Mapping, Sourced, SourceRef } from '../../api/sourced.ts';
import type { Problem } from '../../routing/problem.ts';
import type { IngressFacts } from './facts.ts';

/** Where the Gateways of Ingress classes live. */
export const ingressNamespace = 'default';

export function gatewayName(className: string): string {
  return className === '' ? 'ingress' : `ingress-${className}`;
}

export const httpListener = 'http';

export function httpsListener(host: string): string {
  return host === '' ? 'https' : `https-${host.replace('*', 'any').replaceAll('.', '-')}`;
}

type Listener = Gateway['spec']['listeners'] extends readonly (infer L)[] | undefined ? L : never;

export interface IngressGateway {
  readonly row: Sourced<Gateway>;
  readonly problems: readonly Problem[];
}

/** @param members in order of age, then name: the first to name a TLS host decides its certificate, as in ingress-nginx */
export function ingressGateway(
  className: string,
  members: readonly IngressFacts[],
  classRef: SourceRef | undefined,
): IngressGateway {
  const problems: Problem[] = [];
  const first = members[0] as IngressFacts;
  const written = classRef ?? first.ref;
  const mappings: Mapping[] = [{ path: '', object: written, from: '' }];
  const listeners: Listener[] = [listener(httpListener, 80, 'HTTP', '')];
  const owners = new Map<string, { readonly secret: string; readonly by: SourceRef }>();
  for (const member of members) {
    for (const tls of member.tls) {
      for (const host of tls.hosts.length === 0 ? [''] : tls.hosts) {
        const secret = `${member.ref.namespace}/${tls.secretName ?? ''}`;
        const owner = owners.get(host);
        if (owner !== undefined) {
          if (owner.secret !== secret) problems.push(conflict(member, tls.from, host, owner.by));
          continue;
        }
        owners.set(host, { secret, by: member.ref });
        mappings.push({ path: `spec.listeners[${listeners.length}]`, object: member.ref, from: tls.from });
        mappings.push({
          path: `spec.listeners[${listeners.length}].tls.certificateRefs[0]`,
          object: member.ref,
          from: `${tls.from}.secretName`,
        });
        listeners.push({ ...listener(httpsListener(host), 443, 'HTTPS', host), tls: tlsOf(member, tls.secretName) });
      }
    }
  }
  const object: Gateway = {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'Gateway',
    metadata: { name: gatewayName(className), namespace: ingressNamespace },
    spec: { gatewayClassName: className === '' ? 'ingress' : className, listeners },
  };
  return { row: { object, written, mappings }, problems };
}

function listener(name: string, port: number, protocol: string, hostname: string): Listener {
  return {
    name,
    port,
    protocol,
    ...(hostname === '' ? {} : { hostname }),
    allowedRoutes: { namespaces: { from: 'All' } },
  };
}

/** Without a Secret the controller's own certificate would serve; here one has to be named. */
function tlsOf(member: IngressFacts, secretName: string | undefined): NonNullable<Listener['tls']> {
  const name = secretName ?? `${member.ref.name}-tls`;
  return { mode: 'Terminate', certificateRefs: [{ group: '', kind: 'Secret', name, namespace: member.ref.namespace }] };
}

function conflict(member: IngressFacts, from: string, host: string, by: SourceRef): Problem {
  const message = `Ingress ${by.namespace}/${by.name} already gives ${host === '' ? 'every host' : host} its certificate; this Secret is not used for it`;
  return { code: 'NotCarriedOver', at: { object: member.ref, path: `${from}.secretName` }, message };
}
