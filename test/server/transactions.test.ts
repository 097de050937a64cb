// MULTI, EXEC, DISCARD, WATCH, UNWATCH beside a real redis-server, in both protocols: what is refused and when, what makes a
// transaction void, what happens to clients that wait; and what only a server of several threads has to get right.

import { describe, expect, it, onTestFinished } from 'vitest';
import { masked } from '../support/comparisons.ts';
import { type Differential, describeDifferential } from '../support/differential.ts';
import type { Argument } from '../support/raw-client.ts';
import type { Reply } from '../support/resp-parser.ts';
import { describeTopologies, LEFT_IS_REDIS } from '../support/sabre-server.ts';

describeDifferential('transactions', (diff) => {
  /** Sends commands one after the other, separated by line ends. */
  async function play(script: string, to: Differential = diff): Promise<void> {
    for (const line of script.trim().split('\n')) await to.same(...line.trim().split(' '));
  }

  it('without MULTI, nested, with words too many', async () => {
    await play('EXEC\nDISCARD\nEXEC a\nMULTI\nEXEC a\nEXEC');
    await play('MULTI\nMULTI\nWATCH a\nEXEC');
    await play('MULTI\nMULTI x\nEXEC');
    await play('MULTI\nDISCARD x\nDISCARD\nUNWATCH x\nWATCH');
    await play('MULTI\nQUIT x');
  });

  it('a command that cannot be queued makes EXEC fail, one that fails when it runs does not', async () => {
    await play('MULTI\nSET a\nSET a 1\nEXEC\nGET a');
    await play('MULTI\nNOSUCH a b\nSET a 1\nEXEC\nGET a');
    await play('MULTI\nOBJECT NOSUCH a\nEXEC');
    await play('MULTI\nSHUTDOWN\nSAVE\nEXEC');
    await play('MULTI\nSET a 1\nLPUSH a x\nINCR a\nSELECT 99\nGET a\nEXEC');
    await play('MULTI\nSET a 1\nDISCARD\nGET a\nEXEC');
    await play('MULTI\nEXEC');
  });

  it('SELECT within stays in force', async () => {
    await play('MULTI\nSET a 0\nSELECT 3\nSET a 3\nGET a\nEXEC\nGET a\nSELECT 0\nGET a');
    await play('MULTI\nSELECT 3\nDEL a\nSELECT 0\nEXEC\nDBSIZE');
  });

  it('PING, ECHO, TYPE: every kind of reply', async () => {
    await play('HSET h f v\nRPUSH l a b\nSADD s 1\nZADD z 1.5 m\nXADD x 1-1 f v');
    await play(
      'MULTI\nPING\nECHO x\nGET none\nHGETALL h\nLRANGE l 0 -1\nSMEMBERS s\nZRANGE z 0 -1 WITHSCORES',
    );
    await play('XRANGE x - +\nZSCORE z m\nEXISTS h l\nBLPOP none 0\nXREAD BLOCK 0 STREAMS x $\nEXEC');
  });

  it('RESET ends a transaction, and watches', async () => {
    await diff.same('WATCH', 'a');
    await diff.same('MULTI');
    await diff.same('SET', 'a', '1');
    await diff.same('RESET');
    await diff.same('HELLO', '2').catch(() => undefined);
    await diff.same('EXEC');
  });

  it('CLIENT REPLY among the commands', async () => {
    /** The next replies to these lines, whole or not. */
    const same = async (replies: number, ...lines: string[]) => {
      for (const client of [diff.sabre, diff.redis]) client.sendRaw(`${lines.join('\r\n')}\r\n`);
      for (let i = 0; i < replies; i++) await diff.sameNext();
    };
    await play('MULTI\nCLIENT REPLY OFF\nSET a b\nCLIENT REPLY ON\nGET a');
    // Two replies are missing in that of EXEC: those of PING stand there for whoever counts.
    await same(2, 'EXEC', 'PING 1', 'PING 2', 'PING 3');
    await play('MULTI\nCLIENT REPLY SKIP\nGET a');
    await same(2, 'EXEC', 'PING 1', 'PING 2', 'PING 3');
    await play('MULTI\nCLIENT REPLY OFF\nGET a');
    await same(2, 'EXEC', 'PING 1', 'CLIENT REPLY ON', 'PING 2', 'PING 3');
    await same(2, 'CLIENT REPLY SKIP', 'MULTI', 'GET a', 'CLIENT REPLY SKIP', 'EXEC', 'PING 4');
  });

  it('HELLO among the commands changes the replies of those behind it', async () => {
    await play('HSET h f v\nMULTI\nHGETALL h\nHELLO 3\nHGETALL h\nHELLO 2\nHGETALL h');
    const version = masked(/\$\d\r\n\d+\.\d+\.\d+|:\d+/g);
    await diff.sameBy(version, 'EXEC');
  });

  it('what MONITOR shows', async () => {
    const watcher = await diff.another();
    watcher.send('MONITOR');
    await watcher.sameNext();
    await play(
      'WATCH q\nMULTI\nSET x 1\nNOSUCH\nEXEC\nMULTI\nSET x 1\nSELECT 2\nGET x\nCONFIG GET hz\nEXEC\nMULTI\nDISCARD',
    );
    const line = masked(/\d+\.\d+ \[(\d+) [^\]]+\]/g);
    // WATCH MULTI EXEC MULTI SET SELECT GET EXEC MULTI DISCARD
    for (let i = 0; i < 10; i++) await watcher.sameNext(line);
  });

  it('INFO and CLIENT INFO know of it', async () => {
    const shown = ({ raw }: Reply) =>
      String(raw.toString('latin1').match(/ (name|flags|db|sub|psub|ssub|multi|cmd|user|resp)=\S*/g));
    const same = (left: Reply, right: Reply) => shown(left) === shown(right);
    const info = () => diff.sameBy(same, 'CLIENT', 'INFO');
    await info();
    await diff.same('WATCH', 'a', 'b');
    await info();
    await diff.same('SET', 'a', '1');
    await info();
    await play('UNWATCH\nMULTI\nCLIENT INFO\nGET a');
    const line = (reply: Reply) => shown({ ...reply, raw: reply.items![0]!.bytes! });
    await diff.sameBy((left, right) => line(left) === line(right), 'EXEC');
    if (LEFT_IS_REDIS) return;
    const other = await diff.another();
    await play('WATCH a b c\nWATCH a');
    await play('WATCH c d', other);
    const text = String(await diff.sabre.call('INFO', 'clients'));
    expect(text).toMatch(/watching_clients:2\r\n(?:.*\r\n)*total_watched_keys:4\r\n/);
    await other.close();
    await expect
      .poll(async () => String(await diff.sabre.call('INFO', 'clients')))
      .toMatch(/total_watched_keys:3\r/);
    await play('UNWATCH');
    expect(String(await diff.sabre.call('INFO', 'clients'))).toMatch(
      /watching_clients:0\r\n(?:.*\r\n)*total_watched_keys:0\r\n/,
    );
  });

  describe('WATCH', () => {
    /** Whether EXEC runs after these commands of another client, and of the client itself. */
    async function check(keys: string, before: string, after: string, own = false): Promise<void> {
      const other = await diff.another();
      await diff.same('FLUSHALL');
      if (before !== '') await play(before);
      await diff.same('WATCH', ...keys.split(' '));
      await play(after, own ? diff : other);
      await play('MULTI\nPING\nEXEC\nSELECT 0\nMULTI\nPING\nEXEC');
    }

    it('sees commands of others and of its own client', async () => {
      await check('a', '', 'SET a 1');
      await check('a', '', 'SET a 1', true);
      await check('a b c', 'SET b 1', 'DEL b');
      await check(
        'a',
        'SET a 1',
        'SET b 1\nGET a\nTOUCH a\nDEL c\nEXPIRE c 10\nOBJECT ENCODING a\nSETNX a 2\nPERSIST a',
      );
      await check('a', '', 'SELECT 1\nSET a 1');
      await check('a', '', 'SET a 1\nDEL a');
      await check('a', 'SET a 1', 'EXPIRE a 100');
      await check('a', 'SET a 1', 'RENAME a b');
      await check('b', 'SET a 1', 'RENAME a b');
      await check('b', 'SET a 1', 'COPY a b');
      await check('a', 'SET a 1', 'COPY a b');
      await check('a', 'SET a 1', 'MOVE a 1');
      await check('l', 'RPUSH l 1', 'SORT l STORE other');
      await check('other', 'RPUSH l 1', 'SORT l STORE other');
      await check('l', 'RPUSH l 1', 'LMOVE l l LEFT RIGHT');
      await check('l', 'RPUSH l 1', 'LMOVE none l LEFT RIGHT');
      await check('s', 'SADD s 1', 'SADD s 1\nSREM s 2\nSPOP none');
      await check('s', 'SADD s 1', 'SINTERSTORE s none other');
      await check('h', 'HSET h f v', 'HSET h f v');
      await check('h', 'HSET h f v', 'HDEL h g');
      await check('z', 'ZADD z 1 a', 'ZADD z 1 a');
      await check('z', 'ZADD z 1 a', 'ZADD z 2 a');
      await check('x', 'XADD x 1-1 f v', 'XGROUP CREATE x g 0');
      await check('x', '', 'XGROUP CREATE x g 0 MKSTREAM');
      await check('x', 'XADD x 1-1 f v\nXGROUP CREATE x g 0', 'XGROUP SETID x g 1-1\nXGROUP DESTROY x g');
      await check('x', 'XADD x 1-1 f v\nXGROUP CREATE x g 0', 'XREADGROUP GROUP g c STREAMS x >');
      await check(
        'x',
        'XADD x 1-1 f v\nXGROUP CREATE x g 0\nXREADGROUP GROUP g c STREAMS x >',
        'XACK x g 1-1',
      );
      await check('x', 'XADD x 1-1 f v\nXGROUP CREATE x g 0', 'XGROUP CREATECONSUMER x g c');
      await check('h', 'PFADD h a b c', 'PFCOUNT h');
      await check('h', 'PFADD h a b c', 'PFADD h a\nPFMERGE h');
      await check('a', 'SET a v', 'SETRANGE a 0 v\nAPPEND b x\nGETEX a');
      await check('a', 'SET a v', 'GETEX a EX 100');
      await check('a', 'SETBIT a 1 1', 'SETBIT a 1 1');
      await check('a', 'SET a v', 'BITFIELD a GET u8 0');
    });

    it('the same key in two databases', async () => {
      await check('a', '', 'SELECT 1\nSET a 1\nSELECT 0\nSET b 1');
      await play('SELECT 1\nWATCH a\nSELECT 0\nWATCH a\nSELECT 1\nSET a 1\nSELECT 0\nMULTI\nPING\nEXEC');
    });

    it('FLUSHDB, FLUSHALL, SWAPDB matter to keys that are there, before or then', async () => {
      await check('a', 'SET a 1', 'FLUSHDB');
      await check('a', 'SET b 1', 'FLUSHDB');
      await check('a', 'SET b 1', 'FLUSHALL');
      await check('a', 'SET a 1', 'FLUSHALL ASYNC');
      await check('a', 'SET a 1', 'SELECT 1\nFLUSHDB');
      await check('a', 'SET a 1', 'SWAPDB 0 1');
      await check('a', 'SET b 1', 'SWAPDB 0 1');
      await check('a', 'SELECT 1\nSET a 1\nSELECT 0', 'SWAPDB 0 1');
      await check('a', 'SELECT 1\nSET a 1\nSELECT 0', 'SWAPDB 1 0');
      await check('a', 'SELECT 1\nSET a 1\nSELECT 0', 'SWAPDB 1 2');
      await check('a', 'SET a 1', 'SWAPDB 0 0');
      await check('a', 'SET a 1', 'DEBUG RELOAD');
    });

    it('keys whose time comes, or had come', async () => {
      const other = await diff.another();
      await play('DEBUG SET-ACTIVE-EXPIRE 0');
      const soon = async (to = diff) => {
        await to.same('SET', 'a', '1', 'PX', '1');
        await new Promise((resolve) => setTimeout(resolve, 5));
      };
      const end = () => play('MULTI\nPING\nEXEC');
      try {
        await soon();
        await diff.same('WATCH', 'a');
        await end();
        await soon();
        await diff.same('WATCH', 'a');
        await play('DEL a\nGET a', other);
        await end();
        await soon();
        await diff.same('WATCH', 'a');
        await play('FLUSHDB', other);
        await end();
        await play('SET a 1 PX 20\nWATCH a');
        await new Promise((resolve) => setTimeout(resolve, 40));
        await end();
        await play('SET a 1 PX 20\nWATCH a');
        await new Promise((resolve) => setTimeout(resolve, 40));
        await play('GET a', other);
        await end();
        // Of a database that takes the place of another.
        await soon();
        await play('WATCH a\nSWAPDB 0 1');
        await end();
        await diff.same('FLUSHALL');
        await diff.same('SELECT', '1');
        await soon();
        await play('SELECT 0\nWATCH a\nSWAPDB 0 1');
        await end();
        await diff.same('FLUSHALL');
        await soon();
        await diff.same('SELECT', '1');
        await soon();
        await play('SELECT 0\nWATCH a\nSWAPDB 0 1');
        await end();
      } finally {
        await play('DEBUG SET-ACTIVE-EXPIRE 1');
      }
    });

    it('what is removed by active expiry and by eviction', async () => {
      await diff.same('SET', 'a', '1', 'PX', '500');
      await diff.same('WATCH', 'a');
      await expect
        .poll(async () => [await diff.sabre.call('DBSIZE'), await diff.redis.call('DBSIZE')], {
          timeout: 10_000,
        })
        .toEqual([0, 0]);
      await play('MULTI\nPING\nEXEC');
      await play('SET a 1\nWATCH a\nCONFIG SET maxmemory-policy allkeys-random\nCONFIG SET maxmemory 1');
      // Each command removes keys for as long as `maxmemory-eviction-tenacity` lets it; the next ones go on.
      for (const client of [diff.sabre, diff.redis]) {
        await client.command('SET', 'b', 'x');
        await expect.poll(() => client.call('EXISTS', 'a')).toBe(0);
      }
      await play(
        'CONFIG SET maxmemory 0\nCONFIG SET maxmemory-policy noeviction\nEXISTS a\nMULTI\nPING\nEXEC',
      );
    });

    it('what a client that waited has got', async () => {
      const waiting = await diff.another();
      const other = await diff.another();
      await play('RPUSH m 1\nWATCH l m');
      waiting.send('BLMOVE', 'l', 'target', 'LEFT', 'LEFT', '0');
      await untilBlocked(diff);
      await play('MULTI\nPING\nEXEC\nWATCH target');
      await play('RPUSH l x', other);
      await waiting.sameReply();
      await play('MULTI\nPING\nEXEC');
    });

    it('hundreds of keys, some twice', async () => {
      const keys = Array.from({ length: 700 }, (_, i) => `k${i % 600}`);
      await diff.same('WATCH', ...keys);
      await play('MULTI\nPING\nEXEC');
      await diff.same('WATCH', ...keys);
      await play('SET k599 1\nMULTI\nPING\nEXEC');
      await diff.same('WATCH', ...keys);
      await play('SET k600 1\nMULTI\nPING\nEXEC');
    });
  });

  it('clients that wait are served behind the whole transaction', async () => {
    const [first, second] = [await diff.another(), await diff.another()];
    first.send('BLPOP', 'l', '0');
    await untilBlocked(diff);
    second.send('BLMOVE', 'm', 'l', 'LEFT', 'LEFT', '0');
    await untilBlocked(diff, 2);
    await play('MULTI\nRPUSH l a\nDEL l\nEXEC');
    await play('MULTI\nRPUSH m b\nSET other 1\nLLEN m\nEXEC\nLLEN m');
    await second.sameReply();
    await first.sameReply();
    first.send('BLPOP', 'l', '0');
    await untilBlocked(diff);
    await play('MULTI\nSELECT 1\nRPUSH l x\nSWAPDB 0 1\nEXEC');
    await first.sameReply();
    await play('SELECT 0\nKEYS *');
  });

  it('a command denied for want of memory is not queued; EXEC is denied for what it would run', async () => {
    await diff.same('SET', 'large', 'x'.repeat(300_000));
    await play('MULTI\nSET a 1\nGET a');
    const other = await diff.another();
    await play('CONFIG SET maxmemory 1', other);
    await play('EXEC\nMULTI\nGET a\nDISCARD\nMULTI\nEXEC\nMULTI');
    await play('CONFIG SET maxmemory 0', other);
    await play('GET a');
    await play('CONFIG SET maxmemory 1', other);
    await play('EXEC');
    await play('CONFIG SET maxmemory 0', other);
  });

  it('rights are looked at when a command is queued and again when it runs', async () => {
    await play('ACL SETUSER tx on nopass +@all ~a* &*');
    const user = await diff.another();
    // Redis 7.4 says otherwise which right is missing.
    const denied = ({ raw }: Reply) => raw.toString('latin1').replace(/NOPERM (?!ACLs).*/, 'NOPERM');
    const run = async (script: string) => {
      for (const line of script.split('\n'))
        await user.sameBy((left, right) => denied(left) === denied(right), ...line.split(' '));
    };
    const end = async () => {
      await run('EXEC');
      await play('ACL SETUSER tx reset on nopass +@all ~a* &*');
    };
    try {
      await run('AUTH tx x\nMULTI\nSET b 1\nSET a 1\nEXEC');
      await run('MULTI\nSET a 2\nSET a1 3\nGET a\nPUBLISH c m');
      await play('ACL SETUSER tx -set resetchannels');
      await end();
      await run('MULTI\nSET a 4\nGET a');
      await play('ACL SETUSER tx resetkeys ~b');
      await end();
      // Of a transaction that shard workers run.
      await run('MULTI\nSET a 5\nKEYS none\nGET a');
      await play('ACL SETUSER tx -get');
      await end();
      await run('MULTI\nSET a 6');
      await play('ACL SETUSER tx -exec');
      await run('EXEC');
      await play('ACL SETUSER tx +exec');
      await run('EXEC\nDISCARD');
      const entries = ({ raw }: Reply) =>
        String(raw.toString('latin1').match(/(reason|context|object|username)\r\n\$\d+\r\n.*/g));
      await diff.sameBy((left, right) => entries(left) === entries(right), 'ACL', 'LOG');
    } finally {
      await play('ACL LOG RESET\nACL DELUSER tx');
    }
  });

  it('commands of all shards, and long ones', async () => {
    await play('MSET a 1 b 2 c 3\nRPUSH l 3 1 2\nSET w_1 3\nSET w_2 2\nSET w_3 1');
    await play(
      'MULTI\nSET d 4\nDBSIZE\nSORT l BY w_*\nDEBUG DIGEST\nSCAN 0 MATCH a COUNT 1000\nRANDOMKEY x\nEXEC',
    );
    await play(
      'MULTI\nKEYS d\nSORT l BY w_* STORE sorted\nLRANGE sorted 0 -1\nSELECT 1\nSET z 1\nSWAPDB 0 1\nDBSIZE\nFLUSHDB\nDBSIZE\nSET y 1\nEXEC\nKEYS *',
    );
    await play('MULTI\nFLUSHALL\nSET a 1\nDEBUG DIGEST\nEXEC\nDEBUG DIGEST');
    const long = 'x'.repeat(400_000);
    await diff.same('SET', 'long', long);
    await diff.same('MULTI');
    for (let i = 0; i < 3; i++) {
      await diff.same('APPEND', 'long', long);
      await diff.same('STRLEN', 'long');
      await diff.same('BITCOUNT', 'long');
    }
    await diff.same('GET', 'long');
    await diff.same('EXEC');
  });

  it('what other threads answer, in its place', async () => {
    await play(
      'SET a 1\nMULTI\nCONFIG SET hz 20\nCONFIG GET hz\nSET b 2\nCONFIG SET hz 10\nGET a\nCONFIG GET hz\nCONFIG SET nosuch 1\nKEYS b\nEXEC',
    );
    await play(
      'MULTI\nCLIENT SETNAME me\nCLIENT GETNAME\nKEYS b\nCLIENT SETNAME you\nCLIENT GETNAME\nGET a\nEXEC\nCLIENT GETNAME',
    );
    await play(
      'MULTI\nKEYS none\nCLIENT REPLY SKIP\nHELLO 2 SETNAME x\nSLOWLOG LEN x\nSLOWLOG RESET\nEXEC',
    ).catch((error: Error) => {
      // HELLO tells versions and ids.
      if (!error.message.includes('7.0.15')) throw error;
    });
  });

  it('many commands, and large ones', async () => {
    await diff.same('MULTI');
    for (let i = 0; i < 300; i++)
      await diff.same('MSET', ...Array.from({ length: 40 }, (_, j) => `${i}:${j}`));
    await diff.same('SET', 'large', 'y'.repeat(3_000_000));
    await diff.same('EXEC');
    await diff.sameDataSet();
  });
});

