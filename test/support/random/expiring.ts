// Random commands on values that do not live long, and on streams with all that groups keep of them. Made for a clock that
// the test moves: times to live are as long as a few commands take, so that every command meets what has expired.

import fc from 'fast-check';
import { command, type Generator, single, weighted } from '../generator-parts.ts';
import type { Argument } from '../raw-client.ts';
import { maybe } from './parts.ts';

const ms = fc.constantFrom('0', '1', '50', '400', '400', '2000', '2000', '100000');
const seconds = fc.constantFrom('0', '1', '2', '100');
const number = fc.constantFrom('0', '1', '-7', '2.5');
const word = (...words: string[]): fc.Arbitrary<string> => fc.constantFrom(...words);

function many(one: fc.Arbitrary<string>, most: number): fc.Arbitrary<Argument[]> {
  return fc.array(one, { minLength: 1, maxLength: most });
}

// ---- hashes ----

const hash = fc.constantFrom('h1', 'h2', 'h3');
const field = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f');
const fields = many(field, 4);
const pairs = fc.array(fc.tuple(field, number), { minLength: 1, maxLength: 4 });
const named = fields.map((names): Argument[] => ['FIELDS', String(names.length), ...names]);
const namedPairs = pairs.map((list): Argument[] => ['FIELDS', String(list.length), ...list.flat()]);
const when = maybe(word('NX', 'XX', 'GT', 'LT'));
const time = fc.oneof(
  fc.tuple(word('PX'), ms),
  fc.tuple(word('EX'), seconds),
  fc.constantFrom(['PXAT', '1'], ['EXAT', '4102444800']),
);

/** Hashes whose fields expire. */
export const expiringFields: Generator = weighted(
  [
    10,
    single(
      command(
        'HSET',
        hash,
        pairs.map((list) => list.flat()),
      ),
    ),
  ],
  [4, single(command('HSETNX', hash, field, number))],
  [6, single(command('HINCRBY', hash, field, word('1', '-1')))],
  [6, single(command('HINCRBYFLOAT', hash, field, number))],
  [3, single(command('HDEL', hash, fields))],
  [6, single(command('HGET', hash, field))],
  [3, single(command('HMGET', hash, fields))],
  [2, single(command('HRANDFIELD', hash))],
  [1, single(command('HGETALL', hash))],
  [8, single(command('HPEXPIRE', hash, ms, when, named))],
  [4, single(command('HEXPIRE', hash, seconds, when, named))],
  [2, single(command('HPEXPIREAT', hash, word('1', '4102444800000'), when, named))],
  [3, single(command('HPERSIST', hash, named))],
  [5, single(command('HGETEX', hash, maybe(fc.oneof(time, fc.constant(['PERSIST']))), named))],
  [
    6,
    single(
      command(
        'HSETEX',
        hash,
        maybe(word('FNX', 'FXX')),
        maybe(fc.oneof(time, fc.constant(['KEEPTTL']))),
        namedPairs,
      ),
    ),
  ],
  [3, single(command('HGETDEL', hash, named))],
  [2, single(command('PEXPIRE', hash, ms))],
  [1, single(command('COPY', hash, hash, maybe(word('REPLACE'))))],
  [1, single(command('RENAME', hash, hash))],
);

// ---- keys ----

const key = fc.constantFrom('k1', 'k2', 'k3');

/** Keys that expire, of several types. */
export const expiringKeys: Generator = weighted(
  [6, single(command('SET', key, number, maybe(fc.tuple(word('PX'), ms))))],
  [3, single(command('SET', key, number, word('KEEPTTL')))],
  [4, single(command('GETEX', key, maybe(fc.oneof(fc.tuple(word('PX'), ms), fc.constant(['PERSIST'])))))],
  [8, single(command('PEXPIRE', key, ms, when))],
  [3, single(command('EXPIRE', key, seconds, when))],
  [3, single(command('PERSIST', key))],
  [4, single(command('INCR', key))],
  [3, single(command('APPEND', key, number))],
  [3, single(command('GET', key))],
  [2, single(command('DEL', key))],
  [2, single(command('EXISTS', key, key))],
  [2, single(command('RPUSH', key, number))],
  [2, single(command('SADD', key, number))],
  [2, single(command('SUNIONSTORE', key, key, key))],
  [2, single(command('COPY', key, key, maybe(word('REPLACE'))))],
  [2, single(command('RENAME', key, key))],
  [1, single(command('MOVE', key, word('0', '1')))],
  [1, single(command('RANDOMKEY'))],
);

