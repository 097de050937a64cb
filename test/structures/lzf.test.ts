// LZF: back and forth, against a real redis-server's bytes, and damaged input.

import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { lzfCompress, lzfDecompress } from '../../src/structures/lzf.ts';
import type { RawClient } from '../support/raw-client.ts';
import { startRedis } from '../support/redis-server.ts';
import type { ServerProcess } from '../support/server-process.ts';

const SEED = Number(process.env['SABRE_SEED'] ?? 20_240_704);
const RUNS = Number(process.env['SABRE_RUNS'] ?? 150);
const GAP = 7;

/** Bytes that repeat themselves, near and far. */
const samples = fc
  .tuple(
    fc.array(
      fc.oneof(
        fc.uint8Array({ minLength: 1, maxLength: 40 }).map((bytes) => ({ bytes, from: 0, len: 0 })),
        fc.record({
          bytes: fc.constant(new Uint8Array(0)),
          from: fc.double({ min: 0, max: 0.999, noNaN: true }),
          len: fc.oneof(fc.integer({ min: 1, max: 30 }), fc.integer({ min: 255, max: 600 })),
        }),
      ),
      { minLength: 1, maxLength: 40 },
    ),
    fc.constantFrom(0xff, 0x03, 0x00),
  )
  .map(([parts, mask]) => {
    const all: number[] = [];
    for (const { bytes, from, len } of parts) {
      for (const byte of bytes) all.push(byte & mask);
      const start = Math.floor(from * all.length);
      for (let i = 0; i < len && all.length > 0; i++) all.push(all[start + i]!);
    }
    return Buffer.from(all);
  })
  .filter((data) => data.length > 0);

/** Compresses with guarded bytes around. @returns null if there is not enough room */
function compress(data: Buffer, room: number): Buffer | null {
  const source = Buffer.concat([Buffer.alloc(GAP, 1), data, Buffer.alloc(GAP, 2)]);
  const out = Buffer.alloc(room + 2 * GAP, 0xee);
  const size = lzfCompress(source, GAP, data.length, out, GAP, room);
  expect(out.subarray(0, GAP)).toEqual(Buffer.alloc(GAP, 0xee));
  expect(out.subarray(GAP + room)).toEqual(Buffer.alloc(GAP, 0xee));
  return size === 0 ? null : out.subarray(GAP, GAP + size);
}

function decompress(data: Buffer, room: number): Buffer | null {
  const source = Buffer.concat([Buffer.alloc(GAP, 1), data, Buffer.alloc(GAP, 2)]);
  const out = Buffer.alloc(room + 2 * GAP, 0xee);
  const size = lzfDecompress(source, GAP, data.length, out, GAP, room);
  expect(out.subarray(0, GAP)).toEqual(Buffer.alloc(GAP, 0xee));
  expect(out.subarray(GAP + room)).toEqual(Buffer.alloc(GAP, 0xee));
  return size === 0 ? null : out.subarray(GAP, GAP + size);
}

describe('LZF', () => {
  it('gives back what it took', () => {
    fc.assert(
      fc.property(samples, fc.nat({ max: 40 }), (data, less) => {
        const packed = compress(data, data.length + 64);
        expect(packed).not.toBeNull();
        expect(decompress(packed!, data.length)).toEqual(data);
        if (data.length > 1) expect(decompress(packed!, data.length - 1)).toBeNull();
        const tight = compress(data, Math.max(1, packed!.length - less));
        if (tight !== null) expect(tight).toEqual(packed);
      }),
      { seed: SEED, numRuns: RUNS },
    );
  });

  it('stays inside with any input', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array({ maxLength: 60 }),
          samples.map((data) => compress(data, data.length + 64)!),
        ),
        fc.nat(),
        fc.nat({ max: 255 }),
        fc.nat({ max: 300 }),
        (bytes, at, byte, room) => {
          const damaged = Buffer.from(bytes);
          if (damaged.length > 0) damaged[at % damaged.length] = byte;
          decompress(damaged, room);
        },
      ),
      { seed: SEED, numRuns: RUNS * 5 },
    );
  });

  it('finds the places of another call no more, also when its table has been in use for long', () => {
    const data = Buffer.alloc(60_000, 'abcdefghij');
    const first = Buffer.from(compress(data, data.length)!);
    for (let i = 0; i < 40_000; i++) lzfCompress(data, 0, 60_000, scratch, 0, 8);
    expect(compress(data, data.length)).toEqual(first);
  });
  const scratch = Buffer.alloc(64);
});

describe('LZF in DUMP', () => {
  let server: ServerProcess;
  let redis: RawClient;
  beforeAll(async () => {
    server = await startRedis();
    redis = await server.connect();
  });
  afterAll(async () => {
    await redis.close();
    await server.stop();
  });

  it('is the same as of redis-server', async () => {
    let compressed = 0;
    for (const data of fc.sample(samples, { numRuns: RUNS, seed: SEED })) {
      if (data.length <= 20) continue;
      await redis.command('SET', 'k', data);
      const dump = (await redis.command('DUMP', 'k')).bytes!;
      const packed = compress(data, data.length - 4);
      if (dump[1] !== 0xc3) {
        expect(packed).toBeNull();
        continue;
      }
      compressed++;
      const [size, behind] = rdbLength(dump, 2);
      const [, start] = rdbLength(dump, behind);
      expect(packed!.toString('hex')).toBe(dump.toString('hex', start, start + size));
    }
    expect(compressed).toBeGreaterThan(RUNS / 3);
  });
});

/** A length of RDB files below 2^14. @returns it, and the offset behind it */
function rdbLength(bytes: Buffer, at: number): [number, number] {
  return bytes[at]! < 64 ? [bytes[at]!, at + 1] : [bytes.readUInt16BE(at) & 0x3fff, at + 2];
}
