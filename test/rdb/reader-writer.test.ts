// Lengths, numbers and strings of the RDB format: what is written is read back, in the form that Redis chooses, and
// damaged bytes are noticed without reading beyond them.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RdbReader, RdbString } from '../../src/rdb/rdb-reader.ts';
import { RdbWriter } from '../../src/rdb/rdb-writer.ts';

function reader(bytes: Buffer): RdbReader {
  // Something around it, so that reading too far is noticed.
  const framed = Buffer.concat([Buffer.from('<<<'), bytes, Buffer.from('\x00>>>>>>>>>>>>>>')]);
  const input = new RdbReader();
  input.open(framed, 3, bytes.length);
  return input;
}

function written(write: (out: RdbWriter) => void): Buffer {
  const out = new RdbWriter();
  write(out);
  return Buffer.from(out.bytes.subarray(0, out.length));
}

const text = (string: RdbString): Buffer =>
  Buffer.from(string.buf.subarray(string.off, string.off + string.len));

function stringForm(value: string | Buffer, compression = true): Buffer {
  const bytes = Buffer.from(value);
  return written((out) => {
    out.compression = compression;
    out.string(bytes, 0, bytes.length);
  });
}

describe('lengths', () => {
  it.each([
    [0, '00'],
    [63, '3f'],
    [64, '4040'],
    [16383, '7fff'],
    [16384, '8000004000'],
    [0xffffffff, '80ffffffff'],
    [0x100000000, '810000000100000000'],
    [Number.MAX_SAFE_INTEGER, '81001fffffffffffff'],
  ])('%d is %s', (value, hex) => {
    const bytes = written((out) => out.len(value));
    expect(bytes.toString('hex')).toBe(hex);
    const input = reader(bytes);
    expect(input.len()).toBe(value);
    expect([input.failed, input.left]).toEqual([false, 0]);
  });

  it('of 64 bits keep all bits', () => {
    const input = reader(written((out) => out.lenWords(-1, -1)));
    input.len();
    expect([input.low, input.high]).toEqual([-1, -1]);
    const small = reader(written((out) => out.lenWords(-1, 0)));
    expect(small.len()).toBe(0xffffffff);
  });

  it('of an unknown form fail', () => {
    for (const first of [0x82, 0xbf]) {
      const input = reader(Buffer.from([first, 0, 0, 0, 0, 0, 0, 0, 0, 0]));
      input.len();
      expect(input.failed).toBe(true);
    }
  });
});

describe('strings', () => {
  it.each([
    ['0', 'c000'],
    ['-128', 'c080'],
    ['127', 'c07f'],
    ['128', 'c18000'],
    ['-32768', 'c10080'],
    ['32768', 'c200800000'],
    ['-2147483648', 'c200000080'],
    ['2147483648', '0a32313437343833363438'],
    ['012', '03303132'],
    ['-0', '022d30'],
    ['', '00'],
    ['a9', '026139'],
  ])('%s is %s', (value, hex) => {
    expect(stringForm(value).toString('hex')).toBe(hex);
  });

  it('are compressed from 21 bytes on where that helps, and only if wanted', () => {
    expect(stringForm('a'.repeat(20))).toHaveLength(21);
    expect(stringForm('a'.repeat(21))[0]).toBe(0xc3);
    expect(stringForm('a'.repeat(21), false)).toHaveLength(22);
    expect(stringForm('abcdefghijklmnopqrstuvwxyz')).toHaveLength(27);
  });

  it('come back as they were', () => {
    const value = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.bigInt({ min: -(2n ** 64n), max: 2n ** 64n }).map((n) => Buffer.from(String(n))),
      fc
        .tuple(fc.string({ maxLength: 12 }), fc.nat(5000))
        .map(([s, n]) => Buffer.from(s.repeat(n).slice(0, 40_000))),
    );
    const string = new RdbString();
    fc.assert(
      fc.property(fc.array(value, { maxLength: 8 }), (values) => {
        const bytes = written((out) => {
          for (const one of values) out.string(Buffer.from(one), 0, one.length);
        });
        const input = reader(bytes);
        const skipping = reader(bytes);
        for (const one of values) {
          expect(input.string(string)).toBe(true);
          expect(text(string).equals(Buffer.from(one))).toBe(true);
          skipping.skipString();
          expect(skipping.at).toBe(input.at);
        }
        expect([input.failed, input.left]).toEqual([false, 0]);
      }),
    );
  });

  it('that promise more than there is fail without taking room', () => {
    const string = new RdbString();
    for (const hex of [
      '80ffffffff61',
      '817fffffffffffffff61',
      'c3038080000000',
      'c30380ffffffff616161',
      'c4',
      'c2ff',
      '4061',
      'ff',
      '',
    ]) {
      const input = reader(Buffer.from(hex, 'hex'));
      expect(input.string(string)).toBe(false);
      expect([input.failed, string.len]).toEqual([true, 0]);
      expect(string.scratch.length).toBeLessThan(1000);
    }
  });

  it('never make the reader leave its bytes', () => {
    const string = new RdbString();
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (data) => {
        const input = reader(Buffer.from(data));
        for (let i = 0; i < 20 && !input.failed; i++) {
          input.string(string);
          expect(input.at).toBeLessThanOrEqual(input.end);
        }
      }),
    );
  });
});

describe('numbers', () => {
  it('come back as they were', () => {
    const bytes = written((out) => {
      out.integer64(-1);
      out.integer64(1_700_000_000_123);
      out.float64(-0.1);
      out.wordsBigEndian(0x01020304, 0x05060708);
    });
    expect(bytes.subarray(24).toString('hex')).toBe('0102030405060708');
    const input = reader(bytes);
    expect(input.integer64()).toBe(-1);
    expect(input.integer64()).toBe(1_700_000_000_123);
    expect(input.float64()).toBe(-0.1);
    input.wordsBigEndian();
    expect([input.high, input.low, input.left]).toEqual([0x01020304, 0x05060708, 0]);
    input.words();
    expect(input.failed).toBe(true);
  });
});