// ---- streams ----

const stream = fc.constantFrom('s1', 's2');
const id = fc.integer({ min: 1, max: 60 }).map((sequence) => `1-${sequence}`);
const ids = many(id, 6);
const group = word('g1', 'g1', 'g2');
const consumer = word('c1', 'c2', 'c3', 'c4', 'c5', 'c6');
const references = maybe(word('KEEPREF', 'DELREF', 'ACKED', 'ACKED'));
const trim = fc
  .tuple(
    fc.oneof(fc.tuple(word('MINID'), id), fc.tuple(word('MAXLEN'), word('0', '5', '15', '30'))),
    word('~', '~', '='),
    maybe(fc.tuple(word('LIMIT'), word('0', '3', '8'))),
  )
  .map(([[by, threshold], sign, limit]): Argument[] => [by, sign, threshold, ...(sign === '~' ? limit : [])]);
const counted = ids.map((list): Argument[] => ['IDS', String(list.length), ...list]);

/** Streams, their groups, and what is pending. */
export const groupedStreams: Generator = weighted(
  [30, single(command('XADD', stream, references, maybe(trim), word('1-*'), field, number))],
  // What follows finds no ID any more.
  [1, single(command('XADD', stream, references, maybe(trim), word('*'), field, number))],
  [6, single(command('XTRIM', stream, references, trim))],
  [
    4,
    single(command('XGROUP', word('CREATE'), stream, group, word('0', '$', '1-10'), maybe(word('MKSTREAM')))),
  ],
  [
    4,
    single(
      command(
        'XGROUP',
        word('SETID'),
        stream,
        group,
        word('0', '$', '1-20'),
        maybe(fc.tuple(word('ENTRIESREAD'), word('0', '5', '-1'))),
      ),
    ),
  ],
  [2, single(command('XGROUP', word('CREATECONSUMER', 'DELCONSUMER'), stream, group, consumer))],
  [1, single(command('XGROUP', word('DESTROY'), stream, group))],
  [
    14,
    single(
      command(
        'XREADGROUP',
        fc.tuple(word('GROUP'), group, consumer),
        maybe(fc.tuple(word('COUNT'), word('1', '3', '7'))),
        maybe(word('NOACK')),
        fc.oneof(
          fc.tuple(word('STREAMS'), stream, word('>', '>', '>', '0', '1-10')),
          fc.tuple(word('STREAMS'), word('s1'), word('s2'), word('>', '0'), word('>', '0')),
        ),
      ),
    ),
  ],
  [6, single(command('XACK', stream, group, ids))],
  [
    10,
    single(
      command(
        'XCLAIM',
        fc.tuple(stream, group, consumer),
        word('0', '0', '500'),
        ids,
        maybe(fc.oneof(fc.tuple(word('IDLE'), ms), fc.tuple(word('TIME'), word('5', '99999999999999')))),
        maybe(fc.tuple(word('RETRYCOUNT'), word('0', '9'))),
        maybe(word('FORCE')),
        maybe(word('JUSTID')),
        maybe(fc.tuple(word('LASTID'), id)),
      ),
    ),
  ],
  [
    6,
    single(
      command(
        'XAUTOCLAIM',
        fc.tuple(stream, group, consumer),
        word('0', '500'),
        word('0', '1-10'),
        maybe(fc.tuple(word('COUNT'), word('1', '5'))),
        maybe(word('JUSTID')),
      ),
    ),
  ],
  [5, single(command('XDEL', stream, ids))],
  [4, single(command('XDELEX', stream, references, counted))],
  [4, single(command('XACKDEL', stream, group, references, counted))],
  [
    1,
    single(
      command(
        'XSETID',
        stream,
        word('1-60', '1-70'),
        maybe(fc.tuple(word('ENTRIESADDED'), word('100', '3'))),
      ),
    ),
  ],
  [2, single(command('DEL', stream))],
  [1, single(command('COPY', stream, stream, word('REPLACE')))],
);
