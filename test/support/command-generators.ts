// Random commands of all families that Sabre has, mixed.
//
// The families have files of their own (generate-*.ts); a new family is added there and to `commandMix`.

import fc from 'fast-check';
import { bitmapCommands } from './generate-bitmaps.ts';
import { flushCommands, genericCommands } from './generate-generic.ts';
import { hyperloglogCommands } from './generate-hyperloglogs.ts';
import { otherTypeCommands } from './generate-other-types.ts';
import { stringCommands } from './generate-strings.ts';
import { type Generator, type Operation, weighted } from './generator-parts.ts';

/** The groups (as COMMAND DOCS names them) whose every command the generators must reach. */
export const COVERED_GROUPS = ['string', 'bitmap', 'hyperloglog', 'generic'] as const;

/** Commands of those groups that are tested elsewhere. */
export const NOT_GENERATED: ReadonlySet<string> = new Set([
  'sort',
  'sort_ro',
  'dump',
  'restore',
  'migrate',
  'wait',
  'waitaof',
  'pfselftest',
]);

/** @param otherTypes whether lists, hashes and so on may be made. */
export function commandMix(otherTypes: boolean): Generator {
  return weighted(
    [400, stringCommands],
    [200, bitmapCommands],
    [120, hyperloglogCommands],
    [350, genericCommands],
    [2, flushCommands],
    ...(otherTypes ? [[30, otherTypeCommands] as const] : []),
  );
}

/**
 * Random operations, at least `count`; the same for the same seed.
 * What a generator gives as belonging together stays together.
 */
export function generateOperations(generator: Generator, count: number, seed: number): Operation[][] {
  return fc.sample(generator, { numRuns: count, seed });
}
