// A stream of the state of the world (SotW) -> one of deltas: requests name all that a node wants, and responses of some types all that
// there is. For nodes whose bootstrap asks so; what each change costs grows with what stands, which is why ours ask for deltas.
// Source: https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol
import type { Connection, Discovery } from './delta-server.ts';
import type { DeltaRequest, DeltaResponse, StateRequest, StateResponse } from './discovery.ts';
import type { Resource } from './resource.ts';

/** Towards the node. */
export interface StateWriter {
  /** false: nothing more before `Connection.drained`. */
  write(response: StateResponse): boolean;
  /** Ends the stream because the node went beyond a limit. */
  refuse(message: string): void;
}

export interface StateConnection extends Omit<Connection, 'request'> {
  request(request: StateRequest): void;
}

/** Without a name: all that there is. */
const EVERYTHING = '*';

type Held = ReadonlyMap<string, Pick<Resource, 'name' | 'version' | 'bytes'>>;

interface TypeState {
  /** As the node asked the last time, with EVERYTHING for none. */
  names: ReadonlySet<string>;
  /** It never named any, which asks for everything until it does. */
  isUnnamed: boolean;
  /** Of the last response that went out. */
  nonce: string;
  /** It has yet to be answered: with what the node then holds. */
  pending: Held | null;
  /** What the node has taken, of a type of which each response is everything. */
  held: Held;
}

/**
 * @param isWhole whether each response of a type is everything of it, so that what is missing is gone; of the others, only what changed
 *   is sent, and what is gone is not told
 * @returns undefined: there are too many streams of this gateway
 */
export function stateOfTheWorld(
  discovery: Discovery,
  isWhole: (typeUrl: string) => boolean,
  gateway: string,
  writer: StateWriter,
): StateConnection | undefined {
  const types = new Map<string, TypeState>();
  const connection = discovery.connect(gateway, {
    write: (response) => {
      const state = types.get(response.typeUrl);
      if (state === undefined) return true;
      const { typeUrl, nonce, resources } = response;
      const whole = isWhole(typeUrl);
      if (!whole && resources.length === 0) {
        // There is nothing to say, and so nothing to wait for. Not from within `write`, which is in the middle of sending.
        queueMicrotask(() => connection?.request({ ...unchanged, typeUrl, nonce }));
        return true;
      }
      const held = whole ? after(state.held, response) : nothing;
      state.nonce = nonce;
      state.pending = held;
      return writer.write(stateOf(response, whole ? [...held.values()] : resources));
    },
    refuse: (message) => writer.refuse(message),
  });
  if (connection === undefined) return undefined;
  let node: StateRequest['node'];
  return {
    request: (request) => {
      node ??= request.node;
      take(connection, types, { ...request, ...(node && { node }) }, isWhole(request.typeUrl));
    },
    drained: () => connection.drained(),
    close: () => connection.close(),
  };
}

function take(connection: Connection, types: Map<string, TypeState>, request: StateRequest, isWhole: boolean): void {
  const { typeUrl, nonce, error, node } = request;
  const known = types.get(typeUrl);
  // It says nothing yet to what was sent last, and will: with the names that it wants then.
  if (known !== undefined && nonce !== '' && nonce !== known.nonce) return;
  const isUnnamed = isWhole && request.names.length === 0 && known?.isUnnamed !== false;
  const names = new Set(isUnnamed ? [EVERYTHING] : request.names);
  if (known === undefined && names.size === 0) return;
  const state = known ?? { names: new Set(), isUnnamed, nonce: '', pending: null, held: nothing };
  types.set(typeUrl, state);
  const unsubscribe = [...state.names.difference(names)];
  const subscribe = [...names.difference(state.names)];
  state.names = names;
  state.isUnnamed = isUnnamed;
  const answered = nonce === '' ? null : state.pending;
  if (answered !== null) {
    if (error === undefined) state.held = answered;
    state.pending = null;
  }
  if (unsubscribe.length > 0 && !names.has(EVERYTHING)) state.held = without(state.held, unsubscribe);
  connection.request({
    ...unchanged,
    ...(node && { node }),
    typeUrl,
    subscribe,
    unsubscribe,
    nonce: answered === null ? '' : nonce,
    ...(error !== undefined && answered !== null && { error }),
  });
}

function stateOf(response: DeltaResponse, resources: StateResponse['resources']): StateResponse {
  const { typeUrl, nonce, systemVersion, controlPlane } = response;
  // Of one publication there may be several.
  return { typeUrl, nonce, version: `${systemVersion}.${nonce}`, resources, controlPlane };
}

function after(held: Held, { resources, removed }: DeltaResponse): Held {
  const all = new Map(held);
  for (const name of removed) all.delete(name);
  for (const resource of resources) all.set(resource.name, resource);
  return all;
}

function without(held: Held, names: readonly string[]): Held {
  const all = new Map(held);
  if (names.includes(EVERYTHING)) all.clear();
  for (const name of names) all.delete(name);
  return all;
}

const nothing: Held = new Map();
const unchanged: Pick<DeltaRequest, 'subscribe' | 'unsubscribe' | 'initialVersions'> = {
  subscribe: [],
  unsubscribe: [],
  initialVersions: new Map(),
};
