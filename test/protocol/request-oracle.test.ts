/** The request parser against redis-server, byte by byte: same commands, same errors, at the same byte. */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeCommand, Oracle } from './oracle.ts';
import { everyByte, type FeedOptions, feed } from './parsing.ts';
import { requestCorpus } from './request-corpus.ts';

/** What 7.0 answers to a command it does not know, from the arguments it saw. */
function unknownCommand(args: string[]): string {
  const cString = (text: string, max: number): string => text.split('\0', 1)[0].slice(0, max);
  let shown = '';
  for (let i = 1; i < args.length && shown.length < 128; i++) {
    shown += "'" + cString(args[i], 128 - shown.length) + "' ";
  }
  const text = `unknown command '${cString(args[0], 128)}', with args beginning with: ${shown}`;
  return '-ERR ' + text.replace(/[\r\n]+$/, '').replace(/[\r\n]/g, ' ') + '\r\n';
}

interface Seen {
  replies: string;
  /** Bytes sent when the connection closed; -1: it did not. */
  closedAt: number;
}

/** Sends in pieces; settles behind each piece, so that it is known which one made the server close. */
async function observe(oracle: Oracle, bytes: Buffer, cuts: number[]): Promise<Seen> {
  const connection = await oracle.connect();
  try {
    let from = 0;
    for (const cut of [...cuts, bytes.length]) {
      await connection.write(bytes.subarray(from, cut));
      from = cut;
      await oracle.settle();
      if (connection.closed) return { replies: connection.received.toString('latin1'), closedAt: cut };
    }
    return { replies: connection.received.toString('latin1'), closedAt: -1 };
  } finally {
    connection.destroy();
  }
}

function expected(
  bytes: Buffer,
  cuts: number[],
  options: FeedOptions,
  reply: (args: string[]) => string,
): Seen {
  const found = feed(bytes, cuts, options);
  let replies = found.commands.map(reply).join('');
  if (found.error !== null) replies += '-ERR ' + found.error + '\r\n';
  return { replies, closedAt: found.errorAt };
}

