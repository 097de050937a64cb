// A byte ring in shared memory from one producing thread to one consuming thread.
//
//   +0    head: bytes ever written, modulo 2^32 (producer)
//   +128  tail: bytes ever read, modulo 2^32 (consumer)
//   +256  producer waits for room: 1 (set by the producer, cleared by the consumer)
//   +384  data, capacity bytes (a power of two)
//
//   frame  word: payload bytes | LAST on a message's last frame | payload, padded to 8 bytes
//
// A message is one or more frames: one larger than the room left is cut, so a message of any size passes a ring of any
// size. What does not fit stays in the producer's own queue until flush(); the queue is bounded by what the owner
// lets into it (one handed-over input or one reply per connection).
//
// Ordering: the producer stores head (Atomics) after the bytes, the consumer stores tail after reading them; each
// side reads the other's word atomically, so bytes are never seen before they are written nor overwritten before read.
// Waking the other side is the business of doorbell.ts.

const HEAD = 0;
const TAIL = 32;
const WAITS = 64;
const DATA_BYTES = 384;
const LAST = 0x40000000;
const LENGTH_MASK = 0x3fffffff;
const FRAME_HEADER = 8;
/** Sent messages after which a producer's queue is cut. */
const QUEUE_TRIM = 1024;

/** @param capacity bytes of data, a power of two */
export function allocateRing(capacity: number): SharedArrayBuffer {
  if ((capacity & (capacity - 1)) !== 0 || capacity < 64)
    throw new RangeError('ring capacity must be a power of two');
  return new SharedArrayBuffer(DATA_BYTES + capacity);
}

function padded(bytes: number): number {
  return (bytes + 7) & ~7;
}

export class RingProducer {
  readonly #words: Int32Array;
  readonly #data: Buffer;
  readonly #frames: Int32Array;
  readonly #capacity: number;
  #queue: { bytes: Buffer; off: number }[] = [];
  /** The first of #queue that is not sent. */
  #first = 0;
  #queued = 0;

  constructor(ring: SharedArrayBuffer) {
    this.#words = new Int32Array(ring, 0, DATA_BYTES / 4);
    this.#data = Buffer.from(ring, DATA_BYTES);
    this.#frames = new Int32Array(ring, DATA_BYTES);
    this.#capacity = this.#data.length;
  }

  /** Bytes that wait in this thread for room. */
  get queued(): number {
    return this.#queued;
  }

  /**
   * Sends a message; what has no room is copied and waits for flush().
   * @returns whether all of it is in the ring
   */
  send(message: Buffer, off: number, len: number): boolean {
    let sent = 0;
    if (this.#queue.length === 0) {
      sent = this.#put(message, off, len);
      if (sent < 0) return true;
    }
    const rest = Buffer.from(message.subarray(off + sent, off + len));
    this.#queue.push({ bytes: rest, off: 0 });
    this.#queued += rest.length;
    return this.flush();
  }

  /** Moves queued bytes into the ring. @returns whether none are left; if not, the consumer knows of the wish for room */
  flush(): boolean {
    let asked = false;
    while (this.#first < this.#queue.length) {
      const first = this.#queue[this.#first]!;
      const sent = this.#put(first.bytes, first.off, first.bytes.length - first.off);
      if (sent >= 0) {
        first.off += sent;
        this.#queued -= sent;
        // The consumer may have read all there was before it could see the wish: look once more after asking.
        if (asked && sent === 0) return false;
        this.#askForRoom();
        asked = true;
        continue;
      }
      this.#queued -= first.bytes.length - first.off;
      // Taking from the front of a long array costs as much as it is long, so that is done for many at once.
      this.#first++;
      if (this.#first >= QUEUE_TRIM) {
        this.#queue = this.#queue.slice(this.#first);
        this.#first = 0;
      }
    }
    this.#queue.length = 0;
    this.#first = 0;
    return true;
  }

