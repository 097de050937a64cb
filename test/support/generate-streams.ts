// Random stream commands over a few keys, with IDs close together, so that they meet entries, groups and each other.
//
// What depends on the clock is kept out (auto IDs) or out of the comparison (idle times). Redis 7.0 makes a consumer only
// when it gets something, later versions at once: here consumers are made with their group. Entries-read and lag are
// estimated differently since 7.0 once entries were deleted, and are compared by `countingStreams` only, which
// deletes nothing.

import fc from 'fast-check';
import type { Comparison } from './comparisons.ts';
import {
  anyCase,
  command,
  type Generator,
  integerText,
  junk,
  type Operation,
  single,
  value,
  weighted,
} from './generator-parts.ts';
import type { Argument } from './raw-client.ts';
import { isError, type ReplyNode } from './resp-parser.ts';

/** Few, so that streams grow. */
const streamKey: fc.Arbitrary<Argument> = fc.constantFrom<Argument>('a', 'b', '{tag}1');
const GROUPS = ['g1', 'g2', ''] as const;
const CONSUMERS = ['alice', 'bob', '\x01'] as const;
const group = fc.constantFrom<Argument>(...GROUPS);
const consumer = fc.constantFrom<Argument>(...CONSUMERS);

/** A time that has long passed, or never comes. */
const idle = fc.constantFrom('0', '0', '-5', '100000000', '99999999999999');

const smallId = fc
  .tuple(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 0, max: 6 }))
  .map(([ms, seq]) => `${ms}-${seq}`);

/** IDs as they are read strictly. */
const id: fc.Arbitrary<Argument> = fc.oneof(
  { arbitrary: smallId, weight: 30 },
  { arbitrary: fc.integer({ min: 0, max: 40 }).map(String), weight: 6 },
  {
    arbitrary: fc.constantFrom(
      '18446744073709551615-18446744073709551615',
      '18446744073709551614-5',
      '9223372036854775808-1',
      '4294967296-4294967295',
      '5-18446744073709551615',
      '0-0',
      '007-01',
      '5-+3',
      '5--03',
      ' 5-1',
    ),
    weight: 1,
  },
  {
    arbitrary: fc.constantFrom(
      '',
      '-',
      '+',
      '5-',
      '-5',
      '5-x',
      'x-5',
      '5-1-1',
      '18446744073709551616-0',
      '1e3',
    ),
    weight: 1,
  },
);

/** Not what XREAD of Redis 7.4 knows. */
const plainId = id.filter((text) => text !== '+');

/** An end of an interval. */
const bound = fc.oneof(
  { arbitrary: fc.constantFrom('-', '+'), weight: 6 },
  { arbitrary: id, weight: 8 },
  { arbitrary: id.map((text) => `(${String(text)}`), weight: 3 },
  { arbitrary: fc.constantFrom('(', '(-', '(+', '(0-0', '$', '>'), weight: 1 },
);

/** IDs that follow one another. */
const newId = fc.oneof(
  { arbitrary: fc.integer({ min: 0, max: 40 }).map((ms) => `${ms}-*`), weight: 12 },
  { arbitrary: fc.constantFrom('40-*', '41-*', '50-*'), weight: 24 },
  { arbitrary: fc.constant('60-*'), weight: 1 },
  { arbitrary: id, weight: 6 },
);

const field = fc.oneof(
  { arbitrary: fc.constantFrom<Argument>('f', 'name', '17', 'x'.repeat(70)), weight: 12 },
  { arbitrary: value, weight: 1 },
);
/** Mostly the same fields, so that entries share the names of their block. */
const pairs: fc.Arbitrary<Argument[]> = fc.oneof(
  { arbitrary: value.map((v): Argument[] => ['f', v]), weight: 10 },
  { arbitrary: fc.tuple(value, value).map(([v, w]): Argument[] => ['name', v, '17', w]), weight: 5 },
  {
    arbitrary: fc
      .array(fc.tuple(field, value), { minLength: 1, maxLength: 6 })
      .map((list): Argument[] => list.flat()),
    weight: 3,
  },
);

const count = fc.oneof(
  { arbitrary: fc.integer({ min: -1, max: 12 }).map(String), weight: 8 },
  { arbitrary: integerText, weight: 1 },
);

function optional(weight: number, ...parts: readonly fc.Arbitrary<Argument | readonly Argument[]>[]) {
  return fc.oneof(
    { arbitrary: fc.constant<Argument[]>([]), weight: 10 - weight },
    { arbitrary: fc.tuple(...parts).map((list) => list.flat() as Argument[]), weight },
  );
}

const none = fc.constant<Argument[]>([]);
const withCount = optional(4, anyCase('COUNT'), count);
const sign = fc.constantFrom<Argument[]>([], ['='], ['~']);
const limit = optional(2, anyCase('LIMIT'), count);
const threshold = fc.oneof(
  fc
    .tuple(anyCase('MAXLEN'), sign, count, limit)
    .map(([word, how, n, most]): Argument[] => [word, ...how, n, ...most]),
  fc
    .tuple(anyCase('MINID'), sign, id, limit)
    .map(([word, how, least, most]): Argument[] => [word, ...how, least, ...most]),
);
const ids = fc.array(id, { minLength: 1, maxLength: 6 });

