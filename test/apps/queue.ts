// A queue with BullMQ's keys and the commands of its scripts, in transactions: a job is a hash, its id goes from `wait` over
// `active` to `completed`; a marker in a sorted set wakes the workers (BZPOPMIN), who are seen by their names; delayed
// jobs are in a sorted set by time; what happens is told by a stream.

import type { Redis } from 'ioredis';
import { expect, it } from 'vitest';
import type { AppClients } from './clients.ts';

const PREFIX = 'bull:mail:';
const EVENTS_MAX = 10_000;
const JOBS = 60;

export function queueTests(clients: AppClients): void {
  it('does every job once, in three workers, and tells of it', async () => {
    const admin = clients.ioredis();
    const workers = Array.from({ length: 3 }, (_, i) => startWorker(clients, `bull:bWFpbA==:w:${i}`));
    const listening = listen(clients.ioredis(), JOBS);
    // All of them wait: a blocked client shows it.
    for (;;) {
      const list = (await admin.client('LIST')) as string;
      const waiting = list.split('\n').filter((line) => /name=bull:\S+ .* flags=b .*cmd=bzpopmin/.test(line));
      if (waiting.length === 3) break;
    }
    for (let i = 0; i < JOBS; i++) await addJob(admin, { to: `user${i}` }, i % 10 === 0 ? 30 : 0);
    const events = await listening;
    for (const worker of workers) await worker.stop();

    const done = await admin.zrange(`${PREFIX}completed`, '0', '-1');
    expect(done.map(Number).sort((a, b) => a - b)).toEqual(Array.from({ length: JOBS }, (_, i) => i + 1));
    expect(workers.reduce((sum, worker) => sum + worker.done, 0)).toBe(JOBS);
    for (const list of ['wait', 'active']) expect(await admin.llen(PREFIX + list)).toBe(0);
    expect(await admin.zcard(`${PREFIX}delayed`)).toBe(0);
    const job = await admin.hgetall(`${PREFIX}7`);
    expect(job).toMatchObject({ name: 'send', data: '{"to":"user6"}', returnvalue: '"sent to user6"' });
    // Of one job, its events come in their order.
    expect(events.filter(({ jobId }) => jobId === '7').map(({ event }) => event)).toEqual([
      'added',
      'waiting',
      'active',
      'completed',
    ]);
    expect(events.filter(({ event }) => event === 'delayed')).toHaveLength(JOBS / 10);
  });
}

/** Adds a job, as addStandardJob and addDelayedJob do. @param delay ms, 0 for none */
async function addJob(redis: Redis, data: object, delay: number): Promise<void> {
  const id = String(await redis.incr(`${PREFIX}id`));
  const now = Date.now();
  const add = redis
    .multi()
    .hset(PREFIX + id, { name: 'send', data: JSON.stringify(data), timestamp: now, delay, priority: 0 });
  event(add, { event: 'added', jobId: id });
  if (delay > 0) {
    add.zadd(`${PREFIX}delayed`, (now + delay) * 0x1000, id);
    event(add, { event: 'delayed', jobId: id, delay: String(now + delay) });
    add.zadd(`${PREFIX}marker`, now + delay, '1');
  } else {
    add.lpush(`${PREFIX}wait`, id);
    add.zadd(`${PREFIX}marker`, 0, '0');
    event(add, { event: 'waiting', jobId: id });
  }
  for (const [error] of (await add.exec())!) expect(error).toBe(null);
}

type Chain = ReturnType<Redis['multi']>;

function event(chain: Chain, fields: Record<string, string>): void {
  chain.xadd(`${PREFIX}events`, 'MAXLEN', '~', EVENTS_MAX, '*', ...Object.entries(fields).flat());
}

interface Worker {
  readonly done: number;
  stop(): Promise<void>;
}

