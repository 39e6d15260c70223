// .proto files -> descriptors as JSON for protobufjs/light: only the messages that are wanted and what they are made of,
// without options that change nothing on the wire. Usage: npm run generate:protobuf. Files of xDS and Envoy come with
// @grpc/grpc-js-xds; ours lie in src. Add a row to `outputs` for other messages.
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import protobuf from 'protobufjs';

interface Output {
  /** The file to write, from the root of the repository. */
  readonly to: string;
  readonly files: readonly string[];
  /** Full names of messages, enums or services; what they refer to comes along. */
  readonly entries: readonly string[];
  /** Fields by their names in the files (snake_case), not as JavaScript has them. */
  readonly keepCase?: true;
}

const root = join(import.meta.dirname, '..');
const modules = join(root, 'node_modules');
const xds = join(modules, '@grpc/grpc-js-xds/deps');
const folders = [
  join(root, 'src/engines/stream'),
  join(xds, 'envoy-api'),
  join(xds, 'googleapis'),
  join(xds, 'protoc-gen-validate'),
  join(xds, 'xds'),
  join(modules, 'protobufjs'),
];

/** What is sent to Envoy: resources, and extensions that resources name in an Any. Where the file is not called as the folder. */
const envoyMessages: readonly (readonly [name: string, file: string])[] = [
  ['envoy.config.listener.v3.Listener', 'listener'],
  ['envoy.config.route.v3.RouteConfiguration', 'route'],
  ['envoy.config.route.v3.VirtualHost', 'route_components'],
  ['envoy.config.route.v3.ScopedRouteConfiguration', 'scoped_route'],
  ['envoy.config.route.v3.FilterConfig', 'route_components'],
  ['envoy.config.cluster.v3.Cluster', 'cluster'],
  ['envoy.config.endpoint.v3.ClusterLoadAssignment', 'endpoint'],
  ['envoy.config.bootstrap.v3.Bootstrap', 'bootstrap'],
  ['envoy.extensions.transport_sockets.tls.v3.Secret', 'secret'],
  ['envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext', 'tls'],
  ['envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext', 'tls'],
  ['envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer', 'raw_buffer'],
  ['envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport', 'upstream_proxy_protocol'],
  ['envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector', 'tls_inspector'],
  ['envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol', 'proxy_protocol'],
  ['envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager', 'http_connection_manager'],
  ['envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy', 'tcp_proxy'],
  ['envoy.extensions.filters.udp.udp_proxy.v3.UdpProxyConfig', 'udp_proxy'],
  ['envoy.extensions.filters.udp.udp_proxy.v3.Route', 'route'],
  ['envoy.extensions.filters.http.router.v3.Router', 'router'],
  ['envoy.extensions.filters.http.lua.v3.Lua', 'lua'],
  ['envoy.extensions.filters.http.lua.v3.LuaPerRoute', 'lua'],
  ['envoy.extensions.filters.http.cors.v3.Cors', 'cors'],
  ['envoy.extensions.filters.http.cors.v3.CorsPolicy', 'cors'],
  ['envoy.extensions.filters.http.ext_authz.v3.ExtAuthz', 'ext_authz'],
  ['envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute', 'ext_authz'],
  ['envoy.extensions.filters.http.header_mutation.v3.HeaderMutation', 'header_mutation'],
  ['envoy.extensions.filters.http.header_mutation.v3.HeaderMutationPerRoute', 'header_mutation'],
  ['envoy.extensions.filters.http.composite.v3.Composite', 'composite'],
  ['envoy.extensions.filters.http.composite.v3.ExecuteFilterAction', 'composite'],
  ['envoy.extensions.common.matching.v3.ExtensionWithMatcher', 'extension_matcher'],
  ['envoy.extensions.common.matching.v3.ExtensionWithMatcherPerRoute', 'extension_matcher'],
  ['envoy.extensions.filters.http.stateful_session.v3.StatefulSession', 'stateful_session'],
  ['envoy.extensions.filters.http.stateful_session.v3.StatefulSessionPerRoute', 'stateful_session'],
  ['envoy.extensions.http.stateful_session.cookie.v3.CookieBasedSessionState', 'cookie'],
  ['envoy.extensions.http.stateful_session.header.v3.HeaderBasedSessionState', 'header'],
  ['envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation', 'header_mutation'],
  ['envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig', 'uuid'],
  ['envoy.extensions.access_loggers.file.v3.FileAccessLog', 'file'],
  ['envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter', 'cel'],
  ['envoy.extensions.access_loggers.stream.v3.StdoutAccessLog', 'stream'],
  ['envoy.extensions.upstreams.http.v3.HttpProtocolOptions', 'http_protocol_options'],
  ['envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate', 'previous_hosts'],
  ['envoy.extensions.load_balancing_policies.least_request.v3.LeastRequest', 'least_request'],
  ['envoy.extensions.http.header_formatters.preserve_case.v3.PreserveCaseFormatterConfig', 'preserve_case'],
  ['envoy.extensions.matching.common_inputs.network.v3.SourcePortInput', 'network_inputs'],
  ['envoy.extensions.matching.input_matchers.consistent_hashing.v3.ConsistentHashing', 'consistent_hashing'],
  ['envoy.type.matcher.v3.HttpRequestHeaderMatchInput', 'http_inputs'],
  ['envoy.extensions.filters.common.matcher.action.v3.SkipFilter', 'skip_action'],
];

