// MEMORY DOCTOR MALLOC-STATS PURGE STATS USAGE HELP.

import { GlobalWord, ShardCounter } from '../memory/layout.ts';
import { PersistenceGauge } from '../metrics/stats.ts';
import type { ReplyWriter } from '../protocol/reply-writer.ts';
import type { RootedStructure } from '../structures/rooted.ts';
import { argLong } from './arguments.ts';
import type { CommandContext } from './context.ts';
import { ErrorText } from './errors.ts';
import { helpReply } from './help.ts';
import { ALLOCATOR_NAME } from './info-memory.ts';
import { memoryReport } from './memory-doctor.ts';
import { INDEX_BYTES_PER_KEY, type MemoryFacts, memoryFacts } from './memory-facts.ts';
import { type FamilyHandlers, Place } from './table.ts';

function memoryDoctorCommand(cx: CommandContext): void {
  const clients = Atomics.load(cx.keyspace.memory.control, GlobalWord.Clients);
  cx.reply.verbatim(memoryReport(memoryFacts(cx), clients));
}

/** MEMORY MALLOC-STATS: a report of the arena, for people; its form is no interface. */
function memoryMallocStatsCommand(cx: CommandContext): void {
  const facts = memoryFacts(cx);
  const lines = [
    `Allocator: ${ALLOCATOR_NAME}`,
    `Allocated: ${facts.allocated}, active: ${facts.active}, resident: ${facts.resident}`,
    '',
    'shard        blocks     allocated      reserved   use',
  ];
  for (const shard of cx.keyspace.shards) {
    const used = shard.counter(ShardCounter.Used);
    const reserved = shard.counter(ShardCounter.Reserved);
    const percent = reserved === 0 ? '-' : `${((used * 100) / reserved).toFixed(0)}%`;
    lines.push(
      String(shard.id).padStart(5) +
        String(shard.counter(ShardCounter.Blocks)).padStart(14) +
        String(used).padStart(14) +
        String(reserved).padStart(14) +
        percent.padStart(6),
    );
  }
  cx.reply.verbatim(`${lines.join('\n')}\n`);
}

/** MEMORY PURGE: every thread collects its garbage. The arena gives empty chunks back by itself. */
function memoryPurgeCommand(cx: CommandContext): void {
  cx.defer(cx.server.askThreads('collect-garbage').then(() => (reply) => reply.ok()));
}

function memoryStatsCommand(cx: CommandContext): void {
  const facts = memoryFacts(cx);
  const { reply } = cx;
  reply.mapHeader(31 + facts.indexes.length);
  integer(reply, 'peak.allocated', facts.peak);
  integer(reply, 'total.allocated', facts.used);
  integer(reply, 'startup.allocated', facts.startup);
  integer(reply, 'replication.backlog', 0);
  integer(reply, 'clients.slaves', 0);
  integer(reply, 'clients.normal', facts.clients);
  integer(reply, 'cluster.links', 0);
  integer(reply, 'aof.buffer', cx.server.stats.persistence[PersistenceGauge.AofBufferBytes]!);
  integer(reply, 'lua.caches', 0);
  integer(reply, 'functions.caches', 0);
  for (const { db, bytes } of facts.indexes) {
    reply.bulkString(`db.${db}`);
    reply.mapHeader(2);
    integer(reply, 'overhead.hashtable.main', bytes);
    // Expiries are in the records and the index: there is no second table.
    integer(reply, 'overhead.hashtable.expires', 0);
  }
  writeTotals(reply, facts);
  writeAllocator(reply, facts);
}

function writeTotals(reply: ReplyWriter, facts: MemoryFacts): void {
  const index = facts.indexes.reduce((sum, each) => sum + each.bytes, 0);
  integer(reply, 'overhead.db.hashtable.lut', index);
  integer(reply, 'overhead.db.hashtable.rehashing', 0);
  integer(reply, 'overhead.total', facts.overhead);
  integer(reply, 'db.dict.rehashing.count', 0);
  integer(reply, 'keys.count', facts.keys);
  const net = facts.used - facts.startup;
  integer(reply, 'keys.bytes-per-key', facts.keys === 0 ? 0 : Math.floor(net / facts.keys));
  integer(reply, 'dataset.bytes', facts.dataset);
  double(reply, 'dataset.percentage', facts.datasetPercent);
  double(reply, 'peak.percentage', facts.peakPercent);
}

