// Lines of the access log: one JSON object each, with the fields of the embedded engine's as far as Envoy knows them
// (docs/reference/envoy-differences.md).
import { extension, type Message } from './tree.ts';

const common: Message = {
  time: '%START_TIME(%Y-%m-%dT%H:%M:%S.%3fZ)%',
  client: '%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%',
  sent: '%BYTES_SENT%',
  received: '%BYTES_RECEIVED%',
  ms: '%DURATION%',
  upstream: '%UPSTREAM_HOST%',
  flags: '%RESPONSE_FLAGS%',
  detail: '%UPSTREAM_TRANSPORT_FAILURE_REASON%',
};

const http: Message = {
  ...common,
  method: '%REQ(:METHOD)%',
  scheme: '%REQ(:SCHEME)%',
  host: '%REQ(:AUTHORITY)%',
  target: '%REQ(:PATH)%',
  version: '%PROTOCOL%',
  status: '%RESPONSE_CODE%',
  route: '%ROUTE_NAME%',
  attempts: '%UPSTREAM_REQUEST_ATTEMPT_COUNT%',
  why: '%RESPONSE_CODE_DETAILS%',
  requestId: '%REQ(X-REQUEST-ID)%',
  userAgent: '%REQ(USER-AGENT)%',
};

/** The field `access_log` of whatever serves. @param path '' = no log, `-` = standard output */
export function accessLogs(path: string, what: 'http' | { readonly listener: string }): Message {
  if (path === '') return {};
  const format = what === 'http' ? http : { ...common, host: '%REQUESTED_SERVER_NAME%', listener: what.listener };
  const log_format = { json_format: format, omit_empty_values: true };
  const log =
    path === '-'
      ? extension('envoy.access_loggers.stdout', 'envoy.extensions.access_loggers.stream.v3.StdoutAccessLog', {
          log_format,
        })
      : extension('envoy.access_loggers.file', 'envoy.extensions.access_loggers.file.v3.FileAccessLog', {
          path,
          log_format,
        });
  return { access_log: [log] };
}
