// RDB files put together by hand: every opcode, old versions, what must be refused and where; files written in any order of
// databases; damage at every byte.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Crc64 } from '../../src/rdb/crc64.ts';
import { RdbFault, RdbFileError } from '../../src/rdb/file-error.ts';
import { BufferOutput, BufferSource, type RdbSource } from '../../src/rdb/file-source.ts';
import { RdbFileWriter } from '../../src/rdb/file-writer.ts';
import { RdbOpcode, RdbType, RdbVersion } from '../../src/rdb/rdb-format.ts';
import type { InProcess } from '../support/in-process.ts';
import type { Argument } from '../support/raw-client.ts';
import { chunksOf, digest, instance, load, save } from './file-support.ts';
import { rdbLength, rdbString, rdbTime, ziplist } from './old-formats.ts';
import { VALUES } from './values-by-type.ts';

const SEED = Number(process.env['SABRE_SEED'] ?? 20_240_707);
const RUNS = Number(process.env['SABRE_RUNS'] ?? 1);
const LATER = 4_000_000_000_000;
/** Nine letters of 6 bits and 10 bits of version. */
const MODULE_ID = 0x1234_5678_9abc_def0n;

const bytes = (...values: number[]): Buffer => Buffer.from(values);
const header = (version: number | string): Buffer => Buffer.from(`REDIS${String(version).padStart(4, '0')}`);
const entry = (key: string, value: string, type: number = RdbType.String): Buffer =>
  Buffer.concat([bytes(type), rdbString(key), rdbString(value)]);
const select = (db: number): Buffer => Buffer.concat([bytes(RdbOpcode.SelectDb), rdbLength(db)]);
const fact = (name: string, value: string): Buffer =>
  Buffer.concat([bytes(RdbOpcode.Aux), rdbString(name), rdbString(value)]);
const expiry = (ms: number): Buffer => Buffer.concat([bytes(RdbOpcode.ExpireTimeMs), rdbTime(ms)]);

/** A whole file: with an end and, from version 5 on, a checksum. */
function file(version: number, ...parts: Buffer[]): Buffer {
  const body = Buffer.concat([header(version), ...parts, bytes(RdbOpcode.Eof)]);
  if (version < 5) return body;
  const crc = new Crc64();
  crc.update(body, 0, body.length);
  const sum = Buffer.alloc(8);
  crc.write(sum, 0);
  return Buffer.concat([body, sum]);
}

/** What a file is refused with. */
function refusal(damaged: Buffer, options: Parameters<typeof load>[2] = {}): RdbFileError {
  try {
    load(instance(), damaged, options);
  } catch (error) {
    expect(error).toBeInstanceOf(RdbFileError);
    return error as RdbFileError;
  }
  throw new Error('the file was accepted');
}

