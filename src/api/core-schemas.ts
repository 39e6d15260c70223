// Schemas of the kinds outside the Gateway API group, in the form of a CRD's: the fields that Portolan reads, with the
// limits that the API server sets on them. Fields it does not read pass unchecked.
import type { Schema } from './schema.ts';

const text: Schema = { type: 'string' };
const texts: Schema = { type: 'object', additionalProperties: text };
const port: Schema = { type: 'integer', minimum: 1, maximum: 65_535 };
const anything: Schema = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };

function open(properties: Readonly<Record<string, Schema>>, rest: Partial<Schema> = {}): Schema {
  return { type: 'object', properties, 'x-kubernetes-preserve-unknown-fields': true, ...rest };
}

function list(items: Schema, rest: Partial<Schema> = {}): Schema {
  return { type: 'array', items, ...rest };
}

const dnsLabel = '^[a-z0-9]([-a-z0-9]*[a-z0-9])?$';
const hostname = String.raw`^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`;

const service: Schema = open({
  spec: open({
    type: { type: 'string', enum: ['ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName'] },
    clusterIP: text,
    selector: texts,
    ports: list(
      open(
        {
          name: { type: 'string', pattern: dnsLabel, maxLength: 63 },
          port,
          protocol: { type: 'string', enum: ['TCP', 'UDP', 'SCTP'], default: 'TCP' },
          appProtocol: text,
          targetPort: { 'x-kubernetes-int-or-string': true },
        },
        { required: ['port'] },
      ),
      { 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['port', 'protocol'] },
    ),
  }),
});

const flag: Schema = { type: 'boolean', nullable: true };

const endpointSlice: Schema = open(
  {
    addressType: { type: 'string', enum: ['IPv4', 'IPv6', 'FQDN'] },
    endpoints: list(
      open(
        {
          addresses: list(text, { minItems: 1, maxItems: 100 }),
          conditions: open({ ready: flag, serving: flag, terminating: flag }),
          targetRef: open({ kind: text, name: text, namespace: text, uid: text }),
          zone: text,
          hints: open({ forZones: list(open({ name: text }, { required: ['name'] })) }),
        },
        { required: ['addresses'] },
      ),
      { maxItems: 1000 },
    ),
    ports: list(open({ name: text, port, protocol: text, appProtocol: text }), { maxItems: 100 }),
  },
  { required: ['addressType'] },
);

const backend: Schema = open(
  {
    resource: open({ apiGroup: text, kind: text, name: text }, { required: ['kind', 'name'] }),
    service: open(
      {
        name: { type: 'string', minLength: 1, maxLength: 63 },
        port: open(
          { name: { type: 'string', minLength: 1, maxLength: 15 }, number: port },
          {
            'x-kubernetes-validations': [
              { rule: 'has(self.name) != has(self.number)', message: 'set exactly one of name and number' },
            ],
          },
        ),
      },
      { required: ['name', 'port'] },
    ),
  },
  {
    'x-kubernetes-validations': [
      { rule: 'has(self.service) != has(self.resource)', message: 'set exactly one of service and resource' },
    ],
  },
);

const ingressPath: Schema = open(
  {
    path: { type: 'string', maxLength: 1024 },
    pathType: { type: 'string', enum: ['Exact', 'Prefix', 'ImplementationSpecific'] },
    backend,
  },
  {
    required: ['pathType', 'backend'],
    'x-kubernetes-validations': [
      {
        rule: "self.pathType == 'ImplementationSpecific' || (has(self.path) && self.path.startsWith('/'))",
        message: 'path must be absolute for the path types Exact and Prefix',
      },
      { rule: "!has(self.path) || self.path == '' || self.path.startsWith('/')", message: 'path must be absolute' },
      {
        rule: "self.pathType == 'ImplementationSpecific' || !(self.path.contains('//') || self.path.contains('/./') || self.path.contains('/../') || self.path.contains('%2f') || self.path.contains('%2F') || self.path.endsWith('/..') || self.path.endsWith('/.'))",
        message: "path must not contain '//', '/./', '/../', '%2f' or '%2F', nor end with '/..' or '/.'",
      },
    ],
  },
);

const ingress: Schema = open(
  {
    spec: open(
      {
        ingressClassName: { type: 'string', minLength: 1, maxLength: 253 },
        defaultBackend: backend,
        tls: list(open({ hosts: list({ type: 'string', pattern: hostname, maxLength: 253 }), secretName: text })),
        rules: list(
          open({
            host: { type: 'string', pattern: `^$|${hostname}`, maxLength: 253 },
            http: open({ paths: list(ingressPath, { minItems: 1 }) }, { required: ['paths'] }),
          }),
        ),
      },
      {
        'x-kubernetes-validations': [
          {
            rule: 'has(self.defaultBackend) || (has(self.rules) && self.rules.size() > 0)',
            message: 'either defaultBackend or rules must be specified',
          },
        ],
      },
    ),
  },
  { required: ['spec'] },
);

const ingressClass: Schema = open({
  spec: open({
    controller: { type: 'string', maxLength: 250 },
    parameters: open(
      {
        apiGroup: text,
        kind: text,
        name: text,
        namespace: text,
        scope: { type: 'string', enum: ['Cluster', 'Namespace'] },
      },
      { required: ['kind', 'name'] },
    ),
  }),
});

/** By `group/kind`. */
export const coreSchemas: Readonly<Record<string, Schema>> = {
  '/Namespace': anything,
  '/Service': service,
  '/Secret': open({ type: text, data: texts, stringData: texts }),
  '/ConfigMap': open({ data: texts, binaryData: texts }),
  'discovery.k8s.io/EndpointSlice': endpointSlice,
  'networking.k8s.io/Ingress': ingress,
  'networking.k8s.io/IngressClass': ingressClass,
};
