// Ruby's redis-rb.

import { describeClient, interpreterWith, programPath } from './client-checks.ts';

describeClient({
  name: 'redis-rb',
  command: () => [
    interpreterWith(['ruby'], ['-e', 'require "redis"'], 'ruby ruby-redis'),
    programPath('redis_rb.rb'),
  ],
  without: ['pubsub', 'resp3'],
});
