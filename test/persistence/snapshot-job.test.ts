// Entries of a snapshot from many threads, in one file: none in the middle of another, none lost, each thread's in order.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { SnapshotFile } from '../../src/persistence/snapshot-file.ts';
import { SnapshotJob } from '../../src/persistence/snapshot-job.ts';

class Kept {
  readonly written: string[] = [];
  readonly holds: boolean[] = [];
  ended = false;
  readonly job = new SnapshotJob(this as unknown as SnapshotFile, (on) => this.holds.push(on));
  readonly output = { finish: (done: (error: null) => void) => done(null) };

  entries(_db: number, _version: number, part: boolean, bytes: Buffer, off: number, len: number): void {
    this.written.push(bytes.toString('latin1', off, off + len) + (part ? '' : '.'));
  }

  end(): void {
    this.ended = true;
  }

  put(ring: number, text: string, part: boolean): void {
    const bytes = Buffer.from(`[${text}]`, 'latin1');
    this.job.entries(ring, 0, 10, part, bytes, 1, text.length);
  }
}

describe('entries of several threads', () => {
  it('are whole, all there and in order, however they come in', () => {
    const step = fc.record({ ring: fc.nat(3), parts: fc.nat(3) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), fc.infiniteStream(fc.nat(3)), (entries, turns) => {
        const queues: { text: string; part: boolean }[][] = [[], [], [], []];
        entries.forEach(({ ring, parts }, id) => {
          for (let part = 0; part < parts; part++) {
            // A part may be empty, also the last one.
            queues[ring]!.push({ text: part === 2 ? '' : `${ring}:${id};`, part: true });
          }
          queues[ring]!.push({ text: parts === 3 ? '' : `${ring}:${id};`, part: false });
        });
        const kept = new Kept();
        while (queues.some((queue) => queue.length > 0)) {
          const from = turns.next().value;
          const ring = [0, 1, 2, 3].map((i) => (from + i) % 4).find((i) => queues[i]!.length > 0)!;
          const { text, part } = queues[ring]!.shift()!;
          kept.put(ring, text, part);
        }
        kept.job.finish(() => {});
        expect(kept.ended).toBe(true);
        const whole = kept.written.join('').split('.').slice(0, -1);
        expect(whole).toHaveLength(entries.length);
        const order = whole.map((text) => new Set(text.split(';').slice(0, -1)));
        for (const owners of order) expect(owners.size).toBe(1);
        for (let ring = 0; ring < 4; ring++) {
          const ids = order.map((owners) => [...owners][0]!).filter((owner) => owner.startsWith(`${ring}:`));
          const expected = entries.flatMap((entry, id) => (entry.ring === ring ? [`${ring}:${id}`] : []));
          expect(ids).toEqual(expected);
        }
      }),
    );
  });

  it('hold walks while much waits for the end of another one', () => {
    const kept = new Kept();
    kept.put(1, 'a', true);
    const large = 'x'.repeat(1024 * 1024);
    for (let i = 0; i < 12; i++) kept.put(2, large, false);
    expect(kept.holds).toEqual([true]);
    kept.put(1, 'b', false);
    expect(kept.holds).toEqual([true, false]);
    expect(kept.written.slice(0, 2)).toEqual(['a', 'b.']);
    expect(kept.written).toHaveLength(14);
  });

  it('go on in time that grows with their number alone', () => {
    const kept = new Kept();
    const count = 300_000;
    kept.put(0, 'a', true);
    for (let i = 0; i < count; i++) kept.put(1 + (i & 1), 'b', false);
    kept.put(0, '', false);
    expect(kept.written).toHaveLength(count + 2);
  }, 20_000);
});
