// The routing model: what every engine is fed and what every tool reads. Plain, immutable, serialisable rows; no
// Kubernetes types. The size of the rows follows the user's objects, so that one changed route changes a few small rows.
// Keys: a gateway is `namespace/name`; a frontend `namespace/name/listener` (of a
// ListenerSet `namespace/name/namespace/name/listener`); a bind `namespace/name:port/transport`; a
// virtual host `frontend|hostname` ('' = any host); a rule `gateway|kind/namespace/name|index`; a cluster
// `gateway|namespace/service:port|variant`; an endpoint set `namespace/service:port`; a certificate set `namespace/secret`;
// a trust bundle `kind/namespace/name` of the object that holds it.
import type { Filter, Redirect } from './filters.ts';
import type { Origin } from './origin.ts';
import type { Problem } from './problem.ts';

/** One socket to open: a port of a gateway. One Bind = one Envoy Listener. */
export interface Bind {
  readonly key: string;
  readonly gateway: string;
  /** As declared by the listeners. Where it is really served is a Placement. */
  readonly port: number;
  readonly transport: 'tcp' | 'udp';
  /** `tls`: the first bytes are a TLS ClientHello whose SNI picks the frontend. */
  readonly security: 'none' | 'tls';
  /** Keys of its accepted frontends, by hostname from the most to the least specific. */
  readonly frontends: readonly string[];
  /** Every connection (datagram) begins with a PROXY protocol header, v1 or v2, that says whose it is. */
  readonly proxyProtocol?: true;
}

/** Where a bind is really served: a fact from outside (the CLI, the controller). No placement: not served. */
export interface Placement {
  readonly bind: string;
  readonly address: string;
  readonly port: number;
}

/** Where a Gateway can be reached when that is not where it is placed (a Service in front of it): a fact from outside. */
export interface Exposure {
  readonly gateway: string;
  readonly addresses: readonly { readonly type: 'IPAddress' | 'Hostname'; readonly value: string }[];
  /** IP addresses that lead to it from within the cluster (GEP-5093, routability Cluster). */
  readonly cluster?: readonly string[];
  /** Addresses that were asked for and that nobody gave for a while. */
  readonly refused?: readonly string[];
  /** Why it cannot be served or reached yet. */
  readonly missing?: {
    readonly reason: 'NoResources' | 'Pending' | 'AddressNotAssigned';
    readonly message: string;
  };
  /** Why what stands in the cluster is older than what is asked for: the words of who refused it. */
  readonly outdated?: string;
}

/** What a listener with TLS asks of its clients (GEP-91). */
export interface ClientValidation {
  /** `require`: the handshake fails without a certificate of one of the authorities. `request`: any or none will do. */
  readonly mode: 'require' | 'request';
  /** Keys of TrustBundles; one that does not stand there vouches for nobody. */
  readonly authorities: readonly string[];
}

/**
 * An accepted listener of a Gateway or ListenerSet. HTTP and HTTPS: no match for a request is 404 (gRPC: UNIMPLEMENTED).
 * TLS, TCP and UDP: the first entry of its most specific virtual host takes every connection; without one it is closed.
 */
export interface Frontend {
  readonly key: string;
  readonly bind: string;
  readonly gateway: string;
  readonly listener: string;
  readonly protocol: 'HTTP' | 'HTTPS' | 'TLS' | 'TCP' | 'UDP';
  readonly port: number;
  /** '' = every host; else lower case, optionally `*.` first. */
  readonly hostname: string;
  readonly tls?:
    | { readonly mode: 'terminate'; readonly certificates: readonly string[]; readonly clients?: ClientValidation }
    | { readonly mode: 'passthrough' };
  /** What happens to every request before a route is looked for, in this order (GEP-5224). */
  readonly filters?: readonly Filter[];
  /** Declared port -> port that clients reach it at, for the gateway's ports that are placed elsewhere; redirects read it. */
  readonly publicPorts: Readonly<Record<string, number>>;
  readonly origin: Origin;
}

