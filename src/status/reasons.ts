// Which condition a problem goes into, and with which reason: one total table, so that a new code does not compile until
// it has its place.
import type { Problem, ProblemCode } from '../routing/problem.ts';

/** `none`: not a matter of conditions; lint, explain and `run` tell it. */
export type Verdict =
  | 'none'
  | {
      readonly type:
        | 'Accepted'
        | 'ResolvedRefs'
        | 'Programmed'
        | 'Conflicted'
        | 'OverlappingTLSConfig'
        | 'PartiallyInvalid'
        | 'SupportedVersion'
        | 'InsecureFrontendValidationMode';
      readonly reason: string;
      readonly status: 'True' | 'False' | 'Unknown';
    };

const verdicts: Readonly<Record<ProblemCode, Verdict>> = {
  Unparsable: 'none',
  InvalidField: 'none',
  UnknownField: 'none',
  UnknownKind: 'none',
  KindNotServed: 'none',
  MissingApiVersion: 'none',
  DuplicateObject: 'none',
  DeprecatedVersion: 'none',
  NotCarriedOver: 'none',
  CarriedOver: 'none',
  IgnoredField: 'none',
  GatewayClassNotFound: 'none',
  GatewayClassNotAccepted: { type: 'Accepted', reason: 'Pending', status: 'Unknown' },
  UnsupportedVersion: { type: 'SupportedVersion', reason: 'UnsupportedVersion', status: 'False' },
  InvalidParameters: { type: 'Accepted', reason: 'InvalidParameters', status: 'False' },
  UnsupportedAddress: { type: 'Accepted', reason: 'UnsupportedAddress', status: 'False' },
  UnsatisfiedRoutability: 'none',
  AddressNotUsable: { type: 'Programmed', reason: 'AddressNotUsable', status: 'False' },
  UnsupportedProtocol: { type: 'Accepted', reason: 'UnsupportedProtocol', status: 'False' },
  ProtocolConflict: { type: 'Conflicted', reason: 'ProtocolConflict', status: 'True' },
  HostnameConflict: { type: 'Conflicted', reason: 'HostnameConflict', status: 'True' },
  PortUnavailable: { type: 'Accepted', reason: 'PortUnavailable', status: 'False' },
  InvalidRouteKinds: { type: 'ResolvedRefs', reason: 'InvalidRouteKinds', status: 'False' },
  InvalidCertificateRef: { type: 'ResolvedRefs', reason: 'InvalidCertificateRef', status: 'False' },
  MissingTls: { type: 'Accepted', reason: 'Invalid', status: 'False' },
  UnsupportedTlsMode: { type: 'Accepted', reason: 'UnsupportedValue', status: 'False' },
  OverlappingTLSConfig: { type: 'OverlappingTLSConfig', reason: 'OverlappingHostnames', status: 'True' },
  InvalidNamespaceSelector: { type: 'Accepted', reason: 'UnsupportedValue', status: 'False' },
  InvalidListenerFilterRef: { type: 'ResolvedRefs', reason: 'InvalidListenerFilterRef', status: 'False' },
  ListenerSetNotAllowed: { type: 'Accepted', reason: 'NotAllowed', status: 'False' },
  GatewayNotAccepted: { type: 'Accepted', reason: 'ParentNotAccepted', status: 'False' },
  TooManyListeners: { type: 'Accepted', reason: 'TooManyListeners', status: 'False' },
  InvalidCACertificateRef: { type: 'ResolvedRefs', reason: 'InvalidCACertificateRef', status: 'False' },
  InvalidCACertificateKind: { type: 'ResolvedRefs', reason: 'InvalidCACertificateKind', status: 'False' },
  NoValidCACertificate: { type: 'Accepted', reason: 'NoValidCACertificate', status: 'False' },
  InvalidClientCertificateRef: { type: 'ResolvedRefs', reason: 'InvalidClientCertificateRef', status: 'False' },
  InsecureFrontendValidation: {
    type: 'InsecureFrontendValidationMode',
    reason: 'ConfigurationChanged',
    status: 'True',
  },
  NoParent: 'none',
  ParentNotFound: 'none',
  NoMatchingParent: { type: 'Accepted', reason: 'NoMatchingParent', status: 'False' },
  NotAllowedByListeners: { type: 'Accepted', reason: 'NotAllowedByListeners', status: 'False' },
  NoMatchingListenerHostname: { type: 'Accepted', reason: 'NoMatchingListenerHostname', status: 'False' },
  UnsupportedValue: { type: 'Accepted', reason: 'UnsupportedValue', status: 'False' },
  IncompatibleFilters: { type: 'Accepted', reason: 'IncompatibleFilters', status: 'False' },
  DroppedRule: { type: 'PartiallyInvalid', reason: 'UnsupportedValue', status: 'True' },
  TooManyEntries: { type: 'Accepted', reason: 'UnsupportedValue', status: 'False' },
  ServedOtherwise: { type: 'Accepted', reason: 'Accepted', status: 'True' },
  NotProgrammed: { type: 'Programmed', reason: 'Invalid', status: 'False' },
  RefNotPermitted: { type: 'ResolvedRefs', reason: 'RefNotPermitted', status: 'False' },
  ExternalNameService: { type: 'ResolvedRefs', reason: 'InvalidKind', status: 'False' },
  BackendNotFound: { type: 'ResolvedRefs', reason: 'BackendNotFound', status: 'False' },
  InvalidKind: { type: 'ResolvedRefs', reason: 'InvalidKind', status: 'False' },
  UnsupportedBackendProtocol: { type: 'ResolvedRefs', reason: 'UnsupportedProtocol', status: 'False' },
  InvalidPolicy: { type: 'Accepted', reason: 'Invalid', status: 'False' },
  PolicyConflict: { type: 'Accepted', reason: 'Conflicted', status: 'False' },
  TargetNotFound: 'none',
  SectionNotFound: 'none',
  PolicyNotApplied: 'none',
};

export function verdictOf(problem: Problem): Verdict {
  return verdicts[problem.code];
}
