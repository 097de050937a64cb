// Random commands on streams and their consumer groups.
//
// IDs are given explicitly, for those made of the clock differ. Milliseconds are few, so that sequence numbers count:
// an ID like `5-*` always finds a place. What depends on the clock in replies (idle times, delivery times) is compared
// roughly or not at all, and idle times that commands ask for are either 0 or far above what a run takes.

import fc from 'fast-check';
import { type Comparison, canonical, masked, sameType } from '../comparisons.ts';
import {
  anyCase,
  command,
  type Generator,
  integerText,
  type Operation,
  single,
  value,
  weighted,
} from '../generator-parts.ts';
import type { Argument } from '../raw-client.ts';
import { isError, type Reply, type ReplyNode } from '../resp-parser.ts';
import { count, lists, maybe, member, options, streams, whole } from './parts.ts';

const key = streams.key;
const NEAR_MS = 60_000;
/** Idle time that XCLAIM sets, and one that it is above and the run below. */
const LONG_IDLE = '9000000';
const MIN_IDLE = '4000000';

/** Mostly in the range where `5-*` puts entries. */
const smallId = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: 0, max: 60 }).map((sequence) => `5-${sequence}`) },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.integer({ min: 0, max: 6 }), fc.integer({ min: 0, max: 40 }))
      .map(([ms, sequence]) => `${ms}-${sequence}`),
  },
);
const id: fc.Arbitrary<Argument> = fc.oneof(
  { weight: 12, arbitrary: smallId },
  { weight: 2, arbitrary: fc.integer({ min: 0, max: 6 }).map(String) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      '0-0',
      '18446744073709551615-18446744073709551615',
      '18446744073709551616-0',
      'x',
      '1-',
      '-1',
      '1-2-3',
      '',
    ),
  },
);
const newId: fc.Arbitrary<Argument> = fc.oneof(
  { weight: 12, arbitrary: fc.constant('5-*') },
  { weight: 3, arbitrary: fc.constantFrom('1-*', '3-*', '0-*', '6-*', '6-*') },
  { weight: 5, arbitrary: id },
);
const someIds = fc.array(smallId, { minLength: 1, maxLength: 5 });
const fields = fc.array(fc.tuple(member, value), { minLength: 1, maxLength: 4 }).map((pairs) => pairs.flat());
/** The same fields again and again: stored without their names. */
const sameFields = value.map((text): Argument[] => ['name', 'x', 'value', text]);
const group = fc.constantFrom('g1', 'g1', 'g2');
const CONSUMERS = ['c1', 'c2', 'c3'] as const;
const consumer = fc.constantFrom(...CONSUMERS);
const word = (text: string): fc.Arbitrary<Argument> => anyCase(text);

const trimCount = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom('0', '3', '10', '60', '200') },
  { weight: 1, arbitrary: integerText },
);
const trim = fc
  .tuple(
    fc.oneof(fc.tuple(word('MAXLEN'), trimCount), fc.tuple(word('MINID'), id)),
    fc.constantFrom('', '=', '~', '~'),
    maybe(command('LIMIT', fc.constantFrom('0', '5', '100', '-1', 'x'))),
    fc.nat({ max: 4 }),
  )
  .map(([[what, threshold], how, limit, odd]): Argument[] => [
    what,
    ...(how === '' ? [] : [how]),
    threshold,
    ...(how === '~' || odd === 0 ? limit : []),
  ]);
/** Cuts nothing that others need. */
const gentleTrim = fc
  .tuple(word('MAXLEN'), fc.constantFrom('=', '~'), fc.constantFrom('100', '150', '300'))
  .map((list): Argument[] => list);

const add = fc.oneof(
  { weight: 10, arbitrary: command('XADD', key, newId, fc.oneof(fields, sameFields)) },
  { weight: 2, arbitrary: command('XADD', key, gentleTrim, newId, fields) },
  { weight: 1, arbitrary: command('XADD', key, word('NOMKSTREAM'), newId, fields) },
  { weight: 1, arbitrary: command('XADD', key, maybe(word('NOMKSTREAM')), trim, newId, fields) },
);
const addMany: Generator = fc
  .tuple(streams.own, fc.integer({ min: 30, max: 130 }), fc.oneof(fields, sameFields))
  .map(([stream, many, entry]) =>
    Array.from({ length: many }, (): Operation => ({ args: ['XADD', stream, '5-*', ...entry] })),
  );

/** IDs by the clock: into a stream that goes at once. */
const addNow: Generator = fc.tuple(fields, maybe(gentleTrim)).map(([entry, how]) => [
  {
    args: ['XADD', 'stream:now', ...how, '*', ...entry],
    compare: sameType,
    follow: (left) => [
      { args: ['XADD', 'stream:now', ...how, '*', ...entry], compare: sameType },
      // Time goes on: a later one can only be refused in the past.
      { args: ['XADD', 'stream:now', '1-1', ...entry] },
      ...(isError(left)
        ? []
        : [{ args: ['XRANGE', 'stream:now', '-', '+'], compare: masked(/\d{13}-\d+/g) }]),
      { args: ['DEL', 'stream:now'] },
    ],
  },
]);

