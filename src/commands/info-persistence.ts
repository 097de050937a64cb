// INFO's section on persistence, from what the persistence worker publishes (metrics/stats.ts, PersistenceGauge).

import { GlobalWord, ShardCounter } from '../memory/layout.ts';
import { PersistenceGauge as Gauge } from '../metrics/stats.ts';
import type { CommandContext } from './context.ts';
import type { InfoLines } from './info-text.ts';

export function persistenceLines(cx: CommandContext): InfoLines {
  const values = cx.server.stats.persistence;
  const gauge = (which: number): number => values[which]!;
  const status = (failed: number): string => (gauge(failed) === 0 ? 'ok' : 'err');
  const seconds = (runs: number): number =>
    gauge(runs) === 0 ? -1 : Math.max(0, Math.floor((Date.now() - gauge(Gauge.SnapshotStartedAt)) / 1000));
  const loading = Atomics.load(cx.keyspace.memory.control, GlobalWord.Loading) !== 0;
  const since = gauge(Gauge.SnapshotStartedAt);
  const snapshots = since > 0;
  const toSave = gauge(Gauge.KeysToSave);
  const percent = snapshots && toSave > 0 ? Math.min(100, (100 * gauge(Gauge.KeysSaved)) / toSave) : 0;
  const lines: [string, string | number][] = [
    ['loading', loading ? 1 : 0],
    ['async_loading', 0],
    ['current_cow_peak', snapshots ? gauge(Gauge.PreservedBytes) : 0],
    ['current_cow_size', snapshots ? gauge(Gauge.PreservedBytes) : 0],
    ['current_cow_size_age', snapshots ? Math.floor((Date.now() - since) / 1000) : 0],
    ['current_fork_perc', percent.toFixed(2)],
    ['current_save_keys_processed', snapshots ? gauge(Gauge.KeysSaved) : 0],
    ['current_save_keys_total', snapshots ? toSave : 0],
    ['rdb_changes_since_last_save', cx.keyspace.sum(ShardCounter.Dirty) - gauge(Gauge.DirtyAtSave)],
    ['rdb_bgsave_in_progress', gauge(Gauge.SaveRuns)],
    ['rdb_last_save_time', Math.floor((gauge(Gauge.LastSaveAt) || cx.server.facts.startedAt) / 1000)],
    ['rdb_last_bgsave_status', status(Gauge.LastSaveFailed)],
    ['rdb_last_bgsave_time_sec', gauge(Gauge.LastSaveSeconds) - 1],
    ['rdb_current_bgsave_time_sec', seconds(Gauge.SaveRuns)],
    ['rdb_saves', gauge(Gauge.Saves)],
    ['rdb_last_cow_size', gauge(Gauge.LastSavePreserved)],
    ['rdb_last_load_keys_expired', gauge(Gauge.KeysExpiredAtLoad)],
    ['rdb_last_load_keys_loaded', gauge(Gauge.KeysLoaded)],
    ['aof_enabled', gauge(Gauge.AofOn)],
    ['aof_rewrite_in_progress', gauge(Gauge.RewriteRuns)],
    ['aof_rewrite_scheduled', gauge(Gauge.RewriteScheduled)],
    ['aof_last_rewrite_time_sec', gauge(Gauge.LastRewriteSeconds) - 1],
    ['aof_current_rewrite_time_sec', seconds(Gauge.RewriteRuns)],
    ['aof_last_bgrewrite_status', status(Gauge.LastRewriteFailed)],
    ['aof_rewrites', gauge(Gauge.Rewrites)],
    ['aof_rewrites_consecutive_failures', gauge(Gauge.RewriteFailures)],
    ['aof_last_write_status', status(Gauge.AofWriteFailed)],
    ['aof_last_cow_size', gauge(Gauge.LastRewritePreserved)],
    ['module_fork_in_progress', 0],
    ['module_fork_last_cow_size', 0],
  ];
  if (gauge(Gauge.AofOn) !== 0) {
    lines.push(
      ['aof_current_size', gauge(Gauge.AofBytes)],
      ['aof_base_size', gauge(Gauge.AofBaseBytes)],
      // Redis's child that is about to begin: here nothing is between scheduled and in progress.
      ['aof_pending_rewrite', 0],
      ['aof_buffer_length', gauge(Gauge.AofPendingBytes)],
      ['aof_pending_bio_fsync', gauge(Gauge.FsyncRuns)],
      ['aof_delayed_fsync', gauge(Gauge.DelayedFsyncs)],
    );
  }
  if (loading) lines.push(...loadingLines(cx));
  return lines;
}

function loadingLines(cx: CommandContext): [string, string | number][] {
  const values = cx.server.stats.persistence;
  const startedAt = values[Gauge.LoadStartedAt]!;
  const total = values[Gauge.LoadTotalBytes]!;
  const loaded = values[Gauge.LoadedBytes]!;
  const elapsed = (Date.now() - startedAt) / 1000;
  const eta = loaded === 0 ? 1 : Math.floor((elapsed * Math.max(0, total - loaded)) / loaded);
  return [
    ['loading_start_time', Math.floor(startedAt / 1000)],
    ['loading_total_bytes', total],
    ['loading_rdb_used_mem', values[Gauge.LoadUsedMemory]!],
    ['loading_loaded_bytes', loaded],
    ['loading_loaded_perc', (total === 0 ? 0 : (100 * loaded) / total).toFixed(2)],
    ['loading_eta_seconds', eta],
  ];
}