export type PathMatch =
  | { readonly type: 'exact'; readonly value: string }
  /** Element-wise: `/a` takes /a, /a/ and /a/b, not /ab. Kept without a trailing slash; `/` takes every path. */
  | { readonly type: 'prefix'; readonly value: string }
  /** RE2 syntax, over the whole path. */
  | { readonly type: 'regex'; readonly value: string }
  /** gRPC method of any service: takes `/{anything}/value`. */
  | { readonly type: 'grpc-method'; readonly value: string };

export interface ValueMatch {
  readonly type: 'exact' | 'regex';
  /** Header names in lower case; query parameter names as written. */
  readonly name: string;
  readonly value: string;
}

export interface Match {
  /**
   * `grpc` takes only gRPC requests (POST, content-type application/grpc); `http` takes all. `stream`: not a request but a
   * connection, or the datagrams of a client; the other fields then mean nothing.
   */
  readonly protocol: 'http' | 'grpc' | 'stream';
  readonly path: PathMatch;
  readonly method?: string;
  readonly headers: readonly ValueMatch[];
  readonly query: readonly ValueMatch[];
}

/** What decides between matches of one request, in the order of these fields (compare: match/precedence.ts). */
export interface Rank {
  /** The route's own hostname before it was intersected with the listener's (GatewayRouteHostnameIntersectionPrecedence). */
  readonly hostname: string;
  /** RFC 3339 or '' (from files). */
  readonly created: string;
  /** namespace/name of the route. */
  readonly route: string;
  readonly rule: number;
  readonly match: number;
  /** Internal: set by upgrade stages whose dialect has an order of its own; higher goes first, above every other step but the hostname. */
  readonly explicit?: number;
}

/** One match of one rule in one virtual host. */
export interface Entry {
  readonly rule: string;
  readonly match: Match;
  readonly rank: Rank;
}

export interface VirtualHost {
  readonly key: string;
  readonly frontend: string;
  /** '' = any host. A request that no entry takes falls through to the next less specific host of the same frontend. */
  readonly hostname: string;
  /** In precedence order. */
  readonly entries: readonly Entry[];
}

export interface Timeouts {
  /** Milliseconds; absent or 0 = none. `request` is the whole exchange, `backendRequest` one attempt. */
  readonly request?: number;
  readonly backendRequest?: number;
}

/** GEP-1731: `attempts` are retries in addition to the first try; connection errors are always retried, codes when listed. */
export interface Retry {
  readonly attempts: number;
  readonly codes: readonly number[];
  /** Milliseconds before the first retry; doubles with jitter, capped at ten times. Absent: 25 ms. */
  readonly backoff?: number;
}

export type BackendTarget =
  | { readonly kind: 'cluster'; readonly cluster: string }
  /** Keeps its weight: the spec wants 500 in proportion. */
  | { readonly kind: 'unresolved'; readonly problem: Problem };

/** GEP-1619: requests of one client stay with the backend and the endpoint that took the first. */
export interface Session {
  readonly type: 'cookie' | 'header';
  readonly name: string;
  /** Of the cookie. */
  readonly path: string;
  /** Milliseconds after which the session ends, however much it is used; absent: never. */
  readonly absoluteTimeout?: number;
  /** The cookie outlives the browser (Max-Age); needs `absoluteTimeout`. */
  readonly permanent: boolean;
  /**
   * Each request draws its weighted backend anew, and only the endpoint within it is kept (GEP-1619, Traffic Splitting). Absent:
   * the client stays with the weighted backend, too.
   */
  readonly drawn?: true;
}

export interface WeightedBackend {
  readonly weight: number;
  readonly session?: Session;
  readonly target: BackendTarget;
  readonly filters: readonly Filter[];
  readonly origin: Origin;
}