/** Waits until so many clients of both servers wait for keys. */
async function untilBlocked(diff: Differential, count = 1): Promise<void> {
  for (const client of [diff.sabre, diff.redis])
    await expect
      .poll(async () => String(await client.call('INFO', 'clients')), { timeout: 10_000 })
      .toContain(`blocked_clients:${count}\r`);
}

describeTopologies('a transaction of many clients', (server) => {
  it('a client that leaves takes its watches along, also while its EXEC is on its way', async () => {
    const admin = await server.connect();
    const watched = async () =>
      /total_watched_keys:(\d+)/.exec(String(await admin.call('INFO', 'clients')))![1];
    for (let round = 0; round < 20; round++) {
      const client = await server.connect();
      const commands: Argument[][] = [
        ['WATCH', `a${round}`, `b${round}`],
        ['MULTI'],
        ['KEYS', 'a*'],
        ['EXEC'],
      ];
      if (round % 2 === 0) await client.pipeline(commands.slice(0, 3));
      else for (const command of commands) client.send(...command);
      await client.close();
    }
    await expect.poll(watched, { timeout: 10_000 }).toBe('0');
    onTestFinished(() => admin.close());
  });

  it('the queue counts as input', async () => {
    const admin = await server.connect();
    await admin.call('CONFIG', 'SET', 'client-query-buffer-limit', 1024 * 1024);
    const client = await server.connect();
    await client.call('MULTI');
    const sent = async () => {
      for (let i = 0; i < 20; i++) await client.command('SET', 'k', 'x'.repeat(100_000));
    };
    await expect(sent()).rejects.toThrow();
    await admin.call('CONFIG', 'SET', 'client-query-buffer-limit', 1024 * 1024 * 1024);
  });
});
