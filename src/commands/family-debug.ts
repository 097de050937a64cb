// DEBUG, for tests and tools. Allowed by enable-debug-command only. Always runs on a shard worker.
//
// SLEEP and DIGEST lock every shard meanwhile: commands on keys wait, as they do in Redis; commands that need no key
// (PING, INFO, CLIENT) go on. Switches are words in shared memory, so they hold for all threads at once.
//
// INVARIANTS and STRINGMATCH-LEN are Sabre's own (docs/debug.md). What Redis has and Sabre does not is named in
// UNSUPPORTED and answers an error that says so.

import { parseMemory } from '../config/numbers.ts';
import { checkLocked } from '../keyspace/check.ts';
import { headerBytes } from '../keyspace/record.ts';
import type { LockedShard } from '../keyspace/shard.ts';
import { CHUNK_BYTES, GlobalWord, REGION_BYTES, SLOTS_PER_SHARD } from '../memory/layout.ts';
import { globMatch } from '../protocol/glob.ts';
import { SEGMENT_HEADER_WORDS } from '../structures/segment.ts';
import type { CommandContext } from './context.ts';
import { checkDebugAllowed, lenientInteger, lenientSeconds } from './debug-arguments.ts';
import {
  debugDigest,
  debugDigestValue,
  debugObject,
  debugOtherEncoding,
  debugPopulate,
  debugSdsLength,
} from './debug-keys.ts';
import { debugListpack, debugQuicklist } from './debug-listpack.ts';
import { debugProtocol } from './debug-protocol.ts';
import { shownArgument } from './generic-arguments.ts';
import { withAllShards } from './generic-database.ts';
import { helpReply, subcommandSyntaxText } from './help.ts';
import { type CommandHandler, type FamilyHandlers, Place } from './table.ts';

interface Subcommand {
  readonly run: CommandHandler;
  /** Words of the request, at least and at most. */
  readonly min: number;
  readonly max: number;
}

const HELP = [
  'AOF-FLUSH-SLEEP <microsec>',
  '    Server will sleep before flushing the AOF, this is used for testing.',
  'ASSERT',
  '    Crash by assertion failed.',
  'DIGEST',
  '    Output a hex signature representing the current DB content.',
  'DIGEST-VALUE <key> [<key> ...]',
  '    Output a hex signature of the values of all the specified keys.',
  'ERROR <string>',
  '    Return a Redis protocol error with <string> as message. Useful for clients',
  '    unit tests to simulate Redis errors.',
  'LEAK <string>',
  '    Create a memory leak of the input string.',
  'LOADAOF',
  '    Flush the AOF buffers on disk and reload the AOF in memory.',
  'LOG <message>',
  '    Write <message> to the server log.',
  'HTSTATS-KEY <key>',
  "    Like HTSTATS but for the hash table stored at <key>'s value.",
  'OBJECT <key>',
  '    Show low level info about `key` and associated value.',
  'OOM',
  '    Crash the server simulating an out-of-memory error.',
  'PANIC',
  '    Crash the server simulating a panic.',
  'POPULATE <count> [<prefix>] [<size>]',
  '    Create <count> string keys named key:<num>. If <prefix> is specified then',
  "    it is used instead of the 'key' prefix. These are not propagated to",
  '    replicas. Cluster slots are not respected so keys not belonging to the',
  '    current node can be created in cluster mode.',
  'PROTOCOL <type>',
  '    Reply with a test value of the specified type. <type> can be: string,',
  '    integer, double, bignum, null, array, set, map, attrib, push, verbatim,',
  '    true, false.',
  'RELOAD [option ...]',
  '    Save the RDB on disk and reload it back to memory. Valid <option> values:',
  '    * MERGE: conflicting keys will be loaded from RDB.',
  '    * NOFLUSH: the existing database will not be removed before load, but',
  '      conflicting keys will generate an exception and kill the server.',
  '    * NOSAVE: the database will be loaded from an existing RDB file.',
  '    Examples:',
  '    * DEBUG RELOAD: verify that the server is able to persist, flush and reload',
  '      the database.',
  '    * DEBUG RELOAD NOSAVE: replace the current database with the contents of an',
  '      existing RDB file.',
  '    * DEBUG RELOAD NOSAVE NOFLUSH MERGE: add the contents of an existing RDB',
  '      file to the database.',
  'SDSLEN <key>',
  '    Show low level SDS string info representing `key` and value.',
  'SEGFAULT',
  '    Crash the server with sigsegv.',
  'SET-ACTIVE-EXPIRE <0|1>',
  '    Setting it to 0 disables expiring keys in background when they are not',
  '    accessed (otherwise the Redis behavior). Setting it to 1 reenables back the',
  '    default.',
  'SET-DISABLE-DENY-SCRIPTS <0|1>',
  '    Setting it to 1 lets scripts call commands that they may not call otherwise.',
  'QUICKLIST-PACKED-THRESHOLD <size>',
  '    Sets the threshold for elements to be inserted as plain vs packed nodes',
  '    Default value is 1GB, allows values up to 4GB. Setting to 0 restores to default.',
  'SET-SKIP-CHECKSUM-VALIDATION <0|1>',
  "    Enables or disables checksum checks for RDB files and RESTORE's payload.",
  'SLEEP <seconds>',
  '    Stop the server for <seconds>. Decimals allowed.',
  'STRINGMATCH-TEST',
  '    Run a fuzz tester against the stringmatchlen() function.',
  'STRUCTSIZE',
  '    Return the size of different Redis core C structures.',
  'LISTPACK <key>',
  '    Show low level info about the listpack encoding of <key>.',
  'QUICKLIST <key> [<0|1>]',
  '    Show low level info about the quicklist encoding of <key>.',
  '    The optional argument (0 by default) sets the level of detail',
  'PAUSE-CRON <0|1>',
  '    Stop periodic cron job processing.',
];

