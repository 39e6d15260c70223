// Ingress -> its facts: the class that it belongs to, its hosts with their paths, its TLS, its annotations; checked by the
// schema of networking.k8s.io/v1. gateway.ts and routes.ts make current objects of them.
import type { Channel } from '../../api/kinds.ts';
import type { KubeObject } from '../../api/objects.ts';
import type { SourceRef } from '../../api/sourced.ts';
import { validate } from '../../api/validate.ts';
import type { Problem } from '../../routing/problem.ts';
import { list, record, text } from '../../support/untrusted.ts';
import { sayFieldProblems } from '../fields.ts';
import { Notes, refOf } from '../upgraded.ts';
import { readAnnotations, type NginxAnnotations } from './annotations.ts';

export interface IngressBackend {
  readonly name: string;
  readonly port: number | string;
  readonly path: string;
}

export interface IngressPath {
  readonly path: string;
  readonly type: 'Exact' | 'Prefix' | 'ImplementationSpecific';
  readonly backend: IngressBackend;
  /** Where it stands in the Ingress. */
  readonly from: string;
}

export interface IngressFacts {
  readonly ref: SourceRef;
  readonly object: KubeObject;
  /** '' when it names none and no IngressClass is the default. */
  readonly className: string;
  /** nginx redirects to HTTPS by default, and its annotations are read. */
  readonly nginx: boolean;
  readonly hosts: readonly { readonly host: string; readonly paths: readonly IngressPath[]; readonly from: string }[];
  readonly defaultBackend: IngressBackend | undefined;
  readonly tls: readonly {
    readonly hosts: readonly string[];
    readonly secretName: string | undefined;
    readonly from: string;
  }[];
  readonly annotations: NginxAnnotations;
  readonly problems: readonly Problem[];
}

export interface ClassFacts {
  readonly name: string;
  readonly controller: string;
}

const nginxController = 'k8s.io/ingress-nginx';

/** Undefined when the object is refused; what is wrong is said in `problems` either way. */
export function readIngress(
  object: KubeObject,
  channel: Channel,
  classes: { readonly standard: string | undefined; readonly find: (name: string) => ClassFacts | undefined },
): { readonly facts: IngressFacts | undefined; readonly problems: readonly Problem[]; readonly ref: SourceRef } {
  const ref = refOf(object);
  const notes = new Notes(ref);
  const result = validate(object, channel);
  sayFieldProblems(notes, result);
  if (!result.ok) return { facts: undefined, problems: notes.problems, ref };
  const spec = record(result.object['spec']);
  const className =
    text(spec['ingressClassName']) ??
    text(record(object.metadata.annotations)['kubernetes.io/ingress.class']) ??
    classes.standard ??
    '';
  const known = className === '' ? undefined : classes.find(className);
  const facts: IngressFacts = {
    ref,
    object: result.object,
    className,
    nginx: known === undefined ? className === 'nginx' : known.controller === nginxController,
    hosts: list(spec['rules']).map((rule, at) => readRule(record(rule), `spec.rules[${at}]`, notes)),
    defaultBackend:
      spec['defaultBackend'] === undefined
        ? undefined
        : readBackend(record(spec['defaultBackend']), 'spec.defaultBackend', notes),
    tls: list(spec['tls']).map((each, at) => ({
      hosts: list(record(each)['hosts']).filter((host) => typeof host === 'string'),
      secretName: text(record(each)['secretName']),
      from: `spec.tls[${at}]`,
    })),
    annotations: readAnnotations(object, notes),
    problems: notes.problems,
  };
  return { facts, problems: notes.problems, ref };
}

function readRule(rule: Readonly<Record<string, unknown>>, from: string, notes: Notes): IngressFacts['hosts'][number] {
  const host = (text(rule['host']) ?? '').toLowerCase();
  if (host.startsWith('*.')) {
    notes.say(`${from}.host`, {
      code: 'CarriedOver',
      message: `the host ${host} takes one label for the * in an Ingress, and one or more in the Gateway API`,
    });
  }
  const paths = list(record(rule['http'])['paths']).flatMap((each, at) => {
    const path = record(each);
    const where = `${from}.http.paths[${at}]`;
    const backend = readBackend(record(path['backend']), `${where}.backend`, notes);
    if (backend === undefined) return [];
    const type = text(path['pathType']) as IngressPath['type'];
    return [{ path: text(path['path']) || '/', type, backend, from: where }];
  });
  return { host, paths, from };
}

function readBackend(
  backend: Readonly<Record<string, unknown>>,
  path: string,
  notes: Notes,
): IngressBackend | undefined {
  const service = record(backend['service']);
  const name = text(service['name']);
  if (name === undefined) {
    notes.say(`${path}.resource`, {
      code: 'NotCarriedOver',
      message: 'resource backends have no form in the Gateway API; name a Service',
    });
    return undefined;
  }
  const port = record(service['port']);
  return { name, port: typeof port['number'] === 'number' ? port['number'] : (text(port['name']) ?? ''), path };
}
