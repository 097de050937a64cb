/*
 * Entry of a load generator thread: connects, says so, starts on a word from the main thread (so that all threads
 * start together), may be stopped early by another word, and sends back what it counted.
 */

import { parentPort, workerData } from 'node:worker_threads';
import type { FromThread, ThreadPlan, ToThread } from './spec.ts';
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

function run(): void {
  thread
    .run(() => tell({ kind: 'measuring' }))
    .then((result) => {
      tell({ kind: 'done', result });
      port.close();
    }, fail);
}

port.on('message', (word: ToThread) => {
  if (word === 'go') run();
  else thread.stop();
});

thread.connect().then(() => tell({ kind: 'ready' }), fail);
