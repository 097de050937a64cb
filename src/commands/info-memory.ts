// INFO memory.

import { totalmem } from 'node:os';
import { lazyFreePending } from '../keyspace/flush.ts';
import { PersistenceGauge, Stat } from '../metrics/stats.ts';
import type { CommandContext } from './context.ts';
import { humanBytes, type InfoLines, ratio } from './info-text.ts';
import { memoryFacts } from './memory-facts.ts';

/** Name of the allocator in INFO and MEMORY DOCTOR. */
export const ALLOCATOR_NAME = 'shared-array-buffer';

export function memoryLines(cx: CommandContext): InfoLines {
  const { config, stats } = cx.server;
  const facts = memoryFacts(cx);
  const total = totalmem();
  const maxMemory = config.getMemory('maxmemory');
  return [
    ['used_memory', facts.used],
    ['used_memory_human', humanBytes(facts.used)],
    ['used_memory_rss', facts.rss],
    ['used_memory_rss_human', humanBytes(facts.rss)],
    ['used_memory_peak', facts.peak],
    ['used_memory_peak_human', humanBytes(facts.peak)],
    ['used_memory_peak_perc', `${facts.peakPercent.toFixed(2)}%`],
    ['used_memory_overhead', facts.overhead],
    ['used_memory_startup', facts.startup],
    ['used_memory_dataset', facts.dataset],
    ['used_memory_dataset_perc', `${facts.datasetPercent.toFixed(2)}%`],
    ['allocator_allocated', facts.allocated],
    ['allocator_active', facts.active],
    ['allocator_resident', facts.resident],
    ['allocator_muzzy', 0],
    ['total_system_memory', total],
    ['total_system_memory_human', humanBytes(total)],
    ...scriptLines(),
    ['maxmemory', maxMemory],
    ['maxmemory_human', humanBytes(maxMemory)],
    ['maxmemory_policy', config.getEnum('maxmemory-policy')],
    ['allocator_frag_ratio', ratio(facts.active, facts.allocated)],
    ['allocator_frag_bytes', facts.active - facts.allocated],
    ['allocator_rss_ratio', ratio(facts.resident, facts.active)],
    ['allocator_rss_bytes', facts.resident - facts.active],
    ['rss_overhead_ratio', ratio(facts.rss, facts.resident)],
    ['rss_overhead_bytes', facts.rss - facts.resident],
    ['mem_fragmentation_ratio', ratio(facts.rss, facts.used)],
    ['mem_fragmentation_bytes', facts.rss - facts.used],
    ['mem_not_counted_for_evict', facts.used - facts.allocated],
    ['mem_replication_backlog', 0],
    ['mem_total_replication_buffers', 0],
    ['mem_clients_slaves', 0],
    ['mem_clients_normal', facts.clients],
    ['mem_cluster_links', 0],
    ['mem_aof_buffer', stats.persistence[PersistenceGauge.AofBufferBytes]!],
    ['mem_allocator', ALLOCATOR_NAME],
    ['mem_overhead_db_hashtable_rehashing', 0],
    ['active_defrag_running', stats.max(Stat.DefragPercent)],
    ['lazyfree_pending_objects', lazyFreePending(cx.keyspace)],
    ['lazyfreed_objects', stats.sum(Stat.LazyFreed)],
  ];
}

/** There are no scripts and no functions. */
function scriptLines(): InfoLines {
  return [
    ['used_memory_lua', 0],
    ['used_memory_vm_eval', 0],
    ['used_memory_lua_human', humanBytes(0)],
    ['used_memory_scripts_eval', 0],
    ['number_of_cached_scripts', 0],
    ['number_of_functions', 0],
    ['number_of_libraries', 0],
    ['used_memory_vm_functions', 0],
    ['used_memory_vm_total', 0],
    ['used_memory_vm_total_human', humanBytes(0)],
    ['used_memory_functions', 0],
    ['used_memory_scripts', 0],
    ['used_memory_scripts_human', humanBytes(0)],
  ];
}
