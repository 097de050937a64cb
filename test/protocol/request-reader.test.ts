/** The reader of a connection's requests and the buffer behind it: same commands however cut, few copies, bounded memory. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { QueryBuffer } from '../../src/protocol/query-buffer.ts';
import { ParseStatus, RequestParser } from '../../src/protocol/request-parser.ts';
import { RequestReader } from '../../src/protocol/request-reader.ts';
import { encodeCommand } from './oracle.ts';
import { argumentsOf, feed } from './parsing.ts';
import { requestCorpus } from './request-corpus.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

/** Cuts into pieces of the given lengths, taken in turn; each a buffer of its own, as a socket's are. */
function pieces(bytes: Buffer, lengths: number[]): Buffer[] {
  const result: Buffer[] = [];
  for (let from = 0, i = 0; from < bytes.length; i++) {
    const to = Math.min(bytes.length, from + lengths[i % lengths.length]);
    const piece = Buffer.allocUnsafeSlow(to - from);
    bytes.copy(piece, 0, from, to);
    result.push(piece);
    from = to;
  }
  return result;
}

interface Outcome {
  commands: string[][];
  empties: number;
  error: string | null;
}

/** Takes all there is. */
function drain(reader: RequestReader, parser: RequestParser, outcome: Outcome, most = Infinity): void {
  for (let taken = 0; taken < most && outcome.error === null; taken++) {
    const status = reader.next(parser);
    if (status === ParseStatus.Incomplete) return;
    if (status === ParseStatus.Error) outcome.error = parser.error;
    else if (status === ParseStatus.Empty) outcome.empties++;
    else outcome.commands.push(argumentsOf(parser));
  }
}

function read(chunks: Buffer[], batch = Infinity): Outcome {
  const parser = new RequestParser();
  const reader = new RequestReader();
  const outcome: Outcome = { commands: [], empties: 0, error: null };
  for (const chunk of chunks) {
    expect(reader.feed(chunk)).toBe(true);
    drain(reader, parser, outcome, batch);
  }
  drain(reader, parser, outcome);
  return outcome;
}

function whole(bytes: Buffer): Outcome {
  const { commands, empties, error } = feed(bytes, []);
  return { commands, empties, error };
}

const argument = fc.oneof(
  fc.string({ unit: 'binary-ascii', maxLength: 20 }),
  fc.constantFrom(0, 10, 1000, 5000, 40_000, 70_000).map((n) => 'z'.repeat(n)),
);
const lengths = fc.array(fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 20_000 })), {
  minLength: 1,
  maxLength: 6,
});

/** As read(), with chunks that all come in one buffer, which is written over between two of them. */
function readShared(chunks: Buffer[], batches: number[], rewinds: boolean[]): Outcome {
  const parser = new RequestParser();
  const reader = new RequestReader();
  const outcome: Outcome = { commands: [], empties: 0, error: null };
  const shared = Buffer.alloc(chunks.reduce((most, chunk) => Math.max(most, chunk.length), 0));
  let turn = 0;
  for (const chunk of chunks) {
    chunk.copy(shared);
    expect(reader.feed(shared.subarray(0, chunk.length))).toBe(true);
    const before = outcome.commands.length;
    drain(reader, parser, outcome, batches[turn % batches.length]);
    // As a command that is to wait, or to go to a worker, is taken back: at once, or when it was tried there in vain.
    const rewound = outcome.commands.length > before && reader.hasInput && rewinds[turn++ % rewinds.length];
    reader.releaseChunk();
    shared.fill(0xdd);
    if (!rewound) continue;
    outcome.commands.pop();
    reader.rewind();
  }
  drain(reader, parser, outcome);
  return outcome;
}

