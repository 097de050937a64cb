/** Doubles as text, without a server: known answers, agreement with JavaScript's exact conversions, round trips. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  formatDouble,
  formatHumanDouble,
  formatShortestDouble,
  parseDouble,
} from '../../src/protocol/doubles.ts';
import { addLongDouble, formatLongDouble, parseLongDouble } from '../../src/protocol/long-double.ts';
import { anyDouble, decimalText, doubleCorpus } from './double-samples.ts';

function parse(text: string): number {
  const bytes = Buffer.from('12' + text + '34', 'latin1');
  return parseDouble(bytes, 2, text.length);
}

function long(text: string): string | null {
  const bytes = Buffer.from('1' + text + '3', 'latin1');
  const value = parseLongDouble(bytes, 1, text.length);
  return value === null ? null : formatLongDouble(value);
}

describe('doubles', () => {
  it('refuses what is no number', () => {
    for (const text of [
      '',
      '-',
      '+',
      '.',
      '-.',
      'e5',
      '.e5',
      '1e',
      '1e+',
      '1..2',
      '1.2.3',
      '--1',
      '+-1',
      ' 1',
      '1 ',
      '1,5',
      '1_0',
      'nan',
      '-nan',
      'NaN',
      'nan(1)',
      'in',
      'infin',
      'infinityx',
      '0x',
      '0x.',
      '0x.p1',
      '0x1p',
      '0x1p+',
      '0xg',
      '1\0',
      '\0',
      '\t1',
      '1\n',
      '١',
    ]) {
      expect(parse(text), JSON.stringify(text)).toBe(NaN);
      expect(long(text), JSON.stringify(text)).toBe(null);
    }
    expect(parse('1e400')).toBe(NaN);
    expect(parse('-1e400')).toBe(NaN);
    expect(parse('1e-400')).toBe(NaN);
    expect(parse('0x1p1024')).toBe(NaN);
    expect(parse('0x1p-1075')).toBe(NaN);
    expect(parse('0x1p99999999999999999999')).toBe(NaN);
    expect(parse('0x0p99999999999999999999')).toBe(0);
    expect(parse('9'.repeat(2 * 1024 * 1024))).toBe(NaN);
    expect(long('1e5000')).toBe(null);
    expect(long('1e-5000')).toBe(null);
    expect(long('1e99999999999999999999')).toBe(null);
    expect(long('0x1p16384')).toBe(null);
    expect(long('0x1p-16446')).toBe(null);
    expect(long('1'.repeat(5120))).toBe(null);
    expect(long('0'.repeat(5118) + '1')).toBe('1');
  });

  it('reads decimals as JavaScript does, which rounds correctly', () => {
    fc.assert(
      fc.property(decimalText, (text) => {
        const value = Number(text);
        const lost = !Number.isFinite(value) || (value === 0 && /[1-9]/.test(text.replace(/e.*/i, '')));
        expect(parse(text)).toBe(lost ? NaN : value);
      }),
      { numRuns: 3000 },
    );
  });

  it('reads what it writes', () => {
    fc.assert(
      fc.property(anyDouble, (n) => {
        expect(parse(formatDouble(n)), formatDouble(n)).toBe(n);
        expect(parse(formatShortestDouble(n))).toBe(n);
      }),
      { numRuns: 3000 },
    );
  });

  it('reads hexadecimal exactly, and rounds it to even', () => {
    const hexadecimal = fc.tuple(
      fc.bigInt({ min: 1n, max: 2n ** 53n - 1n }),
      fc.integer({ min: -1000, max: 900 }),
    );
    fc.assert(
      fc.property(hexadecimal, ([m, e]) => {
        expect(parse('0x' + m.toString(16) + 'p' + e)).toBe(Number(m) * 2 ** e);
      }),
    );
    expect(parse('0x20000000000001')).toBe(9007199254740992);
    expect(parse('0x20000000000003')).toBe(9007199254740996);
    expect(parse('0x20000000000001.00000000000000001')).toBe(9007199254740994);
    expect(parse('0x1p-1074')).toBe(5e-324);
    expect(parse('0x1.8p-1074')).toBe(1e-323);
    expect(parse('0x0.00000000000018p-1022')).toBe(1e-323);
    expect(parse('0x0.00000000000008p-1022')).toBe(NaN);
    expect(parse('-0x.8P+1')).toBe(-1);
  });

  it('writes known texts', () => {
    for (const [n, seventeen, shortest, human] of doubleCorpus) {
      expect(formatDouble(n)).toBe(seventeen);
      expect(formatShortestDouble(n)).toBe(shortest);
      expect(formatHumanDouble(n)).toBe(human);
    }
  });

  it('writes doubles as the long double of the same value', () => {
    fc.assert(
      fc.property(anyDouble, (n) => {
        if (!Number.isFinite(n) || n === 0) return;
        let e = 0;
        let m = n;
        while (!Number.isInteger(m)) {
          m *= 2;
          e--;
        }
        const negative = n < 0;
        const mantissa = BigInt(Math.abs(m));
        expect(formatHumanDouble(n)).toBe(
          formatLongDouble({ negative, mantissa, exponent: e, infinite: false }),
        );
      }),
      { numRuns: 2000 },
    );
  });

  it('adds as the x87 does', () => {
    const add = (a: string, b: string): string | null =>
      addLongDouble(
        parseLongDouble(Buffer.from(a), 0, a.length)!,
        parseLongDouble(Buffer.from(b), 0, b.length)!,
      );
    expect(add('0.1', '0.2')).toBe('0.3');
    expect(add('10.50', '0.1')).toBe('10.6');
    expect(add('5.0e3', '2.0e2')).toBe('5200');
    expect(add('inf', '1')).toBe(null);
    expect(add('1', '-inf')).toBe(null);
    expect(add('1e4932', '1e4932')).toBe(null);
    expect(add('-0', '-0')).toBe('0');
    expect(add('1', '-1')).toBe('0');
    // 2^64 + 1 is a tie, to even; 2^64 + 3 too.
    expect(add('18446744073709551616', '1')).toBe('18446744073709551616');
    expect(add('18446744073709551618', '1')).toBe('18446744073709551620');
  });
});
