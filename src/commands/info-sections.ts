// INFO's sections on the server, its clients, persistence, statistics, replication, processor time and cluster.
//
// Fields of parts that do not exist here (replication, persistence, pub/sub, scripts, modules, cluster) are printed where
// clients and monitoring expect them, with the values that a server has which does not use the part.

import { machine, release, type } from 'node:os';
import { buildId, SERVER_NAME } from '../config/version.ts';
import { sampleTtl } from '../keyspace/ttl-sample.ts';
import { GlobalWord, ShardCounter } from '../memory/layout.ts';
import { ServerGauge, Stat } from '../metrics/stats.ts';
import type { CommandContext } from './context.ts';
import { flag, type InfoLines } from './info-text.ts';
import { ChannelKind } from './pubsub-api.ts';
import { unixMicroseconds } from './server-clock.ts';

const DAY_SECONDS = 86400;
const LRU_CLOCK_MASK = 0xffffff;
const BUILD_ID = buildId();
const OS_NAME = `${type()} ${release()} ${machine()}`;

export function serverLines(cx: CommandContext): InfoLines {
  const { config, facts } = cx.server;
  const uptime = Math.floor((cx.now - facts.startedAt) / 1000);
  return [
    ['redis_version', facts.redisVersion],
    ['server_name', SERVER_NAME.toLowerCase()],
    ['sabre_version', facts.version],
    ['redis_git_sha1', '00000000'],
    ['redis_git_dirty', 0],
    ['redis_build_id', BUILD_ID],
    ['redis_mode', config.getBool('cluster-enabled') ? 'cluster' : 'standalone'],
    ['os', OS_NAME],
    ['arch_bits', 64],
    ['monotonic_clock', 'POSIX clock_gettime'],
    ['multiplexing_api', 'libuv'],
    ['atomicvar_api', 'javascript-atomics'],
    ['node_version', process.versions.node],
    ['v8_version', process.versions.v8],
    ['process_id', facts.pid],
    ['process_supervised', 'no'],
    ['run_id', facts.runId],
    ['tcp_port', config.getInt('port')],
    ['server_time_usec', unixMicroseconds()],
    ['uptime_in_seconds', uptime],
    ['uptime_in_days', Math.floor(uptime / DAY_SECONDS)],
    ['hz', config.getInt('hz')],
    ['configured_hz', config.getInt('hz')],
    ['lru_clock', Math.floor(cx.now / 1000) & LRU_CLOCK_MASK],
    ['executable', facts.executable],
    ['config_file', facts.configFile],
    ['io_threads_active', 0],
    ...listenerLines(cx),
  ];
}

function listenerLines(cx: CommandContext): InfoLines {
  const { config } = cx.server;
  const lines: [string, string][] = [];
  const port = config.getInt('port');
  const add = (name: string, addresses: readonly string[], end: string): void => {
    const bound = addresses.map((address) => `bind=${address}`).join(',');
    lines.push([`listener${lines.length}`, `name=${name},${bound}${end}`]);
  };
  if (port > 0) add('tcp', config.getMulti('bind'), `,port=${port}`);
  const path = config.getString('unixsocket');
  if (path !== '') add('unix', [path], '');
  return lines;
}

