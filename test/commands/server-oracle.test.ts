// The server's own commands against redis-server: errors, edge cases and shapes of replies, byte by byte where both
// servers can answer the same.

import { expect, it } from 'vitest';
import { masked, sameOutcome, sameType, unorderedPairs } from '../support/comparisons.ts';
import { describeDifferential } from '../support/differential.ts';

const VERSION = /\$\d+\r\n7\.\d+\.\d+/g;
const ID = /id\r\n:\d+/g;

/** Commands whose replies must be the same bytes, in this order on one connection. */
const SAME: Record<string, readonly string[]> = {
  connection: [
    'PING',
    'PING hello',
    'PING a b',
    'ECHO x',
    'ECHO',
    'ECHO a b',
    'SELECT 1',
    'SELECT 15',
    'SELECT 16',
    'SELECT -1',
    'SELECT abc',
    'SELECT 99999999999',
    'SELECT 1.5',
    'SELECT 0',
    'AUTH a',
    'AUTH a b',
    'AUTH default b',
    'AUTH a b c',
    'AUTH',
    'HELLO 4',
    'HELLO 1',
    'HELLO abc',
    'HELLO 99999999999999999999',
    'HELLO 9223372036854775807',
    'HELLO 2 foo',
    'HELLO 2 AUTH a',
    'HELLO 2 AUTH nobody x',
    'HELLO 2 SETNAME',
    'HELLO x AUTH default y',
    'RESET a',
    'RESET',
  ],
  client: [
    'CLIENT',
    'CLIENT foo',
    'CLIENT GETNAME',
    'CLIENT SETNAME me',
    'CLIENT GETNAME',
    'CLIENT SETNAME',
    'CLIENT KILL 1.2.3.4:1',
    'CLIENT KILL ID abc',
    'CLIENT KILL ID 0',
    'CLIENT KILL ID -1',
    'CLIENT KILL ID 999999',
    'CLIENT KILL TYPE foo',
    'CLIENT KILL TYPE pubsub',
    'CLIENT KILL TYPE MASTER',
    'CLIENT KILL TYPE slave',
    'CLIENT KILL USER nobody',
    'CLIENT KILL SKIPME maybe',
    'CLIENT KILL foo bar',
    'CLIENT KILL ID 1 ADDR',
    'CLIENT KILL ADDR 1.2.3.4:5 LADDR 1.2.3.4:5 SKIPME yes',
    'CLIENT KILL',
    'CLIENT LIST TYPE foo',
    'CLIENT LIST TYPE pubsub',
    'CLIENT LIST TYPE replica',
    'CLIENT LIST ID',
    'CLIENT LIST ID abc',
    'CLIENT LIST ID 0',
    'CLIENT LIST ID 0 999999',
    'CLIENT LIST TYPE',
    'CLIENT LIST foo',
    'CLIENT PAUSE abc',
    'CLIENT PAUSE -1',
    'CLIENT PAUSE 99999999999999999999',
    'CLIENT PAUSE 1 foo',
    'CLIENT PAUSE abc foo',
    'CLIENT PAUSE 1 ALL x',
    'CLIENT PAUSE 0',
    'CLIENT UNPAUSE',
    'CLIENT UNPAUSE x',
    'CLIENT UNBLOCK abc',
    'CLIENT UNBLOCK 999999',
    'CLIENT UNBLOCK 1 foo',
    'CLIENT UNBLOCK 999999 ERROR',
    'CLIENT UNBLOCK 1 TIMEOUT x',
    'CLIENT REPLY foo',
    'CLIENT REPLY ON',
    'CLIENT NO-EVICT foo',
    'CLIENT NO-EVICT on',
    'CLIENT NO-EVICT OFF',
    'CLIENT GETREDIR',
    'CLIENT TRACKINGINFO',
    'CLIENT TRACKING foo',
    'CLIENT TRACKING OFF',
    'CLIENT CACHING yes',
    'CLIENT CACHING foo',
  ],
  config: [
    'CONFIG',
    'CONFIG foo',
    'CONFIG GET',
    'CONFIG GET slowlog-max-len',
    'CONFIG GET nothing',
    'CONFIG SET a',
    'CONFIG SET a b',
    'CONFIG SET a b c',
    'CONFIG SET slowlog-max-len abc',
    'CONFIG SET slowlog-max-len 128 slowlog-max-len 128',
    'CONFIG SET slowlog-max-len 100',
    'CONFIG GET slowlog-max-len',
    'CONFIG SET slowlog-max-len 128',
    'CONFIG RESETSTAT',
    'CONFIG RESETSTAT a',
    'CONFIG REWRITE',
    'CONFIG HELP',
    'CONFIG HELP a',
  ],
  slowlog: [
    'SLOWLOG',
    'SLOWLOG foo',
    'SLOWLOG RESET',
    'SLOWLOG LEN',
    'SLOWLOG LEN a',
    'SLOWLOG GET',
    'SLOWLOG GET 0',
    'SLOWLOG GET -1',
    'SLOWLOG GET -2',
    'SLOWLOG GET abc',
    'SLOWLOG get 1 2',
    'SLOWLOG HELP',
  ],
  latency: [
    'LATENCY',
    'LATENCY foo',
    'LATENCY DOCTOR',
    'LATENCY DOCTOR a',
    'LATENCY GRAPH foo',
    'LATENCY GRAPH',
    'LATENCY HISTORY foo',
    'LATENCY LATEST',
    'LATENCY RESET',
    'LATENCY RESET a b',
    'LATENCY HISTOGRAM nothing',
    'LATENCY HELP',
  ],
  memory: [
    'MEMORY',
    'MEMORY foo',
    'MEMORY DOCTOR',
    'MEMORY PURGE',
    'MEMORY USAGE',
    'MEMORY USAGE nothing',
    'MEMORY USAGE nothing SAMPLES',
    'MEMORY USAGE nothing SAMPLES -1',
    'MEMORY USAGE nothing SAMPLES abc',
    'MEMORY USAGE nothing SAMPLES 0',
    'MEMORY USAGE nothing SAMPLES 1 SAMPLES 2',
    'MEMORY USAGE nothing foo 1',
    'MEMORY HELP',
  ],
  server: [
    'ROLE',
    'ROLE a',
    'TIME a',
    'MONITOR a',
    'SHUTDOWN foo',
    'SHUTDOWN SAVE NOSAVE',
    'SHUTDOWN NOSAVE ABORT',
    'SHUTDOWN ABORT',
    'LOLWUT VERSION abc',
    'LOLWUT VERSION 5 x',
    'LOLWUT VERSION 5 1 x',
    'LOLWUT VERSION 5 1 1 x',
    'LOLWUT VERSION 6 x',
    'LOLWUT VERSION 6 1 x',
    'INFO nothing',
    'INFO nothing and nobody',
    'INFO cluster',
    'INFO modules',
  ],
};

