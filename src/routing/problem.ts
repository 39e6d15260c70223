// Something wrong with, or worth saying about, a user's object. Problems are values: found while reading and translating,
// kept in the model, and read by status (conditions), lint, explain and `run`. Words for people: problem-text.ts.
import type { ObjectRef, Origin } from './origin.ts';

export type Problem = { readonly at: Origin } & ProblemKind;
export type ProblemCode = ProblemKind['code'];

export type ProblemKind =
  // The object itself: it is refused, or (lists of rules) a part of it is.
  | { readonly code: 'Unparsable'; readonly message: string }
  /** A schema or CEL rule of the CRD; `rule` is the CEL rule, or the schema keyword. */
  | { readonly code: 'InvalidField'; readonly message: string; readonly rule: string }
  /** `meant`: the name of the field that was probably meant. */
  | { readonly code: 'UnknownField'; readonly field: string; readonly meant?: string }
  | { readonly code: 'UnknownKind'; readonly apiVersion: string; readonly kind: string }
  /** A known kind of another channel or one that a later version of Portolan serves. */
  | { readonly code: 'KindNotServed'; readonly apiVersion: string; readonly kind: string; readonly reason: string }
  | { readonly code: 'MissingApiVersion'; readonly presumed: string }
  | { readonly code: 'DuplicateObject'; readonly other: string }
  | { readonly code: 'DeprecatedVersion'; readonly from: string; readonly to: string }
  /** Something of an old vintage or foreign dialect that has no current form: said, never dropped silently. */
  | { readonly code: 'NotCarriedOver'; readonly message: string }
  /** An upgraded annotation or field acts, with the difference described. */
  | { readonly code: 'CarriedOver'; readonly message: string }
  /** A field that is valid and is not acted on; what follows from that is in the message. */
  | { readonly code: 'IgnoredField'; readonly message: string }
  // GatewayClass and Gateway.
  /** The Gateway waits: its class exists and was refused. */
  | { readonly code: 'GatewayClassNotAccepted'; readonly name: string }
  | { readonly code: 'GatewayClassNotFound'; readonly name: string }
  /** Of the CRDs that are installed; '' when one does not say. */
  | { readonly code: 'UnsupportedVersion'; readonly versions: readonly string[] }
  /** `kept`: what was good before goes on. */
  | { readonly code: 'InvalidParameters'; readonly message: string; readonly fix: string; readonly kept?: true }
  | { readonly code: 'UnsupportedAddress'; readonly type: string }
  | { readonly code: 'AddressNotUsable'; readonly value: string }
  /** GEP-5093. */
  | { readonly code: 'UnsatisfiedRoutability'; readonly routability: string; readonly value: string }
  // Listeners.
  | { readonly code: 'UnsupportedProtocol'; readonly protocol: string }
  | { readonly code: 'ProtocolConflict'; readonly listeners: readonly string[] }
  | { readonly code: 'HostnameConflict'; readonly listeners: readonly string[] }
  | { readonly code: 'PortUnavailable'; readonly port: number; readonly message: string }
  | { readonly code: 'InvalidRouteKinds'; readonly kinds: readonly string[] }
  | { readonly code: 'InvalidCertificateRef'; readonly target: ObjectRef; readonly message: string }
  | { readonly code: 'MissingTls' }
  | { readonly code: 'UnsupportedTlsMode'; readonly mode: string }
  | { readonly code: 'OverlappingTLSConfig'; readonly listeners: readonly string[] }
  | { readonly code: 'InvalidNamespaceSelector'; readonly message: string }
  /** What a filter of a listener refers to does not resolve; `problem` says why. */
  | { readonly code: 'InvalidListenerFilterRef'; readonly problem: Problem }
  // ListenerSets.
  | { readonly code: 'ListenerSetNotAllowed'; readonly gateway: ObjectRef; readonly message: string }
  | { readonly code: 'GatewayNotAccepted'; readonly gateway: ObjectRef }
  | { readonly code: 'TooManyListeners'; readonly limit: number }
  // Certificate authorities, and certificates shown to backends.
  | { readonly code: 'InvalidCACertificateRef'; readonly target: ObjectRef; readonly message: string }
  | { readonly code: 'InvalidCACertificateKind'; readonly target: ObjectRef }
  /** None of the references is left. */
  | { readonly code: 'NoValidCACertificate' }
  | { readonly code: 'InvalidClientCertificateRef'; readonly target: ObjectRef; readonly message: string }
  | { readonly code: 'InsecureFrontendValidation' }
  // Routes and their parents.
  | { readonly code: 'NoParent' }
  | { readonly code: 'ParentNotFound'; readonly parent: ObjectRef }
  | {
      readonly code: 'NoMatchingParent';
      readonly parent: ObjectRef;
      readonly sectionName?: string;
      readonly port?: number;
    }
  | { readonly code: 'NotAllowedByListeners'; readonly parent: ObjectRef; readonly why: readonly string[] }
  | {
      readonly code: 'NoMatchingListenerHostname';
      readonly hostnames: readonly string[];
      readonly listeners: readonly string[];
    }
  | { readonly code: 'UnsupportedValue'; readonly message: string }
  | { readonly code: 'IncompatibleFilters'; readonly message: string }
  /** One rule cannot be honoured and answers 500; the others of the route serve. */
  | { readonly code: 'DroppedRule'; readonly message: string }
  | { readonly code: 'TooManyEntries'; readonly limit: number }
  // What a data plane makes of it.
  /** Served, and not quite as it was asked for. */
  | { readonly code: 'ServedOtherwise'; readonly message: string }
  /** A listener that is not served, although nothing is wrong with it as such. */
  | { readonly code: 'NotProgrammed'; readonly message: string }
  // References.
  | { readonly code: 'RefNotPermitted'; readonly from: ObjectRef; readonly target: ObjectRef }
  /** CVE-2021-25740: a name outside the cluster must not become a backend. */
  | { readonly code: 'ExternalNameService'; readonly backend: ObjectRef }
  | { readonly code: 'BackendNotFound'; readonly backend: ObjectRef; readonly port?: number }
  /** `kinds`: those that may stand there, as `Service` or `XBackend.gateway.networking.x-k8s.io`. */
  | { readonly code: 'InvalidKind'; readonly target: ObjectRef; readonly kinds: readonly string[] }
  | { readonly code: 'UnsupportedBackendProtocol'; readonly protocol: string; readonly backend: ObjectRef }
  // Policies of any group, attached by targetRef.
  | { readonly code: 'InvalidPolicy'; readonly message: string }
  /** Another policy, which is older or comes first by name, has the same target. */
  | { readonly code: 'PolicyConflict'; readonly other: ObjectRef }
  | { readonly code: 'TargetNotFound'; readonly target: ObjectRef }
  /** The target has no port (listener, rule) of that name. */
  | { readonly code: 'SectionNotFound'; readonly target: ObjectRef; readonly sectionName: string }
  | { readonly code: 'PolicyNotApplied'; readonly target: ObjectRef };

