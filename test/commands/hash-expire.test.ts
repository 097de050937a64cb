// Fields that expire, which redis-server 7.0 does not know: replies, options and errors as Redis 7.4 and 8.0 document
// them, with listpacks and with hash tables, at moments that the test sets.

import { beforeEach, describe, expect, it } from 'vitest';
import { ShardCounter } from '../../src/memory/layout.ts';
import { InProcess } from '../support/in-process.ts';
import { RespError } from '../support/resp-parser.ts';
import { encodingOf } from './against-redis.ts';

const T0 = 1_700_000_000_000;
const MAX = 2 ** 46 - 1;
const WRONG_TYPE = 'WRONGTYPE Operation against a key holding the wrong kind of value';
const NOT_INTEGER = 'ERR value is not an integer or out of range';
const NO_FIELDS = 'ERR Mandatory argument FIELDS is missing or not at the right position';
const MISMATCH = 'ERR The `numfields` parameter must match the number of arguments';
const NOT_POSITIVE = 'ERR Number of fields must be a positive integer';
const NEGATIVE = 'ERR invalid expire time, must be >= 0';

for (const encoding of ['listpack', 'hashtable'] as const) {
  describe(`fields that expire, in a ${encoding}`, () => {
    let local: InProcess;
    let now = T0;

    beforeEach(() => {
      local = new InProcess();
      local.config.assign('enable-debug-command', 'yes');
      if (encoding === 'hashtable') local.config.assign('hash-max-listpack-entries', '0');
      at(T0);
      return () => local.checkInvariants();
    });

    function at(time: number): void {
      now = time;
      local.setTime(time);
    }

    /** A command given as words. */
    function run(line: string): unknown {
      return local.value(...line.split(' '));
    }

    function error(line: string): string {
      const reply = run(line);
      expect(reply).toBeInstanceOf(RespError);
      return (reply as RespError).message;
    }

    function sorted(line: string): string {
      return (run(line) as string[]).sort().join(' ');
    }

    const fieldExpires = (): number => local.keyspace.fieldExpires(0);

    it('sets an expiry and tells it, in every unit', () => {
      run('HSET h f1 v1 f2 v2 f3 v3 f4 v4 f5 v5');
      expect(run('HEXPIRE h 100 FIELDS 2 f1 nope')).toEqual([1, -2]);
      expect(run('HPEXPIRE h 100500 FIELDS 1 f2')).toEqual([1]);
      expect(run(`HEXPIREAT h ${T0 / 1000 + 7} FIELDS 1 f3`)).toEqual([1]);
      expect(run(`HPEXPIREAT h ${T0 + 1} fields 1 f4`)).toEqual([1]);
      expect(run('HTTL h FIELDS 6 f1 f2 f3 f4 f5 nope')).toEqual([100, 101, 7, 1, -1, -2]);
      expect(run('HPTTL h FIELDS 5 f1 f2 f3 f4 f5')).toEqual([100_000, 100_500, 7000, 1, -1]);
      expect(run('HEXPIRETIME h FIELDS 3 f1 f4 f5')).toEqual([T0 / 1000 + 100, T0 / 1000 + 1, -1]);
      expect(run('HPEXPIRETIME h FIELDS 2 f2 f5')).toEqual([T0 + 100_500, -1]);
      expect(encodingOf(local, 'h')).toBe(encoding === 'listpack' ? 'listpackex' : 'hashtable');
      expect(sorted('HGETALL h')).toBe('f1 f2 f3 f4 f5 v1 v2 v3 v4 v5');
      expect(fieldExpires()).toBe(1);
      expect(local.keyspace.expires(0)).toBe(0);
    });

    it('answers for keys and fields that are not there', () => {
      for (const command of ['HTTL', 'HPTTL', 'HEXPIRETIME', 'HPEXPIRETIME', 'HPERSIST'])
        expect(run(`${command} nope FIELDS 2 a b`)).toEqual([-2, -2]);
      expect(run('HEXPIRE nope 10 FIELDS 2 a b')).toEqual([-2, -2]);
      expect(run('HGETEX nope FIELDS 2 a b')).toEqual([null, null]);
      expect(run('HGETEX nope EX 10 FIELDS 1 a')).toEqual([null]);
      expect(run('HGETDEL nope FIELDS 2 a b')).toEqual([null, null]);
      expect(run('EXISTS nope')).toBe(0);
    });

    it('refuses other types', () => {
      run('SET s x');
      for (const line of [
        'HEXPIRE s 10 FIELDS 1 f',
        'HPEXPIREAT s 10 FIELDS 1 f',
        'HTTL s FIELDS 1 f',
        'HPERSIST s FIELDS 1 f',
        'HGETEX s FIELDS 1 f',
        'HSETEX s FIELDS 1 f v',
        'HGETDEL s FIELDS 1 f',
      ])
        expect(error(line)).toBe(WRONG_TYPE);
    });

    it('holds to NX, XX, GT and LT', () => {
      run('HSET h a 1 b 2 c 3');
      expect(run('HPEXPIRE h 1000 NX FIELDS 2 a a')).toEqual([1, 0]);
      expect(run('HPEXPIRE h 2000 xx FIELDS 2 a b')).toEqual([1, 0]);
      expect(run('HPEXPIRE h 2000 GT FIELDS 2 a b')).toEqual([0, 0]);
      expect(run('HPEXPIRE h 2001 GT FIELDS 1 a')).toEqual([1]);
      expect(run('HPEXPIRE h 2001 LT FIELDS 2 a c')).toEqual([0, 1]);
      expect(run('HPEXPIRE h 2000 LT FIELDS 1 a')).toEqual([1]);
      expect(run('HPTTL h FIELDS 3 a b c')).toEqual([2000, -1, 2001]);
      // Conditions that are not met do not look at the time: NX on a field with an expiry stays 0.
      expect(run('HPEXPIREAT h 1 NX FIELDS 3 a b nope')).toEqual([0, 2, -2]);
      expect(sorted('HKEYS h')).toBe('a c');
    });

    it('deletes a field whose time has passed, and the hash with the last', () => {
      run('HSET h a 1 b 2');
      expect(run('HPEXPIREAT h 1 FIELDS 1 a')).toEqual([2]);
      expect(run('HEXPIRE h 0 FIELDS 2 b b')).toEqual([2, -2]);
      expect(run('EXISTS h')).toBe(0);
      expect(local.keyspace.sum(ShardCounter.ExpiredFields)).toBe(2);
    });

    it('refuses broken arguments, in the order in which Redis looks at them', () => {
      run('HSET h f 1');
      expect(error('HEXPIRE h x FIELDS 1 f')).toBe(NOT_INTEGER);
      expect(error('HEXPIRE h 9223372036854775808 FIELDS 1 f')).toBe(NOT_INTEGER);
      expect(error('HEXPIRE h -1 FIELDS 1 f')).toBe(NEGATIVE);
      expect(error('HPEXPIREAT h -9223372036854775808 FIELDS 1 f')).toBe(NEGATIVE);
      expect(error('HEXPIRE h 9223372036854775807 FIELDS 1 f')).toBe(
        "ERR invalid expire time in 'hexpire' command",
      );
      expect(error(`HPEXPIREAT h ${MAX + 1} FIELDS 1 f`)).toBe(
        "ERR invalid expire time in 'hpexpireat' command",
      );
      expect(error(`HPEXPIRE h ${MAX - now + 1} FIELDS 1 f`)).toBe(
        "ERR invalid expire time in 'hpexpire' command",
      );
      expect(run(`HPEXPIRE h ${MAX - now} FIELDS 1 f`)).toEqual([1]);
      expect(run('HPEXPIRETIME h FIELDS 1 f')).toEqual([MAX]);
      expect(error('HEXPIRE h 10 FIELD 1 f')).toBe(NO_FIELDS);
      expect(error('HEXPIRE h 10 NX 1 FIELDS f')).toBe(NO_FIELDS);
      expect(error('HEXPIRE h 10 FIELDS 0 f')).toBe('ERR Parameter `numFields` should be greater than 0');
      expect(error('HEXPIRE h 10 FIELDS x f')).toBe('ERR Parameter `numFields` should be greater than 0');
      expect(error('HEXPIRE h 10 FIELDS 2 f')).toBe(MISMATCH);
      expect(error('HEXPIRE h 10 NX FIELDS 1 f g')).toBe(MISMATCH);
      for (const command of ['HTTL', 'HPERSIST', 'HGETDEL', 'HGETEX']) {
        expect(error(`${command} h FELDS 1 f`)).toBe(NO_FIELDS);
        expect(error(`${command} h FIELDS 0 f`)).toBe(NOT_POSITIVE);
        expect(error(`${command} h FIELDS -1 f`)).toBe(NOT_POSITIVE);
        expect(error(`${command} h FIELDS 9223372036854775808 f`)).toBe(NOT_POSITIVE);
        expect(error(`${command} h FIELDS 2 f`)).toBe(MISMATCH);
        expect(error(`${command} h FIELDS 9223372036854775807 f`)).toBe(MISMATCH);
      }
      expect(error('HEXPIRE h 10 FIELDS 1')).toBe("ERR wrong number of arguments for 'hexpire' command");
      expect(error('HTTL h FIELDS 1')).toBe("ERR wrong number of arguments for 'httl' command");
      // A key that is not there does not excuse them.
      expect(error('HTTL nope FIELDS 2 f')).toBe(MISMATCH);
      expect(error('HEXPIRE nope -1 FIELDS 1 f')).toBe(NEGATIVE);
    });

    it('persists', () => {
      run('HSET h a 1 b 2');
      run('HEXPIRE h 10 FIELDS 1 a');
      expect(fieldExpires()).toBe(1);
      expect(run('HPERSIST h FIELDS 3 a b c')).toEqual([1, -1, -2]);
      expect(local.lastDirty).toBe(1);
      expect(run('HTTL h FIELDS 1 a')).toEqual([-1]);
      expect(fieldExpires()).toBe(0);
      at(T0 + 20_000);
      expect(run('HGET h a')).toBe('1');
    });

    it('HSET discards an expiry, HINCRBY and HINCRBYFLOAT keep it', () => {
      run('HSET h a 1 b 2 c 3');
      run('HPEXPIRE h 1000 FIELDS 3 a b c');
      expect(run('HSET h a 5')).toBe(0);
      expect(run('HINCRBY h b 3')).toBe(5);
      expect(run('HINCRBYFLOAT h c 0.5')).toBe('3.5');
      expect(run('HPTTL h FIELDS 3 a b c')).toEqual([-1, 1000, 1000]);
      expect(run('HMSET h b 1 c x')).toBe('OK');
      expect(run('HPTTL h FIELDS 3 a b c')).toEqual([-1, -1, -1]);
      expect(fieldExpires()).toBe(0);
    });

    it('takes an expired field for none, and removes it at the first look', () => {
      run('HSET h f1 v1 f2 v2 f3 v3');
      run('HPEXPIRE h 1 FIELDS 3 f1 f2 f3');
      at(T0 + 5);
      expect(run('EXISTS h')).toBe(1);
      expect(run('HLEN h')).toBe(3);
      expect(run('HEXISTS h f1')).toBe(0);
      expect(run('HLEN h')).toBe(2);
      expect(run('HGET h f2')).toBe(null);
      expect(run('HLEN h')).toBe(1);
      expect(run('HSTRLEN h f3')).toBe(0);
      expect(run('EXISTS h')).toBe(0);
      expect(local.keyspace.sum(ShardCounter.ExpiredFields)).toBe(3);
    });

    it('every command sees only what is alive', () => {
      run('HSET h a 1 b 2 c 3 d 4');
      run('HPEXPIRE h 10 FIELDS 2 a c');
      at(T0 + 10);
      expect(sorted('HGETALL h')).toBe('2 4 b d');
      expect(sorted('HKEYS h')).toBe('b d');
      expect(sorted('HVALS h')).toBe('2 4');
      expect((run('HSCAN h 0 COUNT 100') as [string, string[]])[1].sort()).toEqual(['2', '4', 'b', 'd']);
      expect((run('HSCAN h 0 NOVALUES MATCH [a-c]') as [string, string[]])[1]).toEqual(['b']);
      expect(run('HLEN h')).toBe(4);
      expect(run('HMGET h a b c d')).toEqual([null, '2', null, '4']);
      expect(run('HLEN h')).toBe(2);
    });

    it('HMGET and HGETALL of a hash that has expired as a whole', () => {
      run('HSET h a 1 b 2');
      run('HPEXPIRE h 10 FIELDS 2 a b');
      at(T0 + 11);
      expect(run('HGETALL h')).toEqual([]);
      expect(run('HSCAN h 0')).toEqual(['0', []]);
      expect(run('EXISTS h')).toBe(1);
      expect(run('HMGET h a b c')).toEqual([null, null, null]);
      expect(run('EXISTS h')).toBe(0);
    });

    it('HRANDFIELD removes what has expired first', () => {
      run('HSET h f1 v1 f2 v2 f3 v3 f4 v4 f5 v5');
      run('HPEXPIRE h 1 FIELDS 2 f1 f2');
      at(T0 + 5);
      expect(sorted('HRANDFIELD h 5')).toBe('f3 f4 f5');
      expect(run('HLEN h')).toBe(3);
      expect(local.keyspace.sum(ShardCounter.ExpiredFields)).toBe(2);
      run('HPEXPIRE h 1 FIELDS 3 f3 f4 f5');
      at(T0 + 10);
      expect(run('HRANDFIELD h 5')).toEqual([]);
      expect(run('EXISTS h')).toBe(0);
      run('HSET h f1 v1');
      run('HPEXPIRE h 1 FIELDS 1 f1');
      at(T0 + 20);
      expect(run('HRANDFIELD h')).toBe(null);
      expect(run('EXISTS h')).toBe(0);
    });

    it('HSETNX, HINCRBY and HINCRBYFLOAT begin anew', () => {
      for (const line of ['HSETNX h f 7', 'HINCRBY h f 7', 'HINCRBYFLOAT h f 7']) {
        for (const others of ['', ' g 1']) {
          run('DEL h');
          run(`HSET h f 10${others}`);
          run('HPEXPIRE h 10 FIELDS 1 f');
          at(now + 10);
          run(line);
          expect(run('HGET h f')).toBe('7');
          expect(run('HTTL h FIELDS 1 f')).toEqual([-1]);
          expect(run('HLEN h')).toBe(others === '' ? 1 : 2);
        }
      }
    });

    it('HDEL counts a field that has expired', () => {
      run('HSET h a 1');
      run('HPEXPIRE h 10 FIELDS 1 a');
      at(T0 + 11);
      expect(run('HDEL h a')).toBe(1);
      expect(run('EXISTS h')).toBe(0);
    });

    it('forgets the hash among those that expire when the last such field goes', () => {
      run('HSET h a 1 b 2');
      run('HSET h2 a 1 b 2');
      run('HPEXPIRE h 100 FIELDS 1 a');
      run('HPEXPIRE h2 100 FIELDS 1 a');
      expect(fieldExpires()).toBe(2);
      run('HDEL h a');
      expect(fieldExpires()).toBe(1);
      run('HGETDEL h2 FIELDS 1 a');
      expect(fieldExpires()).toBe(0);
      expect(local.text('INFO', 'keyspace')).toContain('db0:keys=2,expires=0,avg_ttl=0,subexpiry=0');
      run('HEXPIRE h 100 FIELDS 1 b');
      expect(local.text('INFO', 'keyspace')).toContain('db0:keys=2,expires=0,avg_ttl=0,subexpiry=1');
      run('SET h x');
      expect(fieldExpires()).toBe(0);
    });

    it('lives beside an expiry of the key', () => {
      run('HSET h a 1 b 2');
      run('HPEXPIRE h 1000 FIELDS 1 a');
      run('PEXPIRE h 5000');
      expect(local.keyspace.expires(0)).toBe(1);
      local.checkInvariants();
      at(T0 + 1000);
      expect(run('HMGET h a b')).toEqual([null, '2']);
      expect(run('PTTL h')).toBe(4000);
      run('HPEXPIRE h 10000 FIELDS 1 b');
      run('PERSIST h');
      local.checkInvariants();
      expect(run('HPTTL h FIELDS 1 b')).toEqual([10_000]);
      run('PEXPIRE h 50');
      at(now + 50);
      expect(run('HTTL h FIELDS 1 b')).toEqual([-2]);
      expect(run('EXISTS h')).toBe(0);
    });

    it('goes along with RENAME, COPY, MOVE and SWAPDB', () => {
      run('HSET h a 1 b 2');
      run('HPEXPIRE h 100 FIELDS 1 a');
      run('RENAME h {x}other');
      expect(run('HPTTL {x}other FIELDS 2 a b')).toEqual([100, -1]);
      local.checkInvariants();
      run('RENAME {x}other {x}third');
      expect(run('HPTTL {x}third FIELDS 2 a b')).toEqual([100, -1]);
      run('COPY {x}third copy');
      expect(fieldExpires()).toBe(2);
      local.checkInvariants();
      run('HPERSIST {x}third FIELDS 1 a');
      expect(run('HPTTL copy FIELDS 2 a b')).toEqual([100, -1]);
      run('SET target x');
      run('RENAME copy target');
      run('MOVE target 1');
      expect(fieldExpires()).toBe(0);
      expect(local.keyspace.fieldExpires(1)).toBe(1);
      local.checkInvariants();
      run('SWAPDB 0 1');
      expect(run('HPTTL target FIELDS 1 a')).toEqual([100]);
      at(T0 + 100);
      expect(run('HGET target a')).toBe(null);
      local.checkInvariants();
      run('FLUSHALL');
      expect(fieldExpires()).toBe(0);
    });

    it('changes the digest', () => {
      run('HSET h a 1 b 2');
      const before = run('DEBUG DIGEST-VALUE h');
      run('HEXPIRE h 100 FIELDS 1 a');
      const between = run('DEBUG DIGEST-VALUE h');
      expect(between).not.toEqual(before);
      run('HPERSIST h FIELDS 1 a');
      expect(run('DEBUG DIGEST-VALUE h')).toEqual(before);
    });

    describe('HGETDEL', () => {
      it('returns and deletes', () => {
        run('HSET h a 1 b 2 c 3');
        expect(run('HGETDEL h FIELDS 3 a nope a')).toEqual(['1', null, null]);
        expect(local.lastDirty).toBe(1);
        run('HPEXPIRE h 5 FIELDS 1 b');
        at(T0 + 5);
        expect(run('HGETDEL h FIELDS 2 b c')).toEqual([null, '3']);
        expect(run('EXISTS h')).toBe(0);
        run('HSET h a 1 b 2');
        run('HPEXPIRE h 5 FIELDS 1 b');
        at(T0 + 10);
        // The one that has expired is the last: the key is gone before the end.
        expect(run('HGETDEL h FIELDS 4 a b c a')).toEqual(['1', null, null, null]);
        expect(run('EXISTS h')).toBe(0);
      });
    });

    describe('HGETEX', () => {
      it('gets, and sets or removes an expiry', () => {
        run('HSET h a 1 b 2 c text');
        expect(run('HGETEX h FIELDS 3 a b c')).toEqual(['1', '2', 'text']);
        expect(local.lastDirty).toBe(0);
        expect(encodingOf(local, 'h')).toBe(encoding);
        expect(run('HGETEX h ex 10 FIELDS 2 a nope')).toEqual(['1', null]);
        expect(run('HGETEX h PX 20 FIELDS 1 b')).toEqual(['2']);
        expect(run('HPTTL h FIELDS 3 a b c')).toEqual([10_000, 20, -1]);
        expect(run(`HGETEX h EXAT ${T0 / 1000 + 5} FIELDS 1 a`)).toEqual(['1']);
        expect(run(`HGETEX h PXAT ${T0 + 7} FIELDS 1 c`)).toEqual(['text']);
        expect(run('HPTTL h FIELDS 3 a b c')).toEqual([5000, 20, 7]);
        expect(run('HGETEX h PERSIST FIELDS 2 a c')).toEqual(['1', 'text']);
        expect(local.lastDirty).toBe(2);
        expect(run('HGETEX h PERSIST FIELDS 1 a')).toEqual(['1']);
        expect(local.lastDirty).toBe(0);
        expect(run('HPTTL h FIELDS 3 a b c')).toEqual([-1, 20, -1]);
      });

      it('deletes with a time that has passed', () => {
        run('HSET h a 1 b 2');
        expect(run('HGETEX h PXAT 1 FIELDS 3 a b a')).toEqual(['1', '2', null]);
        expect(run('EXISTS h')).toBe(0);
      });

      it('removes what has expired', () => {
        run('HSET h a 1 b 2');
        run('HPEXPIRE h 1 FIELDS 2 a b');
        at(T0 + 5);
        expect(run('HGETEX h PERSIST FIELDS 2 a b')).toEqual([null, null]);
        expect(run('EXISTS h')).toBe(0);
      });

      it('refuses broken arguments', () => {
        expect(error('HGETEX h FIELDS 1')).toBe("ERR wrong number of arguments for 'hgetex' command");
        expect(error('HGETEX h PXAT 1 1')).toBe(NO_FIELDS);
        expect(error('HGETEX h PERSIST 1 FIELDS 1 a')).toBe(NO_FIELDS);
        expect(error('HGETEX h EX bla FIELDS 1 a')).toBe(NOT_INTEGER);
        expect(error('HGETEX h EXAT 9223372036854775808 FIELDS 1 a')).toBe(NOT_INTEGER);
        expect(error('HGETEX h PX -1 FIELDS 1 a')).toBe(NEGATIVE);
        expect(error(`HGETEX h EX ${2 ** 48} FIELDS 1 a`)).toBe(
          "ERR invalid expire time in 'hgetex' command",
        );
        expect(error(`HGETEX h PXAT ${MAX + 1} FIELDS 1 a`)).toBe(
          "ERR invalid expire time in 'hgetex' command",
        );
        expect(error('HGETEX h EX 10 FIELDS')).toBe("ERR wrong number of arguments for 'hgetex' command");
      });
    });

    describe('HSETEX', () => {
      it('sets fields with an expiry, or none', () => {
        expect(run('HSETEX h FIELDS 2 a 1 b 2')).toBe(1);
        expect(local.lastDirty).toBe(2);
        expect(encodingOf(local, 'h')).toBe(encoding);
        expect(run('HSETEX h EX 10 FIELDS 2 b 3 c 4')).toBe(1);
        expect(run('HPTTL h FIELDS 3 a b c')).toEqual([-1, 10_000, 10_000]);
        expect(run('HSETEX h KEEPTTL FIELDS 3 a 5 b 6 d 7')).toBe(1);
        expect(run('HPTTL h FIELDS 4 a b c d')).toEqual([-1, 10_000, 10_000, -1]);
        expect(run('HSETEX h FIELDS 1 b 8')).toBe(1);
        expect(run('HPTTL h FIELDS 1 b')).toEqual([-1]);
        expect(run(`HSETEX h PXAT ${T0 + 3} FIELDS 1 b 9`)).toBe(1);
        expect(run('HPTTL h FIELDS 1 b')).toEqual([3]);
        expect(run('HMGET h a b c d')).toEqual(['5', '9', '4', '7']);
        expect(run('HSETEX new PX 50 FIELDS 1 a 1')).toBe(1);
        expect(run('HPTTL new FIELDS 1 a')).toEqual([50]);
      });

      it('holds to FXX and FNX', () => {
        expect(run('HSETEX h FXX FIELDS 2 a 1 b 2')).toBe(0);
        expect(run('EXISTS h')).toBe(0);
        expect(run('HSETEX h FNX FIELDS 1 a 1')).toBe(1);
        expect(run('HSETEX h FXX FIELDS 2 a 2 b 2')).toBe(0);
        expect(run('HSETEX h FNX EX 10 FIELDS 2 b 2 a 2')).toBe(0);
        expect(run('HGETALL h')).toEqual(['a', '1']);
        expect(run('HSETEX h EX 10 fnx FIELDS 1 b 2')).toBe(1);
        expect(run('HSETEX h FXX PX 5 FIELDS 2 a 3 b 4')).toBe(1);
        expect(sorted('HGETALL h')).toBe('3 4 a b');
        expect(run('HPTTL h FIELDS 2 a b')).toEqual([5, 5]);
        at(T0 + 5);
        expect(run('HSETEX h FXX FIELDS 2 a 5 b 6')).toBe(0);
        expect(run('HSETEX h FNX FIELDS 2 a 5 b 6')).toBe(1);
        expect(run('HPEXPIRE h 5 FIELDS 2 a b')).toEqual([1, 1]);
        at(T0 + 10);
        expect(run('HSETEX h FXX FIELDS 1 a 5')).toBe(0);
        expect(run('HSETEX h FXX FIELDS 1 b 5')).toBe(0);
        expect(run('EXISTS h')).toBe(0);
      });

      it('takes an expired field for none', () => {
        run('HSETEX h PX 5 FIELDS 1 a 1');
        at(T0 + 5);
        expect(run('HSETEX h KEEPTTL FIELDS 1 a 2')).toBe(1);
        expect(run('HGET h a')).toBe('2');
        expect(run('HTTL h FIELDS 1 a')).toEqual([-1]);
      });

      it('with a time that has passed sets and deletes', () => {
        expect(run('HSETEX h PXAT 1 FIELDS 2 a 1 b 2')).toBe(1);
        expect(run('EXISTS h')).toBe(0);
        run('HSET h a 1 b 2 c 3');
        expect(run('HSETEX h EXAT 1 FIELDS 2 a 1 b 2')).toBe(1);
        expect(run('HGETALL h')).toEqual(['c', '3']);
      });

      it('refuses broken arguments', () => {
        const arity = "ERR wrong number of arguments for 'hsetex' command";
        const expiry = 'ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified';
        const condition = 'ERR Only one of FXX or FNX arguments can be specified';
        for (const line of ['1', '2 a b', '2 a b c', '2 a b c d e', '3 a b c d', '1 a b unknown'])
          expect(error(`HSETEX h FIELDS ${line}`)).toBe(arity);
        expect(error('HSETEX h NX FIELDS 1 a b')).toBe('ERR unknown argument: NX');
        expect(error('HSETEX h fxx fxx EX 100 fields 1 a b')).toBe(condition);
        expect(error('HSETEX h FNX FXX FIELDS 1 a b')).toBe(condition);
        expect(error('HSETEX h EX 100 PX 1000 FIELDS 1 a b')).toBe(expiry);
        expect(error('HSETEX h KEEPTTL EX 100 FIELDS 1 a b')).toBe(expiry);
        expect(error('HSETEX h PXAT 100 KEEPTTL FIELDS 1 a b')).toBe(expiry);
        expect(error('HSETEX h ex FIELDS 1 a b')).toBe(NOT_INTEGER);
        expect(error('HSETEX h EXAT -1 1 a b')).toBe(NEGATIVE);
        expect(error(`HSETEX h PXAT ${MAX + 1} 1 a b`)).toBe("ERR invalid expire time in 'hsetex' command");
        for (const count of ['x', '9223372036854775808', '0', '-1', '2147483648'])
          expect(error(`HSETEX h FIELDS ${count} a b`)).toBe('ERR invalid number of fields');
        expect(error('HSETEX h FNX KEEPTTL FNX KEEPTTL x')).toBe(condition);
        expect(error('HSETEX h FNX FIELDS 1 a')).toBe(arity);
        expect(run('EXISTS h')).toBe(0);
      });
    });
  });
}

