// PHP's phpredis.

import { describeClient, interpreterWith, programPath } from './client-checks.ts';

describeClient({
  name: 'phpredis',
  command: () => [
    interpreterWith(['php'], ['-r', 'exit(extension_loaded("redis") ? 0 : 1);'], 'php-cli php-redis'),
    '-d',
    'memory_limit=1G',
    programPath('phpredis.php'),
  ],
  without: ['pubsub', 'resp3'],
});
