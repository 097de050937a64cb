// ACL, AUTH and what users may do, against redis-server, in both protocols.
//
// Redis 7.2 words its refusals anew and shows one flag more, and this server with it; 7.0 is translated for that.

import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type Comparison, canonical } from '../support/comparisons.ts';
import { type Differential, describeDifferential } from '../support/differential.ts';
import type { Argument } from '../support/raw-client.ts';
import type { Reply, ReplyNode } from '../support/resp-parser.ts';
import { TOPOLOGIES } from '../support/sabre-server.ts';
import { goodRules } from './rule-generator.ts';

/** What 7.2 says where 7.0 says something else, both made one. */
function modern(text: string): string {
  return text
    .replace(
      /^(NOPERM )?(User \S+|[Tt]his user) has no permissions to run/,
      '$1User ? has no permissions to run',
    )
    .replace(
      /^(User \S+|This user) has no permissions to access the/,
      'User ? has no permissions to access the',
    )
    .replace(
      /NOPERM this user has no permissions to access one of the keys used as arguments/,
      'NOPERM No permissions to access a key',
    )
    .replace(
      /NOPERM this user has no permissions to access one of the channels used as arguments/,
      'NOPERM No permissions to access a channel',
    )
    .replace(/used as arguments to the command$/, 'used as arguments')
    .replace(/ sanitize-payload/g, '');
}

function translated(node: ReplyNode): ReplyNode {
  if (node.items !== null) {
    const items = node.items.map(translated).filter((item) => item.bytes?.toString() !== 'sanitize-payload');
    return { ...node, items };
  }
  return node.bytes === null
    ? node
    : { ...node, bytes: Buffer.from(modern(node.bytes.toString('latin1')), 'latin1') };
}

const alike: Comparison = (left, right) => canonical(translated(left)) === canonical(translated(right));

/** All the same but for the wording of newer versions. */
async function sameAll(diff: Differential, commands: readonly string[]): Promise<void> {
  for (const command of commands) await diff.sameBy(alike, ...words(command));
}