const rangeEnd: fc.Arbitrary<Argument> = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom('-', '+') },
  { weight: 4, arbitrary: id },
  { weight: 2, arbitrary: smallId.map((text) => `(${text}`) },
  { weight: 1, arbitrary: fc.constantFrom('(-', '(', '($', '(18446744073709551615-18446744073709551615') },
);
const countOption = maybe(command('COUNT', count));

/**
 * STREAMS, some keys, and an ID for each.
 * @param isOnce each key once: where it wakes a client that waits, Redis 7.0 replies with it once anyway
 */
function streamsWith(ids: fc.Arbitrary<Argument>, isOnce = false): fc.Arbitrary<Argument[]> {
  const pairs = fc.tuple(key, ids);
  const some = { minLength: 1, maxLength: 3 };
  return fc
    .tuple(
      word('STREAMS'),
      isOnce
        ? fc.uniqueArray(pairs, { ...some, selector: ([stream]) => String(stream) })
        : fc.array(pairs, some),
    )
    .map(([text, pairs]) => [text, ...pairs.map(([stream]) => stream), ...pairs.map(([, from]) => from)]);
}
const readFrom = fc.oneof(
  { weight: 6, arbitrary: id },
  { weight: 2, arbitrary: fc.constantFrom('0', '$') },
  { weight: 1, arbitrary: fc.constant('>') },
);
const groupFrom = fc.oneof(
  { weight: 6, arbitrary: fc.constant('>') },
  { weight: 3, arbitrary: id },
  { weight: 1, arbitrary: fc.constantFrom('0', '$') },
);
const soon = command('BLOCK', fc.constantFrom('1', '4', '10'));
const groupOf = fc.tuple(word('GROUP'), group, consumer).map((list): Argument[] => list);
const read = command('XREAD', countOption, streamsWith(readFrom));
const readGroup = command(
  'XREADGROUP',
  groupOf,
  options(2, command('COUNT', count), word('NOACK')),
  streamsWith(groupFrom),
);

const blockingRead = fc.oneof(
  command('XREAD', soon, countOption, streamsWith(fc.constantFrom('$', '0', '5-30'))),
  command('XREADGROUP', groupOf, soon, maybe(word('NOACK')), streamsWith(fc.constant('>'))),
  command('XREAD', command('BLOCK', fc.constantFrom('-1', 'x')), streamsWith(fc.constant('$'))),
);

const addForOther: Generator = fc
  .tuple(
    fc.oneof(
      command(
        'XREAD',
        fc.constant<Argument[]>(['BLOCK', '0']),
        countOption,
        streamsWith(fc.constant('$'), true),
      ),
      command(
        'XREADGROUP',
        groupOf,
        fc.constant<Argument[]>(['BLOCK', '0']),
        streamsWith(fc.constant('>'), true),
      ),
    ),
    fc.oneof(
      { weight: 6, arbitrary: command('XADD', streams.own, fc.constant('5-*'), fields) },
      { weight: 1, arbitrary: command('XGROUP', word('DESTROY'), streams.own, group) },
      { weight: 1, arbitrary: command('DEL', streams.own) },
      { weight: 1, arbitrary: command('RENAME', streams.own, streams.own) },
      { weight: 1, arbitrary: command('XSETID', streams.own, fc.constant('6-900')) },
    ),
  )
  .map(([waiting, args]) => [{ args, waiting }]);

const groupStart = fc.oneof(
  { weight: 3, arbitrary: fc.constant('0') },
  { weight: 1, arbitrary: fc.constant('$') },
  { weight: 2, arbitrary: id },
);
const entriesRead = maybe(command('ENTRIESREAD', fc.constantFrom('0', '3', '100', '-1', '-2', 'x')));
const minIdle = fc.oneof(
  { weight: 6, arbitrary: fc.constant('0') },
  { weight: 3, arbitrary: fc.constant(MIN_IDLE) },
  { weight: 1, arbitrary: fc.constantFrom('-1', 'x') },
);
const claimOptions = options(
  3,
  command('IDLE', fc.constantFrom('0', LONG_IDLE, LONG_IDLE)),
  command('TIME', fc.constantFrom('1000000000000', '0', 'x')),
  command('RETRYCOUNT', fc.constantFrom('0', '3', '100', '-1')),
  word('FORCE'),
  word('JUSTID'),
  command('LASTID', id),
);

