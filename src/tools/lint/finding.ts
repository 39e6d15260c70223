// What lint says: findings with a place, words and, where there is one, the fix.
import type { KubeObject } from '../../api/objects.ts';
import type { ProblemCode, Severity } from '../../routing/problem.ts';
import type { Origin } from '../../routing/origin.ts';

export interface Finding {
  readonly severity: Severity;
  /** A Problem code, or one of the analyses of this folder (lintCodes). */
  readonly code: ProblemCode | LintCode;
  readonly at: Origin;
  readonly message: string;
  /** What to do, in words. */
  readonly fix?: string;
  /** An object that, applied, is the fix. */
  readonly apply?: KubeObject;
  /** Other places that take part: the winner of a conflict, the match that shadows this one. */
  readonly related: readonly { readonly at: Origin; readonly message: string }[];
}

export interface LintReport {
  /** By object, field and code. */
  readonly findings: readonly Finding[];
  readonly counts: Readonly<Record<Severity, number>>;
}

/** The analyses that lint adds to the problems of the model, each with what it means (SARIF rules, documentation). */
export const lintCodes: Readonly<Record<LintCode, string>> = {
  ShadowedMatch: 'Another match takes every request that this one would take.',
  ConflictingMatch: 'Two routes claim the same requests, and only their age or their names decide.',
  AmbiguousMatch: 'Two routes claim some requests alike, and for those only their age or their names decide.',
  RedundantMatch: 'Another match of the same rule already takes every request of this one.',
  NoTraffic: 'The weights of all backends are 0, so every request is answered 500.',
  NoBackends: 'The rule has no backends and no redirect, so every request is answered 500.',
  RedirectLoop: 'The redirect leads back to where it came from, without end.',
  MisspeltGroup: 'The API group of a reference does not have the kind; one that is spelt almost like it does.',
  UnusedGrant: 'No reference needs this grant.',
  UnusedListener: 'No route is attached to this listener.',
  ShadowedStream: 'Another route takes every connection or datagram that this one would take.',
  ExpiredCertificate: 'A certificate, or the last authority of a bundle, has expired.',
  ExpiringCertificate: 'A certificate, or the last authority of a bundle, expires within 30 days.',
  CertificateMismatch: 'No certificate of the listener is for its hostname.',
};

export type LintCode =
  | 'ShadowedMatch'
  | 'ConflictingMatch'
  | 'AmbiguousMatch'
  | 'RedundantMatch'
  | 'NoTraffic'
  | 'NoBackends'
  | 'RedirectLoop'
  | 'MisspeltGroup'
  | 'UnusedGrant'
  | 'UnusedListener'
  | 'ShadowedStream'
  | 'ExpiredCertificate'
  | 'ExpiringCertificate'
  | 'CertificateMismatch';
