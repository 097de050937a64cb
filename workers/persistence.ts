// Entry of the persistence worker thread: see src/persistence/worker.ts.

import { flushCompileCache } from 'node:module';
import { workerData } from 'node:worker_threads';
import type { ThreadStart } from '../src/execution/thread-context.ts';
import { BEHIND_ACCEPTORS, yieldToOthers } from '../src/execution/thread-priority.ts';
import { PersistenceWorker } from '../src/persistence/worker.ts';

yieldToOthers(BEHIND_ACCEPTORS);
const worker = new PersistenceWorker(workerData as ThreadStart);
worker.context.control.tell('thread-ready', 'persistence');
flushCompileCache(); // else a first start that ends in a crash leaves nothing to the next one