const outputs: readonly Output[] = [
  {
    to: 'src/engines/stream/generated/discovery.json',
    files: ['envoy/service/discovery/v3/ads.proto'],
    entries: [
      'envoy.service.discovery.v3.DeltaDiscoveryRequest',
      'envoy.service.discovery.v3.DeltaDiscoveryResponse',
      'envoy.service.discovery.v3.DiscoveryRequest',
      'envoy.service.discovery.v3.DiscoveryResponse',
      'google.protobuf.Any',
    ],
  },
  {
    to: 'src/engines/envoy/generated/envoy.json',
    files: envoyMessages.map((name) => fileOf(name)),
    entries: [...envoyMessages.map(([name]) => name), 'google.protobuf.Any', 'google.protobuf.ListValue'],
    keepCase: true,
  },
  {
    to: 'src/engines/stream/generated/portolan.json',
    files: ['portolan/v1/model.proto', 'portolan/v1/fleet.proto'],
    entries: [
      'Bind',
      'Placement',
      'Frontend',
      'HostEntries',
      'Rule',
      'Cluster',
      'EndpointSet',
      'CertificateSet',
      'TrustBundle',
      'Revision',
      'NodeReport',
      'RelayReport',
      'ReportAck',
    ].map((name) => `portolan.v1.${name}`),
  },
];

interface NewerField {
  readonly message: string;
  readonly name: string;
  readonly id: number;
  readonly type: string;
  readonly repeated?: true;
}

/** What the oldest Envoy that is served has (1.40), and the files of the package do not have yet. */
const newer: readonly NewerField[] = [
  {
    message: 'envoy.config.route.v3.VirtualHost',
    name: 'request_body_buffer_limit',
    id: 25,
    type: 'google.protobuf.UInt64Value',
  },
  {
    message: 'envoy.extensions.filters.http.ext_authz.v3.HttpService',
    name: 'retry_policy',
    id: 9,
    type: 'envoy.config.core.v3.RetryPolicy',
  },
  { message: 'envoy.type.http.v3.CookieAttribute', name: 'name', id: 1, type: 'string' },
  { message: 'envoy.type.http.v3.CookieAttribute', name: 'value', id: 2, type: 'string' },
  {
    message: 'envoy.type.http.v3.Cookie',
    name: 'attributes',
    id: 4,
    type: 'envoy.type.http.v3.CookieAttribute',
    repeated: true,
  },
];

const proto3: protobuf.IType & { readonly edition: string } = { edition: 'proto3', fields: {} };

