/** Doubles and their texts, for the tests of reading and writing them. */
import fc from 'fast-check';

const bits = new DataView(new ArrayBuffer(8));

function fromBits(n: bigint): number {
  bits.setBigUint64(0, n);
  return bits.getFloat64(0);
}

const anyBits = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(fromBits);
/** Few bits: texts of few digits, and ties. */
const dyadic = fc
  .tuple(fc.bigInt({ min: -(2n ** 53n), max: 2n ** 53n }), fc.integer({ min: -70, max: 30 }))
  .map(([m, e]) => Number(m) * 2 ** e);
const tie17 = fc.integer({ min: 1, max: 2 ** 30 }).map((n) => (n * 2 + 1) / 2 ** 18);
const short = fc.tuple(fc.integer(), fc.integer({ min: -12, max: 12 })).map(([m, e]) => Number(m + 'e' + e));

/** Any double but NaN. */
export const anyDouble = fc
  .oneof(anyBits, dyadic, tie17, short, fc.maxSafeInteger())
  .filter((n) => !Number.isNaN(n));

const digits = (max: number): fc.Arbitrary<string> =>
  fc.array(fc.constantFrom(...'0123456789'), { maxLength: max }).map((a) => a.join(''));
const exponentText = fc.oneof(
  { weight: 3, arbitrary: fc.constant('') },
  { weight: 1, arbitrary: fc.integer({ min: -340, max: 320 }).map((e) => 'e' + e) },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 30 }).map((e) => 'E+' + e) },
);

/** A well-formed decimal: sign, digits, point, exponent in all combinations. */
export const decimalText = fc
  .tuple(fc.constantFrom('', '-', '+'), digits(22), fc.constantFrom('', '.'), digits(24), exponentText)
  .map(([sign, whole, point, fraction, exponent]) =>
    whole + (point === '' ? '' : fraction) === ''
      ? '0'
      : sign + whole + (point === '' ? '' : point + fraction) + exponent,
  );

/** value, %.17g, shortest, %.17Lf trimmed */
export const doubleCorpus: [number, string, string, string][] = [
  [0, '0', '0', '0'],
  [-0, '-0', '-0', '0'],
  [1, '1', '1', '1'],
  [-1.5, '-1.5', '-1.5', '-1.5'],
  [0.1, '0.10000000000000001', '0.1', '0.10000000000000001'],
  [3.14, '3.1400000000000001', '3.14', '3.14000000000000012'],
  [1e-5, '1.0000000000000001e-05', '0.00001', '0.00001'],
  [1e-7, '9.9999999999999995e-08', '1e-7', '0.0000001'],
  [1.25e-7, '1.2499999999999999e-07', '1.25e-7', '0.000000125'],
  [0.0001, '0.0001', '0.0001', '0.0001'],
  [1e17, '1e+17', '100000000000000000', '100000000000000000'],
  [1e7, '10000000', '10000000', '10000000'],
  [1e8, '100000000', '100000000', '100000000'],
  [123e8, '12300000000', '12300000000', '12300000000'],
  [2 ** 62, '4.6116860184273879e+18', '4611686018427387904', '4611686018427387904'],
  [2 ** 63, '9.2233720368547758e+18', '9223372036854776000', '9223372036854775808'],
  [1e21, '1e+21', '1e+21', '1000000000000000000000'],
  [1e22, '1e+22', '1e+22', '10000000000000000000000'],
  [2 ** 53, '9007199254740992', '9007199254740992', '9007199254740992'],
  [5e-324, '4.9406564584124654e-324', '5e-324', '0'],
  [-5e-324, '-4.9406564584124654e-324', '-5e-324', '0'],
  [
    Number.MAX_VALUE,
    '1.7976931348623157e+308',
    '1.7976931348623157e+308',
    BigInt(Number.MAX_VALUE).toString(),
  ],
  [123456789012345 + 0.125, '123456789012345.12', '123456789012345.12', '123456789012345.125'],
  [123456789012345 + 0.375, '123456789012345.38', '123456789012345.38', '123456789012345.375'],
  [2 ** -18, '3.814697265625e-06', '3.814697265625e-6', '0.00000381469726562'],
  [3 * 2 ** -18, '1.1444091796875e-05', '1.1444091796875e-5', '0.00001144409179688'],
  [Infinity, 'inf', 'inf', 'inf'],
  [-Infinity, '-inf', '-inf', '-inf'],
];