describe('a listpack of fields that expire', () => {
  it('is ordered by expiry, those without at the end, and becomes a hash table when it grows', () => {
    const local = new InProcess();
    local.setTime(T0);
    local.run('HSET', 'h', 'a', '1', 'b', 'two', 'c', '3', 'd', '4');
    local.run('HPEXPIRE', 'h', '300', 'FIELDS', '1', 'c');
    local.run('HPEXPIRE', 'h', '100', 'FIELDS', '1', 'd');
    local.run('HPEXPIRE', 'h', '200', 'FIELDS', '1', 'a');
    expect(local.value('HKEYS', 'h')).toEqual(['d', 'a', 'c', 'b']);
    // Of equal expiries the one that was set last comes first, as in Redis.
    local.run('HPEXPIRE', 'h', '200', 'FIELDS', '1', 'c');
    expect(local.value('HKEYS', 'h')).toEqual(['d', 'c', 'a', 'b']);
    local.run('HSET', 'h', 'c', 'x'.repeat(40));
    expect(local.value('HKEYS', 'h')).toEqual(['d', 'a', 'b', 'c']);
    local.run('HINCRBY', 'h', 'd', '1000000');
    expect(local.value('HGETALL', 'h')).toEqual(['d', '1000004', 'a', '1', 'b', 'two', 'c', 'x'.repeat(40)]);
    local.run('HSET', 'h', 'e', 'x'.repeat(65));
    expect(encodingOf(local, 'h')).toBe('hashtable');
    expect(local.value('HPTTL', 'h', 'FIELDS', '5', 'a', 'b', 'c', 'd', 'e')).toEqual([200, -1, -1, 100, -1]);
    local.checkInvariants();
  });
});
