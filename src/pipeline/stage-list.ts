// How the parts of the pipeline hand their stages to its list.
import type { LeftOut } from '../routing/engine.ts';
import type { BindReport, Exposure, Placement } from '../routing/model.ts';
import type { Parameters } from '../routing/parameters.ts';
import type { Source, Stage } from '../incremental/table.ts';

/** Appends a stage to the list, and gives it back. */
export type Add = <S extends Stage>(stage: S) => S;

/** The addresses of a host outside. */
export interface Resolution {
  readonly hostname: string;
  readonly addresses: readonly string[];
}

/** What comes from outside and is no object. */
export interface Facts {
  readonly placements: Source<Placement>;
  readonly reports: Source<BindReport>;
  /** What engines leave out, by who reads it (translate/left-out.ts). */
  readonly leftOut: Source<readonly LeftOut[]>;
  /** By gateway. */
  readonly exposures: Source<Exposure>;
  /** The last good parameters of Gateways, by gateway. */
  readonly lastParameters: Source<Parameters>;
  /** `group/kind` of what the API server has, by the one key `all`; no row: everything. */
  readonly servedKinds: Source<readonly string[]>;
  /** Kinds that may not be read, by the one key `all`. */
  readonly forbiddenKinds: Source<readonly string[]>;
  /** Answers of DNS, by hostname in lower case. */
  readonly resolutions: Source<Resolution>;
}
