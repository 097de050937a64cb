import { describe, expect, it } from 'vitest';
import { checkKeyspace } from '../../src/keyspace/check.ts';
import { lazyFree, lazyFreePending } from '../../src/keyspace/flush.ts';
import { GlobalWord } from '../../src/memory/layout.ts';
import { InProcess } from '../support/in-process.ts';

function filled(): InProcess {
  const local = new InProcess();
  local.config.assign('enable-debug-command', 'yes');
  local.run('DEBUG', 'POPULATE', '5000');
  local.run('DEBUG', 'POPULATE', '9000', '{one}');
  local.run('EXPIRE', 'key:1', '1000');
  local.run('SELECT', '1');
  local.run('DEBUG', 'POPULATE', '2000');
  return local;
}

function hiddenShards(local: InProcess): number {
  return local.keyspace.memory.control[GlobalWord.LazyFree]!;
}

/** Frees what is hidden, step by step, and checks each shard after each. @returns steps that were not a shard's last */
function freeAll(local: InProcess, limit: number): number {
  let steps = 0;
  for (const shard of local.keyspace.shards) {
    for (let freed = limit; freed >= limit; ) {
      const locked = shard.acquire();
      freed = lazyFree(locked, limit);
      locked.release();
      checkKeyspace(local.keyspace, shard.id);
      if (freed >= limit) steps++;
    }
  }
  return steps;
}

describe('flushing', () => {
  it('FLUSHDB ASYNC empties at once and frees later, in bounded steps', () => {
    const local = filled();
    local.run('SELECT', '0');
    expect(local.text('FLUSHDB', 'ASYNC')).toBe('+OK\r\n');
    expect(local.value('DBSIZE')).toBe(0);
    expect(local.value('GET', 'key:1')).toBe(null);
    expect(local.value('KEYS', '*')).toEqual([]);
    expect(lazyFreePending(local.keyspace)).toBe(14_000);
    expect(hiddenShards(local)).toBe(64);
    local.run('SET', 'key:1', 'new');
    local.checkInvariants();
    expect(freeAll(local, 500)).toBeGreaterThan(10);
    expect(lazyFreePending(local.keyspace)).toBe(0);
    expect(hiddenShards(local)).toBe(0);
    expect(local.value('GET', 'key:1')).toBe('new');
    expect(local.value('TTL', 'key:1')).toBe(-1);
    local.run('SELECT', '1');
    expect(local.value('DBSIZE')).toBe(2000);
    expect(checkKeyspace(local.keyspace).keys).toBe(2001);
  });

  it('a second FLUSHDB ASYNC before the first is freed works at once', () => {
    const local = filled();
    local.run('SELECT', '2');
    local.run('DEBUG', 'POPULATE', '3000');
    local.run('FLUSHDB', 'ASYNC');
    local.run('SELECT', '0');
    local.run('FLUSHDB', 'ASYNC');
    expect(lazyFreePending(local.keyspace)).toBe(3000);
    expect(local.value('DBSIZE')).toBe(0);
    expect(checkKeyspace(local.keyspace).keys).toBe(5000);
  });

  it('FLUSHDB SYNC frees what it empties, and nothing else', () => {
    const local = filled();
    local.run('SELECT', '0');
    local.run('FLUSHDB');
    expect(lazyFreePending(local.keyspace)).toBe(0);
    expect(checkKeyspace(local.keyspace)).toMatchObject({ keys: 2000, expires: 0 });
  });

  it('FLUSHALL gives everything back, what waits to be freed too', () => {
    for (const option of ['SYNC', 'ASYNC']) {
      const local = filled();
      local.run('SELECT', '0');
      local.run('FLUSHDB', 'ASYNC');
      local.run('FLUSHALL', option);
      expect(hiddenShards(local)).toBe(0);
      expect(checkKeyspace(local.keyspace)).toEqual({ keys: 0, expires: 0, blocks: 0, bytes: 0 });
      local.run('SET', 'a', '1');
      expect(local.value('DBSIZE')).toBe(1);
      local.checkInvariants();
    }
  });
});
