// Ingress and IngressClass as stages: classes -> GatewayClasses, the Ingresses of a class -> its Gateway, each Ingress ->
// HTTPRoutes, and the grants that let that Gateway use the Secrets of the Ingresses' namespaces.
import type { Gateway, GatewayClass, HTTPRoute, ReferenceGrant } from '../../api/generated/types.ts';
import { gatewayGroup, type Channel } from '../../api/kinds.ts';
import type { KubeObject } from '../../api/objects.ts';
import type { Sourced, SourceRef } from '../../api/sourced.ts';
import { Derived } from '../../incremental/derived.ts';
import { Expanded } from '../../incremental/expanded.ts';
import { Grouped } from '../../incremental/grouped.ts';
import type { Read as ReadRow, Stage, Table } from '../../incremental/table.ts';
import { refKey } from '../../routing/origin.ts';
import { compareText } from '../../support/sorted.ts';
import { record, text } from '../../support/untrusted.ts';
import { problemsOf, type ProblemsOf } from '../tables.ts';
import { refOf, type Upgraded } from '../upgraded.ts';
import { readIngress, type ClassFacts, type IngressFacts } from './facts.ts';
import { gatewayName, ingressGateway, ingressNamespace, type IngressGateway } from './gateway.ts';
import { ingressRoutes } from './routes.ts';

export interface IngressTables {
  readonly stages: readonly Stage[];
  readonly classes: Table<Sourced<GatewayClass>>;
  readonly gateways: Table<Sourced<Gateway>>;
  readonly httpRoutes: Table<Sourced<HTTPRoute>>;
  readonly grants: Table<Sourced<ReferenceGrant>>;
  /** By namespace/name. */
  readonly ingresses: Table<ServedIngress>;
  readonly problems: readonly Table<ProblemsOf>[];
}

/** An Ingress that was read, and the key of the Gateway that its class became. */
export interface ServedIngress {
  readonly ref: SourceRef;
  readonly gateway: string;
}

const everyone = '*';

export function ingressStages(
  raw: (group: string, kind: string) => Table<KubeObject>,
  channel: Channel,
): IngressTables {
  const facts = factStages(raw, channel);
  const gateways = new Expanded<IngressGateway, Sourced<Gateway>>('ingress gateways', facts.gatewayOf, ({ row }) => [
    [`${ingressNamespace}/${row.object.metadata.name}`, row],
  ]);
  const routesOf = new Derived<Read, Upgraded<HTTPRoute>>(
    'routes of ingress',
    facts.read,
    routesBy(facts, raw('', 'Service')),
  );
  const httpRoutes = new Expanded<Upgraded<HTTPRoute>, Sourced<HTTPRoute>>(
    'ingress routes',
    routesOf,
    ({ rows }) => rows,
  );
  const grants = new Expanded<Read, Sourced<ReferenceGrant>>('ingress grants', facts.read, ({ facts: one }) =>
    one === undefined ? [] : secretGrants(one),
  );
  const ingresses = new Derived<Read, ServedIngress>('served ingresses', facts.read, ({ facts: one, ref }) =>
    one === undefined ? undefined : { ref, gateway: `${ingressNamespace}/${gatewayName(one.className)}` },
  );
  const ofRoutes = problemsOf(routesOf);
  const ofGateways = new Expanded<IngressGateway, ProblemsOf>(
    'problems of ingress gateways',
    facts.gatewayOf,
    ({ problems }, key) =>
      problems.map((problem, at) => [`${key}/${at}`, { key: refKey(problem.at.object), problems: [problem] }] as const),
  );
  return {
    stages: [...facts.stages, gateways, routesOf, httpRoutes, grants, ingresses, ofRoutes, ofGateways],
    classes: facts.classes,
    gateways,
    httpRoutes,
    grants,
    ingresses,
    problems: [ofRoutes, ofGateways],
  };
}

type Read = ReturnType<typeof readIngress>;

interface Facts {
  readonly stages: readonly Stage[];
  readonly classes: Table<Sourced<GatewayClass>>;
  readonly read: Table<Read>;
  readonly gatewayOf: Table<IngressGateway>;
  readonly regexHosts: Table<readonly string[]>;
}

