// Entry of a shard worker thread: see src/execution/shard-worker.ts.

import { flushCompileCache } from 'node:module';
import { workerData } from 'node:worker_threads';
import { ShardWorker } from '../src/execution/shard-worker.ts';
import type { ThreadStart } from '../src/execution/thread-context.ts';
import { BEHIND_ACCEPTORS, yieldToOthers } from '../src/execution/thread-priority.ts';

yieldToOthers(BEHIND_ACCEPTORS);
const worker = new ShardWorker(workerData as ThreadStart);
worker.thread.control.tell('thread-ready', worker.thread.threadName);
flushCompileCache(); // else a first start that ends in a crash leaves nothing to the next one
worker.run();
