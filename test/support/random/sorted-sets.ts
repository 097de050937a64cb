// Random commands on sorted sets.
//
// Lexicographical ranges are defined where all scores are the same, so they have keys of their own. ZRANDMEMBER is
// checked by what must hold of its replies.

import fc from 'fast-check';
import { type Comparison, isNull } from '../comparisons.ts';
import {
  anyCase,
  command,
  type FollowUp,
  floatText,
  type Generator,
  index,
  integerText,
  type Operation,
  single,
  weighted,
} from '../generator-parts.ts';
import type { Argument } from '../raw-client.ts';
import { isError, type Reply, type ReplyNode } from '../resp-parser.ts';
import {
  count,
  counted,
  lexSets,
  lists,
  manyMembers,
  maybe,
  member,
  options,
  scanOf,
  sets,
  someMembers,
  sortedSets,
  timeout,
  whole,
} from './parts.ts';
import { distinct, sameSize } from './properties.ts';

const key = sortedSets.key;
const lex = lexSets.own;

const score: fc.Arbitrary<Argument> = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: -8, max: 24 }).map(String) },
  { weight: 3, arbitrary: fc.integer({ min: -80, max: 80 }).map((n) => String(n / 8)) },
  { weight: 1, arbitrary: fc.constantFrom('inf', '-inf', '+inf', '1e17', '9007199254740993', '-0', '0.1') },
  { weight: 1, arbitrary: floatText },
);
const bound: fc.Arbitrary<Argument> = fc.oneof(
  { weight: 4, arbitrary: score },
  { weight: 3, arbitrary: score.map((text) => `(${text}`) },
  { weight: 3, arbitrary: fc.constantFrom('-inf', '+inf', 'inf', '(inf', '(-inf') },
  { weight: 1, arbitrary: fc.constantFrom('nan', '(', '', '((1', '[1') },
);
/** Mostly the lower one first. */
const bounds = fc
  .tuple(bound, bound, fc.integer({ min: 0, max: 4 }))
  .map(([a, b, order]) =>
    order > 0 && Number(String(a).replace('(', '')) > Number(String(b).replace('(', '')) ? [b, a] : [a, b],
  );
const lexBound: fc.Arbitrary<Argument> = fc.oneof(
  { weight: 6, arbitrary: fc.tuple(fc.constantFrom('[', '('), member).map(([sign, text]) => sign + text) },
  { weight: 3, arbitrary: fc.constantFrom('-', '+') },
  { weight: 1, arbitrary: fc.constantFrom('', 'm1', '-1', '+a', '[', '(') },
);
const lexBounds = fc.tuple(lexBound, lexBound);

const scored = fc.array(fc.tuple(score, member), { minLength: 1, maxLength: 5 }).map((pairs) => pairs.flat());
const manyScored = fc
  .tuple(manyMembers, fc.integer({ min: 1, max: 50 }))
  .map(([names, modulus]) => names.flatMap((name, i) => [String((i * 7) % modulus), name]));
const manyLex = manyMembers.map((names) => names.flatMap((name) => ['0', name]));
const someLex = someMembers.map((names) => names.flatMap((name) => ['0', name]));

const word = (text: string): fc.Arbitrary<Argument> => anyCase(text);
const addOptions = fc.oneof(
  { weight: 3, arbitrary: fc.constant<Argument[]>([]) },
  { weight: 2, arbitrary: options(3, word('NX'), word('XX'), word('GT'), word('LT'), word('CH')) },
);
const limit = command(
  'LIMIT',
  fc.oneof(
    { weight: 5, arbitrary: fc.constantFrom('0', '1', '3', '-1') },
    { weight: 1, arbitrary: integerText },
  ),
  fc.oneof(
    { weight: 5, arbitrary: fc.constantFrom('0', '1', '5', '-1', '100') },
    { weight: 1, arbitrary: integerText },
  ),
);
const withScores = maybe(word('WITHSCORES'));
const rangeOptions = options(2, word('WITHSCORES'), limit);

/** ZRANGE by rank, score or text, and what ZRANGESTORE takes of it. */
function range(name: string, from: fc.Arbitrary<Argument | readonly Argument[]>, stores: boolean): Generator {
  const more = stores ? fc.constant<Argument[]>([]) : withScores;
  const lexFrom = stores ? fc.tuple(lex, lex) : lex;
  return weighted(
    [4, single(command(name, from, index, index, maybe(word('REV')), more))],
    [4, single(command(name, from, bounds, word('BYSCORE'), maybe(limit), more))],
    [
      3,
      single(
        command(
          name,
          from,
          bounds.map(([a, b]) => [b!, a!]),
          word('REV'),
          word('BYSCORE'),
          maybe(limit),
          more,
        ),
      ),
    ],
    [3, whole(command(name, lexFrom, lexBounds, word('BYLEX'), maybe(limit)))],
    [2, whole(command(name, lexFrom, lexBounds, word('BYLEX'), word('REV'), maybe(limit)))],
    [1, single(command(name, from, index, index, options(4, word('REV'), word('BYSCORE'), limit)))],
  );
}

