// Session persistence (GEP-1619) -> stateful sessions of Envoy: its cookie or header names the endpoint. It is not sealed, and remembers
// one endpoint (docs/reference/envoy-differences.md).
import { isFieldName } from '../../../routing/filters/header-changes.ts';
import type { Session, WeightedBackend } from '../../../routing/model.ts';
import { any, duration, extension, type Message } from '../tree.ts';

const NAME = 'envoy.filters.http.stateful_session';
const FILTER = 'envoy.extensions.filters.http.stateful_session.v3';
const STATE = 'envoy.extensions.http.stateful_session';

/** Does nothing unless a route says so. */
export const sessionFilter: Message = extension(NAME, `${FILTER}.StatefulSession`);

/** Of the field `typed_per_filter_config` of a Route: that of the first backend that keeps sessions. */
export function sessionConfig(backends: readonly WeightedBackend[]): Message {
  const session = backends.find((backend) => backend.session !== undefined)?.session;
  // What is no token cannot be a name; the CRD does not let it through.
  if (session === undefined || !isFieldName(session.name)) return {};
  return {
    [NAME]: any(`${FILTER}.StatefulSessionPerRoute`, { stateful_session: { session_state: stateOf(session) } }),
  };
}

function stateOf(session: Session): Message {
  if (session.type === 'header') {
    return extension('envoy.http.stateful_session.header', `${STATE}.header.v3.HeaderBasedSessionState`, {
      name: session.name,
    });
  }
  const path = /^\/[\x21-\x3a\x3c-\x7e]*$/.test(session.path) ? session.path : '/';
  const ttl =
    session.permanent && session.absoluteTimeout !== undefined ? Math.ceil(session.absoluteTimeout / 1000) : 0;
  return extension('envoy.http.stateful_session.cookie', `${STATE}.cookie.v3.CookieBasedSessionState`, {
    cookie: {
      name: session.name,
      path,
      ttl: duration(ttl * 1000),
      attributes: [{ name: 'SameSite', value: 'Strict' }],
    },
  });
}
