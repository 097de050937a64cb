// Lists beyond what redis-server 7.0 can confirm: listpacks and the rules of 7.2 for changing the encoding, nodes of
// large elements, changes counted, handing over, running out of memory.

import { beforeEach, describe, expect, it } from 'vitest';
import { OutOfMemoryError } from '../../src/memory/chunk-pool.ts';
import { InProcess } from '../support/in-process.ts';
import { RespError } from '../support/resp-parser.ts';
import { encodingOf } from './against-redis.ts';

let local: InProcess;
beforeEach(() => {
  local = new InProcess();
  local.config.assign('enable-debug-command', 'yes');
  return () => local.checkInvariants();
});

const numbered = (prefix: string, count: number): string[] =>
  Array.from({ length: count }, (_, i) => `${prefix}${i}`);

function all(key: string): string[] {
  return local.value('LRANGE', key, '0', '-1') as string[];
}

/** A figure of DEBUG OBJECT. */
function figure(key: string, name: string): number {
  return Number(new RegExp(`${name}:([0-9.]+)`).exec(local.text('DEBUG', 'OBJECT', key))![1]);
}

describe('the encoding of a list', () => {
  it('counts bytes as Redis does: the listpack and the arguments', () => {
    local.config.assign('list-max-listpack-size', '-1');
    // 7 bytes of an empty listpack, and the element.
    local.run('RPUSH', 'fits', 'x'.repeat(4089));
    local.run('RPUSH', 'too long', 'x'.repeat(4090));
    expect(encodingOf(local, 'fits')).toBe('listpack');
    expect(encodingOf(local, 'too long')).toBe('quicklist');
    local.run('RPUSH', 'grows', 'x'.repeat(4000));
    // The element takes 4000 bytes, 2 of encoding and 2 of backward length.
    local.run('RPUSH', 'grows', 'y'.repeat(85));
    expect(encodingOf(local, 'grows')).toBe('listpack');
    local.run('RPUSH', 'grows', 'z');
    expect(encodingOf(local, 'grows')).toBe('quicklist');
    expect(all('grows').map((text) => text.length)).toEqual([4000, 85, 1]);
  });

  it('counts elements if the limit is a number of them', () => {
    local.config.assign('list-max-listpack-size', '4');
    local.run('RPUSH', 'k', ...numbered('', 4));
    expect(encodingOf(local, 'k')).toBe('listpack');
    local.run('LPUSH', 'k', 'x');
    expect(encodingOf(local, 'k')).toBe('quicklist');
    expect(figure('k', 'ql_nodes')).toBe(2);
    local.run('RPUSH', 'at once', ...numbered('', 5));
    expect(encodingOf(local, 'at once')).toBe('quicklist');
    local.run('RPUSH', 'bytes count, too', 'x'.repeat(8200));
    expect(encodingOf(local, 'bytes count, too')).toBe('quicklist');
  });

  it('goes back at half of the limit, if one node is left', () => {
    local.config.assign('list-max-listpack-size', '4');
    for (const [key, ...shrink] of [
      ['pop', 'LPOP', '6'],
      ['pop behind', 'RPOP', '6'],
      ['trim', 'LTRIM', '1', '2'],
      ['remove', 'LREM', '0', 'x'],
    ] as const) {
      local.run('RPUSH', key, 'x', 'a', 'b', 'x', 'x', 'x', 'x', 'x');
      expect(encodingOf(local, key)).toBe('quicklist');
      local.run(shrink[0], key, ...shrink.slice(1));
      expect([key, encodingOf(local, key), all(key).length]).toEqual([key, 'listpack', 2]);
    }
    local.run('RPUSH', 'stays', ...numbered('', 8));
    local.run('LPOP', 'stays', '5');
    expect(encodingOf(local, 'stays')).toBe('quicklist');
    local.run('LPOP', 'stays');
    expect(encodingOf(local, 'stays')).toBe('listpack');
    // Two nodes of one element each stay two nodes.
    local.run('RPUSH', 'two', ...numbered('', 8));
    local.run('LTRIM', 'two', '3', '4');
    expect(encodingOf(local, 'two')).toBe('quicklist');
  });

  it('follows the limit of today, nodes that of the day they were made', () => {
    local.config.assign('list-max-listpack-size', '2');
    local.run('RPUSH', 'k', ...numbered('', 6));
    local.config.assign('list-max-listpack-size', '100');
    local.run('RPUSH', 'k', 'x');
    expect(figure('k', 'ql_nodes')).toBe(4);
    expect(figure('k', 'ql_listpack_max')).toBe(2);
    local.run('LTRIM', 'k', '0', '1');
    expect(encodingOf(local, 'k')).toBe('listpack');
  });

  it('changes before LSET and LINSERT know whether they will do anything, as in Redis', () => {
    local.config.assign('list-max-listpack-size', '2');
    local.run('RPUSH', 'k', 'a', 'b');
    expect(local.value('LSET', 'k', '7', 'x')).toEqual(new RespError('ERR index out of range'));
    expect(encodingOf(local, 'k')).toBe('quicklist');
    local.run('RPUSH', 'i', 'a', 'b');
    expect(local.value('LINSERT', 'i', 'BEFORE', 'x', 'y')).toBe(-1);
    expect(encodingOf(local, 'i')).toBe('quicklist');
  });

  it('of a list that is moved within itself does not change', () => {
    local.config.assign('list-max-listpack-size', '2');
    local.run('RPUSH', 'k', 'a', 'b');
    expect(local.value('RPOPLPUSH', 'k', 'k')).toBe('b');
    expect(local.value('LMOVE', 'k', 'k', 'LEFT', 'LEFT')).toBe('b');
    expect(all('k')).toEqual(['b', 'a']);
    expect(encodingOf(local, 'k')).toBe('listpack');
    local.run('LPUSH', 'one', 'only');
    expect(local.value('LMOVE', 'one', 'one', 'LEFT', 'RIGHT')).toBe('only');
    expect(all('one')).toEqual(['only']);
  });
});

