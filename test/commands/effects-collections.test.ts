// What commands on hashes, sets, sorted sets, streams and places leave in the change stream, against what redis-server
// writes to its log: row by row for every option that matters, and at random.

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { DirectiveName } from '../../src/config/directives.ts';
import { AofOracle, sameTold } from '../support/aof-oracle.ts';
import { formatCommand } from '../support/command-history.ts';
import { countingStreams, streamCommands as packedStreams } from '../support/generate-streams.ts';
import { type Generator, weighted } from '../support/generator-parts.ts';
import { InProcess } from '../support/in-process.ts';
import { geoCommands } from '../support/random/geo.ts';
import { hashCommands } from '../support/random/hashes.ts';
import { setCommands } from '../support/random/sets.ts';
import { sortedSetCommands } from '../support/random/sorted-sets.ts';
import { streamCommands } from '../support/random/streams.ts';
import type { Argument } from '../support/raw-client.ts';
import { toldBy70 } from '../support/stream-effects.ts';
import type { Told } from '../support/told-commands.ts';
import { sampleOperations } from './against-redis.ts';
import { rows, words } from './effects-cases.ts';

const SEED = Number(process.env['SABRE_SEED'] ?? 20_260_401);
const RUNS = Number(process.env['SABRE_RUNS'] ?? 2);
const COMMANDS = Number(process.env['SABRE_COMMANDS'] ?? 800);
const SHOWN = 25;

let oracle: AofOracle;
let local: InProcess;
beforeAll(async () => {
  oracle = await AofOracle.start();
  await oracle.run('DEBUG', 'SET-ACTIVE-EXPIRE', '0');
});
afterAll(() => oracle.stop());
beforeEach(async () => {
  local = new InProcess({ effects: true });
  await oracle.run('SELECT', '0');
  await oracle.run('FLUSHALL');
  await setting('stream-node-max-entries', '100');
});
afterEach(() => local.checkInvariants());

/** The same setting on both. */
async function setting(name: DirectiveName, value: string): Promise<void> {
  local.config.assign(name, value);
  await oracle.run('CONFIG', 'SET', name, value);
}

/** @param consumers whether those that were made count @returns what the two tell differently, or null */
async function difference(args: readonly Argument[], consumers: boolean): Promise<string | null> {
  const right = (await oracle.run(...args)).told;
  local.run(...args);
  const left = toldBy70(args, local.told);
  if (left === null) return null;
  const counts = ({ args: words }: Told): boolean => consumers || words[1] !== 'CREATECONSUMER';
  if (sameTold(left.filter(counts).map(plain), right.filter(counts).map(plain))) return null;
  return `${formatCommand(args)}\n  here:  ${rows(local.told).join('; ')}\n  redis: ${rows(right).join('; ')}\n`;
}

/**
 * What a group has read is reckoned anew since 7.0. For the first entry left Redis takes one that is deleted and still in its block:
 * with either no more is trimmed.
 */
function plain(told: Told): Told {
  const { db, args } = told;
  if (args[1] === 'SETID' && args[5] === 'ENTRIESREAD') return { db, args: args.slice(0, 6) };
  const threshold = args.findIndex((arg, i) => arg === '=' && /^minid$/i.test(args[i - 1]!)) + 1;
  return threshold === 0 ? told : { db, args: args.with(threshold, '') };
}