/** All consumers of a group: Redis 7.0 makes them when they get something, later versions when they ask. */
function consumersOf(stream: Argument, name: Argument): Operation[] {
  return CONSUMERS.map((one) => ({ args: ['XGROUP', 'CREATECONSUMER', stream, name, one] }));
}

/** A command after which a group's consumers are there. */
const thenConsumers = (args: fc.Arbitrary<Argument[]>): Generator =>
  args.map((list) => [{ args: list }, ...consumersOf(list[2]!, list[3]!)]);

/** A group with entries pending for several consumers. */
const fullGroup: Generator = fc
  .tuple(
    streams.own,
    group,
    fc.array(fields, { minLength: 2, maxLength: 6 }),
    fc.array(consumer, { minLength: 1, maxLength: 3 }),
    options(1, fc.constant('NOACK')),
    someIds,
    claimOptions,
  )
  .map(([stream, name, entries, readers, noAck, claimed, claim]) => [
    { args: ['XGROUP', 'CREATE', stream, name, '0', 'MKSTREAM'] },
    ...consumersOf(stream, name),
    ...entries.map((entry): Operation => ({ args: ['XADD', stream, '5-*', ...entry] })),
    ...readers.map(
      (reader, i): Operation => ({
        args: [
          'XREADGROUP', 'GROUP', name, reader, 'COUNT', String(i * 3 + 2), ...noAck, 'STREAMS', stream, '>',
        ], // biome-ignore format: one command
      }),
    ),
    { args: ['XCLAIM', stream, name, 'c3', '0', ...claimed, ...claim] },
    { args: ['XPENDING', stream, name] },
  ]);

const groups = weighted(
  [15, fullGroup],
  [
    3,
    thenConsumers(
      command('XGROUP', word('CREATE'), key, group, groupStart, maybe(word('MKSTREAM')), entriesRead),
    ),
  ],
  [2, single(command('XGROUP', word('SETID'), key, group, groupStart, entriesRead))],
  [1, single(command('XGROUP', word('DESTROY'), key, group))],
  [1, single(command('XGROUP', word('CREATECONSUMER'), key, group, consumer))],
  [2, thenConsumers(command('XGROUP', word('DELCONSUMER'), key, group, consumer))],
  [1, single(command('XGROUP', word('DELCONSUMER'), key, group, fc.constant('c9')))],
  [1, whole(command('XGROUP', word('HELP')), { compare: sameType })],
  [1, single(command('XGROUP', fc.constantFrom('NOSUCH', ''), key, group))],
);

/** [id, consumer, idle time, deliveries]: the idle time about the same. */
const sameButIdle: Comparison = (left, right) => {
  if (left.raw.equals(right.raw)) return true;
  if (isError(left) || isError(right) || left.items?.length !== right.items?.length) return false;
  return (right.items ?? []).every((theirs, i) => {
    const mine = left.items![i]!;
    if (theirs.items?.length !== 4 || mine.items?.length !== 4) return canonical(mine) === canonical(theirs);
    return theirs.items.every((part, j) =>
      j === 2
        ? Math.abs(Number(part.bytes) - Number(mine.items![j]!.bytes)) < NEAR_MS
        : canonical(part) === canonical(mine.items![j]!),
    );
  });
};

const MOMENT_FIELDS = new Set([
  'radix-tree-keys',
  'radix-tree-nodes',
  'seen-time',
  'active-time',
  'idle',
  'inactive',
  // Estimated otherwise since 7.0 where entries were deleted.
  'entries-read',
  'lag',
]);
const EPOCH_MS = /^1\d{12}$/;

/** What XINFO says, without what depends on the moment or on how the stream is built, and newer versions' fields. */
function lasting(node: ReplyNode): ReplyNode {
  if (node.items === null)
    return EPOCH_MS.test(String(node.bytes)) ? { ...node, bytes: Buffer.from('time') } : node;
  const items: ReplyNode[] = [];
  for (let i = 0; i < node.items.length; i++) {
    const item = node.items[i]!;
    if (item.type === 'bulk' && MOMENT_FIELDS.has(String(item.bytes)) && i + 1 < node.items.length) i++;
    else items.push(lasting(item));
  }
  return { ...node, items };
}
const sameInfo: Comparison = (left: Reply, right: Reply) =>
  isError(left) || isError(right)
    ? left.raw.equals(right.raw)
    : canonical(lasting(left)) === canonical(lasting(right));

const info = weighted(
  [3, single(command('XINFO', word('STREAM'), key), sameInfo)],
  [4, single(command('XINFO', word('STREAM'), key, word('FULL'), countOption), sameInfo)],
  [3, single(command('XINFO', word('GROUPS'), key), sameInfo)],
  [3, single(command('XINFO', word('CONSUMERS'), key, group), sameInfo)],
  [1, whole(command('XINFO', word('HELP')), { compare: sameType })],
);

