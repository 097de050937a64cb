import { describe, expect, it } from 'vitest';
import { ReplyFormatError, ReplyScanner } from '../../native-free-bench/load/replies.ts';

/** Each a complete reply, and what it counts as. */
const REPLIES: { bytes: string; errors?: number; nulls?: number; pushes?: number; replies?: number }[] = [
  { bytes: '+OK\r\n' },
  { bytes: '+\r\n' },
  { bytes: '-ERR no such thing\r\n', errors: 1 },
  { bytes: ':-42\r\n' },
  { bytes: '$5\r\nhello\r\n' },
  { bytes: '$0\r\n\r\n' },
  { bytes: '$12\r\na\r\n+OK\r\n$3\r\n\r\n' },
  { bytes: '$-1\r\n', nulls: 1 },
  { bytes: '*-1\r\n', nulls: 1 },
  { bytes: '_\r\n', nulls: 1 },
  { bytes: '*0\r\n' },
  { bytes: '*3\r\n$1\r\na\r\n$-1\r\n:7\r\n' },
  { bytes: '*2\r\n*2\r\n+a\r\n*0\r\n*1\r\n*1\r\n-ERR inner\r\n' },
  { bytes: '%2\r\n+a\r\n:1\r\n+b\r\n*2\r\n:1\r\n:2\r\n' },
  { bytes: '~2\r\n#t\r\n#f\r\n' },
  { bytes: ',3.14\r\n' },
  { bytes: '(123456789012345678901234567890\r\n' },
  { bytes: '=7\r\ntxt:abc\r\n' },
  { bytes: '!9\r\nERR broke\r\n', errors: 1 },
  { bytes: '>2\r\n+invalidate\r\n*1\r\n$1\r\nk\r\n', pushes: 1, replies: 0 },
  { bytes: '|1\r\n+ttl\r\n:3\r\n$1\r\nx\r\n' },
  { bytes: '*1\r\n|1\r\n+a\r\n+b\r\n:1\r\n' },
];

function feed(scanner: ReplyScanner, bytes: Buffer, cut: number): number {
  const first = scanner.scan(bytes.subarray(0, cut), cut);
  return first + scanner.scan(bytes.subarray(cut), bytes.length - cut);
}

describe('ReplyScanner', () => {
  it.each(REPLIES)(
    'counts $bytes cut at every byte',
    ({ bytes, errors = 0, nulls = 0, pushes = 0, replies = 1 }) => {
      const buffer = Buffer.from(bytes, 'latin1');
      for (let cut = 0; cut <= buffer.length; cut++) {
        const scanner = new ReplyScanner();
        expect(feed(scanner, buffer, cut)).toBe(replies);
        expect(scanner.atBoundary).toBe(true);
        expect([scanner.errors, scanner.nulls, scanner.pushes]).toEqual([errors, nulls, pushes]);
      }
    },
  );

  it('is not done before the last byte', () => {
    for (const { bytes } of REPLIES) {
      const buffer = Buffer.from(bytes, 'latin1');
      for (let cut = 1; cut < buffer.length; cut++) {
        const scanner = new ReplyScanner();
        expect(scanner.scan(buffer, cut)).toBe(0);
        expect(scanner.atBoundary && !bytes.startsWith('|')).toBe(false);
      }
    }
  });

  it('counts a stream of all of them, cut at every byte and byte by byte', () => {
    const stream = Buffer.from(REPLIES.map((reply) => reply.bytes).join(''), 'latin1');
    const wanted = REPLIES.reduce((sum, reply) => sum + (reply.replies ?? 1), 0);
    for (let cut = 0; cut <= stream.length; cut++) expect(feed(new ReplyScanner(), stream, cut)).toBe(wanted);
    const scanner = new ReplyScanner();
    let counted = 0;
    for (const byte of stream) counted += scanner.scan(Uint8Array.of(byte), 1);
    expect(counted).toBe(wanted);
  });

  it('looks only at the given length of the buffer', () => {
    const scanner = new ReplyScanner();
    expect(scanner.scan(Buffer.from('+OK\r\n+OK\r\n'), 5)).toBe(1);
  });

  it('keeps the text of the first error', () => {
    const stream = Buffer.from('+OK\r\n-ERR one\r\n-ERR two\r\n:1\r\n');
    for (let cut = 0; cut <= stream.length; cut++) {
      const scanner = new ReplyScanner();
      feed(scanner, stream, cut);
      expect(scanner.firstError).toBe('ERR one');
      expect(scanner.errors).toBe(2);
    }
  });

  it.each([
    'hello\r\n',
    '$x\r\n',
    '$\r\n',
    '$-2\r\n',
    '$--1\r\n',
    '+OK\rx',
    '$3\rx',
    '*99999999999999999999\r\n',
    '*1\r\n'.repeat(65),
  ])('refuses %j', (bytes) => {
    const buffer = Buffer.from(bytes);
    expect(() => new ReplyScanner().scan(buffer, buffer.length)).toThrow(ReplyFormatError);
  });
});