const SUBCOMMANDS: ReadonlyMap<string, Subcommand> = new Map<string, Subcommand>([
  ['HELP', { run: (cx) => helpReply(cx, 'DEBUG', HELP), min: 2, max: 2 }],
  ['AOF-FLUSH-SLEEP', { run: setFlushSleep, min: 3, max: 3 }],
  ['ASSERT', { run: crash, min: 2, max: 2 }],
  ['PANIC', { run: crash, min: 2, max: 2 }],
  ['OOM', { run: crash, min: 2, max: 2 }],
  ['SEGFAULT', { run: segfault, min: 2, max: 2 }],
  ['DIGEST', { run: debugDigest, min: 2, max: 2 }],
  ['DIGEST-VALUE', { run: debugDigestValue, min: 2, max: Infinity }],
  ['ERROR', { run: replyError, min: 3, max: 3 }],
  ['INVARIANTS', { run: checkInvariants, min: 2, max: 2 }],
  ['LEAK', { run: leak, min: 3, max: 3 }],
  ['LOADAOF', { run: (cx) => cx.request('call-persistence', { method: 'debug-load-aof' }), min: 2, max: 2 }],
  ['LOG', { run: log, min: 3, max: 3 }],
  ['OBJECT', { run: debugObject, min: 3, max: 4 }],
  ['POPULATE', { run: debugPopulate, min: 3, max: 5 }],
  ['PROTOCOL', { run: debugProtocol, min: 3, max: 3 }],
  ['RELOAD', { run: reload, min: 2, max: Infinity }],
  ['SDSLEN', { run: debugSdsLength, min: 3, max: 3 }],
  ['LISTPACK', { run: debugListpack, min: 3, max: 3 }],
  ['QUICKLIST', { run: debugQuicklist, min: 3, max: 4 }],
  [
    'HTSTATS-KEY',
    {
      run: debugOtherEncoding(
        'ERR The value stored at the specified key is not represented using an hash table',
      ),
      min: 3,
      max: 4,
    },
  ],
  ['SLEEP', { run: sleep, min: 3, max: 3 }],
  ['SET-ACTIVE-EXPIRE', { run: setActiveExpire, min: 3, max: 3 }],
  ['PAUSE-CRON', { run: (cx) => setSwitch(cx, GlobalWord.CronPaused), min: 3, max: 3 }],
  ['SET-SKIP-CHECKSUM-VALIDATION', { run: (cx) => setSwitch(cx, GlobalWord.SkipChecksums), min: 3, max: 3 }],
  ['SET-DISABLE-DENY-SCRIPTS', { run: (cx) => setSwitch(cx, GlobalWord.DenyScriptsOff), min: 3, max: 3 }],
  ['QUICKLIST-PACKED-THRESHOLD', { run: setPackedThreshold, min: 3, max: 3 }],
  ['STRINGMATCH-TEST', { run: stringMatchTest, min: 2, max: 2 }],
  ['STRINGMATCH-LEN', { run: stringMatch, min: 4, max: 4 }],
  ['STRUCTSIZE', { run: structSize, min: 2, max: 2 }],
]);

