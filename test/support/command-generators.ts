// Random commands of all families, mixed.
//
// The families have files of their own (generate-*.ts, and random/ for the collections); a new family is added there and to
// `commandMix`.

import fc from 'fast-check';
import { bitmapCommands } from './generate-bitmaps.ts';
import { flushCommands, genericCommands } from './generate-generic.ts';
import { hyperloglogCommands } from './generate-hyperloglogs.ts';
import { stringCommands } from './generate-strings.ts';
import { type Generator, type Operation, weighted } from './generator-parts.ts';
import { connectionCommands } from './random/connection.ts';
import { dumpCommands } from './random/dump.ts';
import { geoCommands } from './random/geo.ts';
import { hashCommands, newerHashCommands } from './random/hashes.ts';
import { collectionKeyCommands, wrongType } from './random/keys.ts';
import { listCommands } from './random/lists.ts';
import { setCommands } from './random/sets.ts';
import { sortCommands } from './random/sort.ts';
import { newerSortedSetCommands, sortedSetCommands } from './random/sorted-sets.ts';
import { newerStreamCommands, streamCommands } from './random/streams.ts';
import { newerStringCommands } from './random/strings.ts';

/** The groups (as COMMAND DOCS names them) whose every command the generators must reach. */
export const COVERED_GROUPS = [
  'string',
  'bitmap',
  'hyperloglog',
  'generic',
  'list',
  'hash',
  'set',
  'sorted-set',
  'stream',
  'geo',
] as const;

/** Commands of those groups that are tested elsewhere: replication, other servers, and a test that Redis runs on itself. */
export const NOT_GENERATED: ReadonlySet<string> = new Set(['migrate', 'wait', 'waitaof', 'pfselftest']);

/** @param newer whether the left server knows what Redis 7.0 does not (the oracle gets something of the same effect) */
export function commandMix(newer: boolean): Generator {
  return weighted(
    [130, stringCommands],
    [60, bitmapCommands],
    [40, hyperloglogCommands],
    [80, genericCommands],
    [130, listCommands],
    [110, hashCommands],
    [110, setCommands],
    [180, sortedSetCommands],
    [180, streamCommands],
    [60, geoCommands],
    [50, sortCommands],
    [25, dumpCommands],
    [70, collectionKeyCommands],
    [10, wrongType],
    [8, weighted([40, connectionCommands], [1, flushCommands])],
    ...(newer ? NEWER : []),
  );
}

const NEWER: readonly (readonly [number, Generator])[] = [
  [10, newerHashCommands],
  [3, newerSortedSetCommands],
  [10, newerStreamCommands],
  [3, newerStringCommands],
];

/**
 * Random operations, at least `count`; the same for the same seed.
 * What a generator gives as belonging together stays together.
 */
export function generateOperations(generator: Generator, count: number, seed: number): Operation[][] {
  return fc.sample(generator, { numRuns: count, seed });
}