describeDifferential('commands of the server itself', (diff) => {
  for (const [family, commands] of Object.entries(SAME)) {
    it(`${family}: same replies`, async () => {
      for (const command of commands) await diff.same(...command.split(' '));
    });
  }

  it('HELLO', async () => {
    const like = masked(new RegExp(`${VERSION.source}|${ID.source}`, 'g'));
    await diff.sameBy(like, 'HELLO');
    await diff.sameBy(like, 'HELLO', '2');
    await diff.sameBy(like, 'HELLO', '3', 'AUTH', 'default', 'anything', 'SETNAME', 'me');
    await diff.same('CLIENT', 'GETNAME');
    await diff.same('CLIENT', 'TRACKINGINFO');
    await diff.same('RESET');
    await diff.same('CLIENT', 'GETNAME');
    await diff.same('CONFIG', 'GET', 'maxmemory');
  });

  it('CONFIG GET with names and patterns that overlap', async () => {
    const names = ['slowlog-max-len', 'SLOWLOG-log-slower-than', 'slowlog-*', 'slowlog-max-len'];
    await diff.sameBy(unorderedPairs, 'CONFIG', 'GET', ...names);
  });

  it('names with bad characters', async () => {
    for (const name of ['a b', 'a\n', '\x7f', '\x80', '', '!~']) {
      await diff.same('CLIENT', 'SETNAME', name);
      await diff.same('HELLO', '9', 'SETNAME', name);
      await diff.same('CLIENT', 'GETNAME');
    }
  });

  it('texts with NUL, line ends and bytes in errors', async () => {
    for (const text of ['a\0b', 'a\r\nb', 'ü', 'x'.repeat(300)]) {
      await diff.same('HELLO', '2', text);
      await diff.same('CLIENT', 'KILL', 'TYPE', text);
      await diff.same('CLIENT', 'KILL', 'USER', text);
      await diff.same('CLIENT', 'LIST', 'TYPE', text);
      await diff.same('LATENCY', 'GRAPH', text);
      await diff.same('SLOWLOG', text);
    }
  });

  it('CLIENT REPLY', async () => {
    diff.send('CLIENT', 'REPLY', 'OFF');
    diff.send('PING');
    diff.send('CLIENT', 'REPLY', 'SKIP');
    await diff.same('CLIENT', 'REPLY', 'ON');
    diff.send('CLIENT', 'REPLY', 'SKIP');
    diff.send('PING', 'skipped');
    await diff.same('PING', 'heard');
    diff.send('CLIENT', 'REPLY', 'SKIP');
    diff.send('CLIENT', 'LIST');
    await diff.same('PING', 'heard again');
    diff.send('CLIENT', 'REPLY', 'OFF');
    await diff.same('RESET');
  });

  it('QUIT answers and closes', async () => {
    await diff.same('QUIT');
    await diff.sabre.readUntilClosed();
    await diff.open();
    await diff.same('QUIT', 'now');
    await diff.sabre.readUntilClosed();
  });

  it('CLIENT KILL of oneself by the old form', async () => {
    for (const client of [diff.sabre, diff.redis]) {
      const info = String(await client.call('CLIENT', 'INFO'));
      const address = / addr=(\S+)/.exec(info)![1]!;
      expect(await client.call('CLIENT', 'KILL', address)).toBe('OK');
      await client.readUntilClosed();
    }
  });

  it('keeps the data apart by database', async () => {
    await diff.sameOk('SELECT', '3');
    await diff.sameOk('SET', 'k', 'v');
    await diff.sameBy(masked(/avg_ttl=\d+(,subexpiry=0)?|\d+\r\n# Key|[$=]\d+/g), 'INFO', 'keyspace');
    await diff.sameOk('SELECT', '0');
    await diff.same('GET', 'k');
  });

  it('LOLWUT draws what is not random', async () => {
    for (const size of ['40 2 2', '66 8 1', '1 1 1', '20 1 1', '3 2 1', '77 5 2', '0 -5 0', '1000 300 2']) {
      const like = masked(/7\.\d+\.\d+|[$=]\d+/g);
      await diff.sameBy(like, 'LOLWUT', 'VERSION', '5', ...size.split(' '));
    }
    const tail = masked(/7\.\d+\.\d+|[$=]\d+/g);
    for (const args of ['', 'VERSION', 'VERSION 9', 'VERSION 9 x', '1 2', 'a']) {
      await diff.sameBy(tail, 'LOLWUT', ...args.split(' ').filter((arg) => arg !== ''));
    }
  });

  it('replies of the same type', async () => {
    await diff.sameOk('SET', 'key', 'value');
    for (const command of [
      'MEMORY USAGE key',
      'MEMORY MALLOC-STATS',
      'TIME',
      'CLIENT ID',
      'LOLWUT VERSION 6',
    ]) {
      await diff.sameBy(sameType, ...command.split(' '));
    }
    await diff.sameBy(sameOutcome, 'LATENCY', 'HISTOGRAM', 'SET', 'get');
  });
});
