// Points on the globe as scores of a sorted set, distances between them, and the ranges of scores that a search reads.
//
// A score is an integer of 52 bits: 26 bits of longitude and 26 of latitude, interleaved, as Redis stores them:
//
//   bit   51 50 49 48 ...  3  2  1  0          longitude: cell of [-180, 180] cut into 2^26
//         lo la lo la ... lo la lo la          latitude:  cell of [-85.05112878, 85.05112878] cut into 2^26
//
// So all points in a cell of a coarser grid (`step` bits each way) are one range of scores. A search takes the cell around
// its centre at a step where a cell is about as large as the search, and the eight cells around it: nine ranges at most.
// At the very eastern and northern edge a coordinate is 2^step, one bit more; Redis lets it be, and so do its searches.
//
// Numbers of 53 and 64 bits are two 32-bit halves here: no BigInt. Results are those of Redis (geohash.c,
// geohash_helper.c of version 7.0) to the bit, as far as the C library's sines are (trigonometry.ts).
//
// Left out: 7.2's shortcut for points on one meridian, whose distance may differ from 7.0's in the last bit.

import { asin, cos, sin } from './trigonometry.ts';

export const LONGITUDE_MAX = 180;
export const LATITUDE_MAX = 85.05112878;

const LONGITUDE_RANGE = 2 * LONGITUDE_MAX;
const LATITUDE_RANGE = 2 * LATITUDE_MAX;
const STEP_MAX = 26;
const SCORE_BITS = 2 * STEP_MAX;
const EARTH_RADIUS_METERS = 6372797.560856;
const MERCATOR_MAX = 20037726.37;
const RADIANS = Math.PI / 180;
const HALF = 2 ** 32;

/** Cells of a search: the centre's and the eight around it. */
const CELLS = 9;
/** Steps east and north from the centre to each cell: in the order in which Redis reads them. */
const EAST = [0, 0, 0, 1, -1, 1, -1, 1, -1];
const NORTH = [0, 1, -1, 0, 0, 1, 1, -1, -1];

const ALPHABET = '0123456789bcdefghjkmnpqrstuvwxyz';
/** Characters of a geohash; the last would need three bits more than there are, and is always '0'. */
const TEXT_LENGTH = 11;

/** A place, in degrees. */
export class Position {
  longitude = 0;
  latitude = 0;
}

/** Whether there can be a point: not near the poles. */
export function isPosition(longitude: number, latitude: number): boolean {
  return Math.abs(longitude) <= LONGITUDE_MAX && Math.abs(latitude) <= LATITUDE_MAX;
}

/** @returns the score of a place */
export function encodeScore(longitude: number, latitude: number): number {
  return interleave(
    cellOf(longitude, LONGITUDE_MAX, LONGITUDE_RANGE, STEP_MAX),
    cellOf(latitude, LATITUDE_MAX, LATITUDE_RANGE, STEP_MAX),
    0,
  );
}

/**
 * Writes the place that a score stands for: the middle of its cell. Any double is some place: it is read as C's
 * conversion to uint64_t on x86-64 does.
 */
export function decodeScore(score: number, out: Position): void {
  const whole = score < 2 ** 64 ? Math.max(Math.trunc(score), -(2 ** 63)) : 0;
  const high = Math.floor(whole / HALF);
  const low = whole - high * HALF;
  const x = (oddBits(high) << 16) | oddBits(low);
  const y = (evenBits(high) << 16) | evenBits(low);
  out.longitude = middle(x, LONGITUDE_MAX, LONGITUDE_RANGE);
  out.latitude = middle(y, LATITUDE_MAX, LATITUDE_RANGE);
}

/** The great-circle distance of two places in metres (haversine formula). */
export function distanceMeters(
  longitude1: number,
  latitude1: number,
  longitude2: number,
  latitude2: number,
): number {
  const lat1 = latitude1 * RADIANS;
  const lat2 = latitude2 * RADIANS;
  const u = sin((lat2 - lat1) / 2);
  const v = sin((longitude2 * RADIANS - longitude1 * RADIANS) / 2);
  return 2 * EARTH_RADIUS_METERS * asin(Math.sqrt(u * u + cos(lat1) * cos(lat2) * v * v));
}