describe('a file', () => {
  it.each([1, 2, 3, 4, 5, 6, 9, 10, 11, 12])('of version %d is loaded', (version) => {
    const local = instance();
    const { scanner } = load(local, file(version, select(2), entry('k', 'v')));
    local.text('SELECT', '2');
    expect(local.value('GET', 'k')).toBe('v');
    expect(scanner.checksum).toBe(version < 5 ? 'unchecked' : 'right');
    expect(scanner.version).toBe(version);
  });

  it('may hold every opcode', () => {
    const local = instance();
    const seconds = bytes(RdbOpcode.ExpireTime, 0, 0x28, 0x6b, 0xee);
    seconds.writeInt32LE(2_000_000_000, 1);
    const { scanner, loader } = load(
      local,
      file(
        12, fact('redis-ver', '7.4.0'), fact('ctime', '1700000000'), fact('note', 'x'.repeat(100)),
        bytes(RdbOpcode.Function2), rdbString('#!lua name=one'), bytes(RdbOpcode.Function2), rdbString('#!lua name=two'),
        select(0), bytes(RdbOpcode.ResizeDb), rdbLength(70_000), rdbLength(3),
        bytes(RdbOpcode.SlotInfo), rdbLength(16_000), rdbLength(5), rdbLength(1),
        entry('plain', '1'),
        expiry(LATER), entry('ms', '2'),
        seconds, entry('seconds', '3'),
        bytes(RdbOpcode.Idle), rdbLength(1000), entry('idle', '4'),
        bytes(RdbOpcode.Freq, 9), entry('often', '5'),
        expiry(LATER), bytes(RdbOpcode.Idle), rdbLength(2000), entry('both', '6'),
        select(7), bytes(RdbOpcode.ResizeDb), rdbLength(1), rdbLength(0), entry('plain', '7'),
        fact('in the middle', 'yes'),
        entry('more', '8'),
        select(0), entry('again', '9'),
      ),
      { sectionBytes: 1 },
    ); // biome-ignore format: an opcode a line
    expect(local.value('OBJECT', 'IDLETIME', 'idle')).toBeGreaterThanOrEqual(1000);
    expect(local.value('OBJECT', 'IDLETIME', 'both')).toBeGreaterThanOrEqual(2000);
    expect(local.value('OBJECT', 'IDLETIME', 'plain')).toBeLessThan(1000);
    expect(local.value('MGET', 'plain', 'ms', 'seconds', 'idle', 'often', 'both', 'again')).toEqual([
      '1', '2', '3', '4', '5', '6', '9',
    ]); // biome-ignore format: short
    expect(local.value('PEXPIRETIME', 'ms')).toBe(LATER);
    expect(local.value('PEXPIRETIME', 'both')).toBe(LATER);
    expect(local.value('EXPIRETIME', 'seconds')).toBe(2_000_000_000);
    expect(local.value('EXPIRETIME', 'idle')).toBe(-1);
    local.text('SELECT', '7');
    expect(local.value('MGET', 'plain', 'more')).toEqual(['7', '8']);
    expect([...scanner.facts.keys()]).toEqual(['redis-ver', 'ctime', 'note', 'in the middle']);
    expect(scanner.facts.get('note')).toBe('x'.repeat(100));
    expect(scanner.functions.map(({ code }) => code.toString())).toEqual([
      '#!lua name=one',
      '#!lua name=two',
    ]);
    expect([scanner.announcedKeys, scanner.entries, loader.loaded]).toEqual([70_001, 9, 9]);
  });

  it('may be followed by the rest of a log', () => {
    const rdb = file(10, select(0), entry('k', 'v'));
    const { scanner } = load(instance(), Buffer.concat([rdb, Buffer.from('*1\r\n$4\r\nPING\r\n')]));
    expect(scanner.position).toBe(rdb.length);
  });

  it('may begin behind something else', () => {
    const rdb = file(10, select(0), entry('k', 'v'));
    const local = instance();
    const { scanner } = load(local, Buffer.concat([Buffer.from('in front'), rdb]), { position: 8 });
    expect([scanner.position, scanner.checksum]).toEqual([rdb.length + 8, 'right']);
    expect(local.value('GET', 'k')).toBe('v');
  });

  it('without anything in it is loaded', () => {
    const { scanner, sections } = load(instance(), file(10));
    expect([sections, scanner.checksum]).toEqual([0, 'right']);
    expect(scanner.next()).toBe(false);
  });
});

