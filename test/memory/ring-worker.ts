// One side of a ring, or both sides of a pair of rings; see ring.test.ts.

import { parentPort, workerData } from 'node:worker_threads';
import { bellOf, ring as ringBell, sleep } from '../../src/memory/doorbell.ts';
import { RingConsumer, RingProducer } from '../../src/memory/ring.ts';
import { pick, seeded } from '../support/seeded.ts';

export interface RingJob {
  readonly role: 'producer' | 'echo';
  readonly control: SharedArrayBuffer;
  readonly thread: number;
  readonly peer: number;
  readonly out: SharedArrayBuffer;
  readonly back: SharedArrayBuffer;
  readonly messages: number;
  readonly maxBytes: number;
  readonly seed: number;
}

const job = workerData as RingJob;
const control = new Int32Array(job.control);
const producer = new RingProducer(job.role === 'producer' ? job.out : job.back);
const consumer = new RingConsumer(job.role === 'producer' ? job.back : job.out);
/** Far above any time that a wake-up takes: running into it means that one was lost. */
const LOST_MS = 5000;
let lost = 0;

/** The n-th message: its length and bytes follow from n. */
function messageOf(n: number): Buffer {
  const random = seeded(job.seed + n);
  const bytes = Buffer.alloc(random() < 0.7 ? pick(random, 40) : pick(random, job.maxBytes));
  for (let i = 0; i < bytes.length; i++) bytes[i] = pick(random, 256);
  return bytes;
}

/** @param seen the bell before the last look for work */
function nap(seen: number): void {
  const before = performance.now();
  sleep(control, job.thread, seen, LOST_MS);
  if (performance.now() - before >= LOST_MS) lost++;
}

/** As an acceptor does: sends, and where there is no room waits to be told. */
function produce(): number {
  let wrong = 0;
  let received = 0;
  const take = (): void => {
    for (let message = consumer.receive(); message !== null; message = consumer.receive()) {
      if (!message.equals(messageOf(received))) wrong++;
      received++;
    }
    if (consumer.takeRoomWish()) ringBell(control, job.peer);
  };
  const wait = (until: () => boolean): void => {
    for (;;) {
      const seen = bellOf(control, job.thread);
      take();
      if (producer.queued > 0) {
        producer.flush();
        ringBell(control, job.peer);
      }
      if (until()) return;
      nap(seen);
    }
  };
  for (let n = 0; n < job.messages; n++) {
    const message = Buffer.concat([Buffer.from('xx'), messageOf(n), Buffer.from('yyy')]);
    producer.send(message, 2, message.length - 5);
    ringBell(control, job.peer);
    take();
    wait(() => producer.queued <= 4 * job.maxBytes);
  }
  wait(() => received === job.messages);
  return wrong + producer.queued;
}

/** As a shard worker does: takes a message, sends it back, sleeps on the ring while it is full. */
function echo(): number {
  for (let n = 0; n < job.messages; ) {
    const seen = bellOf(control, job.thread);
    const message = consumer.receive();
    if (consumer.takeRoomWish()) ringBell(control, job.peer);
    if (message === null) {
      nap(seen);
      continue;
    }
    n++;
    let done = producer.send(message, 0, message.length);
    ringBell(control, job.peer);
    while (!done) {
      producer.waitForRoom(LOST_MS);
      done = producer.flush();
      ringBell(control, job.peer);
    }
  }
  return 0;
}

const wrong = job.role === 'producer' ? produce() : echo();
parentPort!.postMessage({ wrong, lost });
