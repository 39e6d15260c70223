// sessionPersistence (GEP-1619) of a rule, an XBackend or a policy → Session.
import { createHash } from 'node:crypto';
import type { Session } from '../../routing/model.ts';
import { durationOf } from '../routes/durations.ts';

export interface SessionSpec {
  readonly absoluteTimeout?: string;
  readonly cookie?: { readonly lifetimeType: 'Permanent' | 'Session'; readonly name?: string; readonly path: string };
  readonly header?: { readonly name: string };
  readonly type: 'Cookie' | 'Header';
}

/** @param owner names the thing that keeps the sessions: two of them must not share a cookie without being told to */
export function sessionOf({ type, absoluteTimeout, cookie, header }: SessionSpec, owner: string): Session {
  const timeout = durationOf(absoluteTimeout ?? '');
  const common = {
    // "MUST NOT override which backend is selected during traffic splitting" (GEP-1619).
    drawn: true as const,
    ...(timeout === undefined || timeout === 0 ? {} : { absoluteTimeout: timeout }),
  };
  if (type === 'Header') {
    return { type: 'header', name: header?.name ?? nameFor(owner), path: '/', permanent: false, ...common };
  }
  return {
    type: 'cookie',
    name: cookie?.name ?? nameFor(owner),
    path: cookie?.path ?? '/',
    permanent: cookie?.lifetimeType === 'Permanent',
    ...common,
  };
}

/** The same on every replica, and nothing of the owner's name for clients to read. */
function nameFor(owner: string): string {
  return `portolan-${createHash('sha256').update(owner).digest('hex').slice(0, 12)}`;
}
