// Random commands on hashes.
//
// HRANDFIELD is checked by what must hold of its replies. Commands that the oracle is too old for are sent with what it
// has for the same effect: field expiries are set far ahead and taken back at once.

import fc from 'fast-check';
import { type Comparison, ignored, isNull, sameOutcome, unordered, unorderedPairs } from '../comparisons.ts';
import {
  anyCase,
  command,
  type FollowUp,
  floatText,
  type Generator,
  integerText,
  single,
  value,
  weighted,
} from '../generator-parts.ts';
import type { Argument } from '../raw-client.ts';
import { isError, type Reply, type ReplyNode } from '../resp-parser.ts';
import { count, hashes, manyMembers, member, scanOf, someMembers, whole } from './parts.ts';
import { distinct, sameSize } from './properties.ts';

const key = hashes.key;
/** Each field once: since 7.2 one that is given twice counts twice where the encoding is decided. */
const pairs = fc
  .uniqueArray(fc.tuple(member, value), { minLength: 1, maxLength: 5, selector: ([name]) => String(name) })
  .map((list) => list.flat());
const manyPairs = manyMembers.map((list) => list.flatMap((name, i) => [name, String(i)]));

/** A number in a field, and sums with it. */
const counter: Generator = fc
  .tuple(hashes.own, member, fc.oneof(integerText, floatText), fc.array(fc.oneof(integerText, floatText)))
  .map(([hash, field, start, steps]) => [
    { args: ['HSET', hash, field, start] },
    ...steps
      .slice(0, 3)
      .flatMap((step) => [
        { args: ['HINCRBY', hash, field, step] },
        { args: ['HINCRBYFLOAT', hash, field, step] },
      ]),
    { args: ['HGET', hash, field] },
  ]);

/** Fields of a reply to HRANDFIELD, and the values beside them. */
function randomFields(reply: Reply, withValues: boolean): { fields: Buffer[]; values: Buffer[] } {
  const items = reply.items ?? (isNull(reply) || isError(reply) ? [] : [reply]);
  if (!withValues) return { fields: items.map((item) => item.bytes!), values: [] };
  const nested: ReplyNode[] = items[0]?.items ? items.flatMap((item) => item.items!) : [...items];
  const texts = nested.map((item) => item.bytes!);
  return { fields: texts.filter((_, i) => i % 2 === 0), values: texts.filter((_, i) => i % 2 === 1) };
}

/** All fields are there, and have the values that were given. */
function fieldsExist(args: readonly Argument[], left: Reply, right: Reply): readonly FollowUp[] | string {
  const withValues = args.length > 3;
  const [mine, theirs] = [randomFields(left, withValues), randomFields(right, withValues)];
  if (theirs.fields.length === 0) return [];
  if (!String(args[2] ?? '1').startsWith('-') && !distinct(mine.fields)) return 'a field was returned twice';
  const compare: Comparison = (one, other) =>
    [
      { got: one, drawn: mine },
      { got: other, drawn: theirs },
    ].every(({ got, drawn }) =>
      got.items!.every((item, i) => !isNull(item) && (!withValues || item.bytes!.equals(drawn.values[i]!))),
    );
  return [
    { args: ['HMGET', args[1]!, ...mine.fields], redis: ['HMGET', args[1]!, ...theirs.fields], compare },
  ];
}

const randomField = (args: fc.Arbitrary<Argument[]>): Generator =>
  whole(args, (list) => ({
    compare: sameSize,
    follow: (left, right) => fieldsExist(list, left, right),
  }));
const randomCount = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: -12, max: 12 }).map(String) },
  { weight: 1, arbitrary: fc.constantFrom('1000', '-300', '0', '-0', 'x') },
);

export const hashCommands: Generator = weighted(
  [14, single(command('HSET', key, pairs))],
  [2, single(command('HSET', hashes.own, manyPairs))],
  [3, single(command('HMSET', key, pairs))],
  [4, single(command('HSETNX', key, member, value))],
  [6, single(command('HGET', key, member))],
  [5, single(command('HMGET', key, someMembers))],
  [6, single(command('HDEL', key, someMembers))],
  [1, single(command('HDEL', hashes.own, manyMembers))],
  [4, single(command('HEXISTS', key, member))],
  [5, single(command('HGETALL', key), unorderedPairs)],
  [4, single(command('HKEYS', key), unordered)],
  [4, single(command('HVALS', key), unordered)],
  [4, single(command('HLEN', key))],
  [4, single(command('HSTRLEN', key, member))],
  [5, single(command('HINCRBY', key, member, integerText))],
  [5, single(command('HINCRBYFLOAT', key, member, floatText))],
  [4, counter],
  [2, randomField(command('HRANDFIELD', key))],
  [3, randomField(command('HRANDFIELD', key, randomCount))],
  [3, randomField(command('HRANDFIELD', key, randomCount, anyCase('WITHVALUES')))],
  [1, single(command('HRANDFIELD', key, count, fc.constantFrom('WITHSCORES', '')), sameSize)],
  [3, scanOf('HSCAN', hashes)],
);

