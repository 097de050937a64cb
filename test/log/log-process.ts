// A process that logs many lines to standard output, where somebody reads slowly; used by logger.test.ts.

import { Logger } from '../../src/log/logger.ts';

// Touching standard output makes a pipe non-blocking, so that writes meet EAGAIN.
process.stdout.write('');
const logger = Logger.create('', 'notice', 'M');
for (let i = 0; i < Number(process.argv[2]); i++) logger.notice(`line ${i} ${'y'.repeat(500)}`);
if (logger.lostLines() !== 0) process.exit(1);
process.kill(process.pid, 'SIGKILL');
