// Problems in words: what is wrong with which object, and what to do about it. The object and the field of the problem
// itself (`at`) are printed before the words by whoever prints them; the words name every other object.
import type { ObjectRef } from './origin.ts';
import { nameOf } from './origin.ts';
import type { Problem, ProblemCode } from './problem.ts';

export interface Description {
  /** A sentence without a full stop. */
  readonly message: string;
  /** What to do, as an imperative sentence without a full stop. */
  readonly fix?: string;
}

export function describe(problem: Problem): Description {
  const words = texts[problem.code] as (problem: Problem) => Description;
  return words(problem);
}

/** Message and fix in one line. */
export function sentence(problem: Problem): string {
  const { message, fix } = describe(problem);
  return fix === undefined ? message : `${message}; ${fix}`;
}

type Texts = { readonly [Code in ProblemCode]: (problem: Extract<Problem, { code: Code }>) => Description };

const texts: Texts = {
  Unparsable: ({ message }) => ({ message }),
  InvalidField: ({ message }) => ({ message }),
  UnknownField: ({ field, meant }) => ({
    message: `field ${field} does not exist and is ignored`,
    fix: meant === undefined ? 'check its spelling, its place and the apiVersion, or remove it' : `write ${meant}`,
  }),
  UnknownKind: ({ kind, apiVersion }) => ({
    message: `kind ${kind} of ${apiVersion} is not known and is left aside`,
    fix: 'check the spelling of kind and apiVersion',
  }),
  KindNotServed: ({ kind, apiVersion, reason }) => ({ message: `${kind} of ${apiVersion} is not served: ${reason}` }),
  MissingApiVersion: ({ presumed }) => ({
    message: `apiVersion is missing; by its shape it is read as ${presumed}`,
    fix: `write apiVersion: ${presumed}`,
  }),
  DuplicateObject: ({ at, other }) => ({
    message: `${nameOf(at.object)} is given twice; the one in ${other} counts`,
    fix: 'remove one of the two',
  }),
  DeprecatedVersion: ({ from, to }) => ({ message: `${from} is an old version`, fix: `write apiVersion: ${to}` }),
  NotCarriedOver: ({ message }) => ({ message }),
  CarriedOver: ({ message }) => ({ message }),
  IgnoredField: ({ message }) => ({ message: `is not acted on: ${message}` }),
  GatewayClassNotFound: ({ name }) => ({
    message: `GatewayClass ${name} does not exist`,
    fix: `create GatewayClass ${name}, or correct gatewayClassName`,
  }),
  GatewayClassNotAccepted: ({ name }) => ({
    message: `GatewayClass ${name} was refused, so its Gateways wait`,
    fix: `see what is wrong with GatewayClass ${name}`,
  }),
  UnsupportedVersion: ({ versions }) => ({
    message: `CRDs of the Gateway API are installed in versions that are not known: ${versions.map((version) => version || 'none given').join(', ')}`,
    fix: 'install those of v1.7.0',
  }),
  InvalidParameters: ({ message, fix, kept }) => ({
    message: kept === true ? `${message}; the Gateway is served with its last good parameters` : message,
    fix,
  }),
  UnsupportedAddress: ({ type }) => ({
    message: `addresses of type ${type} are not supported`,
    fix: 'use an address of type IPAddress or Hostname, or none',
  }),
  AddressNotUsable: ({ value }) => ({
    message: `address ${value} is not one that this Gateway is served on`,
    fix: 'remove it, or serve the Gateway on it',
  }),
  UnsatisfiedRoutability: ({ routability, value }) => ({
    message: `${value === '' ? 'a further address' : `address ${value}`}${routability === '' ? '' : ` of routability ${routability}`} cannot be given here`,
    fix: routability === '' ? 'remove it' : 'leave routability out, or remove the address',
  }),
  ...listenerTexts(),
  ...listenerSetTexts(),
  ...routeTexts(),
  ...referenceTexts(),
  InvalidListenerFilterRef: ({ problem }) => describe(problem),
  ...authorityTexts(),
  ServedOtherwise: ({ message }) => ({ message: `is served otherwise: ${message}` }),
  NotProgrammed: ({ message }) => ({ message }),
  InvalidPolicy: ({ message }) => ({ message }),
  PolicyConflict: ({ other }) => ({
    message: `${nameOf(other)} has the same target and comes first`,
    fix: 'remove one of the two policies',
  }),
  TargetNotFound: ({ target }) => ({
    message: `the target ${nameOf(target)} does not exist`,
    fix: `correct the targetRef, or create ${nameOf(target)}`,
  }),
  SectionNotFound: ({ target, sectionName }) => ({
    message: `${nameOf(target)} has no part of the name ${sectionName === '' ? '(none)' : sectionName}`,
    fix: `correct sectionName of the targetRef${target.kind === 'Service' ? ': it is the name of a port' : ''}`,
  }),
  PolicyNotApplied: ({ target }) => ({
    message: `the policy has no effect on ${nameOf(target)} yet: policies are applied from a later release on`,
  }),
};