const words = (command: string): string[] =>
  (command.match(/"[^"]*"|\S+/g) ?? []).map((word) => word.replaceAll('"', ''));

/** Entries of ACL LOG without what is about times and clients. */
const sameLog: Comparison = (left, right) => {
  const facts = (reply: Reply): string[] =>
    reply.items!.map((entry) => entry.items!.slice(0, 10).map(canonical).join(' '));
  return JSON.stringify(facts(left)) === JSON.stringify(facts(right));
};

/** Requests with keys and channels of every kind. */
const REQUESTS: readonly string[] = [
  'GET a', 'SET a v', 'SET a v GET', 'SET k:1 v NX', 'GETDEL a', 'GETEX a', 'APPEND w1 x', 'STRLEN a', 'MGET a k:1 r1', 'MSET a 1 w1 2', 'INCR a', 'SETRANGE w 0 x', 'LCS a k:1',
  'BITOP AND w1 a r1', 'BITFIELD a GET u8 0', 'BITFIELD a SET u8 0 1', 'BITFIELD_RO r1 GET u8 0', 'PFCOUNT a r1', 'PFMERGE w1 r1',
  'DEL a k:1', 'UNLINK w1', 'EXISTS a s1', 'TYPE w1', 'TTL r1', 'EXPIRE r1 1', 'PERSIST w1', 'RENAME r1 w1', 'RENAME a k:1', 'COPY r1 w1', 'COPY w1 r1', 'MOVE a 1', 'OBJECT ENCODING a', 'OBJECT HELP', 'MEMORY USAGE a', 'DUMP r1', 'RESTORE w1 0 x', 'TOUCH s1', 'KEYS *', 'SCAN 0', 'RANDOMKEY', 'DBSIZE', 'FLUSHALL',
  'LPUSH a 1', 'LRANGE r1 0 1', 'LPOP w1', 'LMOVE r1 w1 LEFT LEFT', 'LMOVE a w1 LEFT LEFT', 'RPOPLPUSH a r1', 'LMPOP 2 a w1 LEFT', 'LMPOP x a LEFT', 'BLPOP a k:1 0', 'BLMPOP 0 1 a LEFT', 'BLMOVE a w1 LEFT LEFT 0',
  'SADD a 1', 'SINTERSTORE w1 r1 a', 'SINTER a r1', 'SINTERCARD 2 a r1', 'SMOVE a w1 m', 'SPOP w1', 'SRANDMEMBER r1',
  'ZADD a 1 m', 'ZUNIONSTORE w1 2 a r1', 'ZUNIONSTORE a 1 w1', 'ZUNION 1 r1', 'ZDIFFSTORE w1 1 w1', 'ZRANGESTORE w1 r1 0 1', 'ZMPOP 1 a MIN', 'ZRANGE r1 0 1', 'ZPOPMIN w1',
  'HSET a f v', 'HGET r1 f', 'HDEL w1 f', 'HGETALL s1',
  'SORT a', 'SORT a STORE w1', 'SORT r1 STORE a', 'SORT r1 LIMIT 0 1 STORE w1', 'SORT_RO r1',
  'GEOADD a 1 1 m', 'GEORADIUS r1 0 0 1 km', 'GEORADIUS r1 0 0 1 km STORE w1', 'GEORADIUS r1 0 0 1 km STOREDIST a', 'GEORADIUS_RO r1 0 0 1 km', 'GEOSEARCHSTORE w1 r1 FROMLONLAT 0 0 BYRADIUS 1 km',
  'XADD a * f v', 'XREAD STREAMS a r1 0 0', 'XREAD COUNT 1 STREAMS r1 0', 'XREADGROUP GROUP g c STREAMS a >', 'XGROUP CREATE a g 0', 'XGROUP HELP', 'XINFO STREAM r1', 'XDEL w1 1-1', 'XRANGE r1 - +', 'XACK a g 1-1',
  'PUBLISH c1 m', 'PUBLISH d m', 'PUBLISH x m', 'SPUBLISH c1 m', 'SUBSCRIBE c1', 'SUBSCRIBE c1 x', 'PSUBSCRIBE c*', 'PSUBSCRIBE c1', 'PSUBSCRIBE *', 'SSUBSCRIBE d', 'UNSUBSCRIBE x', 'PUNSUBSCRIBE x*',
  'CONFIG GET x', 'CONFIG SET a b', 'CONFIG HELP', 'CONFIG', 'CLIENT LIST', 'CLIENT SETNAME x', 'ACL WHOAMI', 'ACL LIST', 'ACL', 'SELECT 0', 'SELECT 1', 'select 0', 'SELECT', 'PING', 'AUTH x', 'HELLO', 'QUIT', 'RESET', 'INFO', 'COMMAND', 'COMMAND COUNT', 'COMMAND NOSUCH', 'NOSUCH', 'GET', 'WATCH a r1', 'MULTI', 'EXEC', 'SHUTDOWN', 'DEBUG OBJECT a', 'SWAPDB 0 1', 'SLOWLOG GET',
]; // biome-ignore format: many short requests

const [, several] = TOPOLOGIES;

describeDifferential(
  'users',
  (diff) => {
    it('the subcommands of ACL, and their errors', async () => {
      for (const command of [
        'ACL', 'ACL NOSUCH', 'ACL CAT', 'ACL CAT nosuch', 'ACL CAT a b', 'ACL WHOAMI', 'ACL WHOAMI x', 'ACL USERS', 'ACL USERS x', 'ACL LIST x', 'ACL GETUSER', 'ACL GETUSER nosuch', 'ACL GETUSER a b',
        'ACL SETUSER', 'ACL SETUSER "a b"', 'ACL DELUSER', 'ACL DELUSER default', 'ACL DELUSER nosuch default', 'ACL DELUSER nosuch nosuch', 'ACL GENPASS 0', 'ACL GENPASS -1', 'ACL GENPASS 4097', 'ACL GENPASS x', 'ACL GENPASS 1 2', 'ACL LOG x', 'ACL LOG 1 2', 'ACL LOG -1', 'ACL LOG 0', 'ACL LOG RESET', 'ACL LOG reset', 'ACL HELP', 'ACL HELP x', 'ACL LOAD', 'ACL SAVE', 'ACL LOAD x', 'ACL DRYRUN', 'ACL DRYRUN nosuch get a', 'ACL DRYRUN default', 'ACL DRYRUN default nosuch', 'ACL DRYRUN default get', 'ACL DRYRUN default get a', 'ACL DRYRUN default config', 'ACL DRYRUN default config nosuch', 'ACL DRYRUN default config get', 'ACL DRYRUN default config get x',
      ]) // biome-ignore format: many short commands
        await diff.same(...words(command));
      for (const [bits, digits] of [
        [1, 1],
        [4, 1],
        [5, 2],
        [256, 64],
        [4096, 1024],
      ]) {
        const reply = await diff.sameBy(
          (left, right) => left.bytes!.length === right.bytes!.length,
          'ACL',
          'GENPASS',
          bits!,
        );
        expect(String(reply.bytes)).toMatch(new RegExp(`^[0-9a-f]{${digits}}$`));
      }
    });

    it('make, show and delete users', async () => {
      await sameAll(diff, [
        'ACL SETUSER alice', 'ACL GETUSER alice', 'ACL SETUSER alice on >secret +@all ~* &*', 'ACL GETUSER alice', 'ACL SETUSER alice >other <secret -@all', 'ACL GETUSER alice', 'ACL SETUSER alice nopass', 'ACL GETUSER alice', 'ACL SETUSER alice resetkeys ~a* %R~b* %W~c* resetchannels &x &y*', 'ACL GETUSER alice',
        'ACL SETUSER alice (+get ~q*) "(+set %W~w &ch)"', 'ACL SETUSER alice (+get ~x', 'ACL SETUSER alice (+get ~x +foo)', 'ACL SETUSER alice ( +ping )', 'ACL GETUSER alice', 'ACL SETUSER alice clearselectors', 'ACL GETUSER alice', 'ACL SETUSER alice reset', 'ACL GETUSER alice', 'ACL SETUSER bob', 'ACL USERS', 'ACL LIST', 'ACL DELUSER alice nosuch bob bob', 'ACL USERS', 'ACL LIST',
        'ACL SETUSER default >x', 'ACL GETUSER default', 'CONFIG GET requirepass', 'ACL SETUSER default nopass', 'CONFIG SET requirepass y', 'ACL GETUSER default', 'ACL SETUSER default resetpass >z', 'CONFIG GET requirepass', 'CONFIG SET requirepass ""', 'ACL GETUSER default',
      ]); // biome-ignore format: many short commands
    });

    it('say who they are', async () => {
      await sameAll(diff, [
        'ACL SETUSER alice on >secret ~* &* +@all',
        'ACL SETUSER bob on nopass +ping',
        'ACL SETUSER carol >c +@all',
      ]);
      const other = await diff.another();
      await sameAll(other, [
        'AUTH a b c', 'AUTH x', 'AUTH alice wrong', 'AUTH nosuch secret', 'AUTH carol c', 'ACL WHOAMI', 'AUTH alice secret', 'ACL WHOAMI', 'AUTH bob anything', 'PING', 'ACL WHOAMI', 'GET a', 'NOSUCH', 'GET', 'CONFIG NOSUCH', 'AUTH default x', 'ACL WHOAMI', 'AUTH alice secret', 'RESET', 'ACL WHOAMI', 'HELLO 2 AUTH alice wrong', 'HELLO 2 AUTH alice', 'HELLO 9 AUTH alice secret', 'ACL WHOAMI', 'HELLO 2 SETNAME x AUTH bob x', 'CLIENT GETNAME',
      ].filter((command) => !command.includes('SETNAME x'))); // biome-ignore format: many short commands
      await other.sameBy((left, right) => left.type === right.type, 'HELLO', '3', 'AUTH', 'alice', 'secret');
      await other.same('ACL', 'WHOAMI');
    });

    it('must say so when the default user has a password or is off', async () => {
      await sameAll(diff, ['ACL SETUSER alice on >secret ~* +@all', 'ACL SETUSER default off']);
      const other = await diff.another(2);
      await sameAll(other, [
        'PING',
        'ACL WHOAMI',
        'HELLO',
        'RESET',
        'GET a',
        'NOSUCH',
        'AUTH default x',
        'AUTH x',
        'AUTH alice secret',
        'PING',
        'RESET',
        'PING',
      ]);
      await sameAll(diff, ['PING', 'ACL SETUSER default on >pass', 'PING', 'GET a']);
      const third = await diff.another(2);
      await sameAll(third, [
        'PING',
        'AUTH pass',
        'PING',
        'AUTH wrong',
        'PING',
        'RESET',
        'PING',
        'AUTH default pass',
        'ACL WHOAMI',
      ]);
      await sameAll(diff, ['ACL SETUSER default nopass', 'ACL DELUSER alice']);
    });

    it('may do what their rules say', async () => {
      await fc.assert(
        fc.asyncProperty(goodRules, async (rules) => {
          await diff.sameOk('ACL', 'SETUSER', 'u', ...rules);
          const steps = REQUESTS.map((request) => ({
            args: ['ACL', 'DRYRUN', 'u', ...words(request)] as Argument[],
            compare: alike,
          }));
          const { mismatch } = await diff.compareBatch(steps);
          if (mismatch !== null) {
            throw new Error(
              `${rules.join(' ')}: ${REQUESTS[mismatch.index]}: ${mismatch.left.raw} here, ${mismatch.right.raw} there`,
            );
          }
        }),
        { numRuns: 60 },
      );
      await diff.same('ACL', 'DELUSER', 'u');
    });

    it('are refused, which the log tells', async () => {
      await sameAll(diff, [
        'ACL SETUSER u reset on nopass ~a* %R~r* &c* +@all -config|set -flushall -@pubsub +publish +select|0',
        'ACL LOG RESET',
      ]);
      const other = await diff.another();
      await sameAll(other, [
        'AUTH u x', 'GET a', 'GET b', 'MGET a b c', 'SET r1 v', 'GET r1', 'RENAME r1 a', 'COPY r1 a', 'CONFIG GET port', 'CONFIG SET hz 1', 'CONFIG SET hz 1', 'FLUSHALL', 'PUBLISH c m', 'PUBLISH d m', 'SUBSCRIBE c', 'AUTH u', 'AUTH nosuch x', 'auth alice y', 'HELLO 3 AUTH nosuch y', 'MULTI', 'GET b', 'GET a', 'EXEC', 'DISCARD',
      ].filter((command) => command !== 'CONFIG GET port')); // biome-ignore format: many short commands
      await diff.sameBy(sameLog, 'ACL', 'LOG');
      await diff.sameBy(sameLog, 'ACL', 'LOG', '3');
      await diff.sameBy(sameLog, 'ACL', 'LOG', '100');
      await diff.same('CONFIG', 'SET', 'acllog-max-len', '2');
      // Redis shortens the log when the next entry comes.
      await other.sameBy(alike, 'PUBLISH', 'other', 'm');
      await diff.sameBy(sameLog, 'ACL', 'LOG', '100');
      await diff.same('CONFIG', 'SET', 'acllog-max-len', '128');
      await diff.same('ACL', 'LOG', 'RESET');
      await diff.same('ACL', 'LOG');
      await diff.same('ACL', 'DELUSER', 'u');
    });

    it('change while clients are connected', async () => {
      await sameAll(diff, ['ACL SETUSER u reset on nopass ~* &* +@all']);
      const other = await diff.another();
      await sameAll(other, ['AUTH u x', 'SET a 1', 'MULTI', 'SET a 2', 'GET a', 'PUBLISH ch m']);
      await sameAll(diff, ['ACL SETUSER u -set resetchannels']);
      await sameAll(other, ['EXEC', 'SET a 1', 'GET a']);
      await sameAll(diff, ['ACL SETUSER u +@all resetkeys ~b']);
      await sameAll(other, ['SET a 1', 'SET b 1', 'PUBLISH x y']);
      await sameAll(diff, ['ACL SETUSER u off']);
      await sameAll(other, ['GET b', 'AUTH u x']);
      await diff.same('ACL', 'DELUSER', 'u');
      await other.sabre.readUntilClosed();
      await other.redis.readUntilClosed();
    });

    it('are deleted by themselves, and answered', async () => {
      await sameAll(diff, ['ACL SETUSER u reset on nopass ~* &* +@all']);
      const other = await diff.another();
      await sameAll(other, ['AUTH u x', 'ACL DELUSER u']);
      await other.sabre.readUntilClosed();
      await other.redis.readUntilClosed();
    });

    it('hear no channels that they may not hear any more', async () => {
      await sameAll(diff, [
        'ACL SETUSER u reset on nopass &a &b* +@all',
        'ACL SETUSER v reset on nopass &* +@all',
      ]);
      const [first, second, third] = [await diff.another(2), await diff.another(2), await diff.another(2)];
      await sameAll(first, ['AUTH u x', 'SUBSCRIBE a']);
      await sameAll(second, ['AUTH u x', 'PSUBSCRIBE b*']);
      await sameAll(third, ['AUTH v x', 'SSUBSCRIBE c']);
      await sameAll(diff, [
        'ACL SETUSER u &more',
        'ACL SETUSER v allchannels',
        'PUBLISH a 1',
        'PUBLISH b 1',
        'SPUBLISH c 1',
      ]);
      await sameAll(diff, ['ACL SETUSER u resetchannels &a', 'PUBLISH a 2', 'PUBLISH b 2']);
      await second.sabre.readUntilClosed();
      await second.redis.readUntilClosed();
      await sameAll(diff, ['ACL SETUSER v resetchannels &d']);
      await third.sabre.readUntilClosed();
      await sameAll(diff, ['SPUBLISH c 2', 'ACL DELUSER u v', 'PUBLISH a 3']);
    });

    it('sort by patterns only if they may read all keys', async () => {
      await sameAll(diff, ['RPUSH a1 2 1', 'ACL SETUSER s reset on nopass ~a* +@all']);
      const other = await diff.another();
      for (const rules of [
        '~a*',
        'resetkeys %R~* %W~a*',
        'resetkeys ~a* (+sort ~*)',
        'resetkeys clearselectors ~a* (+sort %R~a*)',
        'allkeys',
      ]) {
        await diff.same('ACL', 'SETUSER', 's', ...words(rules));
        await sameAll(other, [
          'AUTH s s',
          'SORT a1 BY b*',
          'SORT a1 GET b*',
          'SORT a1 GET #',
          'SORT a1 BY nosort',
          'SORT_RO a1 BY b*',
          'SORT a1 BY b* STORE a2',
        ]);
      }
      await diff.same('ACL', 'DELUSER', 's');
    });

    it('INFO counts refusals, CLIENT LIST and KILL know them', async () => {
      await sameAll(diff, ['ACL SETUSER u reset on nopass +ping', 'CLIENT KILL USER nosuch']);
      const other = await diff.another();
      await sameAll(other, ['AUTH u x', 'PING']);
      expect(String(await diff.sabre.call('CLIENT', 'LIST'))).toMatch(/ user=u /);
      await diff.same('CLIENT', 'KILL', 'USER', 'u');
      await other.sabre.readUntilClosed();
      await diff.same('ACL', 'DELUSER', 'u');
      expect(String(await diff.sabre.call('INFO', 'stats'))).toMatch(/acl_access_denied_auth:[1-9]/);
    });
  },
  { topologies: [several!] },
);
