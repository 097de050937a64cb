// Perl's Redis.pm.

import { describeClient, interpreterWith, programPath } from './client-checks.ts';

describeClient({
  name: 'Redis.pm',
  command: () => [
    interpreterWith(['perl'], ['-MRedis', '-e', '1'], 'perl libredis-perl'),
    programPath('redis_pm.pl'),
  ],
  without: ['pubsub', 'resp3'],
});