describe('nodes of a list', () => {
  it('hold one large element as it is', () => {
    local.run('RPUSH', 'k', 'a', 'x'.repeat(8193), 'b', 'y'.repeat(8192));
    expect(figure('k', 'ql_nodes')).toBe(4);
    expect(figure('k', 'ql_avg_node')).toBe(1);
    expect(all('k').map((text) => text.length)).toEqual([1, 8193, 1, 8192]);
  });

  it('are plain from the threshold of DEBUG on', () => {
    local.config.assign('list-max-listpack-size', '3');
    local.run('DEBUG', 'QUICKLIST-PACKED-THRESHOLD', '5');
    local.run('RPUSH', 'k', 'a', 'b', 'fives', 'c', 'sixsix', '123456');
    expect(figure('k', 'ql_nodes')).toBe(5);
    local.run('LSET', 'k', '0', 'large');
    expect(figure('k', 'ql_nodes')).toBe(6);
    expect(all('k')).toEqual(['large', 'b', 'fives', 'c', 'sixsix', '123456']);
    local.run('DEBUG', 'QUICKLIST-PACKED-THRESHOLD', '0');
    local.run('LSET', 'k', '2', 'small');
    expect(all('k')).toEqual(['large', 'b', 'small', 'c', 'sixsix', '123456']);
  });

  it('are compressed inside', () => {
    local.config.assign('list-max-listpack-size', '10');
    local.run('RPUSH', 'plain', ...new Array(1000).fill('the same text in all elements'));
    local.config.assign('list-compress-depth', '1');
    local.run('RPUSH', 'k', ...new Array(1000).fill('the same text in all elements'));
    expect(figure('k', 'ql_compressed')).toBe(1);
    expect(figure('k', 'ql_uncompressed_size')).toBe(figure('plain', 'ql_uncompressed_size'));
    const [plain, compressed] = ['plain', 'k'].map((key) =>
      local.value('MEMORY', 'USAGE', key, 'SAMPLES', '0'),
    );
    expect(compressed).toBeLessThan((plain as number) / 2);
    local.run('LSET', 'k', '500', 'other');
    expect(local.value('LPOS', 'k', 'other')).toBe(500);
    local.run('LTRIM', 'k', '495', '505');
    expect(all('k').indexOf('other')).toBe(5);
    expect(local.value('LREM', 'k', '0', 'the same text in all elements')).toBe(10);
    expect(all('k')).toEqual(['other']);
  });

  it('of a large list are reached from both ends', () => {
    const texts = numbered('element ', 100_000);
    for (let i = 0; i < texts.length; i += 1000) local.run('RPUSH', 'k', ...texts.slice(i, i + 1000));
    for (const index of [0, 1, 49_999, 50_000, 77_777, 99_999]) {
      expect(local.value('LINDEX', 'k', String(index))).toBe(texts[index]);
      expect(local.value('LINDEX', 'k', String(index - texts.length))).toBe(texts[index]);
    }
    expect(local.value('LRANGE', 'k', '33333', '33340')).toEqual(texts.slice(33_333, 33_341));
    local.run('LTRIM', 'k', '20000', '-30001');
    expect(all('k')).toEqual(texts.slice(20_000, 70_000));
    expect(local.value('RPOP', 'k', '49000')).toEqual(texts.slice(21_000, 70_000).reverse());
    expect(local.value('LLEN', 'k')).toBe(1000);
  });
});