/** Error: something of the user's intent is not served as written. Warning: served, but worth a look. Info: for the record. */
export type Severity = 'error' | 'warning' | 'info';

export const severityOf: Readonly<Record<ProblemCode, Severity>> = {
  Unparsable: 'error',
  InvalidField: 'error',
  UnknownField: 'warning',
  UnknownKind: 'warning',
  KindNotServed: 'warning',
  MissingApiVersion: 'warning',
  DuplicateObject: 'error',
  DeprecatedVersion: 'warning',
  NotCarriedOver: 'warning',
  CarriedOver: 'info',
  IgnoredField: 'warning',
  GatewayClassNotAccepted: 'error',
  GatewayClassNotFound: 'error',
  UnsupportedVersion: 'warning',
  InvalidParameters: 'error',
  UnsupportedAddress: 'error',
  AddressNotUsable: 'error',
  UnsatisfiedRoutability: 'error',
  UnsupportedProtocol: 'error',
  ProtocolConflict: 'error',
  HostnameConflict: 'error',
  PortUnavailable: 'error',
  InvalidRouteKinds: 'error',
  InvalidCertificateRef: 'error',
  MissingTls: 'error',
  UnsupportedTlsMode: 'error',
  OverlappingTLSConfig: 'warning',
  InvalidNamespaceSelector: 'error',
  InvalidListenerFilterRef: 'error',
  ListenerSetNotAllowed: 'error',
  GatewayNotAccepted: 'error',
  TooManyListeners: 'error',
  InvalidCACertificateRef: 'error',
  InvalidCACertificateKind: 'error',
  NoValidCACertificate: 'error',
  InvalidClientCertificateRef: 'error',
  InsecureFrontendValidation: 'warning',
  NoParent: 'error',
  ParentNotFound: 'error',
  NoMatchingParent: 'error',
  NotAllowedByListeners: 'error',
  NoMatchingListenerHostname: 'error',
  UnsupportedValue: 'error',
  IncompatibleFilters: 'error',
  DroppedRule: 'error',
  TooManyEntries: 'error',
  ServedOtherwise: 'warning',
  NotProgrammed: 'error',
  RefNotPermitted: 'error',
  ExternalNameService: 'error',
  BackendNotFound: 'error',
  InvalidKind: 'error',
  UnsupportedBackendProtocol: 'error',
  InvalidPolicy: 'error',
  PolicyConflict: 'error',
  TargetNotFound: 'error',
  SectionNotFound: 'error',
  PolicyNotApplied: 'warning',
};
