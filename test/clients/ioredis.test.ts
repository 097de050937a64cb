// ioredis, with both versions of the protocol.

import { nodeExecutable } from '../support/sabre-server.ts';
import { describeClient, programPath } from './client-checks.ts';

for (const protocol of ['2', '3']) {
  describeClient({
    name: `ioredis, RESP${protocol}`,
    command: () => [nodeExecutable(), programPath('ioredis.ts'), protocol],
    without: protocol === '2' ? ['resp3'] : [],
  });
}
