// Random geo commands: over few places, some at the edges of the world, so that searches find something.
//
// Distances are computed with sines, whose last bit depends on the C library (and so would a sorted set of distances):
// what STOREDIST stores is compared with a tolerance, and deleted.

import fc from 'fast-check';
import { type Comparison, isNull } from '../comparisons.ts';
import {
  anyCase,
  command,
  type FollowUp,
  floatText,
  type Generator,
  single,
  weighted,
} from '../generator-parts.ts';
import type { Argument } from '../raw-client.ts';
import { isError, type Reply } from '../resp-parser.ts';
import { count, geoSets, maybe, member, options, someMembers, sortedSets, whole } from './parts.ts';

const key = fc.oneof({ weight: 9, arbitrary: geoSets.key }, { weight: 1, arbitrary: sortedSets.own });
const word = (text: string): fc.Arbitrary<Argument> => anyCase(text);

const near = (center: number, spread: number) =>
  fc.integer({ min: -1000, max: 1000 }).map((n) => (center + (n / 1000) * spread).toFixed(6));
/** Around a few centres, over the whole world, at its edges. */
const place: fc.Arbitrary<Argument[]> = fc.oneof(
  { weight: 6, arbitrary: fc.tuple(near(13.36, 2), near(38.11, 1)) },
  { weight: 2, arbitrary: fc.tuple(near(-122.4, 0.1), near(37.77, 0.1)) },
  { weight: 2, arbitrary: fc.tuple(near(0, 180), near(0, 85)) },
  {
    weight: 2,
    arbitrary: fc.tuple(
      fc.constantFrom('180', '-180', '179.999999', '-179.99', '0'),
      fc.constantFrom('85.05112878', '-85.05112878', '85', '-84.9', '0', '66.2'),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(
      fc.oneof(floatText, fc.constantFrom('180.1', '-181')),
      fc.oneof(floatText, fc.constantFrom('85.06', '-86')),
    ),
  },
);
const unit: fc.Arbitrary<Argument> = fc.oneof(
  { weight: 9, arbitrary: fc.oneof(word('m'), word('km'), word('ft'), word('mi')) },
  { weight: 1, arbitrary: fc.constantFrom('', 'miles', 'cm') },
);
const size: fc.Arbitrary<Argument> = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom('0', '1', '10', '100', '250', '1000', '5000', '20000', '123.456') },
  { weight: 2, arbitrary: fc.integer({ min: 0, max: 30_000_000 }).map((n) => String(n / 1000)) },
  { weight: 1, arbitrary: fc.constantFrom('-1', 'x', '', '1e300', 'inf', 'nan') },
);

const added = fc
  .array(fc.tuple(place, member), { minLength: 1, maxLength: 5 })
  .map((list) => list.flatMap(([where, name]) => [...where, name]));
const addedMany = fc
  .array(fc.tuple(near(13.36, 4), near(38.11, 3)), { minLength: 100, maxLength: 200 })
  .map((list) => list.flatMap(([x, y], i) => [x, y, `p${i}`]));
/** Many at the same few places: who comes first at equal distances is defined, too. */
const crowd = fc
  .tuple(
    fc.array(fc.tuple(near(13.36, 2), near(38.11, 1)), { minLength: 2, maxLength: 5 }),
    fc.integer({ min: 20, max: 150 }),
  )
  .map(([places, size]) =>
    Array.from({ length: size }, (_, i) => [...places[(i * 7) % places.length]!, `p${i}`]).flat(),
  );

const order = fc.oneof(word('ASC'), word('DESC'));
const counting = fc.oneof(command('COUNT', count), fc.tuple(word('COUNT'), count, word('ANY')));
const reportOptions = options(4, word('WITHCOORD'), word('WITHDIST'), word('WITHHASH'), order, counting);
const plainOptions = options(2, order, counting);

