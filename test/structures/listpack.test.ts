// Listpacks against arrays of texts, and against bytes that Redis wrote; damaged ones are refused.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  backwardBytes,
  COUNT_UNKNOWN,
  EntryEncoder,
  headerCount,
  LISTPACK_EMPTY_BYTES,
  Listpack,
  listpackBytes,
  writeEmptyListpack,
} from '../../src/structures/listpack.ts';
import { isListpack } from '../../src/structures/listpack-check.ts';

const SEED = Number(process.env['SABRE_SEED'] ?? 20_240_702);
const RUNS = Number(process.env['SABRE_RUNS'] ?? 100);
const BASE = 11;

const texts = fc.oneof(
  { weight: 4, arbitrary: fc.string({ maxLength: 10, unit: 'binary-ascii' }) },
  { weight: 4, arbitrary: fc.bigInt({ min: -(2n ** 63n) - 2n, max: 2n ** 63n + 1n }).map(String) },
  { weight: 2, arbitrary: fc.integer({ min: -5000, max: 5000 }).map(String) },
  {
    weight: 2,
    arbitrary: fc
      .constantFrom(1, 7, 12, 15, 23, 31, 52, 53, 63)
      .chain((bits) => fc.bigInt({ min: -2n, max: 2n }).map((by) => 2n ** BigInt(bits) + by))
      .chain((n) => fc.constantFrom(String(n), String(-n))),
  },
  {
    weight: 2,
    arbitrary: fc.constantFrom('', '-', '-0', '00', '01', '+1', ' 1', '1 ', '1.0', '9'.repeat(20)),
  },
  {
    weight: 2,
    arbitrary: fc.constantFrom(62, 63, 64, 125, 126, 127, 128, 4095, 4096).map((n) => 'x'.repeat(n)),
  },
  { weight: 1, arbitrary: fc.constantFrom(16_377, 16_378, 16_379, 20_000).map((n) => 'y'.repeat(n)) },
);

class Fixture {
  bytes = Buffer.alloc(64);
  readonly lp: Listpack;
  readonly entry: EntryEncoder;
  model: string[] = [];

  constructor() {
    this.lp = new Listpack(this.bytes);
    this.entry = new EntryEncoder(this.bytes);
    writeEmptyListpack(this.bytes, BASE);
    this.lp.open(this.bytes, BASE);
  }

  /** Encodes a text and makes the container as large as it must be, elsewhere. */
  encode(text: string, replaced = 0): void {
    const source = Buffer.from(`##${text}`, 'latin1');
    this.entry.set(source, 2, source.length - 2);
    const grown = Buffer.alloc(BASE + this.lp.size + Math.max(0, this.entry.size - replaced), 0xee);
    this.bytes.copy(grown, 0, 0, BASE + this.lp.size);
    this.bytes = grown;
    this.lp.rebase(grown, BASE);
  }

  text(): string {
    this.lp.text();
    return this.lp.buf.toString('latin1', this.lp.off, this.lp.off + this.lp.len);
  }

  verify(): void {
    const { lp, bytes, model } = this;
    expect(lp.size).toBe(listpackBytes(bytes, BASE));
    expect(isListpack(bytes, BASE, lp.size, true)).toBe(true);
    expect(lp.count()).toBe(model.length);
    const forth: string[] = [];
    for (let more = lp.first(); more; more = lp.next()) forth.push(this.text());
    expect(forth).toEqual(model);
    const back: string[] = [];
    for (let more = lp.last(); more; more = lp.prev()) back.unshift(this.text());
    expect(back).toEqual(model);
  }
}

const steps = fc.record({
  kind: fc.constantFrom('insert', 'insert', 'insert', 'append', 'replace', 'remove', 'find', 'seek'),
  text: texts,
  where: fc.double({ min: 0, max: 0.999, noNaN: true }),
  count: fc.integer({ min: 1, max: 3 }),
});