  /** Sleeps until the consumer has read something or `ms` have passed. For threads that may block. */
  waitForRoom(ms: number): void {
    this.#askForRoom();
    const tail = Atomics.load(this.#words, TAIL);
    if (((Atomics.load(this.#words, HEAD) - tail) | 0) < this.#capacity / 2) return;
    Atomics.wait(this.#words, TAIL, tail, ms);
  }

  #askForRoom(): void {
    Atomics.store(this.#words, WAITS, 1);
  }

  /** Writes frames while there is room. @returns -1 if the message is complete, else the bytes written */
  #put(bytes: Buffer, off: number, len: number): number {
    let done = 0;
    for (;;) {
      const head = this.#words[HEAD]!;
      const room = this.#capacity - ((head - Atomics.load(this.#words, TAIL)) | 0) - FRAME_HEADER;
      const rest = len - done;
      const size = Math.min(rest, room & ~7);
      if (size < rest && size <= 0) return done;
      if (room < 0) return done;
      const at = head & (this.#capacity - 1);
      this.#frames[at >> 2] = size === rest ? size | LAST : size;
      this.#copyIn(bytes, off + done, (at + FRAME_HEADER) & (this.#capacity - 1), size);
      Atomics.store(this.#words, HEAD, (head + FRAME_HEADER + padded(size)) | 0);
      done += size;
      if (size === rest) return -1;
    }
  }

  #copyIn(bytes: Buffer, off: number, at: number, len: number): void {
    const first = Math.min(len, this.#capacity - at);
    bytes.copy(this.#data, at, off, off + first);
    if (first < len) bytes.copy(this.#data, 0, off + first, off + len);
  }
}

export class RingConsumer {
  readonly #words: Int32Array;
  readonly #data: Buffer;
  readonly #frames: Int32Array;
  readonly #capacity: number;
  #parts: Buffer[] = [];

  constructor(ring: SharedArrayBuffer) {
    this.#words = new Int32Array(ring, 0, DATA_BYTES / 4);
    this.#data = Buffer.from(ring, DATA_BYTES);
    this.#frames = new Int32Array(ring, DATA_BYTES);
    this.#capacity = this.#data.length;
  }

  /** Whether nothing is there to read. */
  get empty(): boolean {
    return Atomics.load(this.#words, HEAD) === this.#words[TAIL];
  }

  /**
   * Takes the next message, a copy of its own.
   * @returns null if none is complete (parts of one that has begun are kept)
   */
  receive(): Buffer | null {
    for (;;) {
      const tail = this.#words[TAIL]!;
      if (Atomics.load(this.#words, HEAD) === tail) return null;
      const at = tail & (this.#capacity - 1);
      const frame = this.#frames[at >> 2]!;
      const size = frame & LENGTH_MASK;
      const part = Buffer.allocUnsafe(size);
      this.#copyOut(part, (at + FRAME_HEADER) & (this.#capacity - 1), size);
      Atomics.store(this.#words, TAIL, (tail + FRAME_HEADER + padded(size)) | 0);
      if ((frame & LAST) === 0) {
        this.#parts.push(part);
        continue;
      }
      if (this.#parts.length === 0) return part;
      this.#parts.push(part);
      const whole = Buffer.concat(this.#parts);
      this.#parts = [];
      return whole;
    }
  }

  /** Whether the producer waits for room; clears the wish and wakes a producer that sleeps on the ring. */
  takeRoomWish(): boolean {
    if (this.#words[WAITS] === 0 || Atomics.exchange(this.#words, WAITS, 0) === 0) return false;
    Atomics.notify(this.#words, TAIL);
    return true;
  }

  #copyOut(part: Buffer, at: number, len: number): void {
    const first = Math.min(len, this.#capacity - at);
    this.#data.copy(part, 0, at, at + first);
    if (first < len) this.#data.copy(part, first, 0, len - first);
  }
}
