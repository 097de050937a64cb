// A data set in which values are moved between keys, and what its keys have together at any time.

import { expect } from 'vitest';
import type { InProcess } from '../support/in-process.ts';
import type { Argument } from '../support/raw-client.ts';
import { LISTS, MOVERS, PAIR_SUM, PAIRS, SETS } from './snapshot-shared.ts';

const ELEMENTS = 2000;
const MEMBERS = 800;

const many = (count: number, what: string): string[] =>
  Array.from(
    { length: count },
    (_, i) => `${what} ${String(i).padStart(5, '0')} ${'and more '.repeat(i % 9)}`,
  );

/** What makes the data set. */
export function fillCommands(): Argument[][] {
  const commands: Argument[][] = [
    ['RPUSH', 'list:0', ...many(ELEMENTS, 'element')],
    ['SADD', 'set:0', ...many(MEMBERS, 'member')],
  ];
  for (const mover of MOVERS) {
    for (let i = 0; i < PAIRS; i++) {
      commands.push(['MSET', `left:${mover}:${i}`, 0, `right:${mover}:${i}`, PAIR_SUM]);
      commands.push(['SET', `name:${mover}:${i}`, `value ${i}`]);
    }
  }
  return commands;
}

/** Checks what a data set has together. */
export function checkSums(bench: InProcess): void {
  const lists: string[] = [];
  for (let i = 0; i < LISTS; i++) lists.push(...(bench.value('LRANGE', `list:${i}`, 0, -1) as string[]));
  expect(lists.map(String).sort()).toEqual(many(ELEMENTS, 'element'));
  const members: string[] = [];
  for (let i = 0; i < SETS; i++) members.push(...(bench.value('SMEMBERS', `set:${i}`) as string[]));
  expect(members.map(String).sort()).toEqual(many(MEMBERS, 'member'));
  for (const mover of MOVERS) {
    for (let i = 0; i < PAIRS; i++) {
      const pair = bench.value('MGET', `left:${mover}:${i}`, `right:${mover}:${i}`) as string[];
      expect(Number(pair[0]) + Number(pair[1])).toBe(PAIR_SUM);
      const names = bench.value('MGET', `name:${mover}:${i}`, `other:${mover}:${i}`) as (string | null)[];
      expect(names.filter((value) => value !== null).map(String)).toEqual([`value ${i}`]);
    }
  }
}
