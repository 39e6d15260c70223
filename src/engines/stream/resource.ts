// What travels to data planes: resources with a version each, whoever made them, and how a data plane took them.

/** Bytes are made once by whoever translates, and shared by all streams. */
export interface Resource {
  /** Unique within its type and gateway. */
  readonly name: string;
  /** Changes whenever the bytes do; the same bytes may come with the same version again, also from another replica. */
  readonly version: string;
  /** The encoded message. */
  readonly bytes: Uint8Array;
  /**
   * Resources that a node is going to ask for by name once it has this one (Envoy: the endpoints of a cluster). They are sent as
   * soon as it asks, since it may acknowledge this one only when it has them. What comes later in the order of types waits until it
   * has those, too.
   */
  readonly asks?: readonly Asked[];
}

export interface Asked extends ResourceName {
  /**
   * A node that has it needs it once more, and does not say so: an Envoy whose cluster changed warms the new one up with endpoints
   * that have yet to come, although it watches them already.
   */
  readonly again?: true;
  /** A node that has refused this one will not ask. */
  readonly through?: ResourceName;
}

export interface ResourceName {
  readonly typeUrl: string;
  /** Among what is asked for, `*`: that the type is asked for at all. */
  readonly name: string;
}

export interface ResourceChanges {
  readonly typeUrl: string;
  readonly set: readonly Resource[];
  /** Names. */
  readonly remove: readonly string[];
}

/** A node refused resources (NACK); it goes on with what it had of them. */
export interface Refusal {
  readonly typeUrl: string;
  /** One, unless too many were refused at once to find each. Empty: it refused a removal or an empty answer. */
  readonly names: readonly string[];
  /** In the words of the node. */
  readonly message: string;
}

/** A data plane that is connected. */
export interface StreamNode {
  readonly gateway: string;
  /** Of its stream: no other stream of this process has the same. */
  readonly stream: number;
  /** As it calls itself; says nothing about what it may see. */
  readonly id: string;
  /** Of its program, as it says. */
  readonly agent: string;
  /** Milliseconds since the epoch. */
  readonly since: number;
  /** The publication up to which it has acknowledged everything that concerns it; 0: none yet. */
  readonly revision: number;
  /** What it refused of that. */
  readonly refusals: readonly Refusal[];
}

export type PublishOutcome =
  /** At least one node has everything in force. */
  | { readonly outcome: 'acknowledged' }
  /** No node is connected, so there is nothing to wait for. */
  | { readonly outcome: 'unconnected' }
  /** Each node refused something; the rest is in force. */
  | { readonly outcome: 'refused'; readonly refusals: readonly Refusal[] }
  /** No node answered in time. It is sent all the same. */
  | { readonly outcome: 'timeout' };