const SCRIPTS: Record<string, string> = {
  hashes: `
    HSET h a 1
    hset h a 1 b 2
    HMSET h a 1
    HSETNX h a 1
    HSETNX h c 1
    HINCRBY h a 5
    HINCRBY h b 0
    HINCRBY n f -3
    HINCRBYFLOAT h a 1.5
    hincrbyfloat h a 0
    HINCRBYFLOAT fresh f 3.0e3
    HINCRBYFLOAT h missing -0.25
    HINCRBYFLOAT h a x
    HDEL h a b missing
    HDEL h missing
    HDEL h c missing`,
  sets: `
    SADD s a b c 1 2 3
    SADD s a
    SREM s a missing
    SREM s missing
    SMOVE s t b
    SMOVE s t missing
    SADD t c
    SMOVE s t c
    SMOVE s s 1
    SMOVE missing s 1
    SUNIONSTORE d s t
    SINTERSTORE d s t
    SINTERSTORE d s t
    SDIFFSTORE d s s
    SUNIONSTORE d s
    SDIFFSTORE d s s
    SUNIONSTORE d missing
    SINTERSTORE d s missing
    SADD one m
    SPOP one
    SPOP one
    SADD one m
    SPOP one 1
    SADD one m n
    SPOP one 0
    SPOP one 5
    SPOP one 5`,
  'sorted sets': `
    ZADD z 1 a 2 b 3 c 4 d 5 e 6 f
    ZADD z 1 a
    ZADD z CH 1 a 9 g
    ZADD z XX 3 missing
    ZADD z NX 3 a
    ZADD z XX CH 3 a
    ZADD z GT 1 a
    ZADD z LT CH 1 a 7 b
    ZADD z INCR 1 a
    ZADD z INCR 0 a
    ZADD z GT INCR -1 a
    ZADD z XX INCR 1 missing
    ZINCRBY z 1.5 a
    ZINCRBY z 0 a
    ZINCRBY z 0 new
    ZREM z new missing
    ZREM z missing
    ZPOPMIN z
    zpopmax z
    ZPOPMIN z 0
    ZPOPMIN z 2
    ZPOPMAX z 100
    ZPOPMAX z
    ZADD z 1 a 2 b 3 c 4 d 5 e 6 f
    ZMPOP 2 missing z MIN
    ZMPOP 1 z MAX COUNT 2
    ZMPOP 1 z MAX COUNT 100
    ZMPOP 1 z MAX COUNT 100
    ZADD z 1 a 2 b 3 c 4 d 5 e 6 f
    BZMPOP 1 2 missing z MIN
    BZMPOP 0 1 z MAX COUNT 2
    BZPOPMIN missing z 1
    BZPOPMAX z missing 1
    BZPOPMAX z missing 0
    ZADD z 1 a 2 b 3 c 4 d 5 e 6 f
    ZRANGESTORE d z 0 -1
    ZRANGESTORE d z (1 3 BYSCORE LIMIT 0 1
    ZRANGESTORE d z [a [b BYLEX REV
    ZRANGESTORE d z 10 20
    ZRANGESTORE d z 10 20
    ZUNIONSTORE d 2 z missing WEIGHTS 2 3 AGGREGATE MAX
    ZINTERSTORE d 2 z missing
    ZINTERSTORE d 2 z missing
    ZDIFFSTORE d 1 z
    ZDIFFSTORE d 2 z z
    ZREMRANGEBYRANK z 0 0
    ZREMRANGEBYRANK z 100 200
    ZREMRANGEBYSCORE z (1 2
    ZREMRANGEBYSCORE z 100 200
    ZREMRANGEBYLEX z - [c
    ZREMRANGEBYLEX z - +
    ZREMRANGEBYLEX z - +`,
  places: `
    GEOADD g 13.361389 38.115556 Palermo 15.087269 37.502669 Catania
    geoadd g NX CH 13.361389 38.115556 Palermo 2.35 48.85 Paris
    GEOADD g CH 13.361389 38.115556 Palermo
    GEOADD g XX CH 13.4 38.1 Palermo
    GEOADD g XX 1 1 Nowhere
    GEOADD g 180 85.05112878 Edge -180 -85.05112878 Other
    GEORADIUS g 15 37 200 km STORE d
    GEORADIUS g 15 37 200 km STOREDIST d
    GEORADIUS g 15 37 200 km
    GEORADIUSBYMEMBER g Palermo 200 km STORE d
    GEOSEARCHSTORE d g FROMLONLAT 15 37 BYRADIUS 200 km
    GEOSEARCHSTORE d g FROMLONLAT 15 37 BYBOX 200 200 km STOREDIST
    GEOSEARCHSTORE d g FROMLONLAT 0 0 BYRADIUS 1 km
    GEOSEARCHSTORE d g FROMLONLAT 0 0 BYRADIUS 1 km
    GEORADIUS missing 0 0 1 km STORE d`,
  'adding to streams': `
    XADD x NOMKSTREAM 1-1 a 1
    XADD x 5-* a 1
    XADD x 5-* a 1
    XADD x 5-* a 1
    xadd x 6 a 1
    XADD x MAXLEN 2 6-* a 1
    XADD x MAXLEN 2 7-1 a 1
    XADD x MAXLEN = 2 7-2 a 1
    XADD x NOMKSTREAM MAXLEN = 2 7-3 a 1
    XADD x MAXLEN ~ 1 7-4 a 1
    XADD x MAXLEN ~ 1 LIMIT 1 7-5 a 1
    XADD x MAXLEN ~ 1 LIMIT 0 7-6 a 1
    XADD x MAXLEN ~ 1000 7-7 a 1
    XADD x NOMKSTREAM MAXLEN ~ 1 LIMIT 10 7-8 a 1
    XADD x MINID 7-7 7-9 a 1
    XADD x MINID = 7-7 7-* a 1
    XADD x MINID ~ 7-9 8-1 a 1
    XADD x MINID ~ 8 LIMIT 3 8-2 a 1
    XADD x MINID ~ 8-2 NOMKSTREAM 8-3 a 1
    XADD x MINID ~ 9 8-4 a 1
    XADD x MAXLEN 0 8-5 a 1
    XADD x MAXLEN ~ 0 8-* a 1
    XADD x 1-1 a 1`,
  'trimming and deleting': `
    XADD x 1-1 a 1
    XADD x 1-2 a 1
    XADD x 1-3 a 1
    XADD x 1-4 a 1
    XADD x 1-5 a 1
    XADD x 1-6 a 1
    XADD x 1-7 a 1
    XADD x 1-8 a 1
    XADD x 1-9 a 1
    XTRIM x MAXLEN 8
    XTRIM x MAXLEN = 8
    XTRIM x MAXLEN ~ 8
    XTRIM x MAXLEN ~ 5
    xtrim x MAXLEN ~ 5 LIMIT 10
    XTRIM x MAXLEN ~ 1 LIMIT 2
    XTRIM x MINID 1-5
    XTRIM x MINID ~ 1-7
    XTRIM x MINID ~ 1-8 LIMIT 0
    XDEL x 1-8
    XDEL x 1-8
    XDEL x 1-9 1-1
    XTRIM x MINID ~ 9 LIMIT 0
    XTRIM x MAXLEN 0
    XSETID x 3-0
    XSETID x 3-0
    XSETID x 3-0 ENTRIESADDED 100 MAXDELETEDID 2-5
    XSETID missing 3-0`,
  groups: `
    XADD x 1-1 a 1
    XADD x 1-2 a 1
    XADD x 1-3 a 1
    XGROUP CREATE x g $
    XGROUP CREATE x g 0
    XGROUP CREATE x h 0 ENTRIESREAD 2
    xgroup create m g $ mkstream
    XGROUP SETID x g 0
    XGROUP SETID x g $ ENTRIESREAD 2
    XGROUP SETID x g 0-0
    XGROUP CREATECONSUMER x g c
    XGROUP CREATECONSUMER x g c
    XGROUP DELCONSUMER x g c
    XGROUP DELCONSUMER x g c
    XREADGROUP GROUP g c COUNT 2 STREAMS x >
    xreadgroup group g c streams x >
    XREADGROUP GROUP g c STREAMS x >
    XREADGROUP GROUP g c STREAMS x 0
    XADD x 1-4 a 1
    XADD x 1-5 a 1
    XADD m 1-1 a 1
    XREADGROUP GROUP g c2 COUNT 1 NOACK STREAMS x >
    XREADGROUP GROUP g c2 NOACK STREAMS x m > >
    XREADGROUP GROUP g c2 NOACK STREAMS x 0
    XACK x g 1-1 1-9
    XACK x g 1-1
    XACK x missing 1-1
    XCLAIM x g cc 0 1-2
    XCLAIM x g cc 0 1-2 JUSTID
    XCLAIM x g cc 0 1-2 IDLE 1000 RETRYCOUNT 7
    XCLAIM x g cc 0 1-2 TIME 100000 RETRYCOUNT 7 JUSTID
    XCLAIM x g cc 0 1-2 1-3 LASTID 9-9
    XCLAIM x g cc 0 1-9 LASTID 9-10
    XCLAIM x g cc 0 1-4 FORCE LASTID 9-11
    XCLAIM x g cc 900000 1-3 LASTID 9-12
    XCLAIM x g cc 0 1-4 LASTID 9-12
    XDEL x 1-2
    XCLAIM x g c 0 1-2
    XCLAIM x g c 0 1-2
    XAUTOCLAIM x g c 0 0 COUNT 1
    XAUTOCLAIM x g c 0 0 JUSTID
    XAUTOCLAIM x g c 900000 0
    XDEL x 1-3
    XAUTOCLAIM x g cc 0 0
    XAUTOCLAIM x g cc 0 5
    XGROUP DELCONSUMER x g cc
    XGROUP DESTROY x g
    XGROUP DESTROY x g`,
};