describe('RequestReader', () => {
  it('needs nothing of a chunk that was released', () => {
    const command = fc.array(argument, { minLength: 1, maxLength: 4 }).map(encodeCommand);
    fc.assert(
      fc.property(
        fc.array(command, { maxLength: 12 }),
        lengths,
        fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 1, maxLength: 5 }),
        fc.array(fc.boolean(), { minLength: 1, maxLength: 5 }),
        (commands, cut, batches, rewinds) => {
          const bytes = Buffer.concat(commands);
          expect(readShared(pieces(bytes, cut), batches, rewinds)).toEqual(whole(bytes));
        },
      ),
      { numRuns: 120 },
    );
  });

  it('any cut gives the same commands', () => {
    const command = fc.array(argument, { minLength: 1, maxLength: 6 }).map(encodeCommand);
    const part = fc.oneof(
      command,
      command,
      fc.constantFrom(...requestCorpus).map((text) => Buffer.from(text, 'latin1')),
    );
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 8 }), lengths, (parts, cuts) => {
        const bytes = Buffer.concat(parts);
        expect(read(pieces(bytes, cuts))).toEqual(whole(bytes));
      }),
      { numRuns: 120 },
    );
  });

  it('commands taken later than they are fed wait in order', () => {
    const command = fc.array(argument, { minLength: 1, maxLength: 6 }).map(encodeCommand);
    fc.assert(
      fc.property(
        fc.array(command, { minLength: 1, maxLength: 10 }),
        lengths,
        fc.nat(2),
        (parts, cuts, batch) => {
          const bytes = Buffer.concat(parts);
          expect(read(pieces(bytes, cuts), batch)).toEqual(whole(bytes));
        },
      ),
      { numRuns: 120 },
    );
  });

  it('counts what waits, and holds nothing when nothing does', () => {
    const parser = new RequestParser();
    const reader = new RequestReader();
    const one = encodeCommand(['SET', 'key', 'v'.repeat(100)]);
    reader.feed(Buffer.concat([one, one, one.subarray(0, 50)]));
    expect(reader.size).toBe(one.length * 2 + 50);
    expect(reader.next(parser)).toBe(ParseStatus.Complete);
    expect(reader.size).toBe(one.length + 50);
    reader.feed(one.subarray(50));
    expect(reader.size).toBe(one.length * 2);
    expect(reader.next(parser)).toBe(ParseStatus.Complete);
    expect(reader.next(parser)).toBe(ParseStatus.Complete);
    expect(argumentsOf(parser)).toEqual(['SET', 'key', 'v'.repeat(100)]);
    expect(reader.size).toBe(0);
    expect(reader.next(parser)).toBe(ParseStatus.Incomplete);
    expect(reader.memory).toBeLessThan(256);
  });

  it('refuses more than the limit', () => {
    const parser = new RequestParser();
    const reader = new RequestReader();
    reader.limit = MIB;
    const head = Buffer.from('*2\r\n$3\r\nFOO\r\n$10000000\r\n');
    expect(reader.feed(head)).toBe(true);
    expect(reader.next(parser)).toBe(ParseStatus.Incomplete);
    const chunk = Buffer.alloc(64 * KIB);
    for (let i = 0; i < 15; i++) {
      expect(reader.feed(chunk)).toBe(true);
      expect(reader.next(parser)).toBe(ParseStatus.Incomplete);
    }
    expect(reader.feed(chunk)).toBe(false);
    reader.state.fromMaster = true;
    expect(reader.feed(chunk)).toBe(true);
  });

  it('a large argument is copied about once, and its memory follows what arrives', () => {
    const value = Buffer.alloc(16 * MIB, 'v');
    const head = Buffer.from(`*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$${value.length}\r\n`);
    for (const cut of [[64 * KIB], [5000], [700], [64 * KIB, 1], [4096, 1, 1]]) {
      const bytes = Buffer.concat([head, value, Buffer.from('\r\n')]);
      const parser = new RequestParser();
      const reader = new RequestReader();
      let arrived = 0;
      let status: number = ParseStatus.Incomplete;
      for (const chunk of pieces(bytes, cut)) {
        reader.feed(chunk);
        arrived += chunk.length;
        status = reader.next(parser);
        if (status !== ParseStatus.Incomplete) break;
        expect(reader.memory).toBeLessThanOrEqual(arrived * 2 + 128 * KIB);
      }
      expect(status).toBe(ParseStatus.Complete);
      expect(parser.argc).toBe(3);
      expect(parser.argLen[2]).toBe(value.length);
      expect(value.compare(parser.input, parser.argOff[2], parser.argOff[2] + value.length)).toBe(0);
    }
  });

  it('many middling arguments, or tiny ones, in one command', () => {
    const parser = new RequestParser();
    for (const [count, length, cut] of [
      [3000, 10_000, 64 * KIB],
      [400, 60_000, 64 * KIB],
      [200_000, 1, 64 * KIB],
      [20_000, 3, 1],
    ]) {
      const bytes = encodeCommand(Array.from({ length: count }, () => 'a'.repeat(length)));
      const reader = new RequestReader();
      let status: number = ParseStatus.Incomplete;
      for (const chunk of pieces(bytes, [cut])) {
        reader.feed(chunk);
        status = reader.next(parser);
      }
      expect(status).toBe(ParseStatus.Complete);
      expect(parser.argc).toBe(count);
      expect(parser.argLen[count - 1]).toBe(length);
    }
  });
});

