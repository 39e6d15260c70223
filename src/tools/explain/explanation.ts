// What explain says of a request or a connection: plain data, stable as JSON, every decision with the origin it came from.
// Words for people are put around it by the CLI.
import type { ParentRef } from '../../routing/bound.ts';
import type { Filter, HeaderValue } from '../../routing/filters.ts';
import type { PrecedenceStep } from '../../routing/match/precedence.ts';
import type {
  Bind,
  ClientValidation,
  Cluster,
  ClusterTls,
  Endpoint,
  Match,
  Placement,
  Retry,
  RetryBudget,
  Session,
  Timeouts,
} from '../../routing/model.ts';
import type { ObjectRef, Origin } from '../../routing/origin.ts';
import type { Problem } from '../../routing/problem.ts';

/** What is asked, as it stands on a command line. */
export interface Question {
  readonly method: string;
  /** http, https, grpc or grpcs. */
  readonly url: string;
  readonly headers: readonly HeaderValue[];
  /** `[namespace/]name`. */
  readonly gateway?: string;
  /** Of the TLS handshake; else the host of the URL. */
  readonly sni?: string;
}

/** A connection, or the datagrams of a client. */
export interface StreamQuestion {
  /** tls, tcp or udp. */
  readonly url: string;
  /** `[namespace/]name`. */
  readonly gateway?: string;
  /** Of the TLS handshake; else the host of the URL. */
  readonly sni?: string;
}

export interface Explanation {
  readonly request: ExplainedRequest;
  /** One per port that the request may be meant for; empty when there is none: `unreachable` says why. */
  readonly answers: readonly Answer[];
  readonly unreachable?: Unreachable;
  /** Of all objects, whatever they were meant for. */
  readonly leftOut: readonly LeftOut[];
}

/** A Gateway, ListenerSet or route that takes no part because its schema refuses it. */
export interface LeftOut {
  readonly object: ObjectRef;
  readonly problems: readonly Problem[];
}

export interface ExplainedRequest {
  readonly method: string;
  readonly scheme: 'http' | 'https';
  /** Host header or `:authority`, as sent. */
  readonly authority: string;
  /** As it is compared: lower case, no port. */
  readonly host: string;
  /** Of the URL; absent when it names none. */
  readonly port?: number;
  /** As written; `path` is what it is matched by, absent when it is refused. */
  readonly target: string;
  readonly path?: string;
  readonly query: string;
  readonly grpc: boolean;
  readonly sni?: string;
  readonly headers: readonly HeaderValue[];
  /** What was made of the question before it was asked. */
  readonly notes: readonly string[];
}

export interface Unreachable {
  readonly reason: 'no-such-gateway' | 'no-such-port' | 'no-gateway';
  /** Ports that could have been asked. */
  readonly ports: readonly {
    readonly gateway: ObjectRef;
    readonly port: number;
    readonly placement?: Placement;
    readonly transport: Bind['transport'];
    readonly security: Bind['security'];
  }[];
  /** Listeners that declare the port asked for and are not served. */
  readonly unserved: readonly (ListenerVerdict & { readonly gateway: ObjectRef; readonly port: number })[];
}

export interface Answer {
  /** As the user wrote it (an Ingress, for example). */
  readonly gateway: ObjectRef;
  readonly bind: ExplainedBind;
  /** Every listener of the port, the one that serves the request first. */
  readonly listeners: readonly ListenerVerdict[];
  /** Virtual hosts that cover the host, in the order in which they are asked. */
  readonly virtualHosts: readonly { readonly hostname: string; readonly entries: number; readonly took: boolean }[];
  readonly outcome: Outcome;
}

export interface ExplainedBind {
  readonly key: string;
  readonly port: number;
  readonly transport: Bind['transport'];
  readonly security: Bind['security'];
  /** Every connection (datagram) has to begin with a PROXY protocol header. */
  readonly proxyProtocol?: true;
  readonly placement?: Placement;
}

export interface ListenerVerdict {
  readonly key: string;
  readonly name: string;
  /** The Gateway or ListenerSet that it stands in, as the user wrote it. */
  readonly owner: ObjectRef;
  /** '' = every host. */
  readonly hostname: string;
  readonly protocol: string;
  readonly verdict:
    /** Serves the request. */
    | 'serves'
    /** Covers the host, but another listener covers it more specifically. */
    | 'less-specific'
    | 'other-host'
    /** Not accepted, so that nothing is served: `problems`. */
    | 'not-served';
  /** The TLS handshake chose it. */
  readonly connection: boolean;
  /** Of a listener with TLS that is served. */
  readonly tls?: 'terminate' | 'passthrough';
  /** What it asks of its clients in the handshake. */
  readonly clients?: ClientValidation;
  /** What happens to every request before a route is looked for. */
  readonly filters?: readonly Filter[];
  readonly problems: readonly Problem[];
  readonly origin: Origin;
}

