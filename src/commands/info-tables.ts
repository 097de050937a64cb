// INFO's sections with a line for each of many things: commands, errors, databases, threads, shards.

import { sampleTtl } from '../keyspace/ttl-sample.ts';
import { ShardCounter } from '../memory/layout.ts';
import { CommandStat, ERROR_PREFIXES, Stat } from '../metrics/stats.ts';
import { hasLatency, latencyBuckets, percentileUsec } from './command-latency.ts';
import type { CommandContext } from './context.ts';
import type { InfoLines } from './info-text.ts';

export function commandStatsLines(cx: CommandContext): InfoLines {
  const { stats, table } = cx.server;
  return table.all.flatMap((command) => {
    const of = (stat: number): number => stats.sumCommand(command.id, stat);
    const calls = of(CommandStat.Calls);
    const rejected = of(CommandStat.Rejected);
    const failed = of(CommandStat.Failed);
    if (calls === 0 && rejected === 0 && failed === 0) return [];
    const usec = Math.floor(of(CommandStat.Usec));
    const each = calls === 0 ? 0 : usec / calls;
    const times = `calls=${calls},usec=${usec},usec_per_call=${each.toFixed(2)}`;
    return [[`cmdstat_${command.name}`, `${times},rejected_calls=${rejected},failed_calls=${failed}`]];
  });
}

export function errorStatsLines(cx: CommandContext): InfoLines {
  const { stats } = cx.server;
  return [...ERROR_PREFIXES.entries()]
    .map(([index, prefix]) => ({ prefix, count: stats.sumError(index) }))
    .filter(({ count }) => count > 0)
    .sort((a, b) => (a.prefix < b.prefix ? -1 : 1))
    .map(({ prefix, count }) => [`errorstat_${prefix}`, `count=${count}`]);
}

export function latencyStatsLines(cx: CommandContext): InfoLines {
  const { config, stats, table } = cx.server;
  if (!config.getBool('latency-tracking')) return [];
  const percentiles = config.getMulti('latency-tracking-info-percentiles');
  return table.all
    .filter((command) => hasLatency(stats, command.id))
    .map((command) => {
      const buckets = latencyBuckets(stats, command.id);
      const parts = percentiles.map((each) => `p${each}=${percentileUsec(buckets, each).toFixed(3)}`);
      return [`latency_percentiles_usec_${command.name}`, parts.join(',')];
    });
}

/** Databases without keys are left out, as in Redis. */
export function keyspaceLines(cx: CommandContext): InfoLines {
  const { keyspace } = cx;
  const lines: [string, string][] = [];
  for (let db = 0; db < keyspace.memory.databaseCount; db++) {
    const keys = keyspace.size(db);
    if (keys === 0) continue;
    const expires = keyspace.expires(db);
    const text = `keys=${keys},expires=${expires},avg_ttl=${averageTtl(cx, db, expires)},subexpiry=${keyspace.fieldExpires(db)}`;
    lines.push([`db${db}`, text]);
  }
  return lines;
}

/** In ms, of a sample; 0 without keys that expire. */
function averageTtl(cx: CommandContext, db: number, expires: number): number {
  if (expires === 0) return 0;
  const sample = sampleTtl(cx.keyspace, db);
  return sample.alive === 0 ? 0 : Math.floor(sample.ttlSum / sample.alive);
}

/** A line for each thread, by its id: the supervisor, then acceptors, then shard workers. */
export function threadLines(cx: CommandContext): InfoLines {
  const { facts, stats } = cx.server;
  const names = ['supervisor'];
  for (let i = 0; i < facts.acceptors; i++) names.push(`acceptor-${i}`);
  for (let i = 0; i < facts.shardWorkers; i++) names.push(`shard-worker-${i}`);
  const lines = names.map((name, index): [string, string] => {
    const of = (stat: number): number => stats.of(index + 1, stat);
    const fields = [
      `name=${name}`,
      `clients=${of(Stat.Clients)}`,
      `commands=${of(Stat.Commands)}`,
      `handed_over=${of(Stat.HandedOver)}`,
      `ring_full=${of(Stat.RingFull)}`,
      `net_input=${of(Stat.NetInput)}`,
      `net_output=${of(Stat.NetOutput)}`,
      `cpu_sys=${(of(Stat.CpuSystemMs) / 1e3).toFixed(3)}`,
      `cpu_user=${(of(Stat.CpuUserMs) / 1e3).toFixed(3)}`,
      `heap=${of(Stat.HeapBytes)}`,
    ];
    return [`thread${index + 1}`, fields.join(',')];
  });
  return [
    ['acceptors', facts.acceptors],
    ['shard_workers', facts.shardWorkers],
    ['answered_by', cx.server.threadName],
    ...lines,
  ];
}

export function shardLines(cx: CommandContext): InfoLines {
  const { keyspace } = cx;
  const lines = keyspace.shards.map((shard): [string, string] => {
    let keys = 0;
    let expires = 0;
    for (let db = 0; db < keyspace.memory.databaseCount; db++) {
      keys += shard.keys(db);
      expires += shard.expires(db);
    }
    const fields = [
      `keys=${keys}`,
      `expires=${expires}`,
      `used=${shard.counter(ShardCounter.Used)}`,
      `reserved=${shard.counter(ShardCounter.Reserved)}`,
      `hits=${shard.counter(ShardCounter.Hits)}`,
      `misses=${shard.counter(ShardCounter.Misses)}`,
      `expired=${shard.counter(ShardCounter.Expired)}`,
      `evicted=${shard.counter(ShardCounter.Evicted)}`,
      `changes=${shard.counter(ShardCounter.Dirty)}`,
      `lock_contended=${shard.counter(ShardCounter.Contended)}`,
    ];
    return [`shard${shard.id}`, fields.join(',')];
  });
  return [
    ['shards', keyspace.shards.length],
    ['lock_contended', keyspace.sum(ShardCounter.Contended)],
    ...lines,
  ];
}