describe('keys', () => {
  it('that have expired are left out, unless they are wanted', () => {
    const past = file(
      10, select(0), expiry(1000), entry('old', 'v'), entry('k', 'v'),
      expiry(1000), bytes(RdbType.List), rdbString('old list'), rdbLength(2), rdbString('a'), rdbString('b'),
      expiry(-5), entry('before time', 'v'),
    ); // biome-ignore format: short
    const local = instance();
    const { loader } = load(local, past);
    expect([local.value('DBSIZE'), loader.loaded, loader.expired]).toEqual([1, 1, 3]);
    const other = instance();
    expect(load(other, past, { keepExpired: true }).loader).toMatchObject({ loaded: 4, expired: 0 });
    expect(other.value('DBSIZE')).toBe(4);
    other.checkInvariants();
  });

  it('without elements are left out', () => {
    const local = instance();
    const empty = Buffer.concat([bytes(RdbType.ListZiplist), rdbString('k'), rdbString(ziplist([]))]);
    const { loader } = load(
      local,
      file(6, select(0), empty, bytes(RdbType.Set), rdbString('s'), rdbLength(0)),
    );
    expect([local.value('DBSIZE'), loader.loaded, loader.empty]).toEqual([0, 0, 2]);
    local.checkInvariants();
  });

  it('that are there twice are an error, unless they may replace each other', () => {
    const first = Buffer.concat([header(10), select(3), entry('k\n', 'v')]).length;
    const twice = file(10, select(3), entry('k\n', 'v'), entry('k\n', 'w'));
    const error = refusal(twice);
    expect(error).toMatchObject({ kind: RdbFault.Duplicate, offset: first });
    expect(error.message).toBe(`RDB has duplicated key 'k\\x0a' in DB 3 (at offset ${first})`);
    const local = instance();
    load(local, twice, { replace: true });
    local.text('SELECT', '3');
    expect(local.value('GET', 'k\n')).toBe('w');
    local.checkInvariants();
  });

  it('keep exact expiries', () => {
    const local = instance();
    const exact = Buffer.concat([bytes(RdbOpcode.ExpireTimeMs), rdbTime(9_007_199_254_740_993n)]);
    load(local, file(10, select(0), exact, entry('k', 'v')));
    expect(local.text('PEXPIRETIME', 'k')).toBe(':9007199254740993\r\n');
  });
});

describe('a value', () => {
  const CASES = VALUES.map(([type, value], i) => [i, type, value] as const);

  it.each(CASES)('%i, of type %i, is passed over as it is read', (_index, type, value) => {
    const record = Buffer.concat([bytes(type), rdbString('k'), value]);
    const whole = file(12, select(0), expiry(1000), record, record, entry('behind', 'it'));
    for (const sectionBytes of [1, 1_000_000]) {
      const local = instance();
      const { loader } = load(local, whole, { sectionBytes });
      expect([loader.loaded, loader.expired]).toEqual([2, 1]);
      expect(local.value('GET', 'behind')).toBe('it');
      local.checkInvariants();
    }
  });

  it.each(CASES)('%i, of type %i, is missed where the file ends in it', (_index, type, value) => {
    const head = Buffer.concat([header(12), bytes(type), rdbString('k')]);
    for (let length = 0; length < value.length; length++) {
      const error = refusal(Buffer.concat([head, value.subarray(0, length)]));
      expect([length, error.kind]).toEqual([length, RdbFault.Truncated]);
    }
  });
});

