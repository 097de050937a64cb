// The parts random commands are made of: keys, values, numbers at the edges, options in odd case, broken calls.
//
// What must not come out of here is anything whose result depends on the moment: expiry times are either long past or
// far in the future. What must be repeated at one moment (a SET that expires at once, and the access that removes the
// key) is one operation list, never cut apart by the generator.

import fc from 'fast-check';
import type { Comparison } from './comparisons.ts';
import type { Argument } from './raw-client.ts';
import type { Reply } from './resp-parser.ts';

/** One command, or what is built around it. */
export type Operation = {
  args: readonly Argument[];
  compare?: Comparison;
  /** What the oracle is sent in its place, where it does not know the command. */
  redis?: readonly Argument[];
  /** A whole iteration, with `args` after the cursor. */
  scanAll?: boolean;
  /** What comes before the cursor of an iteration. Default SCAN. */
  scan?: readonly Argument[];
  /** After the replies (Sabre's, the oracle's): commands to bring both in step again, or what is wrong with a reply. */
  follow?: (left: Reply, right: Reply) => readonly FollowUp[] | string;
  /** Sent before by another connection, which then waits; what it gets is compared, too. */
  waiting?: readonly Argument[];
};

/** A command that follows another at once. */
export type FollowUp = Pick<Operation, 'args' | 'redis' | 'compare'>;

/** What a generator yields: operations that belong together. */
export type Generator = fc.Arbitrary<Operation[]>;

/** Keys that any command may use. Short, long, empty, binary, with hash tags. */
export const KEYS: readonly Argument[] = [
  'a',
  'b',
  'c',
  '{tag}1',
  '{tag}2',
  '',
  Buffer.from([0x6b, 0x00, 0xff, 0x0d, 0x0a]),
  'a key with spaces and "quotes"',
  'long:'.repeat(60),
];

/** Keys of HyperLogLogs: apart, for their values are large and some commands take quadratic time. */
export const HLL_KEYS: readonly Argument[] = ['h1', 'h2', '{tag}h3'];

/** Databases that the random commands use. */
export const DATABASES = [0, 1, 2] as const;

export const anyKey: fc.Arbitrary<Argument> = fc.constantFrom(...KEYS);
export const hllKey: fc.Arbitrary<Argument> = fc.constantFrom(...HLL_KEYS);
/** Mostly plain keys, now and then a HyperLogLog. */
export const readableKey: fc.Arbitrary<Argument> = fc.oneof(
  { arbitrary: anyKey, weight: 8 },
  { arbitrary: hllKey, weight: 1 },
);

/** Texts where integers are expected: usual, the edges of int64, and what is none. */
export const integerText = fc.oneof(
  { arbitrary: fc.integer({ min: -100, max: 100 }).map(String), weight: 6 },
  { arbitrary: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String), weight: 2 },
  {
    arbitrary: fc.constantFrom(
      '9223372036854775807',
      '-9223372036854775808',
      '9223372036854775806',
      '-9223372036854775807',
      '4294967295',
      '4294967296',
      '2147483647',
      '-2147483648',
      '0',
    ),
    weight: 2,
  },
  {
    arbitrary: fc.constantFrom(
      '9223372036854775808',
      '-9223372036854775809',
      '12345678901234567890123',
      '',
      'abc',
      '1.0',
      '1e3',
      '+1',
      '-',
      '-0',
      '00',
      '01',
      ' 1',
      '1 ',
      '0x10',
      '1\n',
    ),
    weight: 1,
  },
);

/** Texts where floating point numbers are expected. */
export const floatText = fc.oneof(
  { arbitrary: fc.integer({ min: -1000, max: 1000 }).map((n) => String(n / 8)), weight: 3 },
  {
    arbitrary: fc
      .tuple(fc.integer({ min: -99999, max: 99999 }), fc.integer({ min: 0, max: 6 }))
      .map(([n, digits]) => (n / 10 ** digits).toFixed(digits)),
    weight: 4,
  },
  {
    arbitrary: fc.constantFrom('0.1', '3.0e3', '1e5', '1e-5', '5.', '.5', '1e17', '1e-17', '0x1p3', '+1'),
    weight: 2,
  },
  {
    arbitrary: fc.constantFrom(
      'inf',
      '-inf',
      'nan',
      'Infinity',
      '1e5000',
      '',
      'abc',
      ' 1',
      '1 ',
      '1e',
      '1,5',
    ),
    weight: 1,
  },
);

