// A proxy in a process of its own, so that its memory and its descriptors can be told from those of its attackers. Started with
// `fork`: told by a message what to serve, answers when it serves, and ends with its parent.
import { startEngine } from '../../src/engines/embedded/engine.ts';
import type { EngineOptions } from '../../src/engines/embedded/options.ts';
import type { Update } from '../../src/routing/update.ts';

export interface Start {
  readonly update: Update;
  readonly options: EngineOptions;
}

process.once('message', (message: Start) => {
  const engine = startEngine({
    ...message.options,
    onCrash: (error) => process.stderr.write(`the proxy crashed: ${error.stack}\n`),
  });
  void engine.apply(message.update).then(() => process.send?.('serving'));
});
process.on('disconnect', () => process.exit());
