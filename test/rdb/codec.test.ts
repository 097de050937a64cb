// The codec as snapshots use it: values written from records and read into records, without commands; input that ends
// anywhere.

import { describe, expect, it } from 'vitest';
import { EncodingLimits } from '../../src/rdb/limits.ts';
import { LoadContext, ReadResult } from '../../src/rdb/load-context.ts';
import { RdbWriter } from '../../src/rdb/rdb-writer.ts';
import { readValue } from '../../src/rdb/read-value.ts';
import { ValueWriter } from '../../src/rdb/value-writer.ts';
import { find } from '../commands/against-redis.ts';
import { InProcess } from '../support/in-process.ts';
import type { Argument } from '../support/raw-client.ts';

const many = (count: number, make: (i: number) => Argument[]): Argument[] =>
  Array.from({ length: count }, (_, i) => make(i)).flat();

/** Every encoding of every type. */
const VALUES: Readonly<Record<string, readonly (readonly Argument[])[]>> = {
  integer: [['SET', 'k', '12345']],
  string: [['SET', 'k', 'text '.repeat(30)]],
  'packed list': [['RPUSH', 'k', 'a', 1, '']],
  quicklist: [['RPUSH', 'k', ...many(300, (i) => [`${i}`.repeat(50)]), 'x'.repeat(10_000)]],
  intset: [['SADD', 'k', 1, -5, 70_000]],
  'packed set': [['SADD', 'k', 'a', 1, 'b']],
  'large set': [['SADD', 'k', ...many(300, (i) => [`m${i}`])]],
  'packed sorted set': [['ZADD', 'k', 1, 'a', 2.5, 'b']],
  'large sorted set': [['ZADD', 'k', ...many(300, (i) => [i / 3, `m${i}`])]],
  'packed hash': [['HSET', 'k', 'f', 'v', 1, 2]],
  'large hash': [['HSET', 'k', ...many(600, (i) => [`f${i}`, i])]],
  'packed hash with expiries': [['HSET', 'k', 'f', 'v', 'g', 'w'], ['HEXPIRE', 'k', 1000, 'FIELDS', 1, 'g']],
  'large hash with expiries': [['HSET', 'k', ...many(600, (i) => [`f${i}`, i])], ['HEXPIRE', 'k', 1000, 'FIELDS', 1, 'f7']],
  stream: [
    ...many(150, (i) => [i]).map((i): Argument[] => ['XADD', 'k', `${i}-1`, 'field', i]),
    ['XGROUP', 'CREATE', 'k', 'g', 0],
    ['XREADGROUP', 'GROUP', 'g', 'c', 'COUNT', 5, 'STREAMS', 'k', '>'],
  ],
}; // biome-ignore format: a table

function setUp(commands: readonly (readonly Argument[])[]) {
  const local = new InProcess();
  local.config.assign('enable-debug-command', 'yes');
  for (const command of commands) expect(local.text(...command)).not.toMatch(/^-/);
  const limits = new EncodingLimits(local.config);
  const load = new LoadContext(local.keyspace.memory, limits);
  const values = new ValueWriter(local.keyspace.memory, limits);
  const rec = find(local, 'k')!;
  const shard = local.keyspace.shards[rec.shard]!.acquire();
  const out = new RdbWriter();
  const type = values.typeOf(shard, rec);
  values.write(out, shard, rec, type);
  const read = (bytes: Buffer): number => {
    // In the place of the key itself: it is of the same slot.
    load.begin(shard, 0, rec.slot, rec.hash, Buffer.from('k'), 0, 1, -1, 0);
    load.input.open(bytes, 0, bytes.length);
    return readValue(load, type);
  };
  return { local, load, shard, type, bytes: Buffer.from(out.bytes.subarray(0, out.length)), read };
}

describe.each(Object.entries(VALUES))('a value that is a %s', (_name, commands) => {
  it.each([true, false])('is written and read (checked to the last entry: %s)', (deep) => {
    const { local, load, shard, bytes, read } = setUp(commands);
    load.deep = deep;
    const digest = (): unknown => local.value('DEBUG', 'DIGEST-VALUE', 'k');
    const encoding = (): unknown => local.value('OBJECT', 'ENCODING', 'k');
    shard.release();
    const before = [digest(), encoding()];
    local.keyspace.shards[shard.id]!.acquire();
    expect(read(bytes)).toBe(ReadResult.Loaded);
    expect([load.input.failed, load.input.left]).toEqual([false, 0]);
    shard.attach(load.rec);
    shard.release();
    expect([digest(), encoding()]).toEqual(before);
    local.checkInvariants();
  });

  it('is no value when its bytes end early, wherever that is', () => {
    const { local, load, shard, bytes, read } = setUp(commands);
    const step = Math.max(1, Math.floor(bytes.length / 400));
    for (let length = 0; length < bytes.length; length += step) {
      expect(read(bytes.subarray(0, length)), `${length} of ${bytes.length} bytes`).toBe(ReadResult.Bad);
      expect(load.rec.ref).toBe(0);
    }
    shard.release();
    local.checkInvariants();
  });
});