const from = fc.oneof(command('FROMMEMBER', member), command('FROMLONLAT', place));
const by = fc.oneof(command('BYRADIUS', size, unit), command('BYBOX', size, size, unit));
/** From and by in either order, with the rest anywhere: as clients write them. */
const search = (rest: fc.Arbitrary<Argument[]>) =>
  fc
    .tuple(from, by, rest, fc.nat({ max: 5 }))
    .map(([a, b, c, how]) =>
      how < 3 ? [...a, ...b, ...c] : how === 3 ? [...b, ...a, ...c] : [...c, ...a, ...b],
    );
const circle = fc.tuple(size, unit).map((list): Argument[] => list);

/** Members and distances: the same members at about the same distances. */
const aboutTheSame: Comparison = (left, right) => {
  if (isError(left) || isError(right)) return left.raw.equals(right.raw);
  const [mine, theirs] = [scoresOf(left), scoresOf(right)];
  if (mine.size !== theirs.size) return false;
  for (const [name, score] of theirs) {
    const other = mine.get(name);
    if (other === undefined || Math.abs(other - score) > Math.abs(score) * 1e-9 + 1e-9) return false;
  }
  return true;
};

function scoresOf(reply: Reply): Map<string, number> {
  const flat = reply.items![0]?.items ? reply.items!.flatMap((item) => item.items!) : reply.items!;
  const scores = new Map<string, number>();
  for (let i = 0; i < flat.length; i += 2)
    scores.set(flat[i]!.bytes!.toString('latin1'), Number(flat[i + 1]!.bytes));
  return scores;
}

const DISTANCES = 'geo:distances';
const lookAndDelete = (left: Reply): readonly FollowUp[] => [
  ...(isError(left) || isNull(left)
    ? []
    : [{ args: ['ZRANGE', DISTANCES, '0', '-1', 'WITHSCORES'], compare: aboutTheSame }]),
  { args: ['DEL', DISTANCES] },
];
const storedDistances: Generator = weighted(
  [
    2,
    whole(
      command('GEOSEARCHSTORE', fc.constant(DISTANCES), geoSets.own, search(plainOptions), word('STOREDIST')),
      { follow: lookAndDelete },
    ),
  ],
  [
    1,
    whole(
      command(
        'GEORADIUS',
        geoSets.own,
        place,
        circle,
        plainOptions,
        word('STOREDIST'),
        fc.constant(DISTANCES),
      ),
      { follow: lookAndDelete },
    ),
  ],
  [
    1,
    whole(
      command(
        'GEORADIUSBYMEMBER',
        geoSets.own,
        member,
        circle,
        word('STOREDIST'),
        fc.constant(DISTANCES),
        plainOptions,
      ),
      { follow: lookAndDelete },
    ),
  ],
);

export const geoCommands: Generator = weighted(
  [14, single(command('GEOADD', geoSets.key, options(2, word('NX'), word('XX'), word('CH')), added))],
  [2, single(command('GEOADD', geoSets.own, addedMany))],
  [2, single(command('GEOADD', geoSets.own, crowd))],
  [6, single(command('GEODIST', key, member, member, maybe(unit)))],
  [5, single(command('GEOHASH', key, someMembers))],
  [5, single(command('GEOPOS', key, someMembers))],
  [16, single(command('GEOSEARCH', key, search(reportOptions)))],
  [5, single(command('GEOSEARCHSTORE', geoSets.key, key, search(plainOptions)))],
  [6, single(command('GEORADIUS', key, place, circle, reportOptions))],
  [2, single(command('GEORADIUS', key, place, circle, plainOptions, word('STORE'), geoSets.own))],
  [4, single(command('GEORADIUS_RO', key, place, circle, reportOptions))],
  [6, single(command('GEORADIUSBYMEMBER', key, member, circle, reportOptions))],
  [2, single(command('GEORADIUSBYMEMBER', key, member, circle, word('STORE'), geoSets.own, plainOptions))],
  [4, single(command('GEORADIUSBYMEMBER_RO', key, member, circle, reportOptions))],
  [4, storedDistances],
  [1, single(command('GEOSEARCH', key, options(6, from, by, order, counting)))],
);
