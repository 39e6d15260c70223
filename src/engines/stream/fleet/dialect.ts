// Nodes of another kind than `portolan proxy` as a fleet has to know them: what they ask for, and who makes it of rows. Whoever starts
// the fleet brings it, since the fleet knows no engine.
import type { LeftOut } from '../../../routing/engine.ts';
import type { BindReport } from '../../../routing/model.ts';
import type { Update } from '../../../routing/update.ts';
import type { PublishOutcome, ResourceChanges } from '../resource.ts';

export interface Dialect {
  /** What people call such a node. */
  readonly node: string;
  /** Type URLs, what others name first. */
  readonly order: readonly string[];
  /** Types that a node has to have asked for before anything counts as in force. */
  readonly essential: readonly string[];
  /** Types of which each response is everything, to nodes that ask for the state of the world. */
  readonly wholeTypes: readonly string[];
  /** The type of the resources that are called as the binds that they serve. */
  readonly bindType: string;
  /** Called when the first node of a gateway comes; nothing is translated for a gateway without nodes. */
  readonly translator: (gateway: string) => Promise<Translator>;
  /** Whether a node that refuses with these words may take the same later, without a change: a port that another program has. */
  readonly isPassing: (message: string) => boolean;
  /** What a node says of a refusal -> what people are told, without the resource. */
  readonly reasonOf: (message: string) => Required<Pick<BindReport, 'code' | 'message'>>;
}

/** Of one gateway. */
export interface Translator {
  /** @param update what changed since the last call; the first one is everything */
  apply(update: Update): readonly ResourceChanges[];
  /** All rows that the resources do not show as they stand there. */
  leftOut(): readonly LeftOut[];
  /** Absent: nothing is done about what nodes refuse. */
  readonly judge?: Judge;
}

export interface Judge {
  /** Number of the last call of `apply`. */
  readonly last: () => number;
  /** Names of all rows that changed after a call; undefined: nobody knows any more. */
  readonly changedSince: (call: number) => ReadonlySet<string> | undefined;
  /** These rows may be to blame for what is refused, and no others; undefined: any. */
  readonly suspect: (rows: ReadonlySet<string> | undefined) => void;
  /** Nothing is left out since it was refused. */
  readonly isClear: () => boolean;
  /** Told what became of a call. What was refused is left out in its smallest parts; nothing else is applied before this resolves. */
  readonly judge: (outcome: PublishOutcome, call: number, publish: PublishChanges) => Promise<void>;
}

export type PublishChanges = (changes: readonly ResourceChanges[]) => Promise<PublishOutcome>;