/** What is known of each Ingress, and of the Ingresses of a class together. */
function factStages(raw: (group: string, kind: string) => Table<KubeObject>, channel: Channel): Facts {
  const rawClasses = raw('networking.k8s.io', 'IngressClass');
  const standard = new Grouped<KubeObject, string>(
    'default ingress class',
    [{ table: rawClasses, split: (object) => (isDefault(object) ? [[everyone, object.metadata.name]] : []) }],
    compareText,
  );
  const classes = new Derived<KubeObject, Sourced<GatewayClass>>('ingress classes', rawClasses, gatewayClass);
  const read = new Derived<KubeObject, Read>('ingress facts', raw('networking.k8s.io', 'Ingress'), (object, readRow) =>
    readIngress(object, channel, {
      standard: readRow(standard, everyone)?.[0],
      find: (name) => classFacts(readRow(rawClasses, name)),
    }),
  );
  const byClass = new Grouped<Read, IngressFacts>(
    'ingresses by class',
    [{ table: read, split: ({ facts }) => (facts === undefined ? [] : [[classKey(facts.className), facts]]) }],
    compareAge,
  );
  const regexHosts = new Grouped<Read, string>(
    'hosts with regular expressions',
    [{ table: read, split: ({ facts }, key) => regexHostsOf(facts).map((host) => [host, key] as const) }],
    compareText,
  );
  const gatewayOf = new Derived<readonly IngressFacts[], IngressGateway>(
    'gateway of ingress class',
    byClass,
    (members, readRow, key) => {
      const object = readRow(rawClasses, className(key));
      return ingressGateway(className(key), members, object === undefined ? undefined : refOf(object));
    },
  );
  return { stages: [standard, classes, read, byClass, regexHosts, gatewayOf], classes, read, gatewayOf, regexHosts };
}

function routesBy(tables: Facts, services: Table<KubeObject>): (row: Read, read: ReadRow) => Upgraded<HTTPRoute> {
  return ({ facts, problems, ref }, read) => {
    if (facts === undefined) return { ref, rows: [], problems };
    const listeners = read(tables.gatewayOf, classKey(facts.className))?.row.object.spec.listeners ?? [];
    return ingressRoutes(facts, {
      service: (name) => read(services, `${ref.namespace}/${name}`),
      regexHost: (host) => facts.nginx && read(tables.regexHosts, `${facts.className}|${host}`) !== undefined,
      tlsHosts: listeners.flatMap(({ protocol, hostname }) => (protocol === 'HTTPS' ? [hostname ?? ''] : [])),
    });
  };
}

/** '' cannot be told from an absent group by people, so every key has a letter before it. */
function classKey(name: string): string {
  return `class ${name}`;
}

function className(key: string): string {
  return key.slice('class '.length);
}

function isDefault(object: KubeObject): boolean {
  return record(object.metadata.annotations)['ingressclass.kubernetes.io/is-default-class'] === 'true';
}

function classFacts(object: KubeObject | undefined): ClassFacts | undefined {
  if (object === undefined) return undefined;
  return { name: object.metadata.name, controller: text(record(object['spec'])['controller']) ?? '' };
}

function gatewayClass(object: KubeObject): Sourced<GatewayClass> {
  const controllerName = text(record(object['spec'])['controller']) ?? '';
  const written = refOf(object);
  return {
    object: {
      apiVersion: `${gatewayGroup}/v1`,
      kind: 'GatewayClass',
      metadata: { name: object.metadata.name },
      spec: { controllerName },
    },
    written,
    mappings: [
      { path: '', object: written, from: '' },
      { path: 'spec.controllerName', object: written, from: 'spec.controller' },
    ],
  };
}

function regexHostsOf(facts: IngressFacts | undefined): string[] {
  if (facts === undefined || !facts.nginx || !facts.annotations.regex) return [];
  return [...new Set(facts.hosts.map(({ host }) => `${facts.className}|${host}`))];
}

/** The older first; without ages, by namespace and name. */
function compareAge(a: IngressFacts, b: IngressFacts): number {
  const x = a.object.metadata.creationTimestamp ?? '~';
  const y = b.object.metadata.creationTimestamp ?? '~';
  return compareText(x, y) || compareText(`${a.ref.namespace}/${a.ref.name}`, `${b.ref.namespace}/${b.ref.name}`);
}

/** An Ingress names Secrets of its own namespace, and by that alone lets its controller use them. */
function secretGrants(facts: IngressFacts): (readonly [string, Sourced<ReferenceGrant>])[] {
  const { ref } = facts;
  return facts.tls.flatMap(({ secretName, from }, at) => {
    const name = secretName ?? `${ref.name}-tls`;
    const object: ReferenceGrant = {
      apiVersion: `${gatewayGroup}/v1`,
      kind: 'ReferenceGrant',
      metadata: { name: `${gatewayName(facts.className)}-${name}`, namespace: ref.namespace },
      spec: {
        from: [{ group: gatewayGroup, kind: 'Gateway', namespace: ingressNamespace }],
        to: [{ group: '', kind: 'Secret', name }],
      },
    };
    return [
      [
        `Ingress:${ref.namespace}/${ref.name}/${at}`,
        { object, written: ref, mappings: [{ path: '', object: ref, from }] },
      ] as const,
    ];
  });
}
