// The messages of discovery (xDS) as plain values, and their encoding: envoy.service.discovery.v3. Of deltas, and of the state of the
// world, of which we are only the server.
import type protobuf from 'protobufjs/light.js';
import { readDescriptors } from './descriptors.ts';
import type { Resource } from './resource.ts';

const service = '/envoy.service.discovery.v3.AggregatedDiscoveryService';
export const deltaPath: string = `${service}/DeltaAggregatedResources`;
export const statePath: string = `${service}/StreamAggregatedResources`;

export interface DeltaRequest {
  readonly node?: { readonly id: string; readonly agent: string };
  readonly typeUrl: string;
  readonly subscribe: readonly string[];
  readonly unsubscribe: readonly string[];
  /** Of the first request for a type: what the node has from an earlier stream, version by name. */
  readonly initialVersions: ReadonlyMap<string, string>;
  /** '': not an answer to a response. */
  readonly nonce: string;
  /** With a nonce: why the response was refused; absent: it was accepted. */
  readonly error?: string;
}

export interface DeltaResponse {
  readonly typeUrl: string;
  readonly nonce: string;
  readonly resources: readonly Pick<Resource, 'name' | 'version' | 'bytes'>[];
  readonly removed: readonly string[];
  /** For people. */
  readonly systemVersion: string;
  readonly controlPlane: string;
}

export interface StateRequest {
  readonly node?: { readonly id: string; readonly agent: string };
  readonly typeUrl: string;
  /** All that the node wants of the type. */
  readonly names: readonly string[];
  /** Of the last response of the type; '': there was none. */
  readonly nonce: string;
  /** Why that was refused. */
  readonly error?: string;
}

export interface StateResponse {
  readonly typeUrl: string;
  readonly nonce: string;
  readonly version: string;
  readonly resources: readonly Pick<Resource, 'bytes'>[];
  readonly controlPlane: string;
}

const root = readDescriptors('./generated/discovery.json', import.meta.url);
const requestType = root.lookupType('envoy.service.discovery.v3.DeltaDiscoveryRequest');
const responseType = root.lookupType('envoy.service.discovery.v3.DeltaDiscoveryResponse');
const stateRequestType = root.lookupType('envoy.service.discovery.v3.DiscoveryRequest');
const stateResponseType = root.lookupType('envoy.service.discovery.v3.DiscoveryResponse');
/** google.rpc.Code: INVALID_ARGUMENT. */
const INVALID = 3;
/** A node may say a lot about what it refuses. */
const LONGEST_ERROR = 4096;

interface AnyRequestMessage {
  readonly node?: { readonly id: string; readonly userAgentName: string; readonly userAgentVersion: string } | null;
  readonly typeUrl: string;
  readonly responseNonce: string;
  readonly errorDetail?: { readonly code: number; readonly message: string } | null;
}

interface RequestMessage extends AnyRequestMessage {
  readonly resourceNamesSubscribe: readonly string[];
  readonly resourceNamesUnsubscribe: readonly string[];
  readonly initialResourceVersions: Readonly<Record<string, string>>;
}

interface StateRequestMessage extends AnyRequestMessage {
  readonly resourceNames: readonly string[];
}

interface ResponseMessage {
  readonly systemVersionInfo: string;
  readonly typeUrl: string;
  readonly nonce: string;
  readonly removedResources: readonly string[];
  readonly controlPlane?: { readonly identifier: string } | null;
  readonly resources: readonly {
    readonly name: string;
    readonly version: string;
    readonly resource?: { readonly value: Uint8Array } | null;
  }[];
}

export function encodeRequest(request: DeltaRequest): Buffer {
  return encode(requestType, {
    ...(request.node && { node: { id: request.node.id, userAgentName: request.node.agent } }),
    typeUrl: request.typeUrl,
    resourceNamesSubscribe: request.subscribe,
    resourceNamesUnsubscribe: request.unsubscribe,
    initialResourceVersions: Object.fromEntries(request.initialVersions),
    responseNonce: request.nonce,
    ...(request.error !== undefined && {
      errorDetail: { code: INVALID, message: request.error.slice(0, LONGEST_ERROR) },
    }),
  });
}

/** Throws when the bytes are no such message. */
export function decodeRequest(bytes: Uint8Array): DeltaRequest {
  const message = requestType.decode(bytes) as unknown as RequestMessage;
  return {
    ...inAnyRequest(message),
    subscribe: message.resourceNamesSubscribe,
    unsubscribe: message.resourceNamesUnsubscribe,
    initialVersions: new Map(Object.entries(message.initialResourceVersions)),
  };
}

/** Throws when the bytes are no such message. */
export function decodeStateRequest(bytes: Uint8Array): StateRequest {
  const message = stateRequestType.decode(bytes) as unknown as StateRequestMessage;
  return { ...inAnyRequest(message), names: message.resourceNames };
}

function inAnyRequest({ node, typeUrl, responseNonce, errorDetail }: AnyRequestMessage): Omit<StateRequest, 'names'> {
  return {
    ...(node && { node: { id: node.id, agent: `${node.userAgentName} ${node.userAgentVersion}`.trim() } }),
    typeUrl,
    nonce: responseNonce,
    ...(errorDetail && { error: errorDetail.message.slice(0, LONGEST_ERROR) }),
  };
}

export function encodeResponse(response: DeltaResponse): Buffer {
  const { typeUrl } = response;
  return encode(responseType, {
    systemVersionInfo: response.systemVersion,
    typeUrl,
    nonce: response.nonce,
    removedResources: response.removed,
    controlPlane: { identifier: response.controlPlane },
    resources: response.resources.map(({ name, version, bytes }) => ({
      name,
      version,
      resource: { type_url: typeUrl, value: bytes },
    })),
  });
}

export function encodeStateResponse({ typeUrl, nonce, version, resources, controlPlane }: StateResponse): Buffer {
  return encode(stateResponseType, {
    versionInfo: version,
    typeUrl,
    nonce,
    controlPlane: { identifier: controlPlane },
    resources: resources.map(({ bytes }) => ({ type_url: typeUrl, value: bytes })),
  });
}

/** Throws when the bytes are no such message. */
export function decodeResponse(bytes: Uint8Array): DeltaResponse {
  const message = responseType.decode(bytes) as unknown as ResponseMessage;
  return {
    typeUrl: message.typeUrl,
    nonce: message.nonce,
    removed: message.removedResources,
    systemVersion: message.systemVersionInfo,
    controlPlane: message.controlPlane?.identifier ?? '',
    resources: message.resources.map(({ name, version, resource }) => ({
      name,
      version,
      bytes: resource?.value ?? new Uint8Array(0),
    })),
  };
}

function encode(type: protobuf.Type, message: object): Buffer {
  return type.encode(message).finish() as Buffer;
}