describe.each(Object.entries(SCRIPTS))('%s, row by row', (_name, script) => {
  // Blocks that hold few entries, so that approximate trims find some.
  it.each(['100', '2'])('in blocks of %s entries', async (entries) => {
    await setting('stream-node-max-entries', entries);
    const differences: string[] = [];
    for (const row of script.split('\n')) {
      if (row.trim() === '') continue;
      const found = await difference(words(row), true);
      if (found !== null) differences.push(found);
    }
    expect(differences.join('\n')).toBe('');
  });
});

const FAMILIES: readonly (readonly [string, Generator])[] = [
  ['hashes', hashCommands],
  ['sets', setCommands],
  ['sorted sets', sortedSetCommands],
  ['places', weighted([3, geoCommands], [1, sortedSetCommands])],
  ['streams', streamCommands],
  ['other streams', packedStreams],
  ['counting streams', countingStreams],
];

/** Commands after which the two differ: consumers that got nothing are there in one only. */
function isConsumers(args: readonly Argument[]): boolean {
  return /^(CREATE|DEL)CONSUMER$/i.test(String(args[1]));
}

describe.each(FAMILIES)('random commands on %s', (_name, generator) => {
  it.each(Array.from({ length: RUNS }, (_, run) => SEED + run))(
    'seed %i',
    { timeout: 60_000 },
    async (seed) => {
      await setting('stream-node-max-entries', seed % 2 === 0 ? '3' : '100');
      const history: string[] = [];
      let telling = 0;
      for (const operation of sampleOperations(generator, COMMANDS, seed)) {
        const { args, redis, follow, scanAll, waiting } = operation;
        if (redis !== undefined || scanAll || waiting !== undefined || isConsumers(args)) continue;
        // What is random by nature is followed by what makes both the same again.
        if (follow !== undefined || String(args[0]).toUpperCase() === 'SPOP') continue;
        const found = await difference(args, false);
        history.push(formatCommand(args));
        if (found !== null) throw new Error(`${found}after\n${history.slice(-SHOWN).join('\n')}`);
        if (local.told.length > 0) telling++;
      }
      expect(telling).toBeGreaterThan(COMMANDS / 20);
    },
  );
});