/** Numbers that are times or idle times, by their place: masked. */
function withoutTimes(node: ReplyNode, path: string): string {
  if (node.items === null)
    return node.bytes === null ? 'null' : `${node.type}:${node.bytes.toString('latin1')}`;
  const named = node.type === 'map' || (node.items.length > 0 && path.endsWith('/pairs'));
  return `${node.items.length}(${node.items.map((item) => withoutTimes(item, named ? 'x' : path)).join(',')})`;
}

/** XPENDING with a range: the third of each entry is an idle time. */
const pendingEntries: Comparison = (left, right) => {
  if (left.raw.equals(right.raw)) return true;
  if (isError(left) || isError(right) || left.items === null || right.items === null) return false;
  const text = (node: ReplyNode): string =>
    (node.items ?? [])
      .map((entry) => (entry.items ?? []).map((item, i) => (i === 2 ? '' : withoutTimes(item, ''))).join())
      .join(';');
  return text(left) === text(right);
};

/** A map, or a list of names and values, as pairs. */
function pairsOf(node: ReplyNode): [string, ReplyNode][] {
  const list: [string, ReplyNode][] = [];
  const items = node.items ?? [];
  for (let i = 0; i + 1 < items.length; i += 2) list.push([String(items[i]!.bytes), items[i + 1]!]);
  return list;
}

/** What differs between versions or by the clock. */
const TIMES = new Set(['idle', 'inactive', 'seen-time', 'active-time']);
const COUNTS = new Set(['entries-read', 'lag']);

function infoText(node: ReplyNode, skipCounts: boolean, name: string): string {
  if (node.items === null) return withoutTimes(node, '');
  if (name === 'pending') {
    // The time of delivery is the third of a group's four, the second of a consumer's three.
    return node.items
      .map((entry) => {
        const items = entry.items ?? [];
        return items.map((item, i) => (i === items.length - 2 ? '' : withoutTimes(item, ''))).join();
      })
      .join(';');
  }
  if (name === 'list') return node.items.map((item) => infoText(item, skipCounts, 'facts')).join('\n');
  if (name !== 'facts') return withoutTimes(node, '');
  return pairsOf(node)
    .filter(([key]) => !TIMES.has(key) && !(skipCounts && COUNTS.has(key)))
    .map(([key, item]) => {
      const kind = key === 'groups' || key === 'consumers' ? 'list' : key === 'pending' ? 'pending' : 'value';
      return `${key}=${infoText(item, skipCounts, kind)}`;
    })
    .join(' ');
}

function sameInfo(kind: 'facts' | 'list', skipCounts: boolean): Comparison {
  return (left, right) => {
    if (isError(left) || isError(right)) return left.raw.equals(right.raw);
    return infoText(left, skipCounts, kind) === infoText(right, skipCounts, kind);
  };
}

/** A group with all its consumers: whatever the command replies, they are there then if the group is. */
const makeGroup: Generator = fc
  .tuple(
    streamKey,
    group,
    fc.oneof({ arbitrary: fc.constantFrom<Argument>('0', '$'), weight: 6 }, { arbitrary: id, weight: 3 }),
    optional(5, anyCase('MKSTREAM')),
  )
  .map(([key, name, from, make]): Operation[] => [
    { args: ['XGROUP', 'CREATE', key, name, from, ...make] },
    ...CONSUMERS.map((who) => ({ args: ['XGROUP', 'CREATECONSUMER', key, name, who] })),
  ]);

const deleteConsumer: Generator = fc
  .tuple(streamKey, group, consumer)
  .map(([key, name, who]): Operation[] => [
    { args: ['XGROUP', 'DELCONSUMER', key, name, who] },
    { args: ['XGROUP', 'CREATECONSUMER', key, name, who] },
  ]);

/** `STREAMS key ... id ...` with as many IDs as keys. */
function streams(idOf: fc.Arbitrary<Argument>): fc.Arbitrary<Argument[]> {
  return fc
    .array(fc.tuple(streamKey, idOf), { minLength: 1, maxLength: 3 })
    .map((list): Argument[] => ['STREAMS', ...list.map(([key]) => key), ...list.map(([, from]) => from)]);
}

/** Whole: without a group, its consumer or an ID it would say so in other words than Redis 7.0. */
const readGroup: Generator = fc
  .tuple(
    group,
    consumer,
    withCount,
    optional(2, anyCase('NOACK')),
    streams(
      fc.oneof({ arbitrary: fc.constant<Argument>('>'), weight: 6 }, { arbitrary: plainId, weight: 3 }),
    ),
  )
  .map(([name, who, most, noAck, list]): Operation[] => [
    { args: ['XREADGROUP', 'GROUP', name, who, ...most, ...noAck, ...list] },
  ]);

