// The checks for bad input must notice a server that answers otherwise, or does not close.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Fault, FaultyServer } from './faulty-server.ts';
import { checkEntry, sameOutcome } from './probe.ts';
import { protocolCorpus } from './protocol-corpus.ts';
import { startRedis } from './redis-server.ts';
import type { ServerProcess } from './server-process.ts';

describe('the checks for bad input', () => {
  let redis: ServerProcess;
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(async () => {
    await redis?.stop();
  });

  const corpus = protocolCorpus();
  const named = (name: string) => corpus.find((entry) => entry.name === name)!;
  const pairWith = async (fault: Fault) => {
    const sabre = await FaultyServer.start(redis.port, { rawRequests: true, ...fault });
    return { sabre, redis };
  };

  it('have entries of both kinds with names of their own', () => {
    expect(new Set(corpus.map((entry) => entry.name)).size).toBe(corpus.length);
    expect(corpus.filter((entry) => entry.closes).length).toBeGreaterThan(30);
    expect(corpus.filter((entry) => !entry.closes).length).toBeGreaterThan(30);
  });

  it('pass without a fault', async () => {
    const pair = await pairWith({});
    await checkEntry(pair, named('a count that is no number'));
    await pair.sabre.stop();
  });

  it('notice another answer', async () => {
    const reply: Fault['reply'] = ({ raw }) => Buffer.from(raw.toString().replace('multibulk', 'multi bulk'));
    const pair = await pairWith({ reply });
    await expect(checkEntry(pair, named('a count that is no number'))).rejects.toThrow(/different answers/);
    await pair.sabre.stop();
  });

  it('notice a connection that is not closed', async () => {
    const pair = await pairWith({ staysOpen: true });
    const { bytes } = named('a count that is no number');
    const probing = sameOutcome(pair, bytes, { keepOpen: true, closeLimitMs: 300 });
    await expect(probing).rejects.toThrow(/not closed within 300 ms/);
    await pair.sabre.stop();
  });

  it('notice a connection that is closed, and should not be', async () => {
    const entry = { ...named('a quote that never closes'), closes: false };
    await expect(checkEntry({ sabre: redis, redis }, entry)).rejects.toThrow(/closed the connection/);
  });
});
