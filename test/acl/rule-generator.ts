// Rules of ACL SETUSER at random: good ones, and ones that are nearly good.

import fc from 'fast-check';

const NAMES = [
  'get',
  'SET',
  'config',
  'config|get',
  'Config|SET',
  'client|list',
  'acl',
  'acl|whoami',
  'select',
  'sort',
  'blpop',
  'xread',
  'mget',
  'publish',
  'object|freq',
];
const CATEGORIES = [
  'read',
  'WRITE',
  'keyspace',
  'set',
  'slow',
  'fast',
  'dangerous',
  'admin',
  'connection',
  'all',
  'pubsub',
  'scripting',
];
const PATTERNS = ['*', 'a*', 'k:*', '', '[a-c]?', 'x y', 'tab\there', '\\*', 'é', '(', ')'];
const PASSWORDS = ['p', 'secret', '', 'with space', 'ü'];
const HASHES = ['0'.repeat(64), 'a1'.repeat(32), 'A1'.repeat(32), 'ff', 'g'.repeat(64), ''];
const WORDS = [
  'on',
  'OFF',
  'nopass',
  'resetpass',
  'reset',
  'allkeys',
  'AllKeys',
  'resetkeys',
  'allchannels',
  'resetchannels',
  'allcommands',
  'nocommands',
  'clearselectors',
  'sanitize-payload',
  'skip-sanitize-payload',
];
const ODD = [
  'foo',
  '',
  '+',
  '-',
  '+@',
  '-@',
  '+nosuch',
  '-nosuch',
  '+@nosuch',
  '+get|',
  '+|get',
  '+get|x|y',
  '+config|nosuch',
  '-get|x',
  '+config|get|x',
  '(',
  ')',
  '()',
  '((+get)',
  '%',
  '%R',
  '%RR~x',
  '%WR~w*',
  '%x~y',
  '&',
  '~',
  '>',
  '#',
  '!',
  '<',
  '( +get ~a )',
  '("unbalanced)',
  "('~q x' +get)",
  '+select|0',
  '+SELECT|1',
  '-select',
  '-select|0',
];

const anyOf = (values: readonly string[]) => fc.constantFrom(...values);

const signed = fc
  .tuple(
    anyOf(['+', '-']),
    fc.oneof(
      anyOf(NAMES),
      anyOf(CATEGORIES).map((name) => `@${name}`),
    ),
  )
  .map(([sign, name]) => sign + name);
const pattern = fc
  .tuple(anyOf(['~', '&', '%R~', '%w~', '%RW~', '%']), anyOf(PATTERNS))
  .map(([sign, text]) => sign + text);
const password = fc.oneof(
  fc.tuple(anyOf(['>', '<']), anyOf(PASSWORDS)).map(([sign, text]) => sign + text),
  fc.tuple(anyOf(['#', '!']), anyOf(HASHES)).map(([sign, text]) => sign + text),
);
const permission = fc.oneof(
  { weight: 4, arbitrary: signed },
  { weight: 3, arbitrary: pattern },
  anyOf(WORDS.slice(5, 12)),
);
const selector = fc.array(permission, { maxLength: 4 }).map((rules) => `(${rules.join(' ')})`);

/** One rule. */
export const rule: fc.Arbitrary<string> = fc.oneof(
  { weight: 5, arbitrary: permission },
  { weight: 2, arbitrary: anyOf(WORDS) },
  { weight: 2, arbitrary: password },
  { weight: 1, arbitrary: selector },
  { weight: 1, arbitrary: anyOf(ODD) },
);

const keys = fc.oneof(
  { weight: 1, arbitrary: fc.constant(['allkeys']) },
  { weight: 3, arbitrary: fc.subarray(['~k:*', '~a', '%R~r*', '%W~w*', '%RW~s*', '%R~a*']) },
);
const channels = fc.oneof(
  { weight: 1, arbitrary: fc.constant(['allchannels']) },
  { weight: 2, arbitrary: fc.subarray(['&c*', '&d', '&c1']) },
);
const commands = fc.array(fc.oneof(signed, anyOf(['+@all', '+select|0'])), { maxLength: 4 });
const permissions = fc.tuple(keys, channels, commands).map((parts) => parts.flat());

/** Rules that are all good. */
export const goodRules: fc.Arbitrary<string[]> = fc
  .tuple(permissions, fc.array(permissions, { maxLength: 2 }))
  .map(([own, selectors]) => ['reset', 'on', ...own, ...selectors.map((rules) => `(${rules.join(' ')})`)]);
