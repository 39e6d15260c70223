// The features of the Gateway API that Portolan supports: one table, by engine and channel. GatewayClass status publishes
// it, and the documentation is made from it. A feature is claimed only where a test shows it.

export type Engine = 'embedded';
export type Channel = 'standard' | 'experimental';

export interface Feature {
  /** An official name of the Gateway API (pkg/features). */
  readonly name: string;
  /** The channel whose CRDs it takes. */
  readonly channel: Channel;
  readonly engines: readonly Engine[];
  /** The test that shows it: a golden case as `area/case`, or the name of a test file. */
  readonly shownBy: string;
}

export const features: readonly Feature[] = [];

/** Sorted by name, as the API demands. */
export function supportedFeatures(engine: Engine, channel: Channel): readonly string[] {
  return features
    .filter(
      (feature) => feature.engines.includes(engine) && (channel === 'experimental' || feature.channel === 'standard'),
    )
    .map(({ name }) => name)
    .toSorted();
}