/** Values: empty, texts, numbers, binary, at the lengths where Redis changes the encoding. */
export const value: fc.Arbitrary<Argument> = fc.oneof(
  { arbitrary: fc.constantFrom('', 'x', 'hello', 'foobar', 'Hello World'), weight: 4 },
  { arbitrary: integerText, weight: 4 },
  { arbitrary: floatText, weight: 2 },
  { arbitrary: fc.string({ maxLength: 30 }), weight: 2 },
  { arbitrary: fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)), weight: 3 },
  { arbitrary: fc.constantFrom(19, 20, 21, 43, 44, 45, 46, 63, 64, 65).map((n) => 'v'.repeat(n)), weight: 2 },
  { arbitrary: fc.constantFrom(255, 256, 1000, 1500).map((n) => 'long'.repeat(n / 4)), weight: 1 },
);

/** Something that fits nowhere. */
export const junk = fc.constantFrom('', 'junk', '-1', 'NX', '\x00', '🤷', 'expire');

/** A word with its letters in random case. */
export function anyCase(word: string): fc.Arbitrary<string> {
  return fc.oneof(
    { arbitrary: fc.constantFrom(word, word.toLowerCase()), weight: 3 },
    {
      arbitrary: fc
        .array(fc.boolean(), { minLength: word.length, maxLength: word.length })
        .map((upper) => [...word].map((c, i) => (upper[i] ? c.toUpperCase() : c.toLowerCase())).join('')),
      weight: 1,
    },
  );
}

/** An index into a string: around its ends, and at the edges of int64. */
export const index = fc.oneof(
  { arbitrary: fc.integer({ min: -25, max: 25 }).map(String), weight: 6 },
  { arbitrary: integerText, weight: 1 },
);

/** Seconds and milliseconds from now that mean the far future, and what is refused. */
export const relativeSeconds = fc.oneof(
  { arbitrary: fc.integer({ min: 100_000, max: 200_000 }).map(String), weight: 6 },
  {
    arbitrary: fc.constantFrom('1000000000', '9223372036854', '0', '-1', '-100000', 'abc', '1.5', ''),
    weight: 2,
  },
  {
    arbitrary: fc.constantFrom('9223372036854775807', '-9223372036854775808', '9223372036854776'),
    weight: 1,
  },
);
export const relativeMilliseconds = fc.oneof(
  { arbitrary: fc.integer({ min: 100_000_000, max: 200_000_000 }).map(String), weight: 6 },
  { arbitrary: fc.constantFrom('1000000000000', '0', '-1', '-100000', 'abc', '1.5', ''), weight: 2 },
  { arbitrary: fc.constantFrom('9223372036854775807', '-9223372036854775808'), weight: 1 },
);
/** Points in time: in the next century, long past, and what is refused. */
export const absoluteSeconds = fc.oneof(
  { arbitrary: fc.integer({ min: 0, max: 1000 }).map((n) => String(4_102_444_800 + n)), weight: 6 },
  { arbitrary: fc.constantFrom('1', '1000000000', '0', '-1', 'abc', '9223372036854776'), weight: 2 },
);
export const absoluteMilliseconds = fc.oneof(
  { arbitrary: fc.integer({ min: 0, max: 1000 }).map((n) => String(4_102_444_800_000 + n)), weight: 6 },
  { arbitrary: fc.constantFrom('1', '1000000000000', '0', '-1', 'abc', '9223372036854775807'), weight: 2 },
);

/** A command word in any case, followed by arguments. */
export function command(
  name: string,
  ...parts: readonly fc.Arbitrary<Argument | readonly Argument[]>[]
): fc.Arbitrary<Argument[]> {
  return fc
    .tuple(anyCase(name), fc.tuple(...parts))
    .map(([word, values]) => [word, ...values.flat()] as Argument[]);
}

/** A generator of one command with its comparison. */
export function single(args: fc.Arbitrary<Argument[]>, compare?: Comparison): Generator {
  return breakable(args).map((list) => [compare === undefined ? { args: list } : { args: list, compare }]);
}

/** Now and then a call with an argument missing, added or replaced by what fits nowhere. */
export function breakable(args: fc.Arbitrary<Argument[]>): fc.Arbitrary<Argument[]> {
  return fc
    .tuple(args, fc.integer({ min: 0, max: 39 }), fc.nat({ max: 20 }), junk)
    .map(([list, action, position, word]) => {
      if (action > 2 || list.length < 2) return list;
      if (action === 0) return list.slice(0, -1);
      if (action === 1) return [...list, word];
      const broken = [...list];
      broken[1 + (position % (list.length - 1))] = word;
      return broken;
    });
}

/** Any of the generators, by weight. */
export function weighted(...choices: readonly (readonly [number, Generator])[]): Generator {
  return fc.oneof(...choices.map(([weight, arbitrary]) => ({ weight, arbitrary })));
}

/** A list of key, value, key, value, for MSET and its like. */
export const keyValuePairs = fc
  .array(fc.tuple(anyKey, value), { minLength: 1, maxLength: 5 })
  .map((pairs) => pairs.flat());

/** One to four keys, possibly the same. */
export const someKeys: fc.Arbitrary<Argument[]> = fc.array(readableKey, { minLength: 1, maxLength: 4 });