describe('requests against redis-server', () => {
  let oracle: Oracle;
  let guarded: Oracle;
  beforeAll(async () => {
    oracle = await Oracle.start(['--proto-max-bulk-len', '512mb']);
    guarded = await Oracle.start();
  });
  afterAll(async () => {
    await oracle?.stop();
    await guarded?.stop();
  });

  it('the corpus, one byte at a time', async () => {
    for (const text of requestCorpus) {
      const bytes = Buffer.from(text, 'latin1');
      const cuts = everyByte(bytes.length);
      const seen = await observe(oracle, bytes, cuts);
      expect(seen, JSON.stringify(text)).toEqual(expected(bytes, cuts, {}, unknownCommand));
    }
  });

  it('the corpus at once', async () => {
    for (const text of requestCorpus) {
      const bytes = Buffer.from(text, 'latin1');
      const seen = await observe(oracle, bytes, []);
      expect(seen, JSON.stringify(text)).toEqual(expected(bytes, [], {}, unknownCommand));
    }
  });

  it('mutations of pipelines, cut anywhere', async () => {
    const piece = fc.constantFrom(
      '*',
      '$',
      '\r\n',
      '\r',
      '\n',
      '0',
      '1',
      '3',
      '-',
      ' ',
      '"',
      "'",
      'FOO',
      '\0',
      '\xff',
    );
    const source = fc.oneof(
      fc.constantFrom(...requestCorpus),
      fc.array(piece, { maxLength: 12 }).map((a) => a.join('')),
    );
    const edit = fc.tuple(fc.nat(), fc.nat(2), piece);
    const sample = fc.tuple(
      fc.array(source, { minLength: 1, maxLength: 4 }),
      fc.array(edit, { maxLength: 3 }),
      fc.array(fc.nat(), { maxLength: 4 }),
    );
    await fc.assert(
      fc.asyncProperty(sample, async ([parts, edits, at]) => {
        let text = parts.join('');
        for (const [where, remove, insert] of edits) {
          const i = where % (text.length + 1);
          text = text.slice(0, i) + insert + text.slice(i + remove);
        }
        const bytes = Buffer.from(text, 'latin1');
        if (bytes.length === 0) return;
        const cuts = [...new Set(at.map((n) => n % bytes.length))].filter((n) => n > 0).sort((a, b) => a - b);
        expect(await observe(oracle, bytes, cuts)).toEqual(expected(bytes, cuts, {}, unknownCommand));
      }),
      { numRuns: 400 },
    );
  });

  it('inline arguments, exactly', async () => {
    const atom = fc.constantFrom(
      '"',
      "'",
      '\\',
      ' ',
      '\t',
      '\v',
      'x',
      '4',
      '1',
      'a',
      'n',
      'r',
      '\\x41',
      '\\"',
      "\\'",
      '\xff',
    );
    await fc.assert(
      fc.asyncProperty(fc.array(atom, { maxLength: 14 }), async (atoms) => {
        const line = Buffer.from('RPUSH list . ' + atoms.join('') + '\r\n', 'latin1');
        await oracle.ask([['DEL', 'list']]);
        const connection = await oracle.connect();
        await connection.write(line);
        await oracle.settle();
        const failed = connection.closed ? connection.received.toString('latin1') : null;
        connection.destroy();
        const found = feed(line, []);
        expect(failed).toBe(found.error === null ? null : '-ERR ' + found.error + '\r\n');
        if (found.error !== null) return;
        const [stored] = await oracle.ask([['LRANGE', 'list', '0', '-1']]);
        expect(found.commands).toHaveLength(1);
        expect(found.commands[0].slice(2).join('\0')).toBe(stored);
      }),
      { numRuns: 300 },
    );
  });

  it('lines without an end', async () => {
    const long = (head: string, filler: string, bytes: number): Buffer =>
      Buffer.from(head + filler.repeat(bytes), 'latin1');
    const cases: [Buffer, number[]][] = [
      [long('', 'a', 65538), [65535, 65536, 65537]],
      [long('*', '1', 65537), [65535, 65536, 65537]],
      [long('*', '1', 65537), [3]],
      [long('*2\r\n', '$', 65538), [65539, 65540, 65541]],
      [long('*2\r\n$3\r\nFOO\r\n', '1', 65538), [65535, 65548, 65549, 65550]],
      [long('*1\0\r\n', '1', 65536), [65535, 65536, 65537]],
      [long('a\0\r\n', '1', 65536), [65535, 65536, 65537]],
    ];
    for (const [bytes, cuts] of cases) {
      const seen = await observe(oracle, bytes, cuts);
      expect(seen, bytes.toString('latin1', 0, 20)).toEqual(expected(bytes, cuts, {}, unknownCommand));
      expect(seen.closedAt).toBeGreaterThan(0);
    }
  });

  it('limits before authentication', async () => {
    await guarded.ask([['CONFIG', 'SET', 'requirepass', 'secret']]);
    const reply = (): string => '-NOAUTH Authentication required.\r\n';
    const texts = [
      '*10\r\n' + '$3\r\nGET\r\n'.repeat(10),
      '*11\r\n' + '$3\r\nGET\r\n'.repeat(11),
      '*2147483647\r\n',
      '*2147483648\r\n',
      '*2\r\n$3\r\nGET\r\n$16384\r\n' + 'x'.repeat(16384) + '\r\n',
      '*2\r\n$3\r\nGET\r\n$16385\r\n',
      '*2\r\n$3\r\nGET\r\n$536870913\r\n',
      '*2\r\n$3\r\nGET\r\n$-1\r\n',
    ];
    for (const text of texts) {
      const bytes = Buffer.from(text, 'latin1');
      const cuts = bytes.length > 300 ? [20] : everyByte(bytes.length);
      const options = { authRequired: true };
      // The arity error comes before NOAUTH only for known commands with a wrong count: GET with 10 arguments.
      const replyTo = (args: string[]): string =>
        args.length === 2 ? reply() : "-ERR wrong number of arguments for 'get' command\r\n";
      const seen = await observe(guarded, bytes, cuts);
      expect(seen, text.slice(0, 40)).toEqual(expected(bytes, cuts, options, replyTo));
    }
  });

  it('proto-max-bulk-len', async () => {
    await oracle.ask([['CONFIG', 'SET', 'proto-max-bulk-len', '1048576']]);
    for (const length of ['1048576', '1048577', '10485760']) {
      const bytes = Buffer.from('*2\r\n$3\r\nFOO\r\n$' + length + '\r\n');
      const cuts = everyByte(bytes.length);
      const options = { maxBulkLength: 1048576 };
      expect(await observe(oracle, bytes, cuts)).toEqual(expected(bytes, cuts, options, unknownCommand));
    }
    await oracle.ask([['CONFIG', 'SET', 'proto-max-bulk-len', '536870912']]);
  });

  it('a command of many arguments in pieces', async () => {
    const args = ['RPUSH', 'many', ...Array.from({ length: 5000 }, (_, i) => 'x'.repeat(i % 40) + i)];
    const bytes = encodeCommand(args);
    const cuts = [1, 100, 101, 5000, 20000, bytes.length - 1];
    const found = feed(bytes, cuts);
    expect(found.commands).toEqual([args]);
    await oracle.ask([['DEL', 'many']]);
    expect((await observe(oracle, bytes, cuts)).replies).toBe(':5000\r\n');
    const [stored] = await oracle.ask([['LRANGE', 'many', '0', '-1']]);
    expect(stored).toBe(args.slice(2).join('\0'));
  });
});
