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

// The patterns are spelt as in the CRDs where they say the same, so that they share their words (patterns.ts).
const dnsLabel = '^[a-z0-9]([-a-z0-9]*[a-z0-9])?$';
const subdomain = String.raw`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`;
const hostname = String.raw`^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`;
const domainPath = String.raw`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\/[A-Za-z0-9\/\-._~%!$&'()*+,;=:]+$`;
/** RFC 6335: at most 15 characters, a letter among them, no two hyphens in a row. */
const portName: Schema = {
  type: 'string',
  minLength: 1,
  maxLength: 15,
  pattern: dnsLabel,
  'x-kubernetes-validations': [
    {
      rule: "self.matches('[a-z]') && !self.contains('--')",
      message: "must contain a letter, and no '--'",
    },
  ],
};

const service: Schema = open({
  spec: open(
    {
      type: { type: 'string', enum: ['ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName'] },
      clusterIP: text,
      externalName: text,
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
        {
          'x-kubernetes-list-type': 'map',
          'x-kubernetes-list-map-keys': ['port', 'protocol'],
          'x-kubernetes-validations': [
            {
              rule: 'self.size() <= 1 || self.all(p, has(p.name))',
              message: 'every port must have a name when there are several',
            },
            {
              rule: 'self.all(p, !has(p.name) || self.exists_one(q, has(q.name) && p.name == q.name))',
              message: 'the names of ports must be unique',
            },
          ],
        },
      ),
    },
    {
      'x-kubernetes-validations': [
        {
          rule: "has(self.type) && self.type == 'ExternalName' ? has(self.externalName) && self.externalName != '' : true",
          message: 'externalName is required for the type ExternalName',
        },
        {
          rule: "has(self.type) && self.type == 'ExternalName' || has(self.clusterIP) && self.clusterIP == 'None' || has(self.ports) && self.ports.size() > 0",
          message: "ports are required, unless clusterIP is 'None' or the type ExternalName",
        },
      ],
    },
  ),
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
    ports: list(
      open({
        name: { type: 'string', pattern: `^$|${dnsLabel}`, maxLength: 63 },
        port,
        protocol: { type: 'string', enum: ['TCP', 'UDP', 'SCTP'], default: 'TCP' },
        appProtocol: text,
      }),
      {
        maxItems: 100,
        'x-kubernetes-validations': [
          {
            rule: "self.all(p, self.exists_one(q, (has(p.name) ? p.name : '') == (has(q.name) ? q.name : '')))",
            message: 'the names of ports must be unique',
          },
        ],
      },
    ),
  },
  { required: ['addressType'] },
);

const backend: Schema = open(
  {
    resource: open({ apiGroup: text, kind: text, name: text }, { required: ['kind', 'name'] }),
    service: open(
      {
        name: { type: 'string', minLength: 1, maxLength: 63, pattern: dnsLabel },
        port: open(
          { name: portName, number: port },
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
        ingressClassName: { type: 'string', minLength: 1, maxLength: 253, pattern: subdomain },
        defaultBackend: backend,
        tls: list(
          open({
            hosts: list({ type: 'string', pattern: hostname, maxLength: 253 }),
            secretName: { type: 'string', maxLength: 253, pattern: `^$|${subdomain}` },
          }),
        ),
        rules: list(
          open({
            host: {
              type: 'string',
              pattern: `^$|${hostname}`,
              maxLength: 253,
              'x-kubernetes-validations': [{ rule: '!isIP(self)', message: 'must be a DNS name, not an IP address' }],
            },
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

const ingressClass: Schema = open(
  {
    spec: open(
      {
        controller: { type: 'string', minLength: 1, maxLength: 250, pattern: domainPath },
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
      },
      { required: ['controller'] },
    ),
  },
  { required: ['spec'] },
);

/** By `group/kind`. */
export const coreSchemas: Readonly<Record<string, Schema>> = {
  '/Namespace': anything,
  '/Service': service,
  '/Secret': open({ type: text, data: texts, stringData: texts }),
  '/ConfigMap': open({ data: texts, binaryData: texts }),
  'certificates.k8s.io/ClusterTrustBundle': open(
    {
      spec: open(
        { signerName: text, trustBundle: { type: 'string', minLength: 1, maxLength: 1_048_576 } },
        { required: ['trustBundle'] },
      ),
    },
    { required: ['spec'] },
  ),
  'discovery.k8s.io/EndpointSlice': endpointSlice,
  'networking.k8s.io/Ingress': ingress,
  'networking.k8s.io/IngressClass': ingressClass,
};