export function clientLines(cx: CommandContext): InfoLines {
  const { config, stats } = cx.server;
  return [
    ['connected_clients', Atomics.load(cx.keyspace.memory.control, GlobalWord.Clients)],
    ['cluster_connections', 0],
    ['maxclients', config.getInt('maxclients')],
    ['client_recent_max_input_buffer', stats.max(Stat.MaxInputBuffer)],
    ['client_recent_max_output_buffer', stats.max(Stat.MaxOutputBuffer)],
    ['blocked_clients', stats.sum(Stat.Blocked)],
    ['tracking_clients', Atomics.load(cx.keyspace.memory.control, GlobalWord.TrackingClients)],
    ['pubsub_clients', cx.pubsub.clients],
    ['watching_clients', Atomics.load(cx.keyspace.memory.control, GlobalWord.WatchingClients)],
    ['clients_in_timeout_table', stats.sum(Stat.BlockedWithTimeout)],
    ['total_watched_keys', Atomics.load(cx.keyspace.memory.control, GlobalWord.Watching)],
    ['total_blocking_keys', stats.sum(Stat.BlockingKeys)],
    ['total_blocking_keys_on_nokey', stats.sum(Stat.BlockingKeysOnGone)],
    ['monitor_clients', Atomics.load(cx.keyspace.memory.control, GlobalWord.Monitors)],
    ['rate_limited_clients', stats.sum(Stat.RateLimitedNow)],
    ['rate_limit_delays', stats.sum(Stat.RateLimited)],
  ];
}

export function statsLines(cx: CommandContext): InfoLines {
  const { stats } = cx.server;
  const { keyspace } = cx;
  const gauge = (which: number): number => stats.server[which]!;
  return [
    ['total_connections_received', stats.sum(Stat.Connections)],
    ['total_commands_processed', stats.sum(Stat.Commands)],
    ['instantaneous_ops_per_sec', gauge(ServerGauge.OpsPerSecond)],
    ['total_net_input_bytes', stats.sum(Stat.NetInput)],
    ['total_net_output_bytes', stats.sum(Stat.NetOutput)],
    ['total_net_repl_input_bytes', 0],
    ['total_net_repl_output_bytes', 0],
    ['instantaneous_input_kbps', gauge(ServerGauge.InputKibPerSecond).toFixed(2)],
    ['instantaneous_output_kbps', gauge(ServerGauge.OutputKibPerSecond).toFixed(2)],
    ['instantaneous_input_repl_kbps', '0.00'],
    ['instantaneous_output_repl_kbps', '0.00'],
    ['rejected_connections', stats.sum(Stat.Rejected)],
    ['sync_full', 0],
    ['sync_partial_ok', 0],
    ['sync_partial_err', 0],
    ['expired_subkeys', keyspace.sum(ShardCounter.ExpiredFields)],
    ['expired_keys', keyspace.sum(ShardCounter.Expired)],
    ['expired_stale_perc', stalePercent(cx).toFixed(2)],
    ['expired_time_cap_reached_count', stats.sum(Stat.ExpireCapReached)],
    ['expire_cycle_cpu_milliseconds', Math.floor(stats.sum(Stat.ExpireMs))],
    ['evicted_keys', keyspace.sum(ShardCounter.Evicted)],
    ['evicted_clients', stats.sum(Stat.EvictedClients)],
    ['evicted_scripts', 0],
    ['total_eviction_exceeded_time', Math.floor(stats.sum(Stat.EvictionExceededMs))],
    ['current_eviction_exceeded_time', Math.floor(stats.sum(Stat.EvictionExceededNowMs))],
    ['keyspace_hits', keyspace.sum(ShardCounter.Hits)],
    ['keyspace_misses', keyspace.sum(ShardCounter.Misses)],
    ['pubsub_channels', cx.pubsub.distinct(ChannelKind.Channel)],
    ['pubsub_patterns', cx.pubsub.distinct(ChannelKind.Pattern)],
    ['pubsubshard_channels', cx.pubsub.distinct(ChannelKind.ShardChannel)],
    ['latest_fork_usec', 0],
    ['total_forks', 0],
    ['migrate_cached_sockets', 0],
    ['slave_expires_tracked_keys', 0],
    ['active_defrag_hits', keyspace.sum(ShardCounter.DefragHits)],
    ['active_defrag_misses', keyspace.sum(ShardCounter.DefragMisses)],
    ['active_defrag_key_hits', keyspace.sum(ShardCounter.DefragHits)],
    ['active_defrag_key_misses', keyspace.sum(ShardCounter.DefragMisses)],
    ['total_active_defrag_time', Math.floor(stats.sum(Stat.DefragMs))],
    ['current_active_defrag_time', Math.floor(stats.sum(Stat.DefragNowMs))],
    ['tracking_total_keys', cx.tracking.keys],
    ['tracking_total_items', cx.tracking.items],
    ['tracking_total_prefixes', cx.tracking.prefixes],
    ['unexpected_error_replies', 0],
    ['total_error_replies', stats.sum(Stat.ErrorReplies)],
    ['dump_payload_sanitizations', stats.sum(Stat.DumpSanitizations)],
    ['total_reads_processed', stats.sum(Stat.Reads)],
    ['total_writes_processed', stats.sum(Stat.Writes)],
    ['io_threaded_reads_processed', 0],
    ['io_threaded_writes_processed', 0],
    ['client_query_buffer_limit_disconnections', stats.sum(Stat.QueryLimitDisconnects)],
    ['client_output_buffer_limit_disconnections', stats.sum(Stat.OutputLimitDisconnects)],
    ['reply_buffer_shrinks', 0],
    ['reply_buffer_expands', 0],
    ['acl_access_denied_auth', stats.sum(Stat.AclDeniedAuth)],
    ['acl_access_denied_cmd', stats.sum(Stat.AclDeniedCommand)],
    ['acl_access_denied_key', stats.sum(Stat.AclDeniedKey)],
    ['acl_access_denied_channel', stats.sum(Stat.AclDeniedChannel)],
  ];
}