// ---- what the oracle does not know ----

const future = fc.integer({ min: 100_000, max: 200_000 });

/** Replies for one field: `has` where the oracle says that the field exists, -2 where not. Errors are the same. */
const perField =
  (has: (reply: number) => boolean): Comparison =>
  (left, right) => {
    if (isError(left) || isError(right)) return left.raw.equals(right.raw);
    const got = Number(left.items?.[0]?.bytes);
    return String(right.bytes) === '1' ? has(got) : got === -2;
  };

const EXPIRING = 'hash:expiring';

/**
 * A time to live for a field, looked at in every way, and taken back. The hash goes then: it would be kept, and written by
 * DUMP, in another way than the oracle's.
 */
const fieldExpiry: Generator = fc
  .tuple(
    fc.oneof(pairs, manyPairs),
    fc.nat(),
    member,
    future,
    fc.constantFrom('HEXPIRE', 'HPEXPIRE', 'HEXPIREAT', 'HPEXPIREAT'),
  )
  .map(([list, at, other, seconds, name]) => {
    const base = name.endsWith('AT') ? 4_102_444_800 + seconds : seconds;
    const time = String(name.startsWith('HP') ? base * 1000 : base);
    const field = at % 4 === 0 ? other : list[(at % (list.length / 2)) * 2]!;
    const step = (words: Argument[], has: (reply: number) => boolean): FollowUp => ({
      args: [words[0]!, EXPIRING, ...words.slice(1), 'FIELDS', '1', field],
      redis: ['HEXISTS', EXPIRING, field],
      compare: perField(has),
    });
    const looks = ['HTTL', 'HPTTL', 'HEXPIRETIME', 'HPEXPIRETIME'];
    return [
      {
        args: ['HSET', EXPIRING, ...list],
        follow: () => [
          step([name, time], (reply) => reply === 1),
          ...looks.map((word) => step([word], (reply) => reply > 0)),
          step(['HPERSIST'], (reply) => reply === 1),
          step(['HTTL'], (reply) => reply === -1),
          step([name, time], (reply) => reply === 1),
          { args: ['HGETEX', EXPIRING, 'PERSIST', 'FIELDS', '1', field], redis: ['HMGET', EXPIRING, field] },
          step(['HTTL'], (reply) => reply === -1),
          step([name, time], (reply) => reply === 1),
          { args: ['HGETALL', EXPIRING], compare: unorderedPairs },
          { args: ['DEL', EXPIRING] },
        ],
      },
    ];
  });

const getEx: Generator = fc
  .tuple(hashes.own, someMembers)
  .map(([hash, fields]) => [
    { args: ['HGETEX', hash, 'FIELDS', String(fields.length), ...fields], redis: ['HMGET', hash, ...fields] },
  ]);

const getDel: Generator = fc.tuple(hashes.own, member).map(([hash, field]) => [
  {
    args: ['HGETDEL', hash, 'FIELDS', '1', field],
    redis: ['HMGET', hash, field],
    follow: () => [{ args: ['HEXISTS', hash, field], redis: ['HDEL', hash, field], compare: ignored }],
  },
]);

const setEx: Generator = fc.tuple(hashes.own, pairs).map(([hash, list]) => [
  {
    args: ['HSETEX', hash, 'FIELDS', String(list.length / 2), ...list],
    redis: ['HSET', hash, ...list],
    compare: sameOutcome,
  },
]);

const scanNames: Generator = hashes.own.map((hash) => [
  {
    args: ['HSCAN', hash, '0', 'COUNT', '100000', 'NOVALUES'],
    redis: ['HKEYS', hash],
    compare: (left, right) => isError(right) || unordered({ ...left, ...left.items![1]! }, right),
  },
]);

export const newerHashCommands: Generator = weighted(
  [4, fieldExpiry],
  [2, getEx],
  [1, getDel],
  [2, setEx],
  [1, scanNames],
);