describe('DEBUG', () => {
  it('shows listpacks and quicklists, and nothing else', () => {
    local.run('RPUSH', 'small', 'a', '12', 'x'.repeat(100));
    local.run('RPUSH', 'large', 'y'.repeat(9000), 'b');
    local.run('SET', 'string', 'x');
    expect(local.value('DEBUG', 'LISTPACK', 'small')).toBe('Listpack structure printed on stdout');
    expect(local.value('DEBUG', 'QUICKLIST', 'large')).toBe('Quicklist structure printed on stdout');
    expect(local.value('DEBUG', 'QUICKLIST', 'large', '1')).toBe('Quicklist structure printed on stdout');
    expect(local.value('DEBUG', 'LISTPACK', 'large')).toEqual(
      new RespError('ERR Not a listpack encoded object.'),
    );
    expect(local.value('DEBUG', 'QUICKLIST', 'small')).toEqual(
      new RespError('ERR Not a quicklist encoded object.'),
    );
    expect(local.value('DEBUG', 'LISTPACK', 'missing')).toEqual(new RespError('ERR no such key'));
  });
});

describe('changes that lists count', () => {
  const dirtyAfter = (...args: string[]): number => {
    local.run(...args);
    return local.lastDirty;
  };

  it('are elements that came or went', () => {
    expect(dirtyAfter('RPUSH', 'k', 'a', 'b', 'a', 'c', 'a', 'd')).toBe(6);
    expect(dirtyAfter('LPUSHX', 'missing', 'a')).toBe(0);
    expect(dirtyAfter('LREM', 'k', '2', 'a')).toBe(2);
    expect(dirtyAfter('LREM', 'k', '2', 'x')).toBe(0);
    expect(dirtyAfter('LSET', 'k', '0', 'x')).toBe(1);
    expect(dirtyAfter('LINSERT', 'k', 'AFTER', 'x', 'y')).toBe(1);
    expect(dirtyAfter('LINSERT', 'k', 'AFTER', 'none', 'y')).toBe(0);
    expect(dirtyAfter('LMOVE', 'k', 'other', 'LEFT', 'LEFT')).toBe(1);
    expect(dirtyAfter('LMOVE', 'k', 'k', 'LEFT', 'RIGHT')).toBe(1);
    expect(dirtyAfter('LTRIM', 'k', '1', '2')).toBe(2);
    expect(dirtyAfter('LTRIM', 'k', '0', '-1')).toBe(0);
    expect(dirtyAfter('LMPOP', '1', 'k', 'LEFT', 'COUNT', '9')).toBe(2);
    expect(dirtyAfter('LPOP', 'k')).toBe(0);
    expect(dirtyAfter('LPOP', 'other')).toBe(1);
  });
});