/** Share of the keys with an expiry whose time has come, as a sample of all databases tells. */
function stalePercent(cx: CommandContext): number {
  let alive = 0;
  let overdue = 0;
  for (let db = 0; db < cx.keyspace.memory.databaseCount; db++) {
    if (cx.keyspace.expires(db) === 0) continue;
    const sample = sampleTtl(cx.keyspace, db);
    alive += sample.alive;
    overdue += sample.overdue;
  }
  return overdue === 0 ? 0 : (overdue * 100) / (alive + overdue);
}

export function replicationLines(cx: CommandContext): InfoLines {
  return [
    ['role', 'master'],
    ['connected_slaves', 0],
    ['master_failover_state', 'no-failover'],
    ['master_replid', replicationId(cx.server.facts.runId)],
    ['master_replid2', '0'.repeat(40)],
    ['master_repl_offset', 0],
    ['second_repl_offset', -1],
    ['repl_backlog_active', 0],
    ['repl_backlog_size', cx.server.config.getMemory('repl-backlog-size')],
    ['repl_backlog_first_byte_offset', 0],
    ['repl_backlog_histlen', 0],
  ];
}

/** As random as the run's id, and the same in every thread. node:crypto is loaded when asked: 1.1 MB a thread. */
function replicationId(runId: string): string {
  const { createHash } = process.getBuiltinModule('node:crypto');
  return createHash('sha1').update(`replication ${runId}`).digest('hex');
}

/** There are no child processes. The main thread is the supervisor. */
export function cpuLines(cx: CommandContext): InfoLines {
  const { user, system } = process.cpuUsage();
  const { stats } = cx.server;
  return [
    ['used_cpu_sys', (system / 1e6).toFixed(6)],
    ['used_cpu_user', (user / 1e6).toFixed(6)],
    ['used_cpu_sys_children', '0.000000'],
    ['used_cpu_user_children', '0.000000'],
    ['used_cpu_sys_main_thread', (stats.of(1, Stat.CpuSystemMs) / 1e3).toFixed(6)],
    ['used_cpu_user_main_thread', (stats.of(1, Stat.CpuUserMs) / 1e3).toFixed(6)],
  ];
}

export function clusterLines(cx: CommandContext): InfoLines {
  return [['cluster_enabled', flag(cx.server.config.getBool('cluster-enabled'))]];
}
