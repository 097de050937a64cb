// Entry of an acceptor thread: see src/connection/acceptor-core.ts.

import { flushCompileCache } from 'node:module';
import { workerData } from 'node:worker_threads';
import { AcceptorCore } from '../src/connection/acceptor-core.ts';
import type { ThreadStart } from '../src/execution/thread-context.ts';

const core = new AcceptorCore(workerData as ThreadStart);
core.thread.control.tell('thread-ready', core.thread.threadName);
flushCompileCache(); // else a first start that ends in a crash leaves nothing to the next one