/** The standard geohash of a place, eleven characters: that has latitudes from -90 to 90, so it is cut anew. */
export function geohashText(place: Position): string {
  const x = cellOf(place.longitude, 180, 360, STEP_MAX);
  const y = cellOf(place.latitude, 90, 180, STEP_MAX);
  let text = '';
  for (let i = 0; i < TEXT_LENGTH - 1; i++) {
    let digit = 0;
    for (let bit = SCORE_BITS - 1 - i * 5; bit > SCORE_BITS - 6 - i * 5; bit--) {
      digit = digit * 2 + (((bit & 1 ? x : y) >>> (bit >> 1)) & 1);
    }
    text += ALPHABET[digit]!;
  }
  return `${text}0`;
}

/** What is searched: a circle or a box around a place. One per thread, filled for each search. */
export class SearchShape {
  /** The centre. */
  readonly center = new Position();
  isBox = false;
  /** In units of `unit`. */
  radius = 0;
  width = 0;
  height = 0;
  /** Metres in a unit. */
  unit = 1;

  /**
   * @param place must be that of a score
   * @returns metres from the centre; -1 outside of the shape
   */
  distanceTo(place: Position): number {
    const { longitude, latitude } = this.center;
    const meters = distanceMeters(longitude, latitude, place.longitude, place.latitude);
    if (!this.isBox) return meters > this.radius * this.unit ? -1 : meters;
    const east = distanceMeters(place.longitude, place.latitude, longitude, place.latitude);
    if (east > (this.width * this.unit) / 2) return -1;
    const north = distanceMeters(place.longitude, place.latitude, place.longitude, latitude);
    return north > (this.height * this.unit) / 2 ? -1 : meters;
  }

  /** Metres from the centre to the farthest point. */
  get reachMeters(): number {
    if (!this.isBox) return this.radius * this.unit;
    const width = this.width / 2;
    const height = this.height / 2;
    return Math.sqrt(width * width + height * height) * this.unit;
  }
}

/** The ranges of scores to read for a search. */
export class SearchRanges {
  /** How many there are. */
  count = 0;
  /** Scores min[i] <= score < max[i]. Ranges may touch but hold no score twice, unless the search spans the globe. */
  readonly min = new Float64Array(CELLS);
  readonly max = new Float64Array(CELLS);
  readonly #x = new Float64Array(CELLS);
  readonly #y = new Float64Array(CELLS);
  #step = 0;
  /** The box around the shape, in degrees. */
  #west = 0;
  #east = 0;
  #south = 0;
  #north = 0;

  /** Finds the ranges that cover a shape. */
  cover(shape: SearchShape): void {
    const { longitude, latitude } = shape.center;
    this.#bound(shape);
    this.#place(longitude, latitude, stepsFor(shape.reachMeters, latitude));
    if (this.#step > 1 && this.#reachesBeyond()) this.#place(longitude, latitude, this.#step - 1);
    const omitted = this.#step >= 2 ? this.#omitted() : 0;
    this.#collect(omitted);
  }

  /** The box around the shape. Towards a pole a degree of longitude is shorter, so it is wider there. */
  #bound(shape: SearchShape): void {
    const { longitude, latitude } = shape.center;
    const height = shape.unit * (shape.isBox ? shape.height / 2 : shape.radius);
    const width = shape.unit * (shape.isBox ? shape.width / 2 : shape.radius);
    const north = height / EARTH_RADIUS_METERS / RADIANS;
    const edge = latitude < 0 ? latitude - north : latitude + north;
    const east = width / EARTH_RADIUS_METERS / cos(edge * RADIANS) / RADIANS;
    this.#west = longitude - east;
    this.#east = longitude + east;
    this.#south = latitude - north;
    this.#north = latitude + north;
  }

