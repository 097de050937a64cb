/** Blocks of replies: what is kept stays as it is, what is not is used again. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OutputBlocks } from '../../src/connection/output-blocks.ts';

interface Reply {
  readonly bytes: Buffer;
  readonly length: number;
  readonly mark: number;
}

function expectWhole({ bytes, length, mark }: Reply): void {
  expect(bytes.length).toBe(length);
  expect(bytes.equals(Buffer.alloc(length, mark))).toBe(true);
}

describe('OutputBlocks', () => {
  it('give replies that last for the turn, and for good when they are kept', () => {
    const reply = fc.record({
      length: fc.oneof(fc.integer({ min: 1, max: 70_000 }), fc.constantFrom(4095, 4096, 32_768, 32_769)),
      own: fc.boolean(),
      kept: fc.integer({ min: 0, max: 4 }).map((n) => n === 0),
    });
    fc.assert(
      fc.property(fc.array(fc.array(reply, { maxLength: 80 }), { minLength: 1, maxLength: 5 }), (turns) => {
        const blocks = new OutputBlocks();
        const kept: Reply[] = [];
        let mark = 0;
        for (const turn of turns) {
          const replies: Reply[] = [];
          for (const { length, own, kept: isKept } of turn) {
            mark = (mark + 1) % 256;
            const made = { bytes: blocks.copy(Buffer.alloc(length, mark), length, own), length, mark };
            if (isKept) {
              blocks.keep(made.bytes);
              kept.push(made);
            } else replies.push(made);
          }
          for (const one of replies) expectWhole(one);
          blocks.endTurn();
          for (const one of kept) expectWhole(one);
        }
      }),
      { numRuns: 60 },
    );
  });

  it('use the same memory turn after turn', () => {
    const blocks = new OutputBlocks();
    const source = Buffer.alloc(16_000);
    const seen = new Set<ArrayBufferLike>();
    for (let turn = 0; turn < 100; turn++) {
      for (let i = 0; i < 50; i++) seen.add(blocks.copy(source, source.length, false).buffer);
      blocks.endTurn();
    }
    expect(seen.size).toBeLessThan(20);
  });
});
