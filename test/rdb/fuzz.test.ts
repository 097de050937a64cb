// RESTORE of damaged payloads, as Redis's corrupt-dump-fuzzer: bytes of good ones are changed, cut out, doubled and moved,
// and the checksum is made right again. Whatever is accepted must be whole: commands on it work, every invariant
// holds, and redis-server, which is asked about a part of them, accepts it as the same value.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { InProcess } from '../support/in-process.ts';
import type { Argument, RawClient } from '../support/raw-client.ts';
import { startRedis } from '../support/redis-server.ts';
import { pick, seeded } from '../support/seeded.ts';
import type { ServerProcess } from '../support/server-process.ts';
import { payload } from './old-formats.ts';
import { VALUES } from './values-by-type.ts';

const SEED = Number(process.env['SABRE_SEED'] ?? 20_240_601);
const RUNS = Number(process.env['SABRE_RUNS'] ?? 1) * 600;
/** Whole numbers below what is asked for, from a seed that names a run. */
function randomNumbers(seed: number): (below: number) => number {
  const random = seeded(seed);
  return (below) => pick(random, below);
}

/** Changes a value in one to four places. */
function damage(value: Buffer, random: (below: number) => number): Buffer {
  let bytes = Buffer.from(value);
  for (let changes = 1 + random(4); changes > 0 && bytes.length > 0; changes--) {
    const at = random(bytes.length);
    const len = 1 + random(Math.min(12, bytes.length - at));
    const part = bytes.subarray(at, at + len);
    switch (random(7)) {
      case 0:
        bytes[at] = random(256);
        break;
      case 1:
        bytes[at]! ^= 1 << random(8);
        break;
      case 2:
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + len)]);
        break;
      case 3:
        bytes = Buffer.concat([bytes.subarray(0, at), part, bytes.subarray(at)]);
        break;
      case 4:
        bytes.fill(random(2) === 0 ? 0 : 255, at, at + len);
        break;
      case 5:
        part.copy(bytes, random(bytes.length - len + 1));
        break;
      default:
        bytes[at] = (bytes[at]! + (random(2) === 0 ? 1 : 255)) & 255;
    }
  }
  return bytes;
}

/** Commands that read and change a value in most ways, by type. */
const COMMANDS: Readonly<Record<string, readonly (readonly Argument[])[]>> = {
  string: [['GET', 'k'], ['APPEND', 'k', 'x']],
  list: [['LRANGE', 'k', 0, -1], ['LRANGE', 'k', -3, 5], ['RPUSH', 'k', 'new'], ['LPUSH', 'k', 1], ['LREM', 'k', 0, 'word 1'], ['LINSERT', 'k', 'BEFORE', 'word 2', 'x'], ['LPOP', 'k'], ['RPOP', 'k', 2]],
  set: [['SMEMBERS', 'k'], ['SADD', 'k', 'new', 7], ['SREM', 'k', 'word 1', '1'], ['SRANDMEMBER', 'k', 3], ['SPOP', 'k']],
  zset: [['ZRANGE', 'k', 0, -1, 'WITHSCORES'], ['ZADD', 'k', 1.5, 'new', 7, 'a'], ['ZRANGEBYSCORE', 'k', '-inf', '(2'], ['ZRANK', 'k', 'b'], ['ZINCRBY', 'k', 3, 'b'], ['ZREM', 'k', 'c'], ['ZPOPMIN', 'k']],
  hash: [['HGETALL', 'k'], ['HSET', 'k', 'new', 'value', 'a', 'changed'], ['HSTRLEN', 'k', 'f'], ['HPEXPIRE', 'k', 100000, 'FIELDS', 1, 'new'], ['HDEL', 'k', 'field', 'f'], ['HRANDFIELD', 'k', 3]],
  stream: [['XRANGE', 'k', '-', '+'], ['XREVRANGE', 'k', '+', '-'], ['XINFO', 'STREAM', 'k', 'FULL'], ['XDEL', 'k', '1001-0', '2008-0'], ['XADD', 'k', '*', 'a', 1, 'b', 2], ['XREADGROUP', 'GROUP', 'group', 'new', 'STREAMS', 'k', '>'], ['XPENDING', 'k', 'group'], ['XACK', 'k', 'group', '1000-0'], ['XTRIM', 'k', 'MAXLEN', 3], ['XGROUP', 'DESTROY', 'k', 'group']],
}; // biome-ignore format: a table

function exercise(local: InProcess): void {
  const type = String(local.value('TYPE', 'k'));
  for (const [name, ...args] of COMMANDS[type]!) {
    if (local.table.lookup(Buffer.from(name as string), 0, (name as string).length) === null) continue;
    local.run(name!, ...args);
  }
  local.run('COPY', 'k', 'copy', 'REPLACE');
}

let server: ServerProcess;
let redis: RawClient;
beforeAll(async () => {
  server = await startRedis({ args: ['--enable-debug-command', 'yes', '--sanitize-dump-payload', 'yes'] });
  redis = await server.connect();
});
afterAll(async () => {
  await redis.close();
  await server.stop();
});

describe('RESTORE of damaged payloads', () => {
  it.each(VALUES.map(([type, value], i) => [i, type, value] as const))(
    'value %i, of type %i',
    async (index, type, value) => {
      const local = new InProcess();
      local.config.assign('enable-debug-command', 'yes');
      const random = randomNumbers(SEED + index);
      let accepted = 0;
      const done: string[] = [];
      try {
        expect(local.text('RESTORE', 'k', 0, payload(type, value, 12))).toBe('+OK\r\n');
        for (let run = 0; run < RUNS; run++) {
          const bytes = payload(type, damage(value, random), type > 19 ? 12 : 10);
          done.push(bytes.toString('hex'));
          const reply = local.text('RESTORE', 'k', 0, bytes, 'REPLACE');
          if (reply !== '+OK\r\n') {
            expect(reply).toBe('-ERR Bad data format\r\n');
            continue;
          }
          accepted++;
          const digest = local.value('DEBUG', 'DIGEST-VALUE', 'k');
          if (type <= 19 && accepted % 8 === 0) {
            expect(await redis.call('RESTORE', 'k', 0, bytes, 'REPLACE')).toBe('OK');
            expect(digest).toEqual(await redis.call('DEBUG', 'DIGEST-VALUE', 'k'));
          }
          local.checkInvariants();
          exercise(local);
          local.checkInvariants();
        }
      } catch (error) {
        throw new Error(`after RESTORE of ${done.slice(-2).join('\n')}`, { cause: error });
      }
      local.run('FLUSHALL');
      local.checkInvariants();
      expect(accepted).toBeGreaterThan(0);
    },
  );
});