  /** Takes the cell of a place at a step, and those around it. At the edges of the world they come in on the other side. */
  #place(longitude: number, latitude: number, step: number): void {
    const cells = 2 ** step;
    const x = cellOf(longitude, LONGITUDE_MAX, LONGITUDE_RANGE, step);
    const y = cellOf(latitude, LATITUDE_MAX, LATITUDE_RANGE, step);
    this.#step = step;
    for (let i = 0; i < CELLS; i++) {
      this.#x[i] = EAST[i] === 0 ? x : (x + EAST[i]! + cells) % cells;
      this.#y[i] = NORTH[i] === 0 ? y : (y + NORTH[i]! + cells) % cells;
    }
  }

  /** Whether the box reaches beyond the cells to the four sides: the centre is near an edge of its cell. */
  #reachesBeyond(): boolean {
    return (
      this.#longitude(this.#x[3]! + 1) < this.#east ||
      this.#longitude(this.#x[4]!) > this.#west ||
      this.#latitude(this.#y[1]! + 1) < this.#north ||
      this.#latitude(this.#y[2]!) > this.#south
    );
  }

  /** A bit for each cell that need not be read, since the centre's cell reaches beyond the box on that side. */
  #omitted(): number {
    const x = this.#x[0]!;
    const y = this.#y[0]!;
    let omitted = 0;
    for (let i = 1; i < CELLS; i++) {
      if (
        (NORTH[i]! < 0 && this.#latitude(y) < this.#south) ||
        (NORTH[i]! > 0 && this.#latitude(y + 1) > this.#north) ||
        (EAST[i]! < 0 && this.#longitude(x) < this.#west) ||
        (EAST[i]! > 0 && this.#longitude(x + 1) > this.#east)
      ) {
        omitted |= 1 << i;
      }
    }
    return omitted;
  }

  #collect(omitted: number): void {
    const size = 2 ** (SCORE_BITS - 2 * this.#step);
    let last = 0;
    this.count = 0;
    for (let i = 0; i < CELLS; i++) {
      if (omitted & (1 << i)) continue;
      // In a search over the whole globe, cells meet on the other side. As in Redis, each is compared only with the one
      // read before, and the first with none.
      if (last > 0 && this.#x[i] === this.#x[last] && this.#y[i] === this.#y[last]) continue;
      this.min[this.count] = interleave(this.#x[i]!, this.#y[i]!, 0) * size;
      this.max[this.count++] = interleave(this.#x[i]!, this.#y[i]!, 1) * size;
      last = i;
    }
  }

  #longitude(x: number): number {
    return -LONGITUDE_MAX + (x / 2 ** this.#step) * LONGITUDE_RANGE;
  }

  #latitude(y: number): number {
    return -LATITUDE_MAX + (y / 2 ** this.#step) * LATITUDE_RANGE;
  }
}

/** How fine the grid is for a search of this size. */
function stepsFor(reachMeters: number, latitude: number): number {
  if (reachMeters === 0) return STEP_MAX;
  let step = -1;
  for (let range = reachMeters; range < MERCATOR_MAX; range *= 2) step++;
  if (Math.abs(latitude) > 66) step--;
  if (Math.abs(latitude) > 80) step--;
  return Math.max(1, Math.min(step, STEP_MAX));
}

/** The cell of a coordinate, of 2^step cells; 2^step at the upper edge. */
function cellOf(degrees: number, max: number, range: number, step: number): number {
  return Math.trunc(((degrees + max) / range) * 2 ** step);
}

/** The middle of a cell of the finest grid; cells may be beyond the world's edge, which is then the result. */
function middle(cell: number, max: number, range: number): number {
  const low = -max + ((cell >>> 0) / 2 ** STEP_MAX) * range;
  const high = -max + (((cell + 1) >>> 0) / 2 ** STEP_MAX) * range;
  return Math.max(-max, Math.min((low + high) / 2, max));
}

/** Interleaves two numbers of up to 27 bits, x in the odd places, and adds `more`. Rounded once, if above 2^53. */
function interleave(x: number, y: number, more: number): number {
  const low = (spread(x & 0xffff) << 1) | spread(y & 0xffff);
  const high = (spread(x >>> 16) << 1) | spread(y >>> 16);
  return (high >>> 0) * HALF + ((low >>> 0) + more);
}

/** Moves bit i of 16 to bit 2 i. */
function spread(value: number): number {
  let bits = value;
  bits = (bits | (bits << 8)) & 0x00ff00ff;
  bits = (bits | (bits << 4)) & 0x0f0f0f0f;
  bits = (bits | (bits << 2)) & 0x33333333;
  return (bits | (bits << 1)) & 0x55555555;
}

/** Bit 2 i to bit i, 16 of them. */
function evenBits(value: number): number {
  let bits = value & 0x55555555;
  bits = (bits | (bits >>> 1)) & 0x33333333;
  bits = (bits | (bits >>> 2)) & 0x0f0f0f0f;
  bits = (bits | (bits >>> 4)) & 0x00ff00ff;
  return (bits | (bits >>> 8)) & 0xffff;
}

/** Bit 2 i + 1 to bit i. */
function oddBits(value: number): number {
  return evenBits(value >>> 1);
}