describe('QueryBuffer', () => {
  /** Appends all, as a reader would that always needs `need`, gathering at the end. */
  function fill(total: number, cut: number[], need: number): QueryBuffer {
    const source = Buffer.allocUnsafe(total);
    for (let i = 0; i < total; i++) source[i] = (i * 31) % 251;
    const buffer = new QueryBuffer();
    for (const piece of pieces(source, cut)) {
      buffer.append(piece, 0, piece.length, need);
      expect(buffer.memory).toBeLessThanOrEqual(buffer.size * 2 + 128 * KIB);
    }
    buffer.gather();
    expect(buffer.size).toBe(total);
    expect(buffer.end).toBe(total);
    expect(source.compare(buffer.bytes, 0, total)).toBe(0);
    return buffer;
  }

  it('copies in proportion to what arrives', () => {
    const total = 4 * MIB;
    expect(fill(total, [64 * KIB], total).copiedTotal).toBeLessThan(total * 2.1);
    expect(fill(total, [64 * KIB], 0).copiedTotal).toBeLessThan(total * 3);
    expect(fill(total, [100], total).copiedTotal).toBeLessThan(total * 2.1);
    expect(fill(total, [100], 0).copiedTotal).toBeLessThan(total * 3);
    expect(fill(300 * KIB, [1], 0).copiedTotal).toBeLessThan(300 * KIB * 3);
    expect(fill(300 * KIB, [1, 5000, 3], total).copiedTotal).toBeLessThan(300 * KIB * 2.1);
  });

  it('several large arguments of one command cost O(n), too', () => {
    const buffer = new QueryBuffer();
    const piece = Buffer.allocUnsafeSlow(64 * KIB);
    for (let argument = 1; argument <= 64; argument++) {
      const need = argument * MIB;
      while (buffer.size < need) buffer.append(piece, 0, piece.length, need);
      buffer.gather();
    }
    expect(buffer.size).toBe(64 * MIB);
    expect(buffer.copiedTotal).toBeLessThan(64 * MIB * 4);
    expect(buffer.memory).toBeLessThanOrEqual(64 * MIB * 2);
  });

  it('leaves released bytes to who reads them', () => {
    const buffer = new QueryBuffer();
    buffer.append(Buffer.from('abc'), 0, 3, 0);
    const { bytes } = buffer;
    buffer.release();
    buffer.append(Buffer.from('xyz'), 0, 3, 0);
    expect(bytes.toString('latin1', 0, 3)).toBe('abc');
    expect(buffer.bytes.toString('latin1', 0, buffer.end)).toBe('xyz');
  });
});
