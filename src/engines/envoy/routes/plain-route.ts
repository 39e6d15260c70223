// A rule that does nothing but forward -> its Route, straight as octets: most routes of most clusters are so, and the trees that all others
// are written as were half of what a configuration of 10,000 routes cost. Octet by octet what route.ts makes of the same rule
// (plain-route.test.ts).
import type { Entry, Rule, WeightedBackend } from '../../../routing/model.ts';
import { codec } from '../encode.ts';
import { writeDuration } from '../scalars.ts';
import { duration } from '../tree.ts';
import type { WireWriter } from '../wire.ts';
import { plainPath, routeMatch } from './match.ts';
import { usualRetries } from './retries.ts';
import { routeName, UNRESOLVED } from './route.ts';

const V3 = 'envoy.config.route.v3';
const MATCH = `${V3}.RouteMatch`;
const tags = {
  routes: codec.tag(`${V3}.VirtualHost`, 'routes'),
  name: codec.tag(`${V3}.Route`, 'name'),
  match: codec.tag(`${V3}.Route`, 'match'),
  action: codec.tag(`${V3}.Route`, 'route'),
  path: codec.tag(MATCH, 'path'),
  path_separated_prefix: codec.tag(MATCH, 'path_separated_prefix'),
  cluster: codec.tag(`${V3}.RouteAction`, 'cluster'),
  weighted: codec.tag(`${V3}.RouteAction`, 'weighted_clusters'),
  timeout: codec.tag(`${V3}.RouteAction`, 'timeout'),
  share: codec.tag(`${V3}.WeightedCluster`, 'clusters'),
  shareName: codec.tag(`${V3}.WeightedCluster.ClusterWeight`, 'name'),
  shareWeight: codec.tag(`${V3}.WeightedCluster.ClusterWeight`, 'weight'),
};
/** Fields of RouteAction that all have. */
const lost = codec.encode(`${V3}.RouteAction`, { cluster_not_found_response_code: 'INTERNAL_SERVER_ERROR' });
const retries = codec.encode(`${V3}.RouteAction`, { retry_policy: usualRetries });

/** Writes the field `routes` of a VirtualHost. False: there is more to the rule, and nothing was written. */
export function writePlainRoute(writer: WireWriter, entry: Entry, rule: Rule): boolean {
  const backends = plainBackends(rule);
  if (backends === undefined) return false;
  writer.varint(tags.routes);
  const route = writer.open();
  writer.varint(tags.name);
  writer.text(routeName(entry));
  writer.varint(tags.action);
  const action = writer.open();
  writeTarget(writer, backends);
  writer.raw(lost);
  writer.varint(tags.timeout);
  const timeout = writer.open();
  if (rule.timeouts.request !== undefined) writeDuration(writer, duration(rule.timeouts.request));
  writer.close(timeout);
  writer.raw(retries);
  writer.close(action);
  writer.varint(tags.match);
  const match = writer.open();
  const plain = plainPath(entry.match);
  if (plain === undefined) codec.write(writer, MATCH, routeMatch(entry.match));
  else {
    writer.varint(tags[plain.field]);
    writer.text(plain.text);
  }
  writer.close(match);
  writer.close(route);
  return true;
}

/** Those that get a share; undefined: something else is to be said of the rule, or of one of them. */
function plainBackends({ protocol, filters, timeouts, retry, action }: Rule): readonly WeightedBackend[] | undefined {
  if (protocol !== 'http' || action.kind !== 'forward') return undefined;
  if (filters.length > 0 || retry !== undefined || (timeouts.backendRequest ?? 0) !== 0) return undefined;
  const { backends } = action;
  let isWhole = true;
  // By index, here and in what all routes pass: a program that has just begun makes objects for every step of an iterator.
  for (let at = 0; at < backends.length; at++) {
    const { filters: own, session, weight } = backends[at] as WeightedBackend;
    if (own.length > 0 || session !== undefined) return undefined;
    isWhole &&= weight > 0;
  }
  const live = isWhole ? backends : backends.filter(({ weight }) => weight > 0);
  const first = live[0];
  if (first === undefined) return undefined;
  // Answered, not forwarded.
  return live.length === 1 && first.target.kind === 'unresolved' ? undefined : live;
}

function writeTarget(writer: WireWriter, backends: readonly WeightedBackend[]): void {
  const first = backends[0];
  if (first !== undefined && backends.length === 1) {
    writer.varint(tags.cluster);
    writer.text(clusterOf(first));
    return;
  }
  writer.varint(tags.weighted);
  const clusters = writer.open();
  for (const backend of backends) {
    writer.varint(tags.share);
    const share = writer.open();
    writer.varint(tags.shareName);
    writer.text(clusterOf(backend));
    writer.varint(tags.shareWeight);
    const weight = writer.open();
    // A google.protobuf.UInt32Value: its one field.
    writer.varint(1 << 3);
    writer.varint(backend.weight);
    writer.close(weight);
    writer.close(share);
  }
  writer.close(clusters);
}

function clusterOf({ target }: WeightedBackend): string {
  return target.kind === 'cluster' ? target.cluster : UNRESOLVED;
}
