// Scores, places, distances and search ranges: by their properties, and as redis-server computes them.

import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { formatHumanDouble } from '../../src/protocol/doubles.ts';
import {
  decodeScore,
  distanceMeters,
  encodeScore,
  geohashText,
  isPosition,
  LATITUDE_MAX,
  Position,
  SearchRanges,
  SearchShape,
} from '../../src/structures/geohash.ts';
import type { RawClient } from '../support/raw-client.ts';
import { startRedis } from '../support/redis-server.ts';
import type { ServerProcess } from '../support/server-process.ts';

const SEED = 60_221;
const longitude = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: -180e7, max: 180e7 }).map((n) => n / 1e7) },
  { weight: 1, arbitrary: fc.constantFrom(180, -180, 0, 1e-9, -1e-9, 179.9999999, 90, -90) },
);
const latitude = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: -850511287, max: 850511287 }).map((n) => n / 1e7) },
  { weight: 1, arbitrary: fc.constantFrom(LATITUDE_MAX, -LATITUDE_MAX, 0, 1e-12, 66, 80.1, -66.1) },
);
const place = fc.tuple(longitude, latitude);

/** Scores that no GEOADD makes. */
const ODD_SCORES = [
  '-5', '-0.5', '1.9', '-1.9', '-1e300', '1e300', 'inf', '-inf', '1e19', '18446744073709549568', '9223372036854775808',
  '-9223372036854775808', '4503599627370496', '9007199254740993', '13510798882111487',
]; // biome-ignore format: a table

/** The places of scores. */
function places(scores: readonly number[]): Position[] {
  return scores.map((score) => {
    const position = new Position();
    decodeScore(score, position);
    return position;
  });
}

const distance = (a: Position, b: Position) =>
  distanceMeters(a.longitude, a.latitude, b.longitude, b.latitude);

describe('scores', () => {
  it('are near the place they were made of', () => {
    fc.assert(
      fc.property(place, ([x, y]) => {
        const [back] = places([encodeScore(x, y)]);
        expect(Math.abs(back!.longitude - x)).toBeLessThan((2 * 360) / 2 ** 26);
        expect(Math.abs(back!.latitude - y)).toBeLessThan((2 * 171) / 2 ** 26);
      }),
      { seed: SEED, numRuns: 2000 },
    );
  });

  it('come back from the middle of their cell', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 2n ** 52n - 1n }).map(Number), (score) => {
        const [back] = places([score]);
        expect(encodeScore(back!.longitude, back!.latitude)).toBe(score);
      }),
      { seed: SEED, numRuns: 2000 },
    );
  });

  it('know what is no place', () => {
    for (const [x, y] of [
      [180, 85.05112878],
      [-180, -85.05112878],
    ])
      expect(isPosition(x!, y!)).toBe(true);
    for (const [x, y] of [
      [180.1, 0],
      [0, 85.0512],
      [0, -85.06],
      [NaN, 0],
      [0, NaN],
      [Infinity, 0],
    ])
      expect(isPosition(x!, y!)).toBe(false);
  });
});

describe('search ranges', () => {
  const shapes = fc.record({
    center: place,
    isBox: fc.boolean(),
    width: fc.integer({ min: -1, max: 6 }).map((n) => 10 ** n),
    height: fc.integer({ min: -1, max: 6 }).map((n) => 10 ** n),
    around: fc.array(place, { minLength: 20, maxLength: 20 }),
  });

  it('hold each score once, and those next to the centre', () => {
    const ranges = new SearchRanges();
    const shape = new SearchShape();
    fc.assert(
      fc.property(shapes, ({ center, isBox, width, height, around }) => {
        shape.isBox = isBox;
        shape.radius = shape.width = width;
        shape.height = height;
        const [at] = places([encodeScore(...center)]);
        shape.center.longitude = at!.longitude;
        shape.center.latitude = at!.latitude;
        ranges.cover(shape);
        const holds = (score: number) => {
          let times = 0;
          for (let i = 0; i < ranges.count; i++) {
            if (score >= ranges.min[i]! && score < ranges.max[i]!) times++;
          }
          return times;
        };
        expect(holds(encodeScore(...center))).toBe(1);
        expect(shape.distanceTo(at!)).toBe(0);
        for (const [x, y] of around) expect(holds(encodeScore(x, y))).toBeLessThan(3);
      }),
      { seed: SEED, numRuns: 500 },
    );
  });
});

