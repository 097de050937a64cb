// Python's redis-py.

import { describeClient, interpreterWith, programPath } from './client-checks.ts';

describeClient({
  name: 'redis-py',
  command: () => [
    interpreterWith(['python3', '/usr/bin/python3'], ['-c', 'import redis'], 'python3-redis'),
    programPath('redis_py.py'),
  ],
  without: ['resp3'], // Debian's version does not know it.
});