export type Outcome =
  /** 400: no listener gets to see it. */
  | { readonly kind: 'refused'; readonly status: 400; readonly reason: string }
  /** The port speaks TLS and the request does not, or the other way round. */
  | { readonly kind: 'wrong-scheme'; readonly security: 'none' | 'tls' }
  /** No listener covers the server name. */
  | { readonly kind: 'no-handshake'; readonly sni?: string }
  | { readonly kind: 'misdirected'; readonly status: 421; readonly connection: string; readonly owner: string }
  /** No request to the gateway: the listener carries the octets of the connection to a backend as they are. */
  | { readonly kind: 'stream'; readonly outcome: StreamOutcome }
  | NotFound
  | Taken;

/** 404, for gRPC UNIMPLEMENTED. */
export interface NotFound {
  readonly kind: 'not-found';
  readonly status: 404;
  readonly reason: 'no-listener' | 'no-virtual-host' | 'no-match';
  /** Matches that failed on the fewest conditions, nearest first. */
  readonly closest: readonly Miss[];
  /** Routes that name this gateway and are not attached to it. */
  readonly unattached: readonly Unattached[];
}

export interface Unattached {
  readonly route: ObjectRef;
  readonly parentRef: ParentRef;
  readonly problems: readonly Problem[];
}

/** One match of one rule. */
export interface Candidate {
  readonly route: ObjectRef;
  /** Key of the rule. */
  readonly rule: string;
  readonly ruleName?: string;
  readonly match: Match;
  /** Of the route, before it met the listener's; '' = every host. */
  readonly hostname: string;
  readonly virtualHost: string;
  readonly listener: string;
  readonly origin: Origin;
}

/** A candidate that does not take the request. */
export interface Miss extends Candidate {
  readonly failed: readonly FailedCondition[];
}

export type FailedCondition =
  /** `listener`: it belongs to another listener of the port; `hostname`: to another virtual host. */
  | {
      readonly condition: 'listener' | 'hostname' | 'method' | 'protocol';
      readonly expected: string;
      readonly actual: string;
    }
  | {
      readonly condition: 'path';
      readonly type: Match['path']['type'];
      readonly expected: string;
      readonly actual: string;
    }
  /** `actual` is absent when the request has no such header or parameter. */
  | {
      readonly condition: 'header' | 'query';
      readonly name: string;
      readonly type: 'exact' | 'regex';
      readonly expected: string;
      readonly actual?: string;
    };

/** A candidate that takes the request too, and lost. */
export interface RunnerUp extends Candidate {
  /** `virtual-host`: it stands in a less specific one. */
  readonly lostAt: PrecedenceStep | 'virtual-host';
  /** The winner's advantage, in words. */
  readonly because: string;
}

export interface Taken {
  readonly kind: 'taken';
  /** A CORS preflight is judged by the rule that takes the request which it announces: matched as if of this method. */
  readonly announced?: string;
  readonly winner: Candidate;
  /** In order of precedence; at most `shown`, of `runnersUpTotal`. */
  readonly runnersUp: readonly RunnerUp[];
  readonly runnersUpTotal: number;
  /** Matches that would have won if one more condition had held. */
  readonly nearMisses: readonly Miss[];
  readonly rule: ExplainedRule;
}

export interface ExplainedRule {
  readonly key: string;
  readonly name?: string;
  readonly origin: Origin;
  /** In the order written. */
  readonly filters: readonly Filter[];
  readonly timeouts: Timeouts;
  readonly retry?: Retry;
  readonly action: ExplainedAction;
  readonly policies: readonly ExplainedPolicy[];
}

export type ExplainedAction =
  | {
      readonly kind: 'redirect';
      readonly status: number;
      readonly location: string;
      /** The port as declared, and the one that clients of this machine reach it at. */
      readonly port: { readonly declared: number; readonly local: number };
      readonly origin: Origin;
    }
  /** CORS preflight, answered by the gateway. */
  | {
      readonly kind: 'preflight';
      readonly status: 204;
      readonly allowed: boolean;
      readonly headers: readonly HeaderValue[];
      readonly origin: Origin;
    }
  | { readonly kind: 'respond'; readonly status: number; readonly problem?: Problem }
  /** An empty list, or weights of 0 only, answers 500. */
  | { readonly kind: 'forward'; readonly status?: 500; readonly backends: readonly ExplainedBackend[] };

