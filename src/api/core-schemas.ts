// Schemas of the kinds outside the Gateway API group, in the form of a CRD's: the types of the fields that Portolan reads. What
// the API server says of their values is in core/. Fields that are not read pass unchecked.
import type { Schema } from './schema.ts';

const text: Schema = { type: 'string' };
/** A null is an empty text. */
const texts: Schema = { type: 'object', additionalProperties: { ...text, default: '' } };
const number: Schema = { type: 'integer', format: 'int32' };
const flag: Schema = { type: 'boolean', nullable: true };
const anything: Schema = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };
const protocol: Schema = { type: 'string', default: 'TCP' };

function open(properties: Readonly<Record<string, Schema>>, rest: Partial<Schema> = {}): Schema {
  return { type: 'object', properties, 'x-kubernetes-preserve-unknown-fields': true, ...rest };
}

/** A null in a list is an item of which nothing is set. */
function list(items: Schema): Schema {
  return { type: 'array', items: { ...items, default: items.type === 'string' ? '' : {} } };
}

const service: Schema = open({
  spec: open({
    type: text,
    clusterIP: text,
    externalName: text,
    selector: texts,
    ports: list(
      open({
        name: text,
        port: number,
        protocol,
        appProtocol: text,
        targetPort: { 'x-kubernetes-int-or-string': true },
      }),
    ),
  }),
});

const endpointSlice: Schema = open({
  addressType: text,
  endpoints: list(
    open({
      addresses: list(text),
      conditions: open({ ready: flag, serving: flag, terminating: flag }),
      targetRef: open({ kind: text, name: text, namespace: text, uid: text }),
      zone: text,
      hints: open({ forZones: list(open({ name: text })) }),
    }),
  ),
  ports: list(open({ name: text, port: number, protocol, appProtocol: text })),
});

const backend: Schema = open({
  resource: open({ apiGroup: text, kind: text, name: text }),
  service: open({ name: text, port: open({ name: text, number }) }),
});

const ingress: Schema = open({
  spec: open({
    ingressClassName: text,
    defaultBackend: backend,
    tls: list(open({ hosts: list(text), secretName: text })),
    rules: list(open({ host: text, http: open({ paths: list(open({ path: text, pathType: text, backend })) }) })),
  }),
});

const ingressClass: Schema = open({
  spec: open({
    controller: text,
    parameters: open({ apiGroup: text, kind: text, name: text, namespace: text, scope: text }),
  }),
});

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