/** Sorted sets, and sets now and then: they count as scored 1. */
const operands = fc.array(
  fc.oneof({ weight: 8, arbitrary: key }, { weight: 2, arbitrary: sets.own }, { weight: 1, arbitrary: lex }),
  { minLength: 1, maxLength: 4 },
);
const aggregate = command('AGGREGATE', fc.oneof(word('SUM'), word('MIN'), word('MAX'), fc.constant('AVG')));
/** numkeys, keys, and as many weights. */
const combined: fc.Arbitrary<Argument[]> = fc
  .tuple(
    counted(operands),
    fc.array(score, { minLength: 4, maxLength: 4 }),
    maybe(aggregate),
    fc.nat({ max: 9 }),
  )
  .map(([keys, numbers, how, odd]) => {
    const many = keys.length - 1 + (odd === 0 ? 1 : 0);
    const weights = odd < 5 ? ['WEIGHTS', ...numbers.slice(0, many)] : [];
    return odd % 2 === 0 ? [...keys, ...weights, ...how] : [...keys, ...how, ...weights];
  });

const pops = maybe(count);
const popSide = fc.oneof(
  { weight: 8, arbitrary: word('MIN') },
  { weight: 8, arbitrary: word('MAX') },
  { weight: 1, arbitrary: fc.constant('MID') },
);
const popOptions = maybe(command('COUNT', count));
const blocking = (until: fc.Arbitrary<Argument>) =>
  fc.oneof(
    command('BZPOPMIN', sortedSets.some, until),
    command('BZPOPMAX', sortedSets.some, until),
    command('BZMPOP', until, counted(sortedSets.some), popSide, popOptions),
  );

const popWhatIsAdded: Generator = fc
  .tuple(sortedSets.own, score, member, blocking(timeout))
  .map(([first, number, name, args]) => {
    const at = String(args[0]).toUpperCase() === 'BZMPOP' ? 3 : 1;
    const add: Operation = { args: ['ZADD', first, number, name] };
    return [add, { args: args.length > at ? args.with(at, first) : args }];
  });

const addForOther: Generator = fc
  .tuple(
    blocking(fc.constant('0')),
    fc.oneof(
      command('ZADD', sortedSets.own, scored),
      command('ZINCRBY', sortedSets.own, score, member),
      command('ZUNIONSTORE', sortedSets.own, counted(operands)),
      command('ZRANGESTORE', sortedSets.own, sortedSets.own, fc.constant<Argument[]>(['0', '-1'])),
      command('RENAME', sortedSets.own, sortedSets.own),
      command('GEOADD', sortedSets.own, fc.constant<Argument[]>(['13.5', '38.1', 'Palermo'])),
    ),
    sortedSets.own,
  )
  .map(([waiting, args, other]) => {
    const keys = waiting.filter((text) => sortedSets.keys.includes(String(text)));
    return [{ args: ['DEL', ...keys, other] }, { args, waiting }];
  });

/** Members of a reply to ZRANDMEMBER, and the scores beside them. */
function randomMembers(reply: Reply, withScores: boolean): { members: Buffer[]; scores: string[] } {
  const items = reply.items ?? (isNull(reply) || isError(reply) ? [] : [reply]);
  if (!withScores) return { members: items.map((item) => item.bytes!), scores: [] };
  const flat: ReplyNode[] = items[0]?.items ? items.flatMap((item) => item.items!) : [...items];
  return {
    members: flat.filter((_, i) => i % 2 === 0).map((item) => item.bytes!),
    scores: flat.filter((_, i) => i % 2 === 1).map((item) => String(item.bytes)),
  };
}

function areMembers(args: readonly Argument[], left: Reply, right: Reply): readonly FollowUp[] | string {
  const [mine, theirs] = [randomMembers(left, args.length > 3), randomMembers(right, args.length > 3)];
  if (theirs.members.length === 0) return [];
  if (!String(args[2] ?? '1').startsWith('-') && !distinct(mine.members))
    return 'a member was returned twice';
  const compare: Comparison = (one, other) =>
    [
      { got: one, drawn: mine },
      { got: other, drawn: theirs },
    ].every(({ got, drawn }) =>
      got.items!.every(
        (item, i) => !isNull(item) && (drawn.scores.length === 0 || String(item.bytes) === drawn.scores[i]),
      ),
    );
  return [
    {
      args: ['ZMSCORE', args[1]!, ...mine.members],
      redis: ['ZMSCORE', args[1]!, ...theirs.members],
      compare,
    },
  ];
}