for (const output of outputs) {
  const path = join(root, output.to);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${JSON.stringify(await descriptors(output), undefined, 1)}\n`);
}

/** `envoy.a.v3.Name` of the file `x` -> `envoy/a/v3/x.proto`. */
function fileOf([name, file]: readonly [string, string]): string {
  return `${name.slice(0, name.lastIndexOf('.')).replaceAll('.', '/')}/${file}.proto`;
}

async function descriptors({ files, entries, keepCase }: Output): Promise<object> {
  const all = new protobuf.Root();
  all.resolvePath = (_, file) => {
    const folder = folders.find((folder) => existsSync(join(folder, file)));
    // What protobufjs brings itself (google/protobuf/any.proto) is not looked for on disk.
    return folder === undefined ? file : join(folder, file);
  };
  await all.load([...files], { keepCase: keepCase === true });
  const added = newer.map((field) => addNewer(all, field));
  all.resolveAll();
  for (const field of added) field?.resolve();
  const wanted = reachable(entries.map((name) => all.lookup(name) ?? missing(name)));
  return { notice: 'Generated by scripts/generate-protobuf.ts; never edited.', nested: pruned(all, wanted) };
}

/** Where the message is not among those that were loaded, nor is it wanted. */
function addNewer(all: protobuf.Root, { message, name, id, type, repeated }: NewerField): protobuf.Field | undefined {
  const dot = message.lastIndexOf('.');
  const space = all.lookup(message.slice(0, dot));
  if (!(space instanceof protobuf.Namespace)) return undefined;
  const known = space.get(message.slice(dot + 1)) ?? protobuf.Type.fromJSON(message.slice(dot + 1), proto3);
  if (!(known instanceof protobuf.Type)) throw new Error(`${message} is no message`);
  if (known.parent === null) space.add(known);
  if (known.fields[name] !== undefined) throw new Error(`${message}.${name} is in the files of the package now`);
  const field = new protobuf.Field(name, id, type, repeated === true ? 'repeated' : undefined);
  known.add(field);
  return field;
}

function missing(name: string): never {
  throw new Error(`there is no ${name}`);
}

/** With the messages that they lie in, of which then only the name is kept. */
function reachable(entries: readonly protobuf.ReflectionObject[]): ReadonlySet<protobuf.ReflectionObject> {
  const wanted = new Set<protobuf.ReflectionObject>();
  const left = [...entries];
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    if (wanted.has(next)) continue;
    wanted.add(next);
    if (next instanceof protobuf.Type) for (const field of next.fieldsArray) left.push(...typesOf(field));
    if (next instanceof protobuf.Service) {
      for (const method of next.methodsArray) {
        left.push(...[method.resolvedRequestType, method.resolvedResponseType].filter((type) => type !== null));
      }
    }
  }
  return wanted;
}

function typesOf(field: protobuf.Field): readonly protobuf.ReflectionObject[] {
  return field.resolvedType === null ? [] : [field.resolvedType];
}

/** undefined: nothing in it is wanted. */
function pruned(
  space: protobuf.NamespaceBase,
  wanted: ReadonlySet<protobuf.ReflectionObject>,
): Record<string, unknown> | undefined {
  const kept: Record<string, unknown> = {};
  for (const item of space.nestedArray.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    const nested = item instanceof protobuf.Namespace ? pruned(item, wanted) : undefined;
    const own = wanted.has(item)
      ? shape(item)
      : item instanceof protobuf.Type && nested !== undefined
        ? { fields: {} }
        : {};
    if (nested !== undefined || wanted.has(item)) kept[item.name] = { ...own, ...(nested && { nested }) };
  }
  return Object.keys(kept).length === 0 ? undefined : kept;
}

function shape(item: protobuf.ReflectionObject): Record<string, unknown> {
  const { nested: _, options: __, comment: ___, ...json } = item.toJSON() as Record<string, unknown>;
  if (!(item instanceof protobuf.Type)) return json;
  const fields = item.fieldsArray.map((field): [string, unknown] => [field.name, plain(field)]);
  const oneofs = item.oneofsArray.map((choice): [string, unknown] => [choice.name, { oneof: choice.oneof }]);
  return {
    edition: 'proto3',
    ...json,
    ...(oneofs.length > 0 && { oneofs: Object.fromEntries(oneofs) }),
    fields: Object.fromEntries(fields),
  };
}

function plain(field: protobuf.Field): Record<string, unknown> {
  const { options, ...rest } = field.toJSON() as unknown as Record<string, unknown>;
  const kept = Object.entries(options ?? {}).filter(([name]) => name === 'proto3_optional' || name === 'packed');
  const { resolvedType } = field;
  return {
    ...rest,
    ...(resolvedType !== null && { type: resolvedType.fullName }),
    ...(kept.length > 0 && { options: Object.fromEntries(kept) }),
  };
}
