/*
 * Large collections for the benchmark: how each is filled, and the commands on millions of elements that are run beside
 * other clients' requests.
 *
 * Elements are alike on both servers and in every run; sorted sets get their scores in a scattered order.
 */

import { KEY, type MixEntry, VALUE } from './load/requests.ts';

/** Elements in one command that fills a collection. */
const PART = 200;
/** A prime above the number of elements: steps of SCATTER through it meet every score once. */
const SCORES = 1_000_003;
const SCATTER = 7919;

/** What is filled by commands of many elements each. */
const ELEMENTS = {
  set: (i: number) => [`member:${digits(i)}`],
  hash: (i: number) => [`field:${digits(i)}`, `value:${i}`],
  zset: (i: number) => [String((i * SCATTER) % SCORES), `member:${digits(i)}`],
  list: (i: number) => [`element:${i}`],
  numbers: (i: number) => [String((i * SCATTER) % SCORES)],
} as const;

const COMMANDS = { set: 'SADD', hash: 'HSET', zset: 'ZADD', list: 'RPUSH', numbers: 'RPUSH' } as const;

export type Filling = keyof typeof ELEMENTS;

/** What needs a command for each element: made by the load generator. */
export const MIXES = {
  hashes: [
    {
      command: ['HSET', KEY, 'name', 'user', 'age', '42', 'city', 'Berlin', 'score', '1234', 'flag', 'true'],
      weight: 1,
    },
  ],
  stream: [{ command: ['XADD', 'stream', '*', 'sensor', '17', 'value', VALUE], weight: 1 }],
} satisfies Record<string, MixEntry[]>;

export type Collection = Exclude<Filling, 'numbers'> | keyof typeof MIXES;

/** Keys have names in slots of their own, so that those read beside them are everywhere. */
export const BIG = { left: 'big:left', right: 'big:right', result: 'big:result' } as const;

/** A long command and what it needs. */
export interface LongCommand {
  readonly fill: readonly { readonly key: string; readonly with: Filling; readonly from: number }[];
  readonly command: readonly string[];
  /** Whether it can be run again on what it has left. */
  readonly repeats: boolean;
}

export const LONG_COMMANDS = {
  sunionstore: {
    fill: [
      { key: BIG.left, with: 'set', from: 0 },
      { key: BIG.right, with: 'set', from: 0.5 },
    ],
    command: ['SUNIONSTORE', BIG.result, BIG.left, BIG.right],
    repeats: true,
  },
  sort: {
    fill: [{ key: BIG.left, with: 'numbers', from: 0 }],
    command: ['SORT', BIG.left, 'STORE', BIG.result],
    repeats: true,
  },
  del: {
    fill: [{ key: BIG.left, with: 'set', from: 0 }],
    command: ['DEL', BIG.left],
    repeats: false,
  },
} as const satisfies Record<string, LongCommand>;

export type LongCommandName = keyof typeof LONG_COMMANDS;

function digits(i: number): string {
  return String(i).padStart(9, '0');
}

/** The commands that fill `key` with elements from .. from + count - 1. */
export function* fillCommands(
  filling: Filling,
  key: string,
  from: number,
  count: number,
): Generator<string[]> {
  for (let start = from; start < from + count; start += PART) {
    const command: string[] = [COMMANDS[filling], key];
    for (let i = start; i < Math.min(start + PART, from + count); i++) command.push(...ELEMENTS[filling](i));
    yield command;
  }
}
