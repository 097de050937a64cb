// A thread that writes lines to a log it is handed; used by logger.test.ts.

import { workerData } from 'node:worker_threads';
import { Logger, type LogShare } from '../../src/log/logger.ts';

const { share, name, lines } = workerData as { share: LogShare; name: string; lines: number };
const logger = Logger.attach(share);
for (let i = 0; i < lines; i++) logger.notice(`${name} ${i} ${'x'.repeat(200)}`);