/** What Redis 7.4 knows besides. */
const UNSUPPORTED: ReadonlySet<string> = new Set([
  'CHANGE-REPL-ID',
  'CLIENT-ENFORCE-REPLY-LIST',
  'CLIENT-EVICTION',
  'CLUSTERLINK',
  'CONFIG-REWRITE-FORCE-ALL',
  'CRASH-AND-RECOVER',
  'DELAY-RDB-CLIENT-FREE-SECOND',
  'DICT-RESIZING',
  'DICT-STATS',
  'DROP-CLUSTER-PACKET-FILTER',
  'HTSTATS',
  'MALLCTL',
  'MALLCTL-STR',
  'REPLICATE',
  'REPLYBUFFER',
  'RESTART',
  'SCRIPT',
]);

export const debugCommands: FamilyHandlers = {
  DEBUG: { run: debug, place: Place.Worker },
};

function debug(cx: CommandContext): void {
  if (!checkDebugAllowed(cx)) return;
  const typed = cx.argLatin1(1);
  const name = typed.toUpperCase();
  const subcommand = SUBCOMMANDS.get(name);
  if (subcommand !== undefined && cx.argc >= subcommand.min && cx.argc <= subcommand.max) subcommand.run(cx);
  else if (subcommand === undefined && UNSUPPORTED.has(name))
    cx.error(`ERR DEBUG ${name} is not supported yet`);
  else cx.error(subcommandSyntaxText('DEBUG', typed));
}

/** Ends the process with a stack in the log, as any broken invariant does. */
function crash(cx: CommandContext): never {
  throw new Error(`DEBUG ${cx.argLatin1(1).toUpperCase()}`);
}

function segfault(cx: CommandContext): void {
  process.kill(process.pid, 'SIGSEGV');
  // Reached only where the signal is held back.
  cx.reply.ok();
}

/**
 * DEBUG INVARIANTS: checks the whole data set in memory, with all shards locked and no long command half done; about a
 * microsecond a key.
 */
function checkInvariants(cx: CommandContext): void {
  withAllShards(cx, true, (shards) => replyChecked(cx, shards));
}

function replyChecked(cx: CommandContext, shards: readonly LockedShard[]): void {
  try {
    const { keys, expires, blocks, bytes } = checkLocked(cx.keyspace, shards);
    cx.reply.simpleString(`OK keys:${keys} expires:${expires} blocks:${blocks} bytes:${bytes}`);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    cx.server.log.warning(`DEBUG INVARIANTS: ${error.stack ?? error.message}`);
    cx.error(`ERR broken invariant: ${error.message}`);
  }
}

/** The message is the error as it is; not counted among the errors, as it is none. */
function replyError(cx: CommandContext): void {
  cx.reply.error(cx.argLatin1(2));
}

function setFlushSleep(cx: CommandContext): void {
  cx.request('call-persistence', { method: 'debug-flush-sleep', payload: lenientInteger(cx, 2) });
}

/** DEBUG RELOAD [MERGE] [NOFLUSH] [NOSAVE] */
function reload(cx: CommandContext): void {
  const payload = { save: true, flush: true, merge: false };
  for (let i = 2; i < cx.argc; i++) {
    if (cx.argIs(i, 'MERGE')) payload.merge = true;
    else if (cx.argIs(i, 'NOFLUSH')) payload.flush = false;
    else if (cx.argIs(i, 'NOSAVE')) payload.save = false;
    else {
      cx.error('ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.');
      return;
    }
  }
  cx.request('call-persistence', { method: 'debug-reload', payload });
}

