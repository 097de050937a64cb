// MEMORY DOCTOR: what is wrong with the server's memory, in the words of redis-server, which people know.
//
// Fragmentation and overhead are judged without the memory of the program itself (MemoryFacts.runtime): it does not grow
// with the data and would otherwise be found at fault in every small instance.

import { ALLOCATOR_NAME } from './info-memory.ts';
import type { MemoryFacts } from './memory-facts.ts';

const EMPTY_BYTES = 5 * 1024 * 1024;
const FRAGMENT_BYTES = 10 * 1024 * 1024;
const CLIENT_BYTES = 200 * 1024;

const EMPTY =
  "Hi Sam, this instance is empty or is using very little memory, my issues detector can't be used in these conditions. Please, leave for your mission on Earth and fill it with some data. The new Sam and I will be back to our programming as soon as I finished rebooting.\n";
const HEALTHY =
  "Hi Sam, I can't find any memory issue in your instance. I can only account for what occurs on this base.\n";
const OPENING = 'Sam, I detected a few issues in this Redis instance memory implants:\n\n';
const CLOSING = "I'm here to keep you safe, Sam. I want to help you.\n";

const PEAK =
  'Peak memory: In the past this instance used more than 150% the memory that is currently using. The allocator is normally not able to release memory after a peak, so you can expect to see a big fragmentation ratio, however this is actually harmless and is only due to the memory peak, and if the Redis instance Resident Set Size (RSS) is currently bigger than expected, the memory will be used as soon as you fill the Redis instance with more data. If the memory peak was only occasional and you want to try to reclaim memory, please try the MEMORY PURGE command, otherwise the only other option is to shutdown and restart the instance.';
const HIGH_RSS = `High total RSS: This instance has a memory fragmentation and RSS overhead greater than 1.4 (this means that the Resident Set Size of the Redis process is much larger than the sum of the logical allocations Redis performed). This problem is usually due either to a large peak memory (check if there is a peak memory entry above in the report) or may result from a workload that causes the allocator to fragment memory a lot. If the problem is a large peak memory, then there is no issue. Otherwise, make sure you are using the Jemalloc allocator and not the default libc malloc. Note: The currently used allocator is "${ALLOCATOR_NAME}".`;
const FRAGMENTATION =
  "High allocator fragmentation: This instance has an allocator external fragmentation greater than 1.1. This problem is usually due either to a large peak memory (check if there is a peak memory entry above in the report) or may result from a workload that causes the allocator to fragment memory a lot. You can try enabling 'activedefrag' config option.";
const ALLOCATOR_RSS =
  'High allocator RSS overhead: This instance has an RSS memory overhead is greater than 1.1 (this means that the Resident Set Size of the allocator is much larger than the sum what the allocator actually holds). This problem is usually due to a large peak memory (check if there is a peak memory entry above in the report), you can try the MEMORY PURGE command to reclaim it.';
const PROCESS_RSS =
  'High process RSS overhead: This instance has non-allocator RSS memory overhead is greater than 1.1 (this means that the Resident Set Size of the Redis process is much larger than the RSS the allocator holds). This problem may be due to Lua scripts or Modules.';
const CLIENTS =
  'Big client buffers: The clients output buffers in this instance are greater than 200K per client (on average). This may result from different causes, like Pub/Sub clients subscribed to channels bot not receiving data fast enough, so that data piles on the Redis instance output buffer, or clients sending commands with large replies or very large sequences of commands in the same pipeline. Please use the CLIENT LIST command in order to investigate the issue if it causes problems in your instance, or to understand better why certain clients are using a big amount of memory.';

/** @param clients how many are connected */
export function memoryReport(facts: MemoryFacts, clients: number): string {
  if (facts.used < EMPTY_BYTES) return EMPTY;
  const rss = Math.max(0, facts.rss - facts.runtime);
  const issues: string[] = [];
  if (facts.peak > facts.used * 1.5) issues.push(PEAK);
  if (exceeds(rss, facts.used, 1.4)) issues.push(HIGH_RSS);
  if (exceeds(facts.active, facts.allocated, 1.1)) issues.push(FRAGMENTATION);
  if (exceeds(facts.resident, facts.active, 1.1)) issues.push(ALLOCATOR_RSS);
  if (exceeds(rss, facts.resident, 1.1)) issues.push(PROCESS_RSS);
  if (clients > 0 && facts.clients / clients > CLIENT_BYTES) issues.push(CLIENTS);
  if (issues.length === 0) return HEALTHY;
  return `${OPENING}${issues.map((issue) => ` * ${issue}\n\n`).join('')}${CLOSING}`;
}

/** Whether more is taken than used, by this factor and by 10 MiB. */
function exceeds(taken: number, used: number, factor: number): boolean {
  return taken > used * factor && taken - used > FRAGMENT_BYTES;
}