// No less than what was deleted: Redis 7.0 does not mind that, later versions do.
const setIdOptions = maybe(
  fc
    .tuple(command('ENTRIESADDED', fc.constantFrom('0', '10', '1000', '-1')), command('MAXDELETEDID', id))
    .map((pair) => pair.flat()),
);

export const streamCommands: Generator = weighted(
  [28, single(add)],
  [1, addMany],
  [1, addNow],
  [4, single(command('XLEN', key))],
  [8, single(command('XRANGE', key, rangeEnd, rangeEnd, countOption))],
  [3, single(command('XRANGE', key, fc.constant<Argument[]>(['-', '+']), countOption))],
  [6, single(command('XREVRANGE', key, rangeEnd, rangeEnd, countOption))],
  [2, single(command('XREVRANGE', key, fc.constant<Argument[]>(['+', '-']), countOption))],
  [6, single(command('XDEL', key, someIds))],
  [3, single(command('XTRIM', key, gentleTrim))],
  [1, single(command('XTRIM', key, trim))],
  [6, single(read)],
  [12, whole(readGroup)],
  [2, whole(blockingRead)],
  [1, addForOther],
  [8, groups],
  [6, single(command('XACK', key, group, someIds))],
  [3, single(command('XPENDING', key, group))],
  [
    4,
    single(
      command(
        'XPENDING',
        key,
        group,
        maybe(command('IDLE', minIdle)),
        rangeEnd,
        rangeEnd,
        count,
        maybe(consumer),
      ),
      sameButIdle,
    ),
  ],
  [3, single(command('XPENDING', key, group, fc.constant<Argument[]>(['-', '+', '10'])), sameButIdle)],
  [6, whole(command('XCLAIM', key, group, consumer, minIdle, someIds, claimOptions))],
  [
    4,
    whole(
      command(
        'XAUTOCLAIM',
        key,
        group,
        consumer,
        minIdle,
        fc.oneof(id, fc.constant('0')),
        options(2, command('COUNT', count), word('JUSTID')),
      ),
    ),
  ],
  [1, whole(command('XSETID', key, fc.constantFrom('6-100', '6-900', 'x'), setIdOptions))],
  [6, info],
  [1, whole(command('XLEN', lists.own))],
);

// ---- what the oracle does not know ----

const sum = (reply: Reply): number => (reply.items ?? []).filter((item) => String(item.bytes) === '1').length;

/** As many ones as the oracle's number says. */
const sameSum: Comparison = (left, right) =>
  isError(right) ? left.raw.equals(right.raw) : sum(left) === Number(right.bytes);

const deleteMore: Generator = fc.tuple(streams.own, someIds).map(([stream, ids]) => [
  {
    args: ['XDELEX', stream, 'KEEPREF', 'IDS', String(ids.length), ...ids],
    redis: ['XDEL', stream, ...ids],
    compare: sameSum,
  },
]);

const acknowledgeAndDelete: Generator = fc.tuple(streams.own, group, smallId).map(([stream, name, one]) => [
  {
    args: ['XACKDEL', stream, name, 'KEEPREF', 'IDS', '1', one],
    redis: ['XACK', stream, name, one],
    compare: sameSum,
    follow: (left) => [
      // It was deleted as well, here.
      {
        args: ['XLEN', stream],
        redis: sum(left) === 1 ? ['XDEL', stream, one] : ['XLEN', stream],
        compare: () => true,
      },
    ],
  },
]);

const addKeeping: Generator = fc.tuple(streams.own, fields).map(([stream, entry]) => [
  {
    args: ['XADD', stream, 'KEEPREF', 'MAXLEN', '200', '5-*', ...entry],
    redis: ['XADD', stream, 'MAXLEN', '200', '5-*', ...entry],
  },
]);

const trimKeeping: Generator = streams.own.map((stream) => [
  { args: ['XTRIM', stream, 'MAXLEN', '180', 'KEEPREF'], redis: ['XTRIM', stream, 'MAXLEN', '180'] },
]);

const readLast: Generator = streams.own.map((stream) => [
  {
    args: ['XREAD', 'STREAMS', stream, '+'],
    redis: ['XREVRANGE', stream, '+', '-', 'COUNT', '1'],
    compare: (left, right) => {
      if (isError(right)) return left.raw.equals(right.raw);
      const found = left.items === null ? null : left.items[left.type === 'map' ? 1 : 0]!;
      const entries = found === null ? [] : ((left.type === 'map' ? found : found.items![1]!).items ?? []);
      return entries.map(canonical).join() === right.items!.map(canonical).join();
    },
  },
]);

export const newerStreamCommands: Generator = weighted(
  [2, deleteMore],
  [2, acknowledgeAndDelete],
  [1, addKeeping],
  [1, trimKeeping],
  [1, readLast],
);
