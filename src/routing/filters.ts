// The filters of the model. How each of them changes a request or a response is in filters/; a rule holds them in the
// order written.
import type { Origin } from './origin.ts';

export interface HeaderValue {
  /** As written: names compare without case but are sent as the user spelt them. */
  readonly name: string;
  readonly value: string;
}

export interface HeaderChanges {
  /** Replaces every value of that name, or adds the header. */
  readonly set: readonly HeaderValue[];
  /** Appends: `old,new`. */
  readonly add: readonly HeaderValue[];
  readonly remove: readonly string[];
}

export type PathChange =
  | { readonly type: 'full'; readonly value: string }
  /** Replaces the prefix that the rule's match names; `prefix` is that prefix. */
  | { readonly type: 'prefix'; readonly prefix: string; readonly value: string }
  /** ingress-nginx rewrite-target with captures: `$1` refers to a group of `pattern` (RE2). */
  | { readonly type: 'regex'; readonly pattern: string; readonly value: string };

export interface Redirect {
  readonly scheme?: 'http' | 'https';
  readonly hostname?: string;
  readonly port?: number;
  readonly path?: PathChange;
  readonly status: 301 | 302 | 303 | 307 | 308;
  readonly origin: Origin;
}

/** GEP-1767. */
export interface Cors {
  readonly allowOrigins: readonly string[];
  readonly allowMethods: readonly string[];
  readonly allowHeaders: readonly string[];
  readonly exposeHeaders: readonly string[];
  readonly allowCredentials: boolean;
  /** Seconds. */
  readonly maxAge: number;
}

/** GEP-1494: a service is asked before the request goes on. What it cannot answer is refused. */
export interface ExternalAuth {
  /** Absent: the backend did not resolve, and every request is refused with 500. */
  readonly cluster?: string;
  readonly check:
    /** envoy.service.auth.v3.Authorization/Check. */
    | { readonly protocol: 'grpc' }
    /** The request's method and its path behind `path`; 200 and nothing else lets it pass. */
    | {
        readonly protocol: 'http';
        readonly path: string;
        /** Names in lower case of what the answer gives to the request; undefined: all of its fields. */
        readonly responseHeaders?: readonly string[];
      };
  /** Names in lower case of what the service is told beside host, method, path, length and Authorization; undefined: all. */
  readonly headers?: readonly string[];
  /** Octets of the body that the service is told; a longer body is refused with 413. 0: none of it. */
  readonly bodyLimit: number;
}

export type Filter = { readonly origin: Origin } & (
  | ({ readonly kind: 'request-headers' } & HeaderChanges)
  | ({ readonly kind: 'response-headers' } & HeaderChanges)
  | { readonly kind: 'rewrite'; readonly hostname?: string; readonly path?: PathChange }
  /** A copy goes to the cluster for `numerator` of `denominator` requests; its answer is ignored. */
  | { readonly kind: 'mirror'; readonly cluster: string; readonly numerator: number; readonly denominator: number }
  | ({ readonly kind: 'cors' } & Cors)
  | ({ readonly kind: 'external-auth' } & ExternalAuth)
);
