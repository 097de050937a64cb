// Bytes on their way: a model beside it, however they are cut.

import fc from 'fast-check';
import { expect, it } from 'vitest';
import { PendingBytes } from '../../src/persistence/pending-bytes.ts';

const SOURCE = Buffer.from(Array.from({ length: 600_000 }, (_, i) => (i * 7919) & 0xff));

function contents(pending: PendingBytes): Buffer {
  return Buffer.concat(
    pending.chunks.map(({ bytes, used }, i) => bytes.subarray(i === 0 ? pending.start : 0, used)),
  );
}

it('gives the bytes that were put in and not taken out', () => {
  const length = fc.oneof(fc.nat(200), fc.nat(300_000), fc.constantFrom(262_144, 262_143, 600_000));
  const step = fc.tuple(fc.constantFrom('append', 'append', 'consume', 'clear', 'mark'), length);
  fc.assert(
    fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
      const pending = new PendingBytes();
      let model = Buffer.alloc(0);
      for (const [what, count] of steps) {
        if (what === 'append') {
          const off = SOURCE.length - count;
          pending.append(SOURCE, off, count);
          model = Buffer.concat([model, SOURCE.subarray(off)]);
        } else if (what === 'consume') {
          const most = Math.min(count, model.length);
          pending.consume(most);
          model = model.subarray(most);
        } else if (what === 'clear') {
          pending.clear();
          model = Buffer.alloc(0);
        } else {
          pending.mark();
        }
        expect(pending.length).toBe(model.length);
        expect(contents(pending).equals(model)).toBe(true);
        expect(pending.memory).toBeLessThanOrEqual(2 * model.length + 2 * 262_144 + 600_000);
      }
    }),
    { numRuns: 100 },
  );
});