function listenerSetTexts(): Pick<Texts, 'ListenerSetNotAllowed' | 'GatewayNotAccepted' | 'TooManyListeners'> {
  return {
    ListenerSetNotAllowed: ({ gateway, message }) => ({
      message: `${nameOf(gateway)} does not take this ListenerSet: ${message}`,
      fix: `open spec.allowedListeners.namespaces of ${nameOf(gateway)} to it`,
    }),
    GatewayNotAccepted: ({ gateway }) => ({
      message: `${nameOf(gateway)} is not accepted, so nothing of the set is served`,
      fix: `see what is wrong with ${nameOf(gateway)}`,
    }),
    TooManyListeners: ({ limit }) => ({
      message: `a Gateway and its ListenerSets have at most ${limit} listeners, and those before it use them up`,
      fix: 'spread the listeners over several Gateways',
    }),
  };
}

function authorityTexts(): Pick<
  Texts,
  | 'InvalidCACertificateRef'
  | 'InvalidCACertificateKind'
  | 'NoValidCACertificate'
  | 'InvalidClientCertificateRef'
  | 'InsecureFrontendValidation'
> {
  return {
    InvalidCACertificateRef: ({ target, message }) => ({
      message: `${nameOf(target)} gives no certificate authority: ${message}`,
      fix:
        target.kind === 'ConfigMap'
          ? 'create or correct the ConfigMap: PEM certificates under the key ca.crt'
          : 'create or correct it: PEM certificates in spec.trustBundle',
    }),
    InvalidCACertificateKind: ({ target }) => ({
      message: `${nameOf(target)} is of a kind that holds no certificate authorities`,
      fix: 'name a ConfigMap with a key ca.crt, or a ClusterTrustBundle',
    }),
    NoValidCACertificate: () => ({
      message: 'no certificate authority is left, so that nobody can be trusted and nothing is served',
      fix: 'correct at least one of the references',
    }),
    InvalidClientCertificateRef: ({ target, message }) => ({
      message: `${nameOf(target)} gives no certificate to show to backends: ${message}`,
      fix: 'name a Secret of type kubernetes.io/tls, with tls.crt and the tls.key that belongs to it',
    }),
    InsecureFrontendValidation: () => ({
      message: 'clients without a valid certificate are let in',
      fix: 'use mode AllowValidOnly, unless something behind the Gateway checks the clients',
    }),
  };
}

function listenerTexts(): Pick<
  Texts,
  | 'UnsupportedProtocol'
  | 'ProtocolConflict'
  | 'HostnameConflict'
  | 'PortUnavailable'
  | 'InvalidRouteKinds'
  | 'InvalidCertificateRef'
  | 'MissingTls'
  | 'UnsupportedTlsMode'
  | 'OverlappingTLSConfig'
  | 'InvalidNamespaceSelector'
> {
  return {
    UnsupportedProtocol: ({ protocol }) => ({
      message: `listeners of protocol ${protocol} are not served`,
      fix: 'use HTTP, HTTPS, TLS, TCP or UDP',
    }),
    ProtocolConflict: ({ listeners }) => ({
      message: `the port is also claimed, with a protocol that cannot share it, by ${listenersNamed(listeners)}`,
      fix: 'give the listeners different ports',
    }),
    HostnameConflict: ({ listeners }) => ({
      message: `port, protocol and hostname are the same as those of ${listenersNamed(listeners)}`,
      fix: 'give the listeners different hostnames or ports',
    }),
    PortUnavailable: ({ port, message }) => ({
      message: `port ${port} cannot be opened: ${message}`,
      // Told by the embedded engine and by Envoy, each in its way.
      ...(/EADDRINUSE|address already in use/i.test(message) ? { fix: freePort(port) } : {}),
    }),
    InvalidRouteKinds: ({ kinds }) => ({
      message: `routes of kind ${kinds.join(', ')} cannot attach to a listener of this protocol`,
      fix: 'remove them from allowedRoutes.kinds',
    }),
    InvalidCertificateRef: ({ target, message }) => ({
      message: `${nameOf(target)} gives no certificate: ${message}`,
      fix:
        target.kind === 'Secret' && target.group === ''
          ? 'create or correct the Secret: type kubernetes.io/tls, with tls.crt and the tls.key that belongs to it'
          : 'name a Secret of type kubernetes.io/tls',
    }),
    MissingTls: () => ({
      message: 'the listener has protocol HTTPS and no certificate',
      fix: 'name a Secret in tls.certificateRefs',
    }),
    UnsupportedTlsMode: ({ mode }) => ({
      message: `TLS mode ${mode} is not supported with this protocol`,
      fix: 'use mode: Terminate',
    }),
    OverlappingTLSConfig: ({ listeners }) => ({
      message:
        `the hostname overlaps with that of ${listenersNamed(listeners)}: a client that reuses a connection across ` +
        'them is answered 421 and has to connect again',
    }),
    InvalidNamespaceSelector: ({ message }) => ({
      message: `the namespace selector cannot be read: ${message}`,
      fix: 'correct allowedRoutes.namespaces.selector',
    }),
  };
}