/** Takes jobs until it is stopped: with one client to run commands and one to wait. */
function startWorker(clients: AppClients, name: string): Worker {
  const redis = clients.ioredis();
  const waiting = clients.ioredis({ connectionName: name });
  let stopped = false;
  let done = 0;
  const loop = async (): Promise<void> => {
    while (!stopped) {
      await promote(redis);
      const id = await redis.rpoplpush(`${PREFIX}wait`, `${PREFIX}active`);
      if (id !== null) {
        await doJob(redis, id, name);
        done++;
        continue;
      }
      const marker = await waiting.bzpopmin(`${PREFIX}marker`, 5).catch(endOfWait);
      // A time: the next delayed job's. Others shall see it, too.
      const due = marker === null ? 0 : Number(marker[2]);
      if (due > Date.now()) {
        await redis.zadd(`${PREFIX}marker`, due, '1');
        await new Promise((resolve) => setTimeout(resolve, due - Date.now() + 1));
      }
    }
  };
  /** Who is stopped while waiting loses the connection. */
  const endOfWait = (error: unknown): null => {
    if (!stopped) throw error;
    return null;
  };
  const end = loop();
  return {
    get done() {
      return done;
    },
    stop: async () => {
      stopped = true;
      waiting.disconnect();
      await end;
    },
  };
}

/** Moves delayed jobs whose time has come, as promoteDelayedJobs does; of several workers one succeeds. */
async function promote(redis: Redis): Promise<void> {
  for (const id of await redis.zrangebyscore(`${PREFIX}delayed`, 0, (Date.now() + 1) * 0x1000 - 1)) {
    if ((await redis.zrem(`${PREFIX}delayed`, id)) === 0) continue;
    const move = redis.multi().lpush(`${PREFIX}wait`, id).zadd(`${PREFIX}marker`, 0, '0');
    event(move.hset(PREFIX + id, 'delay', 0), { event: 'waiting', jobId: id, prev: 'delayed' });
    await move.exec();
  }
}

/** What moveToActive and moveToFinished do. */
async function doJob(redis: Redis, id: string, token: string): Promise<void> {
  const take = redis
    .multi()
    .set(`${PREFIX}${id}:lock`, token, 'PX', 30_000, 'NX')
    .hset(PREFIX + id, 'processedOn', Date.now())
    .hincrby(PREFIX + id, 'ats', 1)
    .hgetall(PREFIX + id);
  event(take, { event: 'active', jobId: id, prev: 'waiting' });
  const taken = (await take.exec())!;
  expect(taken[0]).toEqual([null, 'OK']);
  const job = taken[3]![1] as Record<string, string>;
  expect(job['ats']).toBe('1');
  const { to } = JSON.parse(job['data']!) as { to: string };
  const now = Date.now();
  const finish = redis
    .multi()
    .del(`${PREFIX}${id}:lock`)
    .lrem(`${PREFIX}active`, -1, id)
    .zadd(`${PREFIX}completed`, now, id)
    .hset(PREFIX + id, { returnvalue: JSON.stringify(`sent to ${to}`), finishedOn: now });
  event(finish, { event: 'completed', jobId: id, returnvalue: '"sent"', prev: 'active' });
  const finished = (await finish.exec())!;
  expect(finished[0]![1]).toBe(1);
  expect(finished[1]![1]).toBe(1);
}

/** As QueueEvents does: reads the stream until so many jobs are completed. */
async function listen(redis: Redis, jobs: number): Promise<Record<string, string>[]> {
  const events: Record<string, string>[] = [];
  let completed = 0;
  for (let from = '0'; completed < jobs; ) {
    const read = await redis.xread('BLOCK', 10_000, 'STREAMS', `${PREFIX}events`, from);
    for (const [id, words] of read?.[0]?.[1] ?? []) {
      from = id;
      const fields: Record<string, string> = {};
      for (let i = 0; i < words.length; i += 2) fields[words[i]!] = words[i + 1]!;
      events.push(fields);
      if (fields['event'] === 'completed') completed++;
    }
  }
  return events;
}