const leaked: Buffer[] = [];

function leak(cx: CommandContext): void {
  const off = cx.argOff[2]!;
  leaked.push(Buffer.from(cx.input.subarray(off, off + cx.argLen[2]!)));
  cx.reply.ok();
}

function log(cx: CommandContext): void {
  cx.server.log.warning(`DEBUG LOG: ${cx.argUtf8(2)}`);
  cx.reply.ok();
}

/** Nobody ever notifies this word. */
const never = new Int32Array(new SharedArrayBuffer(4));

function sleep(cx: CommandContext): void {
  const ms = lenientSeconds(cx, 2) * 1000;
  withAllShards(cx, false, () => {
    if (ms > 0) Atomics.wait(never, 0, 0, ms);
    cx.reply.ok();
  });
}

function setActiveExpire(cx: CommandContext): void {
  const off = lenientInteger(cx, 2) === 0 ? 1 : 0;
  Atomics.store(cx.keyspace.memory.control, GlobalWord.ActiveExpireOff, off);
  cx.reply.ok();
}

function setSwitch(cx: CommandContext, word: number): void {
  Atomics.store(cx.keyspace.memory.control, word, lenientInteger(cx, 2) !== 0 ? 1 : 0);
  cx.reply.ok();
}

const PACKED_THRESHOLD_MAX = 2n ** 32n - 2n ** 20n;

function setPackedThreshold(cx: CommandContext): void {
  const bytes = parseMemory(shownArgument(cx, 2));
  if (bytes === null || bytes > PACKED_THRESHOLD_MAX) {
    cx.error('ERR argument must be a memory value bigger than 1 and smaller than 4gb');
    return;
  }
  Atomics.store(cx.keyspace.memory.control, GlobalWord.QuicklistPackedThreshold, Number(bytes) | 0);
  cx.reply.ok();
}

/** DEBUG STRINGMATCH-LEN pattern string: whether the pattern that KEYS would take matches. */
function stringMatch(cx: CommandContext): void {
  const { argOff, argLen, input } = cx;
  const matches = globMatch(input, argOff[2]!, argLen[2]!, input, argOff[3]!, argLen[3]!, false);
  cx.reply.integer(matches ? 1 : 0);
}

const FUZZ_ROUNDS = 200_000;
const FUZZ_BYTES_MAX = 32;

/** Random patterns on random strings, as Redis's stringmatchlen_fuzz_test. */
function stringMatchTest(cx: CommandContext): void {
  const pattern = Buffer.alloc(FUZZ_BYTES_MAX);
  const text = Buffer.alloc(FUZZ_BYTES_MAX);
  let matches = 0;
  for (let round = 0; round < FUZZ_ROUNDS; round++) {
    const patternLen = randomBytes(pattern);
    if (globMatch(pattern, 0, patternLen, text, 0, randomBytes(text), false)) matches++;
  }
  cx.server.log.verbose(`DEBUG STRINGMATCH-TEST: ${matches} of ${FUZZ_ROUNDS} matched`);
  cx.reply.simpleString('Apparently Sabre did not crash: test passed');
}

function randomBytes(bytes: Buffer): number {
  const len = Math.floor(Math.random() * bytes.length);
  for (let i = 0; i < len; i++) bytes[i] = Math.random() * 128;
  return len;
}

/** Sizes in bytes of what the data set is made of. */
function structSize(cx: CommandContext): void {
  const expiring = headerBytes(0, true);
  cx.reply.simpleString(
    `bits:64 record:${headerBytes(0, false)} record_expiring:${expiring} index_entry:8 ` +
      `index_segment:${SEGMENT_HEADER_WORDS * 4} slot_table:${SLOTS_PER_SHARD * 8} chunk:${CHUNK_BYTES} region:${REGION_BYTES}`,
  );
}
