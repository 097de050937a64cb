// The rings of changes and their merge: against a plain list, and with threads that write as fast as they can.

import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  allocateChangeRing,
  ChangeKind,
  ChangeMerger,
  ChangeProducer,
  type ChangeSink,
} from '../../src/memory/change-ring.ts';
import { CONTROL_BYTES, GlobalWord } from '../../src/memory/layout.ts';
import type { ChangeWriterJob } from './change-writer.ts';

class Gathered implements ChangeSink {
  readonly lines: string[] = [];
  effect(db: number, bytes: Buffer, off: number, len: number): void {
    this.lines.push(`effect ${db} ${bytes.toString('latin1', off, off + len)}`);
  }
  unit(bytes: Buffer, off: number, len: number): void {
    this.lines.push(`unit ${bytes.toString('latin1', off, off + len)}`);
  }
  marker(bytes: Buffer, off: number, len: number): void {
    this.lines.push(`marker ${bytes.toString('latin1', off, off + len)}`);
  }
  snapshot(
    ring: number,
    snapshot: number,
    db: number,
    _version: number,
    part: boolean,
    bytes: Buffer,
    off: number,
    len: number,
  ): void {
    this.lines.push(`snapshot ${ring} ${snapshot} ${db} ${part} ${bytes.toString('latin1', off, off + len)}`);
  }
  shardSaved(snapshot: number, shard: number): void {
    this.lines.push(`saved ${snapshot} ${shard}`);
  }
  snapshotVoided(snapshot: number, reason: number): void {
    this.lines.push(`voided ${snapshot} ${reason}`);
  }
}

function newControl(): Int32Array {
  return new Int32Array(new SharedArrayBuffer(CONTROL_BYTES));
}

describe('a ring of changes', () => {
  it('gives the changes of several threads in the order of their numbers, whatever their sizes', () => {
    const entry = fc.record({
      ring: fc.nat(2),
      kind: fc.constantFrom(ChangeKind.Effect, ChangeKind.Unit, ChangeKind.Marker),
      db: fc.nat(15),
      size: fc.oneof(fc.nat(40), fc.nat(400)),
      drain: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 60 }), fc.nat(0xffffffff), (entries, first) => {
        const control = newControl();
        control[GlobalWord.PersistedSeq] = first;
        let seq = first | 0;
        const rings = [0, 1, 2].map(() => allocateChangeRing(1024));
        const sink = new Gathered();
        const merger = new ChangeMerger(rings, control, sink);
        const producers = rings.map(
          (ring) =>
            new ChangeProducer(ring, () => {
              merger.drain(Number.POSITIVE_INFINITY);
            }),
        );
        const wanted: string[] = [];
        for (const { ring, kind, db, size, drain } of entries) {
          const text = String.fromCharCode(97 + (size % 26)).repeat(size);
          seq = (seq + 1) | 0;
          producers[ring]!.put(kind, db, seq, Buffer.from(`..${text}`), 2, size);
          const name = ['', `effect ${db}`, 'unit', 'marker'][kind]!;
          wanted.push(`${name} ${text}`);
          if (drain) merger.drain(Number.POSITIVE_INFINITY);
        }
        merger.drain(Number.POSITIVE_INFINITY);
        expect(sink.lines).toEqual(wanted);
        expect(merger.idle).toBe(true);
        expect(merger.last).toBe(seq);
      }),
    );
  });

  it('passes an entry much larger than itself', () => {
    const control = newControl();
    const ring = allocateChangeRing(1024);
    const sink = new Gathered();
    const merger = new ChangeMerger([ring], control, sink);
    const producer = new ChangeProducer(ring, () => merger.drain(100));
    const text = Array.from({ length: 5000 }, (_, i) => String(i)).join(' ');
    producer.put(ChangeKind.Effect, 3, 1, Buffer.from(text), 0, text.length);
    merger.drain(Number.POSITIVE_INFINITY);
    expect(sink.lines).toEqual([`effect 3 ${text}`]);
  });

  it('gives what has no number at once, and holds back what comes after a number that is missing', () => {
    const control = newControl();
    const rings = [allocateChangeRing(1024), allocateChangeRing(1024)];
    const sink = new Gathered();
    const merger = new ChangeMerger(rings, control, sink);
    const [a, b] = rings.map((ring) => new ChangeProducer(ring, () => undefined)) as [
      ChangeProducer,
      ChangeProducer,
    ];
    const put = (to: ChangeProducer, kind: number, seq: number, text: string): void =>
      to.put(kind, 0, seq, Buffer.from(text), 0, text.length);
    put(a, ChangeKind.SnapshotPart, 7, 'x');
    put(a, ChangeKind.Effect, 2, 'second');
    put(a, ChangeKind.SnapshotShard, 7, '');
    merger.drain(1000);
    expect(sink.lines).toEqual(['snapshot 0 7 0 true x']);
    put(b, ChangeKind.Effect, 1, 'first');
    merger.drain(1000);
    expect(sink.lines.slice(1)).toEqual(['effect 0 first', 'effect 0 second', 'saved 7 0']);
  });

  it('loses nothing between threads that write at once, through rings that are always full', async () => {
    const WRITERS = 3;
    const COUNT = 20_000;
    const control = newControl();
    const rings = Array.from({ length: WRITERS }, () => allocateChangeRing(4096));
    const last = new Int32Array(WRITERS).fill(-1);
    let seen = 0;
    let wrong = '';
    const refuse = (): never => {
      throw new Error('not sent');
    };
    const sink: ChangeSink = {
      effect: (db, bytes, off, len) => {
        const number = bytes.readInt32LE(off);
        const filler = bytes.subarray(off + 4, off + len);
        if (number !== last[db]! + 1) wrong ||= `writer ${db}: ${number} after ${last[db]}`;
        if (!filler.every((byte) => byte === (number & 0xff))) wrong ||= `writer ${db}: ${number} is torn`;
        last[db] = number;
        seen++;
      },
      unit: refuse,
      marker: refuse,
      snapshot: refuse,
      shardSaved: refuse,
      snapshotVoided: refuse,
    };
    const merger = new ChangeMerger(rings, control, sink);
    const workers = rings.map((ring, number) => {
      const workerData: ChangeWriterJob = {
        ring,
        number,
        count: COUNT,
        control: control.buffer as SharedArrayBuffer,
      };
      return new Worker(new URL('./change-writer.ts', import.meta.url), { workerData });
    });
    const ended = Promise.all(workers.map((worker) => once(worker, 'exit')));
    while (seen < WRITERS * COUNT && wrong === '') {
      if (merger.drain(1 << 20) === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    expect(wrong).toBe('');
    await ended;
    expect([...last]).toEqual(Array(WRITERS).fill(COUNT - 1));
    expect(merger.behind).toBe(0);
  });
});
