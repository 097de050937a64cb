// Random HyperLogLog commands, each write followed by a look at the value's bytes.
//
// Left out: values whose opcodes are damaged, on which redis-server 7.0 reads past the end. What is damaged here is the
// header, in ways that are refused, and the cached cardinality, which PFCOUNT believes.

import fc from 'fast-check';
import {
  anyCase,
  anyKey,
  breakable,
  command,
  type Generator,
  hllKey,
  readableKey,
  single,
  weighted,
} from './generator-parts.ts';
import type { Argument } from './raw-client.ts';

const element: fc.Arbitrary<Argument> = fc.oneof(
  { arbitrary: fc.integer({ min: 0, max: 5000 }).map((n) => `e${n}`), weight: 6 },
  { arbitrary: fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes)), weight: 2 },
  { arbitrary: fc.constantFrom('', 'a', 'foo'), weight: 1 },
);

const fewElements = fc.array(element, { maxLength: 8 });
/** Enough to reach the dense form at once. */
const manyElements = fc
  .tuple(fc.integer({ min: 0, max: 100_000 }), fc.constantFrom(50, 300, 1500))
  .map(([start, count]): Argument[] => Array.from({ length: count }, (_, i) => `m${start + i}`));

const hllKeys: fc.Arbitrary<Argument[]> = fc.array(fc.oneof(hllKey, hllKey, hllKey, anyKey), {
  minLength: 1,
  maxLength: 4,
});

/** The write, and then the value itself: the representation must be the same, byte by byte. */
function withBytes(args: fc.Arbitrary<Argument[]>): Generator {
  return breakable(args).map((list) => [{ args: list }, { args: ['GET', list[1] ?? ''] }]);
}

const cachedCardinality = command(
  'SETRANGE',
  hllKey,
  fc.constant('8'),
  fc.uint8Array({ minLength: 8, maxLength: 8 }).map((bytes) => Buffer.from(bytes)),
).map((args) => [
  // Only where there is a HyperLogLog: on a missing key this would make a value of zeros.
  { args: ['PFADD', args[1]!] },
  { args },
  { args: ['PFCOUNT', args[1]!] },
  { args: ['GET', args[1]!] },
]);

const brokenHeader: Generator = fc
  .tuple(
    hllKey,
    fc.constantFrom(
      'HYLL',
      'HYLL\x02' + '\0'.repeat(20),
      'hyll\x00',
      'HYLL\x00' + '\0'.repeat(11),
      'x'.repeat(40),
    ),
  )
  .map(([key, text]) => [
    { args: ['SET', key, text] },
    { args: ['PFCOUNT', key] },
    { args: ['PFADD', key, 'x'] },
    { args: ['PFMERGE', 'h1', key] },
    { args: ['PFDEBUG', 'ENCODING', key] },
    { args: ['DEL', key] },
  ]);

const debug = single(
  command(
    'PFDEBUG',
    fc.oneof(anyCase('ENCODING'), anyCase('DECODE'), anyCase('TODENSE'), fc.constant('GETREGS')),
    hllKey,
  ),
);

const registers: Generator = hllKey.map((key) => [
  { args: ['PFDEBUG', 'GETREG', key] },
  { args: ['GET', key] },
]);

const copy: Generator = fc
  .tuple(hllKey, hllKey, fc.boolean())
  .map(([from, to, rename]) => [{ args: rename ? ['RENAME', from, to] : ['COPY', from, to, 'REPLACE'] }]);

/** Random commands of the group `hyperloglog`. PFSELFTEST takes seconds and is not among them. */
export const hyperloglogCommands: Generator = weighted(
  [30, withBytes(command('PFADD', hllKey, fewElements))],
  [4, withBytes(command('PFADD', hllKey, manyElements))],
  [20, single(command('PFCOUNT', hllKeys))],
  [3, single(command('PFCOUNT', readableKey))],
  [12, withBytes(command('PFMERGE', hllKey, fc.array(hllKey, { maxLength: 3 })))],
  [2, withBytes(command('PFMERGE', hllKey, anyKey))],
  [4, debug],
  [1, registers],
  [4, cachedCardinality],
  [2, brokenHeader],
  [4, copy],
  [8, hllKey.map((key) => [{ args: ['DEL', key] }])],
  [
    1,
    fc.constantFrom('0', '100', '3000').map((n) => [{ args: ['CONFIG', 'SET', 'hll-sparse-max-bytes', n] }]),
  ],
);