function writeAllocator(reply: ReplyWriter, facts: MemoryFacts): void {
  integer(reply, 'allocator.allocated', facts.allocated);
  integer(reply, 'allocator.active', facts.active);
  integer(reply, 'allocator.resident', facts.resident);
  integer(reply, 'allocator.muzzy', 0);
  ratioAndBytes(reply, 'allocator-fragmentation', facts.active, facts.allocated);
  ratioAndBytes(reply, 'allocator-rss', facts.resident, facts.active);
  ratioAndBytes(reply, 'rss-overhead', facts.rss, facts.resident);
  double(reply, 'fragmentation', quotient(facts.rss, facts.used));
  integer(reply, 'fragmentation.bytes', facts.rss - facts.used);
}

function integer(reply: ReplyWriter, name: string, value: number): void {
  reply.bulkString(name);
  reply.integer(value);
}

function double(reply: ReplyWriter, name: string, value: number): void {
  reply.bulkString(name);
  reply.double(value);
}

function ratioAndBytes(reply: ReplyWriter, name: string, taken: number, used: number): void {
  double(reply, `${name}.ratio`, quotient(taken, used));
  integer(reply, `${name}.bytes`, taken - used);
}

function quotient(part: number, whole: number): number {
  return whole > 0 ? part / whole : 0;
}

/** Elements looked at where MEMORY USAGE names no number. */
const DEFAULT_SAMPLES = 5;
/** Work for each block that MEMORY USAGE SAMPLES 0 looks at, in bytes. */
const BLOCK_WORK = 32;

/** Looks the key of MEMORY USAGE up, untouched, and opens its value. @returns the value, null if it is bytes */
function openValue(cx: CommandContext): RootedStructure | null {
  const { rec } = cx;
  const value = cx.keyspace.structures.rootedOf(rec.type, rec.encoding);
  value?.open(cx.shard(2).arena, rec.words, rec.rootWord);
  return value;
}

function findQuietly(cx: CommandContext): boolean {
  return cx.shard(2).find(cx.rec, cx.db, cx.slots[2]!, cx.hashes[2]!, cx.input, cx.argOff[2]!, cx.argLen[2]!);
}

function estimateUsage(cx: CommandContext): number {
  if (cx.argc < 5 || !findQuietly(cx)) return 0;
  const value = openValue(cx);
  return value === null ? 0 : value.blockCount * BLOCK_WORK;
}

/** MEMORY USAGE key [SAMPLES count] */
function memoryUsageCommand(cx: CommandContext): void {
  let wanted = DEFAULT_SAMPLES;
  for (let i = 3; i < cx.argc; i += 2) {
    if (!cx.argIs(i, 'SAMPLES') || i + 1 >= cx.argc) {
      cx.syntaxError();
      return;
    }
    const samples = argLong(cx, i + 1);
    if (samples === null || samples < 0) {
      cx.error(samples === null ? ErrorText.NotInteger : ErrorText.Syntax);
      return;
    }
    wanted = samples;
  }
  if (!findQuietly(cx)) {
    cx.reply.nullBulk();
    return;
  }
  const value = openValue(cx);
  const record = cx.shard(2).arena.capacity(cx.rec.ref) + INDEX_BYTES_PER_KEY;
  cx.reply.integer(record + (value === null ? 0 : Math.round(value.bytes(wanted))));
}

const HELP = [
  'DOCTOR',
  '    Return memory problems reports.',
  'MALLOC-STATS',
  '    Return internal statistics report from the memory allocator.',
  'PURGE',
  '    Attempt to purge dirty pages for reclamation by the allocator.',
  'STATS',
  '    Return information about the memory usage of the server.',
  'USAGE <key> [SAMPLES <count>]',
  '    Return memory in bytes used by <key> and its value. Nested values are',
  '    sampled up to <count> times (default: 5, 0 means sample all).',
];

export const memoryCommands: FamilyHandlers = {
  'MEMORY|DOCTOR': { run: memoryDoctorCommand, place: Place.InPlace },
  'MEMORY|MALLOC-STATS': { run: memoryMallocStatsCommand, place: Place.InPlace },
  'MEMORY|PURGE': { run: memoryPurgeCommand, place: Place.Supervisor },
  'MEMORY|STATS': { run: memoryStatsCommand, place: Place.InPlace },
  'MEMORY|USAGE': { run: memoryUsageCommand, place: Place.Estimated, estimate: estimateUsage },
  'MEMORY|HELP': { run: (cx) => helpReply(cx, 'MEMORY', HELP), place: Place.InPlace },
};
