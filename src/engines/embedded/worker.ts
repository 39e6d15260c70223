// The entry of a worker thread: messages of the main thread -> state and listeners; reports, acknowledgements and counters back.
import { parentPort, workerData } from 'node:worker_threads';
import type { Update } from '../../routing/update.ts';
import { Listeners } from './listen.ts';
import type { FromWorker, ToWorker } from './messages.ts';
import type { WorkerOptions } from './options.ts';
import { Thread } from './thread.ts';

const port = parentPort;
if (port === null) throw new Error('to be started as a worker');
const options = workerData as WorkerOptions;

const tell = (message: FromWorker): void => port.postMessage(message);
const thread = new Thread(options);
const listeners = new Listeners(thread, {
  shared: options.shared,
  ticketKeys: Buffer.from(options.ticketKeys),
  report: (report) => tell({ kind: 'bind', report }),
  missingName: options.asksNames
    ? (certificates, name) => tell({ kind: 'missing-name', certificates, name })
    : undefined,
});

port.on('message', (message: ToWorker) => {
  switch (message.kind) {
    case 'update': {
      const update = JSON.parse(message.update) as Update;
      thread.state.apply(update);
      void listeners.apply(update).then(() => tell({ kind: 'applied', sequence: message.sequence }));
      break;
    }
    case 'metrics':
      tell({ kind: 'metrics', request: message.request, snapshot: thread.metrics.snapshot(thread.connections.size) });
      break;
    case 'session-keys':
      thread.sessions.renew(message.keys);
      break;
    case 'retire':
      thread.retiring = true;
      break;
    case 'drain':
      drain(message.deadline);
      break;
    default:
      message satisfies never;
  }
});

/** What is between two requests ends now, the rest with its response, at the deadline everything. */
function drain(deadline: number): void {
  thread.retiring = true;
  thread.draining = true;
  listeners.close();
  for (const connection of thread.connections) connection.drain();
  const end = performance.now() + deadline;
  const poll = setInterval(() => {
    if (thread.connections.size > 0 && performance.now() < end) return;
    clearInterval(poll);
    thread.close();
    tell({ kind: 'drained' });
  }, 20);
}
