// Bit operations against simple models: strings of '0' and '1', and BigInt for the integers of BITFIELD.
// What redis-server 7.0 can confirm, bitmap-oracle.test.ts compares with it.

import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { InProcess } from '../support/in-process.ts';
import type { RespError } from '../support/resp-parser.ts';
import { encodingOf, find } from './against-redis.ts';

let db: InProcess;
beforeEach(() => {
  db = new InProcess();
  return () => db.checkInvariants();
});

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const bits = (bytes: Uint8Array) => [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('');

function bytesOf(key: string): Buffer {
  const rec = find(db, key)!;
  return Buffer.from(rec.bytes.subarray(rec.valueOffset, rec.valueOffset + rec.valueLength));
}

/** Sparse, dense and random bytes, so that long runs occur; long enough for many words. */
const bitmap = fc.oneof(
  fc.uint8Array({ maxLength: 40 }),
  fc
    .tuple(fc.nat(60), fc.constantFrom(0, 255), fc.array(fc.tuple(fc.nat(59), fc.nat(255)), { maxLength: 3 }))
    .map(([length, fill, changes]) => {
      const bytes = new Uint8Array(length).fill(fill);
      for (const [at, byte] of changes) if (at < length) bytes[at] = byte;
      return bytes;
    }),
);
/** Keys of lengths 1 to 8, so that values begin at every place in a word. */
const keyOf = fc.integer({ min: 1, max: 8 }).map((length) => 'k'.repeat(length));

type Operation = 'AND' | 'OR' | 'XOR' | 'NOT' | 'DIFF' | 'DIFF1' | 'ANDOR' | 'ONE';

function combined(operation: Operation, sources: readonly Uint8Array[]): Buffer {
  const length = Math.max(...sources.map((source) => source.length));
  const result = Buffer.alloc(length);
  for (let i = 0; i < length; i++) {
    const all = sources.map((source) => source[i] ?? 0);
    const [first, ...others] = all as [number, ...number[]];
    const any = others.reduce((a, b) => a | b, 0);
    if (operation === 'AND') result[i] = all.reduce((a, b) => a & b);
    else if (operation === 'OR') result[i] = first | any;
    else if (operation === 'XOR') result[i] = all.reduce((a, b) => a ^ b);
    else if (operation === 'NOT') result[i] = ~first;
    else if (operation === 'DIFF') result[i] = first & ~any;
    else if (operation === 'DIFF1') result[i] = ~first & any;
    else if (operation === 'ANDOR') result[i] = first & any;
    else
      for (let bit = 1; bit < 256; bit *= 2)
        if (all.filter((byte) => byte & bit).length === 1) result[i]! |= bit;
  }
  return result;
}

describe('BITOP', () => {
  const operation = fc.constantFrom<Operation>('AND', 'OR', 'XOR', 'NOT', 'DIFF', 'DIFF1', 'ANDOR', 'ONE');

  it('combines, whether or not the destination is one of the sources', () => {
    fc.assert(
      fc.property(
        operation,
        fc.array(fc.tuple(fc.nat(4), bitmap), { minLength: 2, maxLength: 5 }),
        fc.nat(6),
        fc.boolean(),
        (name, picks, to, expires) => {
          db.run('FLUSHALL');
          const values = new Map<string, Uint8Array>();
          for (const [index, value] of picks) values.set(`{s}${'x'.repeat(index)}`, value);
          for (const [key, value] of values) {
            if (value.length > 0) db.run('SET', key, Buffer.from(value), ...(expires ? ['EX', '100'] : []));
          }
          const keys = picks.map(([index]) => `{s}${'x'.repeat(index)}`);
          const used = name === 'NOT' ? keys.slice(0, 1) : keys;
          const result = combined(
            name,
            used.map((key) => values.get(key)!),
          );
          const destination = `{s}${'x'.repeat(to)}`;
          expect(db.value('BITOP', name, destination, ...used)).toBe(result.length);
          if (result.length === 0) expect(find(db, destination)).toBeNull();
          else {
            expect(hex(bytesOf(destination))).toBe(hex(result));
            expect(encodingOf(db, destination)).toBe('raw');
            expect(db.value('PTTL', destination)).toBe(-1);
          }
          for (const [key, value] of values) {
            if (key !== destination && value.length > 0) expect(hex(bytesOf(key))).toBe(hex(value));
          }
        },
      ),
      { numRuns: 500 },
    );
  });

  it.each(['AND', 'OR', 'XOR', 'DIFF', 'DIFF1', 'ANDOR', 'ONE'] as const)('%s over many blocks', (name) => {
    const lengths = [20_000, 8192, 8193, 30_001, 0];
    const sources = lengths.map((length, s) =>
      Uint8Array.from({ length }, (_, i) => (i * (s + 3) * 2654435761) >>> 13),
    );
    sources.forEach((source, s) => void (source.length > 0 && db.run('SET', `s${s}`, Buffer.from(source))));
    const expected = combined(name, sources);
    expect(db.value('BITOP', name, 's1', 's0', 's1', 's2', 's3', 's4')).toBe(30_001);
    expect(bytesOf('s1').equals(expected)).toBe(true);
  });

  it('says what is wrong', () => {
    expect(db.text('BITOP', 'NAND', 'd', 'a')).toBe('-ERR syntax error\r\n');
    expect(db.text('BITOP', 'NOT', 'd', 'a', 'b')).toBe(
      '-ERR BITOP NOT must be called with a single source key.\r\n',
    );
    for (const name of ['diff', 'DIFF1', 'AndOr']) {
      expect(db.text('BITOP', name, 'd', 'a')).toBe(
        `-ERR BITOP ${name.toUpperCase()} must be called with at least two source keys.\r\n`,
      );
    }
    db.run('SET', 'a', 'x');
    expect(db.text('BITOP', 'ONE', 'd', 'a')).toBe(':1\r\n');
    expect(db.text('BITOP', 'AND', 'd', 'none', 'nothing')).toBe(':0\r\n');
    expect(db.lastDirty).toBe(1);
    expect(db.text('EXISTS', 'd')).toBe(':0\r\n');
  });
});

describe('BITCOUNT and BITPOS', () => {
  const index = fc.integer({ min: -500, max: 500 });

  /** The range as Redis resolves it; null if it is empty. */
  function resolve(start: number, end: number, length: number): [number, number] | null {
    if (start < 0) start = Math.max(0, length + start);
    if (end < 0) end = Math.max(0, length + end);
    end = Math.min(end, length - 1);
    return start > end ? null : [start, end];
  }

  it('count and find in any range, in bytes and bits', () => {
    fc.assert(
      fc.property(
        keyOf,
        bitmap,
        index,
        index,
        fc.boolean(),
        fc.constantFrom(0, 1),
        (key, bytes, a, b, inBits, bit) => {
          db.run('FLUSHALL');
          db.run('SET', key, Buffer.from(bytes));
          const all = bits(bytes);
          const found = resolve(a, b, inBits ? all.length : bytes.length);
          const part =
            found === null
              ? ''
              : inBits
                ? all.slice(found[0], found[1] + 1)
                : all.slice(found[0] * 8, found[1] * 8 + 8);
          const unit = inBits ? 'BIT' : 'BYTE';
          const reversed = a < 0 && b < 0 && a > b;
          expect(db.value('BITCOUNT', key, a, b, unit)).toBe(reversed ? 0 : part.replaceAll('0', '').length);
          const at = part.indexOf(String(bit));
          const from = found === null ? 0 : inBits ? found[0] : found[0] * 8;
          expect(db.value('BITPOS', key, bit, a, b, unit)).toBe(at < 0 ? -1 : from + at);
        },
      ),
      { numRuns: 1000 },
    );
  });

  it('find beyond the end only without an end', () => {
    fc.assert(
      fc.property(keyOf, bitmap, index, fc.constantFrom(0, 1), (key, bytes, a, bit) => {
        db.run('FLUSHALL');
        db.run('SET', key, Buffer.from(bytes));
        const found = resolve(a, -1, bytes.length);
        const at = found === null ? -1 : bits(bytes).indexOf(String(bit), found[0] * 8);
        const expected = found === null || at >= 0 || bit === 1 ? at : bytes.length * 8;
        expect(db.value('BITPOS', key, bit, a)).toBe(expected);
      }),
      { numRuns: 300 },
    );
  });

  it('count whole values of every length and place', () => {
    for (let length = 0; length < 80; length++) {
      const bytes = Buffer.from(Array.from({ length }, (_, i) => (i * 37 + length) & 255));
      const key = 'k'.repeat(1 + (length % 5));
      db.run('SET', key, bytes);
      expect(db.value('BITCOUNT', key)).toBe(bits(bytes).replaceAll('0', '').length);
    }
  });

  it('look at their arguments before the key, since 7.2', () => {
    expect(db.text('BITCOUNT', 'none', '0', 'x')).toBe('-ERR value is not an integer or out of range\r\n');
    expect(db.text('BITCOUNT', 'none', '0', '1', 'BITS')).toBe('-ERR syntax error\r\n');
    expect(db.text('BITCOUNT', 'none', '0')).toBe('-ERR syntax error\r\n');
    expect(db.text('BITPOS', 'none', '2')).toBe('-ERR The bit argument must be 1 or 0.\r\n');
    expect(db.text('BITPOS', 'none', 'x')).toBe('-ERR value is not an integer or out of range\r\n');
    expect(db.text('BITPOS', 'none', '1', 'x', '1', 'BITS')).toBe(
      '-ERR value is not an integer or out of range\r\n',
    );
    expect(db.text('BITPOS', 'none', '1', '0', 'x', 'BITS')).toBe('-ERR syntax error\r\n');
    expect(db.text('BITPOS', 'none', '1', '0', '1', 'BIT', 'x')).toBe('-ERR syntax error\r\n');
    expect(db.text('BITPOS', 'none', '0', '5')).toBe(':0\r\n');
    expect(db.text('BITPOS', 'none', '1', '5')).toBe(':-1\r\n');
  });
});

describe('SETBIT and GETBIT', () => {
  it('act as an array of bits', () => {
    fc.assert(
      fc.property(keyOf, fc.array(fc.tuple(fc.nat(400), fc.nat(1)), { maxLength: 60 }), (key, sets) => {
        db.run('FLUSHALL');
        const model = new Map<number, number>();
        for (const [at, bit] of sets) {
          expect(db.value('SETBIT', key, at, bit)).toBe(model.get(at) ?? 0);
          model.set(at, bit);
        }
        for (let at = 0; at < 420; at++) expect(db.value('GETBIT', key, at)).toBe(model.get(at) ?? 0);
        const length = sets.length === 0 ? 0 : Math.max(...sets.map(([at]) => Math.floor(at / 8) + 1));
        expect(db.value('STRLEN', key)).toBe(length);
      }),
      { numRuns: 60 },
    );
  });

  it('count a change only if there is one', () => {
    const dirty = (...args: string[]) => {
      db.run(...args);
      return db.lastDirty;
    };
    expect(dirty('SETBIT', 'k', '5', '0')).toBe(1);
    expect(dirty('SETBIT', 'k', '5', '0')).toBe(0);
    expect(dirty('SETBIT', 'k', '5', '1')).toBe(1);
    expect(dirty('SETBIT', 'k', '9', '0')).toBe(1);
    expect(dirty('BITFIELD', 'k', 'SET', 'u8', '0', '4', 'INCRBY', 'u8', '0', '0')).toBe(0);
    expect(dirty('BITFIELD', 'k', 'SET', 'u8', '0', '5', 'INCRBY', 'u8', '0', '1')).toBe(2);
    expect(dirty('BITFIELD', 'k', 'OVERFLOW', 'FAIL', 'INCRBY', 'u4', '40', '99')).toBe(0);
    expect(db.value('STRLEN', 'k')).toBe(6);
  });
});

describe('BITFIELD', () => {
  type Field = { signed: boolean; bits: number; at: number };
  type Step = { kind: 'SET' | 'INCRBY'; overflow: 'WRAP' | 'SAT' | 'FAIL'; field: Field; amount: bigint };

  const field = fc
    .tuple(fc.boolean(), fc.integer({ min: 1, max: 64 }), fc.nat(130))
    .map(([signed, size, at]): Field => ({ signed, bits: signed ? size : Math.min(size, 63), at }));
  const amount = fc
    .tuple(fc.integer({ min: 0, max: 63 }), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }))
    .map(([shift, n]) => n >> BigInt(shift));
  const step: fc.Arbitrary<Step> = fc.record({
    kind: fc.constantFrom('SET', 'INCRBY'),
    overflow: fc.constantFrom('WRAP', 'SAT', 'FAIL'),
    field,
    amount,
  });

  const typeName = ({ signed, bits: size }: Field) => `${signed ? 'i' : 'u'}${size}`;

  function read(model: string, { signed, bits: size, at }: Field): bigint {
    const raw = BigInt(`0b${model.padEnd(at + size, '0').slice(at, at + size)}`);
    return signed ? BigInt.asIntN(size, raw) : raw;
  }

  /** @returns the model after the step, and what is replied */
  function apply(model: string, { kind, overflow, field: where, amount: by }: Step): [string, bigint | null] {
    const { signed, bits: size, at } = where;
    const grown = model.padEnd(Math.ceil((at + size) / 8) * 8, '0');
    const old = read(grown, where);
    const max = signed ? 2n ** BigInt(size - 1) - 1n : 2n ** BigInt(size) - 1n;
    const min = signed ? -max - 1n : 0n;
    // An unsigned field takes a negative number for the unsigned one of the same 64 bits.
    const operand = kind === 'SET' && !signed ? BigInt.asUintN(64, by) : by;
    let value = kind === 'SET' ? operand : old + by;
    if (value > max || value < min) {
      if (overflow === 'FAIL') return [grown, null];
      // Redis's own check overflows for what is so far below.
      const isHuge = kind === 'SET' && max - value >= 2n ** 63n;
      if (overflow === 'SAT') value = value > max || isHuge ? max : min;
      else value = signed ? BigInt.asIntN(size, value) : BigInt.asUintN(size, value);
    }
    const text = BigInt.asUintN(size, value).toString(2).padStart(size, '0');
    return [grown.slice(0, at) + text + grown.slice(at + size), kind === 'SET' ? old : value];
  }

  const asNumber = (n: bigint | null) => (n === null || !Number.isSafeInteger(Number(n)) ? n : Number(n));

  it('reads, sets and increments fields of all widths at all places', () => {
    fc.assert(
      fc.property(
        keyOf,
        bitmap,
        fc.array(step, { minLength: 1, maxLength: 4 }),
        fc.array(field),
        (key, start, steps, reads) => {
          db.run('FLUSHALL');
          if (start.length > 0) db.run('SET', key, Buffer.from(start));
          const longest = Math.max(...steps.map(({ field: f }) => f.at + f.bits));
          let model = bits(start).padEnd(Math.ceil(longest / 8) * 8, '0');
          const args: string[] = [];
          const replies: (bigint | null)[] = [];
          for (const one of steps) {
            const { field: f } = one;
            args.push('OVERFLOW', one.overflow, one.kind, typeName(f), String(f.at), String(one.amount));
            const [next, reply] = apply(model, one);
            model = next;
            replies.push(reply);
          }
          for (const f of reads) {
            args.push('GET', typeName(f), String(f.at));
            replies.push(read(model, f));
          }
          expect(db.value('BITFIELD', key, ...args)).toEqual(replies.map(asNumber));
          expect(bits(bytesOf(key))).toBe(model);
        },
      ),
      { numRuns: 1500 },
    );
  });

  it('counts fields with #', () => {
    expect(db.value('BITFIELD', 'k', 'SET', 'u10', '#3', '513', 'GET', 'u10', '30')).toEqual([0, 513]);
    expect(db.value('STRLEN', 'k')).toBe(5);
  });

  it('checks everything first', () => {
    const refused = (...args: string[]) => (db.value('BITFIELD', 'k', ...args) as RespError).message;
    const badType =
      'ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.';
    const badOffset = 'ERR bit offset is not an integer or out of range';
    for (const type of ['u64', 'i65', 'u0', 'i0', 'u', '', 'x8', 'u-1', 'i+4', 'U8', 'i08'])
      expect(refused('SET', 'u8', '0', '1', 'GET', type, '0')).toBe(badType);
    for (const offset of ['-1', 'x', '#', '#-1', '##1', '4294967296', '#536870912', '9223372036854775807'])
      expect(refused('SET', 'u8', '0', '1', 'GET', 'u8', offset)).toBe(badOffset);
    expect(refused('SET', 'u8', '0', 'x')).toBe('ERR value is not an integer or out of range');
    expect(refused('SET', 'u8', '0', '9223372036854775808')).toBe(
      'ERR value is not an integer or out of range',
    );
    expect(refused('OVERFLOW', 'NONE')).toBe('ERR Invalid OVERFLOW type specified');
    expect(refused('SET', 'u8', '0')).toBe('ERR syntax error');
    expect(refused('GET', 'u8')).toBe('ERR syntax error');
    expect(db.text('EXISTS', 'k')).toBe(':0\r\n');
    expect(db.text('BITFIELD', 'k')).toBe('*0\r\n');
    expect(db.text('BITFIELD', 'k', 'OVERFLOW', 'SAT')).toBe('*0\r\n');
    expect(db.text('BITFIELD_RO', 'k', 'GET', 'u8', '0', 'SET', 'u8', '0', '1')).toBe(
      '-ERR BITFIELD_RO only supports the GET subcommand\r\n',
    );
    expect(db.text('BITFIELD_RO', 'k', 'GET', 'i64', '0')).toBe('*1\r\n:0\r\n');
    expect(db.text('EXISTS', 'k')).toBe(':0\r\n');
  });
});