describe('as redis-server computes', () => {
  const COUNT = 3000;
  const points = fc.sample(place, { numRuns: COUNT, seed: SEED });
  let server: ServerProcess;
  let redis: RawClient;
  let scores: number[];
  beforeAll(async () => {
    server = await startRedis();
    redis = await server.connect();
    await redis.pipeline(points.map(([x, y], i) => ['GEOADD', 'k', x, y, `m${i}`]));
    const replies = await redis.pipeline(points.map((_, i) => ['ZSCORE', 'k', `m${i}`]));
    scores = replies.map((reply) => Number(reply.bytes));
  });
  afterAll(async () => {
    await server?.stop();
  });

  it('scores', () => {
    expect(points.map(([x, y]) => encodeScore(x, y))).toEqual(scores);
  });

  it('places and geohashes', async () => {
    const names = points.map((_, i) => `m${i}`);
    const mine = places(scores);
    expect(mine.map((p) => [formatHumanDouble(p.longitude), formatHumanDouble(p.latitude)])).toEqual(
      await redis.call('GEOPOS', 'k', ...names),
    );
    expect(mine.map(geohashText)).toEqual(await redis.call('GEOHASH', 'k', ...names));
  });

  it.each(ODD_SCORES)('the place of score %s', async (text) => {
    await redis.call('ZADD', 'odd', text, 'x');
    const score = text.endsWith('inf') ? Number(text.replace('inf', 'Infinity')) : Number(text);
    const [mine] = places([score]);
    expect([[formatHumanDouble(mine!.longitude), formatHumanDouble(mine!.latitude)]]).toEqual(
      await redis.call('GEOPOS', 'odd', 'x'),
    );
    expect([geohashText(mine!)]).toEqual(await redis.call('GEOHASH', 'odd', 'x'));
  });

  it('distances', async () => {
    const mine = places(scores);
    const pairs = mine.map((_, i) => [i, (i * 7 + 1) % COUNT] as const);
    const replies = await redis.pipeline(pairs.map(([a, b]) => ['GEODIST', 'k', `m${a}`, `m${b}`]));
    expect(pairs.map(([a, b]) => distance(mine[a]!, mine[b]!).toFixed(4))).toEqual(
      replies.map((reply) => String(reply.bytes)),
    );
  });

  it('distances to the last bit, but for those that its C library rounds wrongly', async () => {
    await redis.call('GEORADIUSBYMEMBER', 'k', 'm0', 30_000, 'km', 'STOREDIST', 'd');
    const mine = places(scores);
    const stored = (await redis.call('ZRANGE', 'd', 0, -1, 'WITHSCORES')) as string[];
    let different = 0;
    for (let i = 0; i < stored.length; i += 2) {
      const expected = distance(mine[0]!, mine[Number(stored[i]!.slice(1))]!) / 1000;
      const got = Number(stored[i + 1]);
      if (got === expected) continue;
      different++;
      expect(Math.abs(got - expected)).toBeLessThan(expected * 1e-15);
    }
    expect(stored.length).toBeGreaterThan(COUNT);
    expect(different).toBeLessThan(COUNT / 50);
  });

  it('what a search finds, and in which order', async () => {
    const sizes = fc.integer({ min: -10, max: 43 }).map((n) => 10 ** (n / 10));
    const searches = fc.sample(fc.tuple(place, fc.boolean(), sizes, sizes), { numRuns: 150, seed: SEED });
    const mine = places(scores);
    const order = scores
      .map((_, i) => i)
      .sort((a, b) => scores[a]! - scores[b]! || (`m${a}` < `m${b}` ? -1 : 1));
    const ranges = new SearchRanges();
    const shape = new SearchShape();
    shape.unit = 1000;
    for (const [[x, y], isBox, width, height] of searches) {
      const area = isBox ? ['BYBOX', width, height, 'km'] : ['BYRADIUS', width, 'km'];
      const expected = await redis.call('GEOSEARCH', 'k', 'FROMLONLAT', x, y, ...area);
      Object.assign(shape, { isBox, radius: width, width, height });
      shape.center.longitude = x;
      shape.center.latitude = y;
      ranges.cover(shape);
      const found: string[] = [];
      for (let i = 0; i < ranges.count; i++) {
        const inRange = order.filter((j) => scores[j]! >= ranges.min[i]! && scores[j]! < ranges.max[i]!);
        found.push(...inRange.filter((j) => shape.distanceTo(mine[j]!) >= 0).map((j) => `m${j}`));
      }
      expect(found).toEqual(expected);
    }
  });
});
