/** The request parser on its own: any cut gives what the whole gives, cost is linear, nothing trusts a length. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  ParseState,
  ParseStatus,
  ProtocolErrorText,
  RequestParser,
} from '../../src/protocol/request-parser.ts';
import { encodeCommand } from './oracle.ts';
import { argumentsOf, everyByte, type Found, feed } from './parsing.ts';
import { requestCorpus } from './request-corpus.ts';

/** What must not depend on how the bytes were cut. */
function essence(found: Found): object {
  return { commands: found.commands, empties: found.empties, error: found.error, rest: found.rest };
}

const argument = fc.oneof(
  fc.string({ unit: 'binary-ascii', maxLength: 30 }),
  fc.constantFrom('', '\r\n', '*1\r\n', '$3\r\nabc\r\n', '\0', '\xff'),
  fc.nat(300).map((n) => 'y'.repeat(n)),
);
const command = fc.array(argument, { minLength: 1, maxLength: 14 });

describe('RequestParser', () => {
  it('the corpus, cut at every boundary and byte by byte', () => {
    for (const text of requestCorpus) {
      const bytes = Buffer.from(text, 'latin1');
      const whole = essence(feed(bytes, []));
      expect(essence(feed(bytes, everyByte(bytes.length))), JSON.stringify(text)).toEqual(whole);
      for (const cut of everyByte(bytes.length)) expect(essence(feed(bytes, [cut]))).toEqual(whole);
    }
  });

  it('reads back pipelines of commands, however cut, and every truncation is incomplete', () => {
    const sample = fc.tuple(
      fc.array(command, { minLength: 1, maxLength: 6 }),
      fc.array(fc.nat(), { maxLength: 8 }),
    );
    fc.assert(
      fc.property(sample, ([commands, at]) => {
        const bytes = Buffer.concat(commands.map(encodeCommand));
        const cuts = [...new Set(at.map((n) => n % bytes.length))].filter((n) => n > 0).sort((a, b) => a - b);
        expect(feed(bytes, cuts)).toEqual({ commands, empties: 0, error: null, errorAt: -1, rest: 0 });
        const last = encodeCommand(commands[commands.length - 1]);
        for (const length of everyByte(last.length)) {
          const found = feed(last.subarray(0, length), []);
          expect(found.commands).toEqual([]);
          expect(found.error).toBe(null);
          expect(found.rest).toBe(length);
        }
      }),
      { numRuns: 150 },
    );
  });

  it('random bytes and mutations: cut or whole, the same', () => {
    const noise = fc.uint8Array({ maxLength: 60 }).map((a) => Buffer.from(a));
    const edits = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 });
    const mutated = fc
      .tuple(fc.array(command, { minLength: 1, maxLength: 4 }), edits)
      .map(([commands, changes]) => {
        const bytes = Buffer.concat(commands.map(encodeCommand));
        for (const [where, value] of changes) bytes[where % bytes.length] = value;
        return bytes;
      });
    const prefixed = noise.map((bytes) => Buffer.concat([Buffer.from('*2\r\n$'), bytes]));
    fc.assert(
      fc.property(fc.oneof(noise, mutated, prefixed), fc.array(fc.nat(), { maxLength: 8 }), (bytes, at) => {
        const length = Math.max(1, bytes.length);
        const cuts = [...new Set(at.map((n) => n % length))].filter((n) => n > 0).sort((a, b) => a - b);
        const whole = essence(feed(bytes, []));
        expect(essence(feed(bytes, cuts))).toEqual(whole);
        expect(essence(feed(bytes, everyByte(bytes.length)))).toEqual(whole);
      }),
      { numRuns: 1000 },
    );
  });

  it('tells what it needs within an argument, and does not know within a line', () => {
    const parser = new RequestParser();
    const state = new ParseState();
    const head = '*2\r\n$3\r\nFOO\r\n$1000\r\n';
    const bytes = Buffer.from(head + 'x'.repeat(1000) + '\r\n');
    expect(parser.parse(bytes, 0, head.length - 1, state)).toBe(ParseStatus.Incomplete);
    expect(state.need).toBe(0);
    expect(parser.parse(bytes, 0, head.length, state)).toBe(ParseStatus.Incomplete);
    expect(state.need).toBe(bytes.length);
    expect(parser.parse(bytes, 0, bytes.length - 1, state)).toBe(ParseStatus.Incomplete);
    expect(state.need).toBe(bytes.length);
    expect(parser.parse(bytes, 0, bytes.length, state)).toBe(ParseStatus.Complete);
    expect(state.pending).toBe(false);
    expect(state.need).toBe(0);
  });

  it('serves several connections in turn', () => {
    const parser = new RequestParser();
    const streams = [['GET', 'a'.repeat(50)], ['SET', 'b', 'c'], ['PING']].map(encodeCommand);
    const states = streams.map(() => new ParseState());
    const done: string[][] = [];
    for (let end = 1; end <= 100; end++) {
      for (let i = 0; i < streams.length; i++) {
        if (end > streams[i].length) continue;
        if (parser.parse(streams[i], 0, end, states[i]) === ParseStatus.Complete)
          done.push(argumentsOf(parser));
      }
    }
    expect(done).toEqual([['PING'], ['SET', 'b', 'c'], ['GET', 'a'.repeat(50)]]);
  });

  it('a large count or length makes nothing grow', () => {
    const parser = new RequestParser();
    for (const text of ['*2147483647\r\n', '*2147483647\r\n$536870912\r\n', '*1000000\r\n$3\r\nFOO\r\n$3']) {
      const state = new ParseState();
      const bytes = Buffer.from(text);
      expect(parser.parse(bytes, 0, bytes.length, state)).toBe(ParseStatus.Incomplete);
      expect(state.memory).toBeLessThan(1024);
      expect(parser.argOff.length).toBe(64);
    }
  });

  it('the arguments of a million, and of 512 MB, fit what arrived', () => {
    const parser = new RequestParser();
    const state = new ParseState();
    const count = 1_000_000;
    const bytes = Buffer.from('*' + count + '\r\n' + '$1\r\nx\r\n'.repeat(count));
    expect(parser.parse(bytes, 0, bytes.length, state)).toBe(ParseStatus.Complete);
    expect(parser.argc).toBe(count);
    expect(parser.argOff[count - 1]).toBe(bytes.length - 3);
    expect(parser.argOff.length).toBe(2 ** 20);
    parser.trim();
    expect(parser.argOff.length).toBe(64);
  });

  it('looks at each byte a bounded number of times, byte by byte or not', () => {
    const count = 20_000;
    const bytes = Buffer.from('*' + count + '\r\n' + '$1\r\nx\r\n'.repeat(count));
    for (const step of [1, 2, 3, 7, 1000, 65536]) {
      let reads = 0;
      const counted = new Proxy(bytes, {
        get(target, key) {
          reads++;
          return Reflect.get(target, key);
        },
      });
      const parser = new RequestParser();
      const state = new ParseState();
      let status: number = ParseStatus.Incomplete;
      let arrays = 0;
      let last = state.args;
      for (let end = step; status === ParseStatus.Incomplete; end += step) {
        status = parser.parse(counted, 0, Math.min(end, bytes.length), state);
        if (state.args !== last) arrays++;
        last = state.args;
      }
      expect(status).toBe(ParseStatus.Complete);
      expect(parser.argc).toBe(count);
      expect(reads).toBeLessThan(bytes.length * 3);
      expect(arrays).toBeLessThan(16);
    }
  });

  it('a line or an argument in many pieces is looked at once', () => {
    for (const text of [
      'FOO ' + 'a'.repeat(50_000) + '\r\n',
      '*2\r\n$3\r\nFOO\r\n$50000\r\n' + 'a'.repeat(50_000) + '\r\n',
    ]) {
      const bytes = Buffer.from(text);
      let reads = 0;
      const counted = new Proxy(bytes, {
        get(target, key) {
          reads++;
          return Reflect.get(target, key);
        },
      });
      const parser = new RequestParser();
      const state = new ParseState();
      let status: number = ParseStatus.Incomplete;
      for (let end = 1; status === ParseStatus.Incomplete; end++)
        status = parser.parse(counted, 0, end, state);
      expect(status).toBe(ParseStatus.Complete);
      expect(parser.argc).toBe(2);
      expect(reads).toBeLessThan(bytes.length * 5);
    }
  });

  it('a master may send arguments above the limit', () => {
    const bytes = encodeCommand(['FOO', 'x'.repeat(20_000)]);
    expect(feed(bytes, [], { maxBulkLength: 19_999 }).error).toBe(ProtocolErrorText.invalidBulkLength);
    for (const cuts of [[], [10], [20, 100]]) {
      expect(feed(bytes, cuts, { maxBulkLength: 19_999, fromMaster: true }).commands).toHaveLength(1);
    }
  });

  it('a command longer than offsets can count is refused', () => {
    const bytes = Buffer.from('*2\r\n$3\r\nFOO\r\n$2147483640\r\n');
    expect(feed(bytes, [], { maxBulkLength: Number.MAX_SAFE_INTEGER }).error).toBe(
      ProtocolErrorText.invalidBulkLength,
    );
  });

  it('a configured maximum of arguments holds', () => {
    const parser = new RequestParser();
    parser.maxMultibulk = 1024 * 1024;
    const bytes = Buffer.from('*1048577\r\n');
    expect(parser.parse(bytes, 0, bytes.length, new ParseState())).toBe(ParseStatus.Error);
    expect(parser.error).toBe(ProtocolErrorText.invalidMultibulkLength);
  });
});
