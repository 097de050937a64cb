/*
 * Entry of a load generator thread: connects, says so, starts on a word from the main thread (so that all threads
 * start together) and sends back what it counted.
 */

import { parentPort, workerData } from 'node:worker_threads';
import type { FromThread, ThreadPlan } from './spec.ts';
import { LoadThread } from './thread.ts';

if (parentPort === null) throw new Error('this file is a thread of the load generator, not a program');
const port = parentPort;
const thread = new LoadThread(workerData as ThreadPlan);

function tell(message: FromThread): void {
  port.postMessage(message);
}

function fail(error: Error): void {
  thread.close();
  tell({ kind: 'failed', message: error.message });
  port.close();
}

port.once('message', () => {
  thread.run().then((result) => {
    tell({ kind: 'done', result });
    port.close();
  }, fail);
});

thread.connect().then(() => tell({ kind: 'ready' }), fail);