export type Action =
  /** No backends, or a sum of weights of 0, answers 500. */
  | { readonly kind: 'forward'; readonly backends: readonly WeightedBackend[] }
  | { readonly kind: 'redirect'; readonly redirect: Redirect }
  /** Answered by the gateway itself, when a filter cannot be honoured (it must not be skipped). */
  | { readonly kind: 'respond'; readonly status: number; readonly problem?: Problem };

export interface Rule {
  readonly key: string;
  /** `stream` rules forward, and nothing else. */
  readonly protocol: 'http' | 'grpc' | 'stream';
  readonly name?: string;
  /** In the order written. */
  readonly filters: readonly Filter[];
  readonly timeouts: Timeouts;
  readonly retry?: Retry;
  readonly action: Action;
  readonly origin: Origin;
}

/**
 * TLS to a backend; the streams of a passthrough listener are TLS already and are not wrapped once more. Without it, and
 * without anything in it that is needed, nothing is sent (fails closed).
 */
export interface ClusterTls {
  /** SNI. */
  readonly serverName: string;
  /** The certificate has to be for one of them. */
  readonly names: readonly { readonly type: 'dns' | 'uri'; readonly value: string }[];
  /** Keys of TrustBundles; `system`: those of the machine. */
  readonly authorities: 'system' | readonly string[];
  /** Key of a CertificateSet, shown to backends that ask for one (GEP-3155). */
  readonly certificate?: string;
}

/** GEP-3388. Retries beyond it are answered with 503. Counted per worker. */
export interface RetryBudget {
  /** Of the requests of the interval. */
  readonly percent: number;
  /** Milliseconds. */
  readonly interval: number;
  /** So many retries in so many milliseconds are always allowed. */
  readonly minimum: { readonly count: number; readonly interval: number };
}

export interface Cluster {
  readonly key: string;
  /**
   * What Portolan speaks to its endpoints. WebSocket and other upgrades go over http1. `h2c` is HTTP/2 without TLS by prior
   * knowledge, `h2` with TLS (ALPN h2). `tcp` and `udp`: whatever the client says.
   */
  readonly protocol: 'http1' | 'h2c' | 'h2' | 'tcp' | 'udp';
  readonly tls?: ClusterTls;
  /** Connections begin with a PROXY protocol header of that version that names the client. */
  readonly proxyProtocol?: 'v1' | 'v2';
  readonly retryBudget?: RetryBudget;
  /** Key of its EndpointSet. */
  readonly endpoints: string;
  /** For people: the object and port that it stands for. */
  readonly backend: { readonly kind: string; readonly namespace: string; readonly name: string; readonly port: number };
}

export interface Endpoint {
  /** targetRef.uid, else a hash of address and port. */
  readonly id: string;
  readonly address: string;
  readonly port: number;
  readonly ready: boolean;
  readonly serving: boolean;
  readonly terminating: boolean;
  readonly zone?: string;
}

export interface EndpointSet {
  readonly key: string;
  readonly endpoints: readonly Endpoint[];
}

/** Key material of one Secret. Redacted in every dump. */
export interface CertificateSet {
  readonly key: string;
  /** PEM. */
  readonly certificate: string;
  readonly privateKey: string;
  /** DNS names of the leaf certificate. */
  readonly names: readonly string[];
  /** RFC 3339. */
  readonly notAfter: string;
  /** SHA-256 of the leaf, hex. */
  readonly fingerprint: string;
}

/** Certificate authorities of one object. */
export interface TrustBundle {
  readonly key: string;
  /** One or more PEM certificates. */
  readonly certificates: string;
}

/** What an engine says of a bind: a row of a Source table, which becomes a condition. */
export interface BindReport {
  readonly bind: string;
  readonly state: 'serving' | 'failed';
  /** With `failed`: the code of the operating system (EADDRINUSE, EACCES) and a sentence. */
  readonly code?: string;
  readonly message?: string;
}
