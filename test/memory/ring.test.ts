// Rings: messages of any size through rings of any size, in order and whole, within a thread and between two.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CONTROL_BYTES } from '../../src/memory/layout.ts';
import { allocateRing, RingConsumer, RingProducer } from '../../src/memory/ring.ts';
import type { RingJob } from './ring-worker.ts';
import { runWorkers } from './workers.ts';

function pair(capacity: number): { producer: RingProducer; consumer: RingConsumer; ring: SharedArrayBuffer } {
  const ring = allocateRing(capacity);
  return { producer: new RingProducer(ring), consumer: new RingConsumer(ring), ring };
}

describe('a ring', () => {
  it('keeps messages whole and in order', () => {
    const message = fc.uint8Array({ maxLength: 300 });
    const steps = fc.array(
      fc.oneof(message, fc.constant('receive' as const), fc.constant('flush' as const)),
      {
        maxLength: 60,
      },
    );
    fc.assert(
      fc.property(fc.constantFrom(64, 128, 1024), steps, (capacity, all) => {
        const { producer, consumer } = pair(capacity);
        const sent: string[] = [];
        const received: string[] = [];
        const receive = (): boolean => {
          const got = consumer.receive();
          if (got !== null) received.push(got.toString('hex'));
          return got !== null;
        };
        for (const item of all) {
          if (item === 'receive') receive();
          else if (item === 'flush') producer.flush();
          else {
            sent.push(Buffer.from(item).toString('hex'));
            producer.send(Buffer.from(item), 0, item.length);
          }
        }
        for (let done = false; !done; ) {
          done = producer.flush();
          while (receive());
        }
        expect(received).toEqual(sent);
        expect(producer.queued).toBe(0);
        expect(consumer.empty).toBe(true);
      }),
      { numRuns: 200 },
    );
  });

  it('counts on when its 32-bit positions wrap round', () => {
    const { producer, consumer, ring } = pair(64);
    const words = new Int32Array(ring);
    words[0] = words[32] = 0x7fffffc0;
    for (let i = 0; i < 50; i++) {
      const message = Buffer.alloc(i, i);
      const whole = producer.send(message, 0, i);
      let got = consumer.receive();
      for (; got === null; got = consumer.receive()) producer.flush();
      expect(got.equals(message)).toBe(true);
      expect(whole).toBe(i <= 56);
    }
    words[0] = words[32] = -64;
    producer.send(
      Buffer.from('over the end of 32 bits, in two frames or so, surely more than sixty-four'),
      0,
      73,
    );
    let got = consumer.receive();
    for (; got === null; got = consumer.receive()) producer.flush();
    expect(got.toString()).toMatch(/^over .* sixty-four$/);
  });

  it('says when the producer waits for room, once', () => {
    const { producer, consumer } = pair(64);
    expect(producer.send(Buffer.alloc(40), 0, 40)).toBe(true);
    expect(consumer.takeRoomWish()).toBe(false);
    expect(producer.send(Buffer.alloc(40), 0, 40)).toBe(false);
    expect(producer.queued).toBeGreaterThan(0);
    expect(consumer.takeRoomWish()).toBe(true);
    expect(consumer.takeRoomWish()).toBe(false);
    consumer.receive();
    expect(producer.flush()).toBe(true);
  });

  it('takes a power of two only', () => {
    expect(() => allocateRing(100)).toThrow(RangeError);
    expect(() => allocateRing(32)).toThrow(RangeError);
  });

  it.each([
    { capacity: 64, messages: 3000, maxBytes: 300 },
    { capacity: 1024, messages: 4000, maxBytes: 9000 },
    { capacity: 65536, messages: 2000, maxBytes: 200_000 },
  ])('passes between two threads, $capacity bytes', async ({ capacity, messages, maxBytes }) => {
    const shared = {
      control: new SharedArrayBuffer(CONTROL_BYTES),
      out: allocateRing(capacity),
      back: allocateRing(capacity),
      messages,
      maxBytes,
      seed: capacity,
    };
    const results = await runWorkers<RingJob, { wrong: number; lost: number }>(
      './ring-worker.ts',
      import.meta.url,
      [
        { ...shared, role: 'producer', thread: 1, peer: 2 },
        { ...shared, role: 'echo', thread: 2, peer: 1 },
      ],
    );
    expect(results).toEqual([
      { wrong: 0, lost: 0 },
      { wrong: 0, lost: 0 },
    ]);
  });
});
