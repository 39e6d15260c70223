// The listeners of a Gateway with those of the ListenerSets that it takes, each with the object that it stands in.
import type { BoundGateway, BoundListener } from '../routing/bound.ts';
import type { ObjectRef } from '../routing/origin.ts';

export interface OwnedListener {
  readonly listener: BoundListener;
  /** The Gateway or ListenerSet, as the user wrote it. */
  readonly owner: ObjectRef;
}

export function listenersOf({ listeners, listenerSets, written }: BoundGateway): readonly OwnedListener[] {
  return [
    ...listeners.map((listener) => ({ listener, owner: written })),
    ...listenerSets.flatMap((set) => set.listeners.map((listener) => ({ listener, owner: set.written }))),
  ];
}