export interface ExplainedBackend {
  readonly weight: number;
  /** Percent of the requests that the rule takes, with two decimals. */
  readonly share: number;
  readonly target: ExplainedTarget;
  /** What its share is answered by the gateway itself: 500 unresolved, 502 nobody vouches for it, 503 without endpoints. */
  readonly status?: 500 | 502 | 503;
  readonly filters: readonly Filter[];
  /** A client stays with the backend that took its first request (GEP-1619). */
  readonly session?: Session;
  readonly request: UpstreamRequest;
  /** What becomes of the response's headers. */
  readonly response: HeaderEffects;
  readonly mirrors: readonly { readonly cluster: string; readonly percent: number }[];
  readonly origin: Origin;
}

export type ExplainedTarget =
  | {
      readonly kind: 'cluster';
      readonly key: string;
      readonly protocol: Cluster['protocol'];
      readonly backend: Cluster['backend'];
      readonly tls?: ExplainedTls;
      readonly proxyProtocol?: 'v1' | 'v2';
      readonly retryBudget?: RetryBudget;
      /** All of them; `usable` get requests. */
      readonly endpoints: readonly Endpoint[];
      readonly usable: number;
    }
  | { readonly kind: 'unresolved'; readonly problem: Problem };

export interface ExplainedTls extends ClusterTls {
  /** Bundles and certificates that are named and are not there. */
  readonly missing: readonly string[];
  /** False: without what is missing nothing is sent. */
  readonly usable: boolean;
}

export interface StreamExplanation {
  readonly connection: ExplainedConnection;
  /** One per port that the connection may be meant for; empty when there is none: `unreachable` says why. */
  readonly answers: readonly StreamAnswer[];
  readonly unreachable?: Unreachable;
  /** Of all objects, whatever they were meant for. */
  readonly leftOut: readonly LeftOut[];
}

export interface ExplainedConnection {
  readonly scheme: 'tls' | 'tcp' | 'udp';
  /** As it is compared: lower case. */
  readonly host: string;
  readonly port: number;
  readonly sni?: string;
  readonly notes: readonly string[];
}

export interface StreamAnswer extends Omit<Answer, 'outcome'> {
  readonly outcome: StreamOutcome;
}

export type StreamOutcome =
  | Carried
  | Closed
  /** The listener speaks HTTP, or TLS, or neither: asked with the URL of another scheme there is an answer. */
  | { readonly kind: 'other-scheme'; readonly scheme: 'http' | 'https' | 'tls' | 'tcp'; readonly listener?: string };

export interface Carried {
  readonly kind: 'carried';
  readonly tls: 'none' | 'passthrough' | 'terminate';
  readonly winner: Candidate;
  /** In order of precedence; at most `shown`, of `runnersUpTotal`. They take nothing. */
  readonly runnersUp: readonly RunnerUp[];
  readonly runnersUpTotal: number;
  readonly rule: { readonly key: string; readonly name?: string; readonly origin: Origin };
  /** An empty list, or weights of 0 only: the connection is closed. */
  readonly backends: readonly StreamBackend[];
}

export interface StreamBackend {
  readonly weight: number;
  /** Percent of the connections, with two decimals. */
  readonly share: number;
  readonly target: ExplainedTarget;
  /** Its share of the connections is closed: there is nobody to carry them to, or nobody who could vouch for it. */
  readonly closed: boolean;
  readonly origin: Origin;
}

/** The connection is closed, or the datagram dropped. */
export interface Closed {
  readonly kind: 'closed';
  readonly reason: 'no-listener' | 'no-virtual-host' | 'no-route';
  /** Routes of the port for other names. */
  readonly closest: readonly Miss[];
  readonly unattached: readonly Unattached[];
}

/** Without what the gateway adds to every request: X-Forwarded-For, -Proto and -Host, X-Request-Id. */
export interface UpstreamRequest {
  readonly method: string;
  readonly authority: string;
  /** With the query. */
  readonly path: string;
  readonly headers: readonly HeaderValue[];
}

export interface HeaderEffects {
  /** Lower-case names of lines that go. */
  readonly removed: readonly string[];
  /** Lines that come, behind those. */
  readonly added: readonly HeaderValue[];
}

export interface ExplainedPolicy {
  readonly policy: ObjectRef;
  readonly level: 'class' | 'gateway' | 'listener' | 'route' | 'rule' | 'backend';
  readonly target: ObjectRef;
  readonly sectionName?: string;
  readonly override: Readonly<Record<string, unknown>>;
  readonly default: Readonly<Record<string, unknown>>;
  /** Policies take effect in a later release. */
  readonly applied: false;
  readonly origin: Origin;
}