describe('a listpack', () => {
  it('does what an array does', () => {
    fc.assert(
      fc.property(fc.array(steps, { minLength: 1, maxLength: 40 }), (todo) => {
        const fixture = new Fixture();
        for (const step of todo) apply(fixture, step);
      }),
      { seed: SEED, numRuns: RUNS },
    );
  });

  function apply(
    fixture: Fixture,
    { kind, text, where, count }: typeof steps extends fc.Arbitrary<infer T> ? T : never,
  ): void {
    const { lp, model } = fixture;
    const index = Math.floor(where * model.length);
    if (kind === 'append') {
      fixture.encode(text);
      lp.insert(lp.end, fixture.entry);
      model.push(text);
    } else if (model.length === 0 && kind !== 'insert') return;
    else if (kind === 'insert') {
      const pos = lp.seek(index) ? lp.pos : lp.end;
      fixture.encode(text);
      lp.insert(pos, fixture.entry);
      model.splice(index, 0, text);
    } else if (kind === 'replace') {
      lp.seek(index - model.length);
      const { pos } = lp;
      const old = lp.entrySize();
      fixture.encode(text, old);
      lp.replace(pos, old, fixture.entry);
      model[index] = text;
    } else if (kind === 'remove') {
      lp.seek(index);
      const gone = Math.min(count, model.length - index);
      lp.remove(lp.pos, gone);
      model.splice(index, gone);
    } else if (kind === 'find') find(fixture, text, index, count);
    else {
      expect(lp.seek(index)).toBe(true);
      expect(fixture.text()).toBe(model[index]);
      expect(lp.seek(model.length)).toBe(false);
      expect(lp.seek(-model.length - 1)).toBe(false);
    }
    fixture.verify();
  }

  /** Looks for a text, or one that is there, at every skip + 1st entry from the first on. */
  function find({ lp, model }: Fixture, text: string, index: number, count: number): void {
    const skip = count - 1;
    for (const wanted of [text, model[index]!]) {
      const bytes = Buffer.from(wanted, 'latin1');
      const expected = model.findIndex((other, i) => other === wanted && i % (skip + 1) === 0);
      lp.first();
      expect(lp.find(bytes, 0, bytes.length, skip)).toBe(expected >= 0);
      if (expected < 0) continue;
      expect(lp.equals(bytes, 0, bytes.length)).toBe(true);
      const { pos } = lp;
      lp.seek(expected);
      expect(pos).toBe(lp.pos);
    }
  }

  it('has the bytes that Redis writes', () => {
    const fixture = new Fixture();
    for (const text of [
      'a',
      '1',
      '-1',
      '4095',
      '32767',
      '-8388608',
      '2147483647',
      '9223372036854775807',
      '01',
      '',
    ])
      apply(fixture, { kind: 'append', text, where: 0, count: 1 });
    // RPUSH of the same to redis-server 7.0.15 with rdbcompression no, then DUMP.
    expect(fixture.bytes.toString('hex', BASE, BASE + fixture.lp.size)).toBe(
      '310000000a00816102' + '0101' + 'dfff02' + 'cfff02' + 'f1ff7f03' + 'f200008004' + 'f3ffffff7f05' +
        'f4ffffffffffffff7f09' + '82303103' + '8001' + 'ff',
    ); // biome-ignore format: by entry
  });

  it('has an empty form of seven bytes', () => {
    const bytes = Buffer.alloc(LISTPACK_EMPTY_BYTES);
    writeEmptyListpack(bytes, 0);
    expect(bytes.toString('hex')).toBe('070000000000ff');
  });

  it('counts its entries itself from 65535 on, and no more below', () => {
    const count = 65_600;
    const bytes = Buffer.alloc(LISTPACK_EMPTY_BYTES + count * 2);
    writeEmptyListpack(bytes, 0);
    const lp = new Listpack(bytes);
    const entry = new EntryEncoder(bytes);
    lp.open(bytes, 0);
    entry.setInteger(7);
    for (let i = 0; i < count; i++) lp.insert(lp.end, entry);
    expect(headerCount(bytes, 0)).toBe(COUNT_UNKNOWN);
    expect(lp.count()).toBe(count);
    lp.remove(6, 100);
    expect(headerCount(bytes, 0)).toBe(COUNT_UNKNOWN);
    expect(lp.count()).toBe(count - 100);
    expect(headerCount(bytes, 0)).toBe(count - 100);
    expect(isListpack(bytes, 0, lp.size, true)).toBe(true);
    expect(lp.seek(-1)).toBe(true);
  });

  it.each([
    [1, 1],
    [127, 1],
    [128, 2],
    [16_382, 2],
    [16_383, 3],
    [2_097_150, 3],
    [2_097_151, 4],
    [268_435_454, 4],
    [268_435_455, 5],
  ])('has backward lengths of %i in %i bytes', (encoded, bytes) => {
    expect(backwardBytes(encoded)).toBe(bytes);
  });
});

describe('integers of 64 bits', () => {
  it('are exact as words', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), (n) => {
        const fixture = new Fixture();
        fixture.entry.setWords(Number(BigInt.asIntN(32, n)), Number(n >> 32n));
        const grown = Buffer.alloc(BASE + 64);
        fixture.bytes.copy(grown);
        fixture.lp.rebase(grown, BASE);
        fixture.lp.insert(fixture.lp.end, fixture.entry);
        fixture.lp.first();
        expect(fixture.text()).toBe(String(n));
        expect((BigInt(fixture.lp.high) << 32n) | BigInt(fixture.lp.low >>> 0)).toBe(n);
      }),
      { seed: SEED, numRuns: RUNS },
    );
  });
});

describe('the check of a listpack', () => {
  it('lets nothing pass that leads out of its bytes', () => {
    let refused = 0;
    fc.assert(
      fc.property(
        fc.array(texts, { minLength: 1, maxLength: 8 }),
        fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 3 }),
        (list, damage) => {
          const fixture = new Fixture();
          for (const text of list) {
            fixture.encode(text);
            fixture.lp.insert(fixture.lp.end, fixture.entry);
          }
          const { size } = fixture.lp;
          const bytes = Buffer.alloc(size);
          fixture.bytes.copy(bytes, 0, BASE, BASE + size);
          for (const [at, byte] of damage) bytes[at % size] = byte;
          if (!isListpack(bytes, 0, size, true)) {
            refused++;
            return;
          }
          walk(bytes);
        },
      ),
      { seed: SEED, numRuns: RUNS * 5 },
    );
    expect(refused).toBeGreaterThan(RUNS);
  });

  it('takes no random bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 0, maxLength: 60 }), (random) => {
        const bytes = Buffer.concat([Buffer.alloc(6), random, Buffer.from([0xff])]);
        bytes.writeUInt32LE(bytes.length, 0);
        bytes.writeUInt16LE(COUNT_UNKNOWN, 4);
        if (isListpack(bytes, 0, bytes.length, true)) walk(bytes);
      }),
      { seed: SEED, numRuns: RUNS * 5 },
    );
  });

  /** Goes both ways, inside. */
  function walk(bytes: Buffer): void {
    const lp = new Listpack(bytes);
    lp.open(bytes, 0);
    const seen: number[] = [];
    for (let more = lp.first(); more; more = lp.next()) {
      seen.push(lp.pos);
      lp.text();
      if (!lp.isInteger) expect(lp.off + lp.len).toBeLessThan(bytes.length);
    }
    for (let more = lp.last(); more; more = lp.prev()) expect(lp.pos).toBe(seen.pop());
    expect(seen).toEqual([]);
  }
});
