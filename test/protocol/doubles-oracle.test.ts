/** Doubles and long doubles against redis-server: what it accepts, and every digit it writes. */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { formatDouble, formatHumanDouble, parseDouble } from '../../src/protocol/doubles.ts';
import { addLongDouble, parseLongDouble } from '../../src/protocol/long-double.ts';
import { anyDouble, decimalText } from './double-samples.ts';
import { Oracle } from './oracle.ts';

const NOT_A_FLOAT = '-ERR value is not a valid float';
const NOT_FINITE = '-ERR increment would produce NaN or Infinity';

const noise = fc
  .array(fc.constantFrom(...'01259.eExXpP+-infINFty aAfF\0'), { maxLength: 9 })
  .map((a) => a.join(''));
const hexadecimal = fc
  .tuple(
    fc.constantFrom('', '-', '+'),
    fc.bigInt({ min: 0n, max: 2n ** 80n }),
    fc.constantFrom('', '.', '.8', '.0001', '.fffffffffffffff'),
    fc.integer({ min: -1110, max: 1050 }),
  )
  .map(([sign, m, fraction, e]) => sign + '0x' + m.toString(16) + fraction + 'p' + e);
const extreme = fc
  .tuple(fc.bigInt({ min: 1n, max: 10n ** 25n }), fc.integer({ min: -4990, max: 4940 }))
  .map(([m, e]) => m + 'e' + e);
const anyText = fc.oneof(decimalText, decimalText, noise, hexadecimal, extreme, anyDouble.map(String));

function ours(a: string, b: string): string {
  const left = parseLongDouble(Buffer.from(a, 'latin1'), 0, a.length);
  if (left === null) return NOT_A_FLOAT;
  const right = parseLongDouble(Buffer.from(b, 'latin1'), 0, b.length);
  if (right === null) return NOT_A_FLOAT;
  return addLongDouble(left, right) ?? NOT_FINITE;
}

/** The exact value of a double as a hexadecimal float. */
function hexadecimalText(n: number): string {
  let e = 0;
  let m = Math.abs(n);
  while (!Number.isInteger(m)) {
    m *= 2;
    e--;
  }
  return (n < 0 ? '-' : '') + '0x' + BigInt(m).toString(16) + 'p' + e;
}

describe('doubles against redis-server', () => {
  let oracle: Oracle;
  beforeAll(async () => {
    oracle = await Oracle.start();
  });
  afterAll(() => oracle?.stop());

  it('scores: what is accepted, and how it is written', async () => {
    const text = fc.oneof(anyText, anyDouble.map(formatDouble));
    const sample = fc.array(text, { minLength: 100, maxLength: 100 });
    await fc.assert(
      fc.asyncProperty(sample, async (texts) => {
        const asked = texts.flatMap((text) => [
          ['DEL', 'z'],
          ['ZADD', 'z', '0', 'first', text, 'm'], // not in the place of an option, as which redis-server reads xx\\0 too
          ['ZSCORE', 'z', 'm'],
        ]);
        const replies = await oracle.ask(asked);
        texts.forEach((text, i) => {
          const value = parseDouble(Buffer.from(text, 'latin1'), 0, text.length);
          const refused = Number.isNaN(value);
          expect(replies[i * 3 + 1], text).toBe(refused ? NOT_A_FLOAT : ':2');
          // A small sorted set keeps integers as integers: -0 comes back as 0.
          expect(replies[i * 3 + 2], text).toBe(refused ? null : formatDouble(value === 0 ? 0 : value));
        });
      }),
      { numRuns: 40 },
    );
  });

  it('INCRBYFLOAT', async () => {
    const sample = fc.array(fc.tuple(anyText, anyText), { minLength: 100, maxLength: 100 });
    await fc.assert(
      fc.asyncProperty(sample, async (pairs) => {
        const replies = await oracle.ask(
          pairs.flatMap(([a, b]) => [
            ['SET', 'f', a],
            ['INCRBYFLOAT', 'f', b],
          ]),
        );
        pairs.forEach(([a, b], i) => {
          expect(replies[i * 2 + 1], JSON.stringify([a, b])).toBe(ours(a, b));
        });
      }),
      { numRuns: 40 },
    );
  });

  it('INCRBYFLOAT at the edges of the format', async () => {
    const edges = [
      '0x1p-16445',
      '0x1.8p-16445',
      '0x1p-16446',
      '0x1.000001p-16446',
      '0xffffffffffffffffp16320',
      '0xffffffffffffffff.7p16320',
      '0xffffffffffffffff.8p16320',
      '1.18973149535723176502e4932',
      '1.18973149535723176508e4932',
      '3.6451995318824746025e-4951',
      '1.8e-4951',
      '1.9e-4951',
      '9'.repeat(4932),
      '0'.repeat(5118) + '7',
      '0'.repeat(5119) + '7',
      '0.' + '0'.repeat(4900) + '1',
      'inf',
      '-inf',
      'Infinity',
      '0x0p99999',
      '0e99999',
      '0x10000000000000001',
      '0x10000000000000003',
      '0x1.00000000000000010p0',
      '0x1.00000000000000030p0',
    ];
    for (const a of edges) {
      for (const b of ['0', '-0', '1', a]) {
        const [, reply] = await oracle.ask([
          ['SET', 'f', a],
          ['INCRBYFLOAT', 'f', b],
        ]);
        expect(reply, a.slice(0, 30) + ' + ' + b.slice(0, 30)).toBe(ours(a, b));
      }
    }
  });

  it('a double as %.17Lf', async () => {
    const finite = anyDouble.filter(Number.isFinite);
    await fc.assert(
      fc.asyncProperty(fc.array(finite, { minLength: 100, maxLength: 100 }), async (numbers) => {
        const asked = numbers.flatMap((n) => [
          ['SET', 'f', '0'],
          ['INCRBYFLOAT', 'f', hexadecimalText(n)],
        ]);
        const replies = await oracle.ask(asked);
        numbers.forEach((n, i) => {
          expect(replies[i * 2 + 1], String(n)).toBe(formatHumanDouble(n));
        });
      }),
      { numRuns: 30 },
    );
  });
});