function routeTexts(): Pick<
  Texts,
  | 'NoParent'
  | 'ParentNotFound'
  | 'NoMatchingParent'
  | 'NotAllowedByListeners'
  | 'NoMatchingListenerHostname'
  | 'UnsupportedValue'
  | 'IncompatibleFilters'
  | 'DroppedRule'
  | 'TooManyEntries'
> {
  return {
    NoParent: () => ({
      message: 'the route names no parent, so nothing serves it',
      fix: 'name a Gateway in parentRefs',
    }),
    ParentNotFound: ({ parent }) => ({
      message: `the parent ${nameOf(parent)} does not exist`,
      fix: `create ${nameOf(parent)}, or correct name and namespace of the parentRef`,
    }),
    NoMatchingParent: ({ parent, sectionName, port }) => {
      const wanted = [
        ...(sectionName === undefined ? [] : [`named ${sectionName}`]),
        ...(port === undefined ? [] : [`on port ${port}`]),
      ];
      return {
        message: `${nameOf(parent)} has no listener ${wanted.join(' ')}`.trimEnd(),
        fix: 'correct sectionName and port of the parentRef, or add the listener',
      };
    },
    NotAllowedByListeners: ({ parent, why }) => ({
      message: `${nameOf(parent)} does not take the route: ${why.join('; ')}`,
      fix: 'change allowedRoutes of the listener, or attach to another one',
    }),
    NoMatchingListenerHostname: ({ hostnames, listeners }) => ({
      message: `none of the hostnames ${hostnames.join(', ')} falls under a listener: ${listeners.join(', ')}`,
      fix: 'give the route a hostname that a listener covers',
    }),
    UnsupportedValue: ({ message }) => ({ message }),
    IncompatibleFilters: ({ message }) => ({ message, fix: 'leave one of the two' }),
    DroppedRule: ({ message }) => ({ message: `is not served as written: ${message}` }),
    TooManyEntries: ({ limit }) => ({
      message: `hostnames × listeners × matches come to more than ${limit}`,
      fix: 'split the route, or attach it to fewer listeners',
    }),
  };
}

function referenceTexts(): Pick<
  Texts,
  'RefNotPermitted' | 'ExternalNameService' | 'BackendNotFound' | 'InvalidKind' | 'UnsupportedBackendProtocol'
> {
  return {
    RefNotPermitted: ({ from, target }) => ({
      message: `${nameOf(from)} may not refer to ${nameOf(target)}: no ReferenceGrant in namespace ${target.namespace} allows it`,
      fix:
        `create a ReferenceGrant in namespace ${target.namespace} from group ${from.group}, kind ${from.kind}, ` +
        `namespace ${from.namespace} to group ${quoted(target.group)}, kind ${target.kind}`,
    }),
    ExternalNameService: ({ backend }) => ({
      message: `${nameOf(backend)} is of type ExternalName, which is no backend: a name could lead anywhere`,
      fix: 'use a Service without selector and an EndpointSlice',
    }),
    BackendNotFound: ({ backend, port }) =>
      port === undefined
        ? {
            message: `the backend ${nameOf(backend)} does not exist`,
            fix: `create ${nameOf(backend)}, or correct the name`,
          }
        : { message: `${nameOf(backend)} has no port ${port}`, fix: `name one of its ports` },
    InvalidKind: ({ target, kinds }) => ({
      message: `${kindNamed(target)} ${target.name} cannot be referred to here: the kind is not supported`,
      fix: kinds.length === 0 ? 'leave it out, no kind is supported here' : `name a ${kinds.join(' or ')}`,
    }),
    UnsupportedBackendProtocol: ({ protocol, backend }) => ({
      message: `${nameOf(backend)} asks for ${protocol}, which backends of this kind of route cannot be spoken to with`,
    }),
  };
}

function listenersNamed(names: readonly string[]): string {
  return `listener${names.length === 1 ? '' : 's'} ${names.join(', ')}`;
}

function freePort(port: number): string {
  const what =
    port === 9902 ? 'this one is that of probes and metrics of data planes in a cluster' : 'or end what has it';
  return `choose another port, ${what}`;
}

function kindNamed({ group, kind }: ObjectRef): string {
  return group === '' ? kind : `${kind}.${group}`;
}

function quoted(group: string): string {
  return group === '' ? '""' : group;
}