describe('what is refused', () => {
  const at9 = (part: Buffer): Buffer => file(12, part);
  const moduleId = Buffer.concat([bytes(0x81), Buffer.from(MODULE_ID.toString(16).padStart(16, '0'), 'hex')]);
  it.each<[string, Buffer, string, number, RegExp]>([
    ['nothing at all', Buffer.alloc(0), RdbFault.Truncated, 0, /too short/],
    ['a short header', Buffer.from('REDI'), RdbFault.Header, 0, /Wrong signature/],
    ['something else', Buffer.from('*3\r\n$3\r\nSET\r\n'), RdbFault.Header, 0, /Wrong signature/],
    ['version 0', file(0), RdbFault.Header, 0, /Can't handle RDB format version 0000/],
    ['version 13', file(13), RdbFault.Header, 0, /Can't handle RDB format version 0013/],
    ['a version of letters', Buffer.concat([header('-001'), bytes(255)]), RdbFault.Header, 0, /version -001/],
    ['a database too high', at9(select(16)), RdbFault.Database, 9, /more than 16 databases/],
    ['functions of release candidates', at9(bytes(RdbOpcode.FunctionPreGa)), RdbFault.Unsupported, 9, /Pre-release function/],
    ['what modules wrote', at9(Buffer.concat([bytes(RdbOpcode.ModuleAux), moduleId])), RdbFault.Unsupported, 9, /AUX module data I can't load: no matching module 'E/],
    ['values of modules', at9(Buffer.concat([bytes(7), rdbString('k'), moduleId])), RdbFault.Unsupported, 9, /no matching module type 'E/],
    ['old values of modules', at9(Buffer.concat([bytes(6), rdbString('k'), moduleId])), RdbFault.Unsupported, 9, /Pre-release module/],
    ['an unknown type', at9(entry('k', 'v', 99)), RdbFault.Corrupt, 9, /Unknown RDB encoding type 99/],
    ['a type between', at9(entry('k', 'v', 8)), RdbFault.Corrupt, 9, /Unknown RDB encoding type 8/],
    ['an unknown opcode', at9(bytes(243)), RdbFault.Corrupt, 9, /Unknown RDB encoding type 243/],
    ['an expiry without a key', at9(expiry(LATER)), RdbFault.Corrupt, 18, /no key/],
    ['a bad length', at9(Buffer.concat([bytes(RdbType.Set), rdbString('k'), bytes(0x82)])), RdbFault.Corrupt, 13, /bad length/],
    ['a count beyond the end', at9(Buffer.concat([bytes(RdbType.Set), rdbString('k'), rdbLength(2n ** 40n)])), RdbFault.Truncated, 21, /Short read/],
    ['a string beyond the end', at9(Buffer.concat([bytes(RdbType.String), rdbString('k'), rdbLength(2n ** 62n)])), RdbFault.Truncated, 21, /Short read/],
    ['a fact beyond the end', at9(Buffer.concat([bytes(RdbOpcode.Aux), rdbLength(2 ** 31)])), RdbFault.Truncated, 15, /Short read/],
    ['a damaged value', at9(Buffer.concat([bytes(RdbType.HashListpack), rdbString('k'), rdbString('???')])), RdbFault.Corrupt, 9, /value of key 'k' \(type 16\)/],
    ['no end', Buffer.concat([header(10), select(0), entry('k', 'v')]), RdbFault.Truncated, 16, /Short read/],
    ['a wrong checksum', Buffer.concat([header(10), bytes(255), Buffer.from('checksum')]), RdbFault.Checksum, 10, /Wrong RDB checksum expected: \([0-9a-f]+\) but got \(6d75736b63656863\)/],
  ])('is %s', (_name, damaged, kind, offset, text) => {
    const error = refusal(damaged);
    expect(error.message).toMatch(text);
    expect(error.message).toContain(`(at offset ${error.offset})`);
    expect([error.kind, error.offset]).toEqual([kind, offset]);
  }); // biome-ignore format: a table

  it('is not a wrong checksum where none is wanted, or none was written', () => {
    const wrong = Buffer.concat([header(10), bytes(255), Buffer.from('checksum')]);
    expect(load(instance(), wrong, { checksum: false }).scanner.checksum).toBe('unchecked');
    const none = Buffer.concat([header(10), bytes(255), Buffer.alloc(8)]);
    expect(load(instance(), none).scanner.checksum).toBe('absent');
  });
});

/** A small data set of every type and encoding. */
function small(): InProcess {
  const local = instance();
  const commands: Argument[][] = [
    ['SET', 'string', 'a value that is long enough, long enough to be compressed'],
    ['SET', 'number', '-12345', 'PXAT', LATER],
    ['RPUSH', 'list', 'a', 1, 'b'],
    ['SADD', 'intset', 1, 2, 70_000],
    ['SADD', 'set', 'a', 'b'],
    ['SADD', 'large', ...Array.from({ length: 140 }, (_, i) => `m${i}`)],
    ['ZADD', 'zset', 1, 'a', 2.5, 'b'],
    ['HSET', 'hash', 'f', 'v', 'g', 'w'],
    ['HSET', 'expiring', 'f', 'v', 'g', 'w'],
    ['HPEXPIREAT', 'expiring', LATER, 'FIELDS', 1, 'g'],
    ['XADD', 'stream', '1-1', 'f', 'v'],
    ['XADD', 'stream', '2-1', 'f', 'v'],
    ['XGROUP', 'CREATE', 'stream', 'g', 0],
    ['XREADGROUP', 'GROUP', 'g', 'c', 'STREAMS', 'stream', '>'],
    ['SELECT', 1],
    ['SET', 'other', 'database'],
    ['ZADD', 'skiplist', 1, 'x'.repeat(70)],
    ['HSET', 'table', 'f', 'x'.repeat(70)],
    ['SELECT', 0],
  ];
  for (const command of commands) expect(local.text(...command)).not.toMatch(/^-/);
  return local;
}

describe('damage', () => {
  const whole = save(small(), { checksum: true });
  const unsummed = save(small(), { checksum: false });

  it('is seen wherever a file is cut off', () => {
    const local = instance();
    for (let length = 0; length < whole.length; length++) {
      let error: unknown = null;
      try {
        load(local, whole.subarray(0, length), { sectionBytes: 100 });
      } catch (caught) {
        error = caught;
      }
      expect(error, `${length} of ${whole.length} bytes`).toBeInstanceOf(RdbFileError);
      expect((error as RdbFileError).offset).toBeLessThanOrEqual(length);
      expect((error as RdbFileError).kind).toBe(
        length > 0 && length < 9 ? RdbFault.Header : RdbFault.Truncated,
      );
      local.text('FLUSHALL');
    }
    local.checkInvariants();
  });

  it('of a bit is seen, wherever it is', () => {
    const local = instance();
    for (let bit = 0; bit < whole.length * 8; bit += 3) {
      const damaged = Buffer.from(whole);
      damaged[bit >> 3]! ^= 1 << (bit & 7);
      expect(() => load(local, damaged, { sectionBytes: 200 }), `bit ${bit}`).toThrow(RdbFileError);
      local.text('FLUSHALL');
    }
    local.checkInvariants();
  });

  it('that no checksum tells of ends in an error or a whole data set', () => {
    const local = instance();
    const loads = new Set<boolean>();
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(unsummed.length - 9), fc.nat(255)), { minLength: 1, maxLength: 4 }),
        (changes) => {
          const damaged = Buffer.from(unsummed);
          for (const [at, value] of changes) damaged[at] = value;
          let loaded = true;
          try {
            load(local, damaged);
          } catch (error) {
            if (!(error instanceof RdbFileError)) throw error;
            loaded = false;
          }
          loads.add(loaded);
          // Reads every element of every value.
          expect(digest(local)).toMatch(/^[0-9a-f]{40}$/);
          local.text('FLUSHALL');
        },
      ),
      { seed: SEED, numRuns: 1500 * RUNS },
    );
    expect(loads.size).toBe(2);
    local.checkInvariants();
  });
});

