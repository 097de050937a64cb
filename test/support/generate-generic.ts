// Random commands on keys as such, and on databases. Left out: SORT, DUMP, RESTORE, MIGRATE, WAIT, WAITAOF.
//
// Replies that depend on the moment or on chance are compared as far as they must agree: times to the second or so,
// RANDOMKEY by being there, the LFU counter and the reference count by being a number.

import fc from 'fast-check';
import { near, sameOutcome, sameType, unordered } from './comparisons.ts';
import {
  absoluteMilliseconds,
  absoluteSeconds,
  anyCase,
  anyKey,
  command,
  DATABASES,
  type Generator,
  hllKey,
  integerText,
  junk,
  readableKey,
  relativeMilliseconds,
  relativeSeconds,
  single,
  someKeys,
  weighted,
} from './generator-parts.ts';
import type { Argument } from './raw-client.ts';

const nearSeconds = near(20);
const nearMilliseconds = near(20_000);

const expireFlags: fc.Arbitrary<Argument[]> = fc.oneof(
  { arbitrary: fc.constant<Argument[]>([]), weight: 4 },
  {
    arbitrary: fc.array(fc.oneof(anyCase('NX'), anyCase('XX'), anyCase('GT'), anyCase('LT'), junk), {
      minLength: 1,
      maxLength: 2,
    }),
    weight: 3,
  },
);

const database = fc.oneof(
  { arbitrary: fc.constantFrom(...DATABASES.map(String)), weight: 10 },
  { arbitrary: fc.constantFrom('-1', '16', 'x', '', '9223372036854775807', '4294967296'), weight: 1 },
);

const copyOptions: fc.Arbitrary<Argument[]> = fc
  .array(
    fc.oneof(
      command('DB', database),
      anyCase('REPLACE').map((text): Argument[] => [text]),
      fc.constant<Argument[]>(['FORCE']),
    ),
    { maxLength: 2 },
  )
  .map((options) => options.flat());

/** Patterns, some of which match. */
const pattern = fc.constantFrom(
  '*',
  '?',
  'a',
  '[ab]',
  '[^a]',
  '[a-c]*',
  '*tag*',
  '\\{tag\\}?',
  '**',
  '',
  'long:*',
  '*"*',
  'x*',
  '[',
  '[a',
  'h[1-2',
  '\\',
);

const scanOption: fc.Arbitrary<Argument[]> = fc.oneof(
  command('MATCH', pattern),
  command('COUNT', fc.oneof(fc.constantFrom('1', '2', '10', '1000'), fc.constantFrom('1', '5'), integerText)),
  command('TYPE', fc.oneof(anyCase('string'), anyCase('list'), anyCase('hash'))),
);
const scanOptions = fc.array(scanOption, { maxLength: 3 }).map((options) => options.flat());

// A whole iteration; the runner repeats SCAN until the cursor is 0 and compares the sets of keys.
const scanAll: Generator = scanOptions.map((args) => [{ args, scanAll: true }]);
// One step with any cursor: which keys come is up to the server, but it is an error on both or on neither. Cursors
// that 7.0 and 7.4 read differently ('', '-1') and unknown types are left out.
const scanStep: Generator = command(
  'SCAN',
  fc.constantFrom('0', '17', '18446744073709551616', 'x', '1x', '18446744073709551615'),
  scanOptions,
).map((args) => [{ args, compare: sameOutcome }]);

const policies = fc
  .constantFrom('allkeys-lfu', 'volatile-lfu', 'noeviction', 'noeviction', 'allkeys-lru')
  .map((policy) => [{ args: ['CONFIG', 'SET', 'maxmemory-policy', policy] }]);

// OBJECT FREQ works under an LFU policy only; the policy is set back at once, for OBJECT IDLETIME.
const frequency: Generator = fc
  .tuple(anyKey, fc.constantFrom('allkeys-lfu', 'volatile-lfu'))
  .map(([key, policy]) => [
    { args: ['CONFIG', 'SET', 'maxmemory-policy', policy] },
    { args: ['OBJECT', 'FREQ', key], compare: sameType },
    { args: ['OBJECT', 'IDLETIME', key], compare: sameType },
    { args: ['CONFIG', 'SET', 'maxmemory-policy', 'noeviction'] },
  ]);

const object = (subcommand: string, compare = sameType): Generator =>
  single(command('OBJECT', anyCase(subcommand), readableKey), compare);

const flushOption: fc.Arbitrary<Argument[]> = fc.oneof(
  fc.constant<Argument[]>([]),
  anyCase('SYNC').map((text): Argument[] => [text]),
  anyCase('ASYNC').map((text): Argument[] => [text]),
  fc.constant<Argument[]>(['NOW']),
);

/** Random commands of the group `generic`, and those on whole databases. */
export const genericCommands: Generator = weighted(
  [4, single(command('DEL', someKeys))],
  [3, single(command('UNLINK', someKeys))],
  [4, single(command('EXISTS', someKeys))],
  [3, single(command('TOUCH', someKeys))],
  [4, single(command('TYPE', readableKey))],
  [6, single(command('EXPIRE', readableKey, relativeSeconds, expireFlags))],
  [5, single(command('PEXPIRE', readableKey, relativeMilliseconds, expireFlags))],
  [5, single(command('EXPIREAT', readableKey, absoluteSeconds, expireFlags))],
  [5, single(command('PEXPIREAT', readableKey, absoluteMilliseconds, expireFlags))],
  [4, single(command('TTL', readableKey), nearSeconds)],
  [4, single(command('PTTL', readableKey), nearMilliseconds)],
  [3, single(command('EXPIRETIME', readableKey), nearSeconds)],
  [3, single(command('PEXPIRETIME', readableKey), nearMilliseconds)],
  [4, single(command('PERSIST', readableKey))],
  [4, single(command('RENAME', anyKey, anyKey))],
  [4, single(command('RENAMENX', anyKey, anyKey))],
  [6, single(command('COPY', anyKey, anyKey, copyOptions))],
  [2, single(command('COPY', hllKey, hllKey, copyOptions))],
  [4, single(command('MOVE', readableKey, database))],
  [1, single(command('SWAPDB', database, database))],
  [2, single(command('SELECT', database))],
  [4, single(command('KEYS', pattern), unordered)],
  [3, scanAll],
  [2, scanStep],
  [3, single(command('DBSIZE'))],
  [2, single(command('RANDOMKEY'), sameType)],
  [6, single(command('OBJECT', anyCase('ENCODING'), readableKey))],
  [2, object('REFCOUNT')],
  [2, object('IDLETIME')],
  [1, object('FREQ')],
  [1, frequency],
  [1, policies],
  [1, single(command('OBJECT', anyCase('HELP')))],
  [1, single(command('OBJECT', fc.constantFrom('NOSUCH', '', 'help'), readableKey))],
  [1, single(command('FLUSHDB', flushOption))],
);

/** Rare: everything is gone after it. */
export const flushCommands: Generator = single(command('FLUSHALL', flushOption));
