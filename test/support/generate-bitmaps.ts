// Random bitmap commands. Left out: BITOP's DIFF, DIFF1, ANDOR, ONE, which redis-server 7.0 does not have.

import fc from 'fast-check';
import { type Comparison, exact } from './comparisons.ts';
import {
  anyCase,
  anyKey,
  command,
  type Generator,
  index,
  integerText,
  readableKey,
  single,
  weighted,
} from './generator-parts.ts';
import type { Argument } from './raw-client.ts';
import { isError } from './resp-parser.ts';

const BAD_ARGUMENT = /^ERR (syntax error|value is not an integer)/;

/**
 * Before 7.2, redis-server looked at the key of BITCOUNT and BITPOS first: for a missing key, or one of another type,
 * it did not see that a later argument was bad.
 */
const argumentsFirst: Comparison = (left, right) =>
  exact(left, right) ||
  (isError(left) &&
    BAD_ARGUMENT.test(String(left.bytes)) &&
    (right.type === 'integer' || String(right.bytes).startsWith('WRONGTYPE')));

/** Offsets of bits: mostly near, sometimes past the limit of 2^32, never so far that values get huge. */
const bitOffset = fc.oneof(
  { arbitrary: fc.integer({ min: 0, max: 300 }).map(String), weight: 8 },
  { arbitrary: fc.integer({ min: 0, max: 10_000 }).map(String), weight: 1 },
  { arbitrary: fc.constantFrom('-1', '4294967296', '9223372036854775807', 'x', '', '#1', '1.0'), weight: 1 },
);

const bit = fc.oneof(
  { arbitrary: fc.constantFrom('0', '1'), weight: 12 },
  { arbitrary: fc.constantFrom('2', '-1', 'x', '', '01'), weight: 1 },
);

const unit = fc.oneof(
  { arbitrary: fc.constant([] as Argument[]), weight: 2 },
  {
    arbitrary: fc.oneof(anyCase('BYTE'), anyCase('BIT')).map((text): Argument[] => [text]),
    weight: 3,
  },
  { arbitrary: fc.constant<Argument[]>(['BITS']), weight: 1 },
);

const bitIndex = fc.oneof(index, fc.integer({ min: -400, max: 400 }).map(String));

const range: fc.Arbitrary<Argument[]> = fc.oneof(
  fc.constant<Argument[]>([]),
  fc.tuple(bitIndex, bitIndex, unit).map(([start, end, rest]) => [start, end, ...rest] as Argument[]),
);

const bitposRange: fc.Arbitrary<Argument[]> = fc.oneof(
  range,
  bitIndex.map((start) => [start]),
);

const bitop = single(
  command(
    'BITOP',
    fc.oneof(anyCase('AND'), anyCase('OR'), anyCase('XOR'), anyCase('NOT'), fc.constant('NAND')),
    anyKey,
    fc.array(anyKey, { minLength: 1, maxLength: 4 }),
  ),
);
// NOT takes one source only: without this it would nearly always be an error.
const bitopNot = single(command('BITOP', anyCase('NOT'), anyKey, anyKey));

/** u1..u63, i1..i64, and what is refused. */
const fieldType = fc.oneof(
  { arbitrary: fc.integer({ min: 1, max: 63 }).map((n) => `u${n}`), weight: 5 },
  { arbitrary: fc.integer({ min: 1, max: 64 }).map((n) => `i${n}`), weight: 5 },
  { arbitrary: fc.constantFrom('u64', 'i65', 'u0', 'i0', 'x8', 'u', '8', 'U8', 'u-1', ''), weight: 1 },
);

const fieldOffset = fc.oneof(
  { arbitrary: bitOffset, weight: 3 },
  { arbitrary: fc.integer({ min: 0, max: 20 }).map((n) => `#${n}`), weight: 2 },
  { arbitrary: fc.constantFrom('#-1', '#', '#9223372036854775807'), weight: 1 },
);

const fieldGet = command('GET', fieldType, fieldOffset);
const fieldWrite = fc.oneof(
  command('SET', fieldType, fieldOffset, integerText),
  command('INCRBY', fieldType, fieldOffset, integerText),
);
const fieldOverflow = command(
  'OVERFLOW',
  fc.oneof(anyCase('WRAP'), anyCase('SAT'), anyCase('FAIL'), anyCase('FAIL'), fc.constant('NONE')),
);

const bitfield = single(
  command(
    'BITFIELD',
    anyKey,
    fc
      .array(fc.oneof(fieldGet, fieldWrite, fieldWrite, fieldOverflow), { maxLength: 6 })
      .map((parts) => parts.flat()),
  ),
);

/** Numbers of every size in bits, so that fields of every width overflow. */
const wideInteger = fc
  .tuple(fc.integer({ min: 0, max: 63 }), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }))
  .map(([shift, n]) => String(n >> BigInt(shift)));
const goodType = fc.oneof(
  fc.integer({ min: 1, max: 63 }).map((n) => `u${n}`),
  fc.integer({ min: 1, max: 64 }).map((n) => `i${n}`),
);
const goodOffset = fc.oneof(
  fc.integer({ min: 0, max: 100 }).map(String),
  fc.integer({ min: 0, max: 4 }).map((n) => `#${n}`),
);
const goodWrite = fc
  .tuple(
    fc.constantFrom('WRAP', 'SAT', 'FAIL'),
    fc.array(
      fc.oneof(
        command('SET', goodType, goodOffset, wideInteger),
        command('INCRBY', goodType, goodOffset, wideInteger),
      ),
      { minLength: 1, maxLength: 2 },
    ),
  )
  .map(([overflow, writes]): Argument[] => ['OVERFLOW', overflow, ...writes.flat()]);
/** A call without errors: with the other, one bad part of many makes the whole call fail. */
const goodBitfield = single(
  command(
    'BITFIELD',
    anyKey,
    fc
      .array(fc.oneof(goodWrite, goodWrite, command('GET', goodType, goodOffset)), {
        minLength: 1,
        maxLength: 3,
      })
      .map((parts) => parts.flat()),
  ),
);

const bitfieldRo = single(
  command(
    'BITFIELD_RO',
    readableKey,
    fc
      .array(
        fc.oneof(
          { arbitrary: fieldGet, weight: 12 },
          { arbitrary: fieldWrite, weight: 1 },
          { arbitrary: fieldOverflow, weight: 1 },
        ),
        { maxLength: 4 },
      )
      .map((parts) => parts.flat()),
  ),
);

const goodBitfieldRo = single(
  command(
    'BITFIELD_RO',
    readableKey,
    fc
      .array(command('GET', goodType, goodOffset), { minLength: 1, maxLength: 3 })
      .map((parts) => parts.flat()),
  ),
);

/** Random commands of the group `bitmap`. */
export const bitmapCommands: Generator = weighted(
  [8, single(command('SETBIT', anyKey, bitOffset, bit))],
  [5, single(command('GETBIT', readableKey, bitOffset))],
  [5, single(command('BITCOUNT', readableKey, range), argumentsFirst)],
  [6, single(command('BITPOS', readableKey, bit, bitposRange), argumentsFirst)],
  [4, bitop],
  [2, bitopNot],
  [6, bitfield],
  [10, goodBitfield],
  [3, bitfieldRo],
  [3, goodBitfieldRo],
);
