// The order in which the types of one change are sent, so that nothing is named before it is there (make before break).

/** Sent at once; the next stage begins when everything of this one is acknowledged. */
export interface Stage {
  readonly types: readonly string[];
  readonly parts: 'set' | 'remove' | 'both';
}

/**
 * @param order type URLs: what others name comes before them
 * @param commit a type whose arrival puts all the others in force. With it the node keeps what comes until then, so the others
 *   need no order among themselves; without it they are set in order, one type after the other, and removed in reverse
 */
export function stagesOf(order: readonly string[], commit?: string): readonly Stage[] {
  if (commit === undefined) {
    const sets = order.map((type): Stage => ({ types: [type], parts: 'set' }));
    const removals = order.toReversed().map((type): Stage => ({ types: [type], parts: 'remove' }));
    return [...sets, ...removals];
  }
  return [
    { types: order.filter((type) => type !== commit), parts: 'both' },
    { types: [commit], parts: 'both' },
  ];
}
