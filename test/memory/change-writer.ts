// A thread that puts changes into its ring as fast as it can, see change-ring.test.ts.

import { workerData } from 'node:worker_threads';
import { ChangeKind, ChangeProducer } from '../../src/memory/change-ring.ts';
import { GlobalWord } from '../../src/memory/layout.ts';

export interface ChangeWriterJob {
  readonly ring: SharedArrayBuffer;
  readonly control: SharedArrayBuffer;
  readonly number: number;
  readonly count: number;
}

const { ring, control, number, count } = workerData as ChangeWriterJob;
const words = new Int32Array(control);
const producer = new ChangeProducer(ring, () => undefined);
const bytes = Buffer.alloc(20_000);

for (let i = 0; i < count; i++) {
  const size = i % 1000 === 0 ? 20_000 : 4 + (i % 300);
  bytes.fill(i & 0xff, 4, size);
  bytes.writeInt32LE(i, 0);
  const seq = (Atomics.add(words, GlobalWord.ChangeSeq, 1) + 1) | 0;
  producer.put(ChangeKind.Effect, number, seq, bytes, 0, size);
}