describe('long work on lists', () => {
  it('is handed over before anything is changed', () => {
    const acceptor = new InProcess({ mayBlock: false });
    for (let i = 0; i < 60; i++) acceptor.run('RPUSH', 'k', ...numbered(`a text of some length ${i} `, 500));
    expect(acceptor.value('LLEN', 'k')).toBe(30_000);
    for (const args of [
      ['LRANGE', 'k', '0', '-1'],
      ['LPOP', 'k', '20000'],
      ['LREM', 'k', '0', 'x'],
      ['LINSERT', 'k', 'AFTER', 'x', 'y'],
      ['LPOS', 'k', 'x'],
      ['LMPOP', '1', 'k', 'LEFT', 'COUNT', '20000'],
      ['BLMPOP', '0', '1', 'k', 'LEFT', 'COUNT', '20000'],
    ]) {
      expect([args[0], acceptor.run(...args).length, acceptor.cx.handedOver]).toEqual([args[0], 0, true]);
    }
    expect(acceptor.value('LRANGE', 'k', '15000', '15100')).toHaveLength(101);
    expect(acceptor.value('LPOS', 'k', 'x', 'MAXLEN', '100')).toBe(null);
    expect(acceptor.value('LPOP', 'k', '100')).toHaveLength(100);
    acceptor.run('RPUSH', 'large', 'x'.repeat(300_000));
    for (const args of [
      ['LPOP', 'large'],
      ['LINDEX', 'large', '0'],
      ['LMOVE', 'large', 'k', 'LEFT', 'LEFT'],
      ['BRPOP', 'large', '0'],
    ]) {
      expect([args[0], acceptor.run(...args).length, acceptor.cx.handedOver]).toEqual([args[0], 0, true]);
    }
    expect(acceptor.value('LLEN', 'large')).toBe(1);
  });
});

describe('lists without memory', () => {
  /** Lets the n-th allocation from now on fail. */
  function failAt(nth: number): () => void {
    let count = 0;
    const restore = local.keyspace.shards.map((shard) => {
      const { arena } = shard;
      const alloc = arena.alloc.bind(arena);
      arena.alloc = (bytes) => {
        if (++count === nth) throw new OutOfMemoryError();
        return alloc(bytes);
      };
      return () => {
        arena.alloc = alloc;
      };
    });
    return () => {
      for (const back of restore) back();
    };
  }

  it.each([
    ['a new list', [], ['RPUSH', 'k', ...numbered('some text ', 300)]],
    ['a new quicklist', [], ['LPUSH', 'k', 'x'.repeat(9000), 'y'.repeat(9000), 'z']],
    ['pushes', ['RPUSH', 'k', 'a', 'b'], ['LPUSH', 'k', ...numbered('some text ', 40)]],
    ['pushes that convert', ['RPUSH', 'k', 'a', 'b'], ['RPUSH', 'k', ...numbered('some text ', 1000)]],
    ['inserts', ['RPUSH', 'k', 'a', 'b'], ['LINSERT', 'k', 'AFTER', 'a', 'x'.repeat(9000)]],
    ['replacements', ['RPUSH', 'k', 'a', 'b', 'c'], ['LSET', 'k', '1', 'x'.repeat(9000)]],
    ['moves', ['RPUSH', 'k', 'x'.repeat(9000), 'b'], ['LMOVE', 'k', 'other', 'LEFT', 'LEFT']],
    ['moves within', ['RPUSH', 'k', 'x'.repeat(9000), 'b'], ['LMOVE', 'k', 'k', 'LEFT', 'RIGHT']],
  ] as [string, string[], string[]][])('%s leave nothing half done', (_name, before, args) => {
    let failures = 0;
    for (let nth = 1; nth < 200; nth++) {
      local.run('DEL', 'k', 'other');
      if (before.length > 0) local.run(...before);
      const old = all('k');
      const restore = failAt(nth);
      const reply = local.text(...args);
      restore();
      local.checkInvariants();
      if (!reply.startsWith('-OOM')) {
        if (nth > 1) break;
        continue;
      }
      failures++;
      expect(all('k')).toEqual(old);
      expect(local.value('EXISTS', 'other')).toBe(0);
      expect(local.lastDirty).toBe(0);
    }
    expect(failures).toBeGreaterThan(0);
  });
});