/** Gives out a few bytes at a time, as sockets and some file systems do. */
class StingySource implements RdbSource {
  readonly size: number;
  readonly #inner: BufferSource;
  readonly #most: number;

  constructor(file: Buffer, most: number) {
    this.size = file.length;
    this.#inner = new BufferSource(file);
    this.#most = most;
  }

  read(into: Buffer, off: number, len: number, position: number): number {
    return this.#inner.read(into, off, Math.min(len, this.#most), position);
  }
}

describe('any data set', () => {
  const text = fc.oneof(
    fc.string({ maxLength: 20 }),
    fc.integer().map(String),
    fc
      .tuple(fc.string({ minLength: 1, maxLength: 5 }), fc.nat(60))
      .map(([part, times]) => part.repeat(times)),
  );
  const texts = fc.array(text, { minLength: 1, maxLength: 200 });
  const pairs = fc.array(fc.tuple(text, text), { minLength: 1, maxLength: 100 });
  const key = fc.oneof(fc.string({ maxLength: 30 }), fc.integer().map(String));
  const command: fc.Arbitrary<Argument[]> = fc.oneof(
    fc.tuple(key, text).map(([k, v]) => ['SET', k, v]),
    fc.tuple(key, fc.nat(2_000_000)).map(([k, size]) => ['SETRANGE', k, size, 'x']),
    fc.tuple(key, texts).map(([k, list]) => ['RPUSH', k, ...list]),
    fc.tuple(key, texts).map(([k, list]) => ['SADD', k, ...list]),
    fc.tuple(key, pairs).map(([k, list]) => ['HSET', k, ...list.flat()]),
    fc.tuple(key, texts).map(([k, list]) => ['ZADD', k, ...list.flatMap((member, i) => [i / 7, member])]),
    fc.tuple(key, pairs).map(([k, list]) => ['XADD', k, '*', ...list.flat()]),
    fc.tuple(key, fc.integer({ min: LATER, max: LATER * 100 })).map(([k, at]) => ['PEXPIREAT', k, at]),
    fc.nat(15).map((db) => ['SELECT', db]),
  );

  it('comes back as it was, however the file is cut and read', () => {
    fc.assert(
      fc.property(
        fc.array(command, { maxLength: 60 }),
        fc.integer({ min: 1, max: 100_000 }),
        fc.integer({ min: 1, max: 300_000 }),
        fc.boolean(),
        (commands, sectionBytes, most, compressed) => {
          const local = instance();
          local.config.assign('rdbcompression', compressed ? 'yes' : 'no');
          for (const args of commands) local.text(...args);
          const other = instance();
          const { scanner, loader } = load(other, new StingySource(save(local), Math.max(most, 50)), {
            sectionBytes,
          });
          expect(digest(other)).toBe(digest(local));
          expect(scanner.checksum).toBe('right');
          expect(scanner.entries).toBe(loader.loaded);
          expect(scanner.announcedKeys).toBe(loader.loaded);
          other.checkInvariants();
        },
      ),
      { seed: SEED, numRuns: 40 * RUNS },
    );
  });

  it('may be written in any order of databases', () => {
    const local = small();
    const chunks = [...chunksOf(local, 2)];
    fc.assert(
      fc.property(fc.shuffledSubarray(chunks, { minLength: chunks.length }), (shuffled) => {
        const output = new BufferOutput();
        const writer = new RdbFileWriter(output, {
          checksum: true, redisVersion: '7.4.0', createdAt: 1, usedMemory: 1, aofBase: true,
          sizes: [{ keys: 10, expires: 1 }, { keys: 3, expires: 0 }],
          replication: { db: 0, id: 'f'.repeat(40), offset: 123_456_789_012 },
        }); // biome-ignore format: short
        for (const { db, bytes: part, version } of shuffled)
          writer.entries(db, part, 0, part.length, version);
        writer.finish();
        expect(writer.version).toBe(RdbVersion.Redis74);
        const other = instance();
        const { scanner } = load(other, Buffer.from(output.bytes));
        expect(digest(other)).toBe(digest(local));
        expect([scanner.version, scanner.checksum, scanner.announcedKeys]).toEqual([12, 'right', 13]);
        expect(Object.fromEntries(scanner.facts)).toEqual({
          'redis-ver': '7.4.0', 'redis-bits': '64', ctime: '1', 'used-mem': '1', 'aof-base': '1',
          'repl-stream-db': '0', 'repl-id': 'f'.repeat(40), 'repl-offset': '123456789012',
        }); // biome-ignore format: short
      }),
      { seed: SEED, numRuns: 20 * RUNS },
    );
  });
});