const draw = (args: fc.Arbitrary<Argument[]>): Generator =>
  whole(args, (list) => ({ compare: sameSize, follow: (left, right) => areMembers(list, left, right) }));
const drawCount = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: -12, max: 12 }).map(String) },
  { weight: 1, arbitrary: fc.constantFrom('1000', '-300', '0', 'x') },
);

export const sortedSetCommands: Generator = weighted(
  [16, single(command('ZADD', key, addOptions, scored))],
  [3, single(command('ZADD', key, addOptions, word('INCR'), score, member))],
  [2, single(command('ZADD', sortedSets.own, manyScored))],
  [6, whole(command('ZADD', lex, someLex))],
  [1, whole(command('ZADD', lex, manyLex))],
  [5, single(command('ZINCRBY', key, score, member))],
  [7, single(command('ZREM', key, someMembers))],
  [1, single(command('ZREM', sortedSets.own, manyMembers))],
  [3, whole(command('ZREM', lex, someMembers))],
  [4, single(command('ZCARD', key))],
  [5, single(command('ZCOUNT', key, bounds))],
  [4, whole(command('ZLEXCOUNT', lex, lexBounds))],
  [1, whole(command('ZLEXCOUNT', lists.own, lexBounds))],
  [5, single(command('ZSCORE', key, member))],
  [4, single(command('ZMSCORE', key, someMembers))],
  [4, single(command('ZRANK', key, member))],
  [4, single(command('ZREVRANK', key, member))],
  [10, range('ZRANGE', key, false)],
  [7, range('ZRANGESTORE', fc.tuple(key, key), true)],
  [4, single(command('ZREVRANGE', key, index, index, withScores))],
  [5, single(command('ZRANGEBYSCORE', key, bounds, rangeOptions))],
  [
    5,
    single(
      command(
        'ZREVRANGEBYSCORE',
        key,
        bounds.map(([a, b]) => [b!, a!]),
        rangeOptions,
      ),
    ),
  ],
  [4, whole(command('ZRANGEBYLEX', lex, lexBounds, maybe(limit)))],
  [4, whole(command('ZREVRANGEBYLEX', lex, lexBounds, maybe(limit)))],
  [
    2,
    single(
      command(
        'ZREMRANGEBYRANK',
        key,
        fc.integer({ min: -3, max: 6 }).map(String),
        fc.constantFrom('1', '3', '-6', '8'),
      ),
    ),
  ],
  [2, single(command('ZREMRANGEBYSCORE', key, fc.tuple(score, score)))],
  [1, single(command('ZREMRANGEBYSCORE', key, bounds))],
  [2, whole(command('ZREMRANGEBYLEX', lex, lexBounds))],
  [4, single(command('ZUNION', combined, withScores))],
  [4, single(command('ZINTER', combined, withScores))],
  [4, single(command('ZDIFF', counted(operands), withScores))],
  [4, single(command('ZUNIONSTORE', key, combined))],
  [4, single(command('ZINTERSTORE', key, combined))],
  [4, single(command('ZDIFFSTORE', key, counted(operands)))],
  [4, single(command('ZINTERCARD', counted(operands), maybe(command('LIMIT', count))))],
  [4, single(command('ZPOPMIN', key, pops))],
  [4, single(command('ZPOPMAX', key, pops))],
  [5, single(command('ZMPOP', counted(sortedSets.some), popSide, popOptions))],
  [2, single(blocking(timeout))],
  [3, popWhatIsAdded],
  [1, addForOther],
  [2, draw(command('ZRANDMEMBER', key))],
  [3, draw(command('ZRANDMEMBER', key, drawCount))],
  [3, draw(command('ZRANDMEMBER', key, drawCount, word('WITHSCORES')))],
  [1, whole(command('ZRANDMEMBER', key, count, fc.constant('WITHVALUES')), { compare: sameSize })],
  [3, scanOf('ZSCAN', sortedSets)],
);

/** What the oracle does not know: ZRANK with the score. */
export const newerSortedSetCommands: Generator = fc
  .tuple(sortedSets.own, member, fc.constantFrom('ZRANK', 'ZREVRANK'))
  .map(([set, name, rank]) => [
    {
      args: [rank, set, name, 'WITHSCORE'],
      redis: [rank, set, name],
      compare: (left, right) =>
        isNull(right) ? isNull(left) : String(left.items?.[0]?.bytes) === String(right.bytes),
    },
  ]);
