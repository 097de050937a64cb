// Applications as they use a Redis, with their libraries from npm, all on one server of several threads.
//
// What needs scripts is not here: BullMQ itself, redlock, the atomic limiter of rate-limiter-flexible. Of the first two, the
// same commands in transactions stand in; of the last, its limiter without scripts.

import { describe } from 'vitest';
import { startSabre, useServer } from '../support/sabre-server.ts';
import { cacheTests } from './cache.ts';
import { useAppClients } from './clients.ts';
import { lockTests } from './lock.ts';
import { queueTests } from './queue.ts';
import { rateLimitTests } from './rate-limit.ts';
import { sessionTests } from './sessions.ts';
import { socketIoTests } from './socket-io.ts';

describe('applications', () => {
  const clients = useAppClients(
    useServer(() => startSabre({ args: ['--acceptors', '2', '--shard-workers', '2'] })),
  );
  describe('connect-redis', () => sessionTests(clients));
  describe('socket.io', () => socketIoTests(clients));
  describe('rate-limiter-flexible', () => rateLimitTests(clients));
  describe('keyv and cache-manager', () => cacheTests(clients));
  describe('a queue of jobs', () => queueTests(clients));
  describe('a lock', () => lockTests(clients));
});
