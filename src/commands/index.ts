/*
 * All command families in one place, and the table made of them. Each thread that runs commands makes its own table
 * with `createCommandTable()` when it starts; ids are the same in all of them.
 */
import { allCommandFacts } from './facts/command-facts.ts';
import { aclCommands } from './family-acl.ts';
import { bitmapCommands } from './family-bitmap.ts';
import { bitmapFieldCommands } from './family-bitmap-field.ts';
import { clientCommands } from './family-client.ts';
import { commandCommands } from './family-command.ts';
import { configCommands } from './family-config.ts';
import { connectionCommands } from './family-connection.ts';
import { debugCommands } from './family-debug.ts';
import { dumpCommands } from './family-dump.ts';
import { genericCommands } from './family-generic.ts';
import { geoCommands } from './family-geo.ts';
import { hashCommands } from './family-hash.ts';
import { hashExpireCommands } from './family-hash-expire.ts';
import { hyperloglogCommands } from './family-hyperloglog.ts';
import { infoCommands } from './family-info.ts';
import { latencyCommands } from './family-latency.ts';
import { listCommands } from './family-list.ts';
import { listMoveCommands } from './family-list-move.ts';
import { listSearchCommands } from './family-list-search.ts';
import { memoryCommands } from './family-memory.ts';
import { moduleCommands } from './family-module.ts';
import { persistenceCommands } from './family-persistence.ts';
import { pubsubCommands } from './family-pubsub.ts';
import { serverCommands } from './family-server.ts';
import { setCommands } from './family-set.ts';
import { slowlogCommands } from './family-slowlog.ts';
import { sortCommands } from './family-sort.ts';
import { streamCommands } from './family-stream.ts';
import { stringCommands } from './family-string.ts';
import { stringEditCommands } from './family-string-edit.ts';
import { stringLcsCommands } from './family-string-lcs.ts';
import { transactionCommands } from './family-transaction.ts';
import { zsetCommands } from './family-zset.ts';
import { setAlgebraCommands } from './set-algebra.ts';
import { setRandomCommands } from './set-random.ts';
import { buildCommandTable, type CommandTable, type FamilyHandlers } from './table.ts';
import { zsetAddCommands } from './zset-add.ts';
import { zsetAlgebraCommands } from './zset-algebra.ts';
import { zsetPopCommands } from './zset-pop.ts';
import { zsetRandomCommands } from './zset-random.ts';
import { zsetRangeCommands } from './zset-range.ts';
import { zsetScanCommands } from './zset-scan.ts';

const FAMILIES: readonly FamilyHandlers[] = [
  aclCommands,
  commandCommands,
  stringCommands,
  stringEditCommands,
  stringLcsCommands,
  bitmapCommands,
  bitmapFieldCommands,
  genericCommands,
  listCommands,
  listSearchCommands,
  listMoveCommands,
  hashCommands,
  hashExpireCommands,
  dumpCommands,
  hyperloglogCommands,
  debugCommands,
  connectionCommands,
  transactionCommands,
  persistenceCommands,
  clientCommands,
  pubsubCommands,
  configCommands,
  slowlogCommands,
  latencyCommands,
  serverCommands,
  infoCommands,
  memoryCommands,
  moduleCommands,
  streamCommands,
  setCommands,
  setRandomCommands,
  setAlgebraCommands,
  zsetCommands,
  zsetAddCommands,
  zsetRangeCommands,
  zsetPopCommands,
  zsetAlgebraCommands,
  zsetRandomCommands,
  zsetScanCommands,
  sortCommands,
  geoCommands,
];

/** @returns a new table with every command that is built */
export function createCommandTable(): CommandTable {
  return buildCommandTable(allCommandFacts, FAMILIES);
}