const read: Generator = fc
  .tuple(
    withCount,
    streams(fc.oneof({ arbitrary: plainId, weight: 8 }, { arbitrary: fc.constantFrom('$', '>'), weight: 1 })),
  )
  .map(([most, list]): Operation[] => [{ args: ['XREAD', ...most, ...list] }]);

const add = single(
  command('XADD', streamKey, optional(1, anyCase('NOMKSTREAM')), optional(3, threshold), newId, pairs),
);
const plainAdd = single(command('XADD', streamKey, newId, pairs));

const claimOptions = fc
  .array(
    fc.oneof(
      fc.tuple(anyCase('IDLE'), fc.constantFrom('0', '200000000', '-1', 'x')),
      fc.tuple(anyCase('TIME'), fc.constantFrom('1000', '99999999999999', '-1')),
      fc.tuple(anyCase('RETRYCOUNT'), integerText),
      fc.tuple(anyCase('LASTID'), id),
      fc.tuple(anyCase('FORCE')),
      fc.tuple(anyCase('JUSTID')),
    ),
    { maxLength: 3 },
  )
  .map((list): Argument[] => list.flat());

/** Without a group, its key or one of its consumers missing: Redis 7.0 makes no consumer that gets nothing. */
function whole(args: fc.Arbitrary<Argument[]>, compare?: Comparison): Generator {
  return args.map((list) => [compare === undefined ? { args: list } : { args: list, compare }]);
}

const claim = whole(
  command('XCLAIM', streamKey, group, consumer, odd(idle), ids, claimOptions, optional(1, junk)),
);
const autoclaim = whole(
  command(
    'XAUTOCLAIM', streamKey, group, consumer, odd(idle), bound, withCount, optional(2, anyCase('JUSTID')),
    optional(1, junk),
  ), // biome-ignore format: a list of arguments
);

/** Now and then something else. */
function odd(usual: fc.Arbitrary<Argument>): fc.Arbitrary<Argument> {
  return fc.oneof({ arbitrary: usual, weight: 19 }, { arbitrary: junk, weight: 1 });
}

const groupCommands: Generator = weighted(
  [5, makeGroup],
  [1, single(command('XGROUP', fc.constant('DESTROY'), streamKey, group))],
  [1, deleteConsumer],
  [10, readGroup],
  [6, single(command('XACK', streamKey, group, ids))],
  [3, single(command('XPENDING', streamKey, group))],
  [
    6,
    single(
      command(
        'XPENDING',
        streamKey,
        group,
        optional(3, anyCase('IDLE'), idle),
        bound,
        bound,
        count,
        optional(3, consumer),
      ),
      pendingEntries,
    ),
  ],
  [5, claim],
  [4, autoclaim],
);

const ranges: Generator = weighted(
  [4, single(command('XRANGE', streamKey, bound, bound, withCount))],
  [4, single(command('XREVRANGE', streamKey, bound, bound, withCount))],
  [3, read],
  [2, single(command('XLEN', streamKey))],
);

function info(skipCounts: boolean): Generator {
  return weighted(
    [3, single(command('XINFO', fc.constant('STREAM'), streamKey))],
    [
      3,
      single(
        command('XINFO', fc.constant('STREAM'), streamKey, fc.constant('FULL'), withCount),
        sameInfo('facts', skipCounts),
      ),
    ],
    [2, single(command('XINFO', fc.constant('GROUPS'), streamKey), sameInfo('list', skipCounts))],
    [2, single(command('XINFO', fc.constant('CONSUMERS'), streamKey, group), sameInfo('list', skipCounts))],
  );
}

/** Every stream command. */
export const streamCommands: Generator = weighted(
  [40, add],
  [20, ranges],
  [30, groupCommands],
  [8, single(command('XDEL', streamKey, ids))],
  [3, single(command('XTRIM', streamKey, threshold))],
  // No less than what was deleted: Redis 7.0 does not mind that.
  [
    2,
    single(
      command(
        'XSETID',
        streamKey,
        fc.constantFrom('50-500', '50-900', '60-300', 'x'),
        optional(2, anyCase('ENTRIESADDED'), count),
        optional(2, anyCase('MAXDELETEDID'), id),
      ),
    ),
  ],
  [
    2,
    single(
      command(
        'XGROUP',
        fc.constant('SETID'),
        streamKey,
        group,
        fc.oneof(fc.constant('$'), id),
        optional(3, anyCase('ENTRIESREAD'), integerText),
      ),
    ),
  ],
  [10, info(true)],
  [1, single(command('DEL', streamKey))],
  [1, single(command('COPY', streamKey, streamKey, none, optional(5, fc.constant('REPLACE'))))],
  [1, single(command('RENAME', streamKey, streamKey))],
);

/** Streams that lose nothing, whose groups' counts are compared. */
export const countingStreams: Generator = weighted(
  [40, plainAdd],
  [10, ranges],
  [30, groupCommands],
  [12, info(false)],
);
