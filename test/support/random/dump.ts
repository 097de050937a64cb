// DUMP and RESTORE: what a server wrote comes back, under another key and with every option; what the oracle wrote is read
// by Sabre as well; damaged payloads are refused.
//
// The payload is known only when the reply has come: RESTORE follows it. Payloads of the two servers are the same bytes
// where the order of elements is defined and both know the format, but for the version at their end.

import fc from 'fast-check';
import { type Comparison, isNull, near } from '../comparisons.ts';
import { anyKey, command, type FollowUp, type Generator, hllKey, weighted } from '../generator-parts.ts';
import type { Argument } from '../raw-client.ts';
import { isError, type Reply } from '../resp-parser.ts';
import { POOLS, whole } from './parts.ts';

/** Version and checksum behind the value. */
const FOOTER_BYTES = 10;
/** Types whose bytes are defined: string, intset, listpack of a sorted set (that of a hash keeps the order it was restored in). */
const DEFINED_TYPES = new Set([0, 11, 17]);

/** The same values, where they are comparable. */
const samePayload: Comparison = (left, right) => {
  if (isError(left) || isError(right) || isNull(left) || isNull(right)) return left.raw.equals(right.raw);
  if (!DEFINED_TYPES.has(right.bytes![0]!)) return left.bytes!.length > FOOTER_BYTES;
  return left.bytes!.subarray(0, -FOOTER_BYTES).equals(right.bytes!.subarray(0, -FOOTER_BYTES));
};

/** The name of the target and what is behind the payload. */
const restoreOptions = fc.oneof(
  { weight: 6, arbitrary: fc.constant<Argument[]>(['0', 'REPLACE']) },
  { weight: 2, arbitrary: fc.constant<Argument[]>(['0']) },
  { weight: 2, arbitrary: fc.constant<Argument[]>(['100000000', 'REPLACE']) },
  { weight: 1, arbitrary: fc.constant<Argument[]>(['4102444800000', 'REPLACE', 'ABSTTL']) },
  { weight: 1, arbitrary: fc.constant<Argument[]>(['1', 'ABSTTL', 'REPLACE']) },
  { weight: 1, arbitrary: fc.constant<Argument[]>(['0', 'replace', 'IDLETIME', '100']) },
  { weight: 1, arbitrary: fc.constant<Argument[]>(['0', 'REPLACE', 'FREQ', '10']) },
  {
    weight: 1,
    arbitrary: fc.constantFrom<Argument[]>(
      ['-1', 'REPLACE'],
      ['x'],
      ['0', 'REPLACE', 'FREQ', '256'],
      ['0', 'REPLACE', 'IDLETIME', '-1'],
      ['0', 'REPLACE', 'IDLETIME', '5', 'FREQ', '5'],
      ['0', 'FORCE'],
      ['0', 'REPLACE', 'IDLETIME'],
    ),
  },
);

const restore = (target: Argument, payload: Buffer, rest: readonly Argument[]): Argument[] => [
  'RESTORE',
  target,
  rest[0]!,
  payload,
  ...rest.slice(1),
];

/** Restores each server's own payload, or the oracle's on both. */
function restored(
  target: Argument,
  rest: readonly Argument[],
  foreign: boolean,
): (left: Reply, right: Reply) => readonly FollowUp[] {
  return (left, right) => {
    if (isError(right) || isNull(right)) return [];
    const mine = foreign ? right.bytes! : left.bytes!;
    return [
      { args: restore(target, mine, rest), redis: restore(target, right.bytes!, rest) },
      { args: ['TYPE', target] },
      { args: ['PTTL', target], compare: near(20_000) },
      { args: ['DEBUG', 'DIGEST-VALUE', target] },
    ];
  };
}

/** A key and another that may hold its type. */
const keyAndTarget: fc.Arbitrary<[Argument, Argument]> = fc.oneof(
  ...POOLS.map((pool) => ({
    weight: 3,
    arbitrary: fc.tuple(
      pool.own,
      fc.oneof({ weight: 3, arbitrary: pool.own }, { weight: 1, arbitrary: anyKey }),
    ),
  })),
  { weight: 4, arbitrary: fc.tuple(anyKey, anyKey) },
  { weight: 1, arbitrary: fc.tuple(hllKey, hllKey) },
);

const copies: Generator = fc
  .tuple(keyAndTarget, restoreOptions, fc.boolean())
  .chain(([[key, target], rest, foreign]) =>
    whole(command('DUMP', fc.constant(key)), {
      compare: samePayload,
      follow: restored(target, rest, foreign),
    }),
  );

/** One byte of the oracle's payload is changed, and it is sent to both. */
const damaged: Generator = fc
  .tuple(keyAndTarget, fc.nat({ max: 10_000 }), fc.integer({ min: 1, max: 255 }))
  .map(([[key, target], at, change]) => [
    {
      args: ['DUMP', key],
      compare: samePayload,
      follow: (_left, right) => {
        if (isError(right) || isNull(right)) return [];
        const bytes = Buffer.from(right.bytes!);
        bytes[at % bytes.length]! ^= change;
        return [{ args: ['RESTORE', target, '0', bytes, 'REPLACE'] }];
      },
    },
  ]);

const noPayload = whole(
  command(
    'RESTORE',
    anyKey,
    fc.constant('0'),
    fc.constantFrom('', 'x', Buffer.from('0003616263000a0000000000000000', 'hex'), 'a'.repeat(100)),
  ),
);

export const dumpCommands: Generator = weighted([12, copies], [2, damaged], [1, noPayload]);
