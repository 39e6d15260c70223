// What translation made of gateways, routes and policies: the model's rows together with everything that went wrong on
// the way. Status, lint, explain and `run` read these; engines read only model.ts.
import type { Address } from './addresses.ts';
import type { Bind, Cluster, Entry, Frontend, Rule } from './model.ts';
import type { ObjectRef, Origin } from './origin.ts';
import type { Parameters } from './parameters.ts';
import type { Problem } from './problem.ts';

export interface RouteKind {
  readonly group: string;
  readonly kind: string;
}

export interface BoundClass {
  readonly ref: ObjectRef;
  readonly controllerName: string;
  /** Whether the class names Portolan as its controller; of a presumed one nobody knows. */
  readonly ours: boolean;
  /** Whether Gateways of this class are ours to serve (PipelineOptions.classes). */
  readonly managed: boolean;
  /** Bundle versions of the CRDs, each once; empty when they are not known. */
  readonly bundleVersions: readonly string[];
  /** No object of that name was given; `run` presumes one. */
  readonly presumed: boolean;
  readonly generation?: number;
  /** Absent when its parametersRef leads to none. */
  readonly parameters?: Parameters;
  readonly problems: readonly Problem[];
}

/** Which namespaces' routes may attach. */
export type NamespaceRule =
  | { readonly from: 'All' }
  /** Nobody; a selector that cannot be read as well. */
  | { readonly from: 'None' }
  | { readonly from: 'Same'; readonly namespace: string }
  | {
      readonly from: 'Selector';
      readonly matchLabels: Readonly<Record<string, string>>;
      readonly matchExpressions: readonly LabelExpression[];
    };

export interface LabelExpression {
  readonly key: string;
  readonly operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist';
  readonly values: readonly string[];
}

export interface BoundListener {
  /** The key of its frontend: gateway/listener, or gateway/namespace/name/listener for one of a ListenerSet. */
  readonly key: string;
  readonly name: string;
  readonly port: number;
  readonly protocol: string;
  /** '' = any. */
  readonly hostname: string;
  readonly namespaces: NamespaceRule;
  /** What may attach, already narrowed by allowedRoutes.kinds. */
  readonly supportedKinds: readonly RouteKind[];
  /** Served only when there is one. Routes attach (and are counted) even when there is none. */
  readonly frontend?: Frontend;
  readonly problems: readonly Problem[];
  readonly origin: Origin;
}

/** A ListenerSet whose Gateway is ours (GEP-1713). */
export interface BoundListenerSet {
  /** namespace/name. */
  readonly key: string;
  readonly ref: ObjectRef;
  readonly written: ObjectRef;
  /** The key of its Gateway. */
  readonly gateway: string;
  readonly generation?: number;
  /** Empty when the Gateway does not take the set. */
  readonly listeners: readonly BoundListener[];
  readonly problems: readonly Problem[];
}

/** An entry of spec.addresses. */
export interface AddressRequest {
  readonly type: string;
  /** '' = any. */
  readonly value: string;
  /** GEP-5093; '' = as the implementation has it. */
  readonly routability: string;
  /** Where the Gateway is served for it; absent: nowhere, or nothing is known yet. */
  readonly given?: Address;
}

export interface BoundGateway {
  readonly key: string;
  readonly ref: ObjectRef;
  /** What the user wrote when this one was upgraded from something else (an Ingress); else `ref`. */
  readonly written: ObjectRef;
  readonly className: string;
  /** False for a Gateway of another controller's class, or of a class that does not exist: no status, nothing served. */
  readonly managed: boolean;
  readonly generation?: number;
  readonly listeners: readonly BoundListener[];
  /** In the order of their precedence: older ones first. */
  readonly listenerSets: readonly BoundListenerSet[];
  /** What the filters of its listeners ask (GEP-5224). */
  readonly clusters: readonly Cluster[];
  readonly addresses: readonly AddressRequest[];
  /** Of its class and its own together. Absent: they are wrong, and never were right. */
  readonly parameters?: Parameters;
  /** `parameters` are those from before they went wrong. */
  readonly keptParameters?: true;
  /** GEP-3793: routes that ask for it attach without naming the Gateway. */
  readonly isDefault: boolean;
  /** Key of the CertificateSet that it shows to backends (spec.tls.backend). */
  readonly clientCertificate?: string;
  /** Of the Gateway's own listeners and those of its sets. */
  readonly binds: readonly Bind[];
  readonly problems: readonly Problem[];
}

/** parentRef as the user wrote it, with the CRD's defaults: status must repeat it exactly. */
export interface ParentRef {
  readonly group: string;
  readonly kind: string;
  readonly namespace?: string;
  readonly name: string;
  readonly sectionName?: string;
  readonly port?: number;
}

export interface AttachedHost {
  /** The intersection of a hostname of the route with the listener's; '' = any. */
  readonly hostname: string;
  /** The route's own hostname; '' = any. */
  readonly original: string;
}

export interface Attachment {
  readonly frontend: string;
  readonly hosts: readonly AttachedHost[];
}

/** What became of one parentRef. */
export interface BoundParent {
  /** Its index in spec.parentRefs. */
  readonly index: number;
  readonly parentRef: ParentRef;
  readonly parent: ObjectRef;
  /** `unmanaged`: not a parent of ours (unknown, other class, other kind): no status entry. */
  readonly outcome: 'attached' | 'rejected' | 'unmanaged';
  readonly attachments: readonly Attachment[];
  /** For Accepted (why rejected), PartiallyInvalid and ResolvedRefs alike; conditions come from their codes. */
  readonly problems: readonly Problem[];
}

export interface BoundRoute {
  /** kind/namespace/name. */
  readonly key: string;
  readonly ref: ObjectRef;
  readonly written: ObjectRef;
  readonly generation?: number;
  readonly parents: readonly BoundParent[];
  /** Per gateway that it is attached to: references resolve per (route, parent). */
  readonly rules: readonly Rule[];
  /** By virtual host key (`frontend|hostname`). */
  readonly entries: readonly { readonly virtualHost: string; readonly entry: Entry }[];
  /** What its rules forward or mirror to. */
  readonly clusters: readonly Cluster[];
  /** Of the route as a whole, whatever the parent. */
  readonly problems: readonly Problem[];
}

/** A policy of any group with targetRef(s): shown by lint and explain, not yet applied. */
export interface BoundPolicy {
  readonly ref: ObjectRef;
  readonly targets: readonly {
    readonly ref: ObjectRef;
    readonly sectionName?: string;
    readonly found: boolean;
    readonly origin: Origin;
  }[];
  readonly override: Readonly<Record<string, unknown>>;
  readonly default: Readonly<Record<string, unknown>>;
  readonly problems: readonly Problem[];
}

/** Something that was not in the input and is presumed to exist, with what made Portolan presume it. */
export interface Presumed {
  readonly ref: ObjectRef;
  readonly because: string;
}
