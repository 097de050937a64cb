// The patterns that clients have subscribed to, known to every thread that publishes.
//
// Each acceptor writes a log of its clients' subscriptions to patterns in shared memory; each publisher keeps a set of
// the patterns of all acceptors and, before it publishes, reads what the logs have got since. So a pattern is matched
// where the message is published, and its subscribers are counted there.
//
//   words of 32 bits
//   0    lock    1  generation    2  end of the log in bytes from 128 on
//   32   records: one more or one less (1, -1) | length of the pattern | pattern, padded to 4 bytes
//
// A log that is mostly history is written anew from what is left, as another generation, which readers read from its start.

import { lock, unlock } from '../memory/lock.ts';
import { globMatch } from '../protocol/glob.ts';

const LOG_BYTES = 64 * 1024 * 1024;
const DATA_BYTES = 128;
const RECORD_HEADER = 8;
/** Length up to which a log is never written anew. */
const REWRITE_MIN = 64 * 1024;

const Word = { Lock: 0, Generation: 1, End: 2 } as const;

export function allocatePatternLog(): SharedArrayBuffer {
  return new SharedArrayBuffer(DATA_BYTES + LOG_BYTES);
}

function recordBytes(pattern: Buffer): number {
  return RECORD_HEADER + ((pattern.length + 3) & ~3);
}

interface LivePattern {
  readonly bytes: Buffer;
  subscribers: number;
}

/** An acceptor's side. */
export class PatternLog {
  readonly #words: Int32Array;
  readonly #data: Buffer;
  readonly #thread: number;
  readonly #live = new Map<string, LivePattern>();
  #liveBytes = 0;

  /** @param thread id of the acceptor's thread */
  constructor(buffer: SharedArrayBuffer, thread: number) {
    this.#words = new Int32Array(buffer, 0, DATA_BYTES / 4);
    this.#data = Buffer.from(buffer, DATA_BYTES);
    this.#thread = thread;
  }

  /** Another client has subscribed. @param name latin1 @returns false if there is no room for the pattern */
  add(name: string): boolean {
    const known = this.#live.get(name);
    const bytes = known?.bytes ?? Buffer.from(name, 'latin1');
    // Room for a record that takes it away again is needed, too.
    if (known === undefined && this.#liveBytes + 3 * recordBytes(bytes) > this.#data.length) return false;
    if (known === undefined) {
      this.#live.set(name, { bytes, subscribers: 1 });
      this.#liveBytes += recordBytes(bytes);
    } else known.subscribers++;
    this.#append(1, bytes);
    return true;
  }

  remove(name: string): void {
    const known = this.#live.get(name)!;
    known.subscribers--;
    if (known.subscribers === 0) {
      this.#live.delete(name);
      this.#liveBytes -= recordBytes(known.bytes);
    }
    this.#append(-1, known.bytes);
  }

  #append(by: number, bytes: Buffer): void {
    const words = this.#words;
    const end = words[Word.End]! + recordBytes(bytes);
    lock(words, Word.Lock, this.#thread);
    if (end > this.#data.length || (end > REWRITE_MIN && end > 4 * this.#liveBytes)) this.#rewrite();
    else this.#put(words[Word.End]!, by, bytes);
    unlock(words, Word.Lock, this.#thread);
  }

  #put(at: number, by: number, bytes: Buffer): void {
    this.#data.writeInt32LE(by, at);
    this.#data.writeInt32LE(bytes.length, at + 4);
    bytes.copy(this.#data, at + RECORD_HEADER);
    Atomics.store(this.#words, Word.End, at + recordBytes(bytes));
  }

  #rewrite(): void {
    const words = this.#words;
    Atomics.store(words, Word.End, 0);
    Atomics.add(words, Word.Generation, 1);
    for (const { bytes, subscribers } of this.#live.values()) this.#put(words[Word.End]!, subscribers, bytes);
  }
}

/** A pattern somebody has subscribed to. */
export interface KnownPattern {
  readonly bytes: Buffer;
  /** Its first byte if that stands for itself, -1 if not: most patterns are ruled out by it. */
  readonly first: number;
  /** Subscribers by acceptor. */
  readonly counts: Int32Array;
  subscribers: number;
}

/** A publisher's side. */
export class PatternSet {
  readonly #logs: readonly { readonly words: Int32Array; readonly data: Buffer }[];
  readonly #generations: Int32Array;
  readonly #ends: Int32Array;
  readonly #thread: number;
  readonly #patterns = new Map<string, KnownPattern>();

  /** @param thread id of the publisher's thread */
  constructor(buffers: readonly SharedArrayBuffer[], thread: number) {
    this.#logs = buffers.map((buffer) => ({
      words: new Int32Array(buffer, 0, DATA_BYTES / 4),
      data: Buffer.from(buffer, DATA_BYTES),
    }));
    this.#generations = new Int32Array(buffers.length);
    this.#ends = new Int32Array(buffers.length);
    this.#thread = thread;
  }

  /** How many there are, as of the last catchUp(). */
  get size(): number {
    return this.#patterns.size;
  }

  /** All patterns as of the last catchUp(). */
  get patterns(): MapIterator<KnownPattern> {
    return this.#patterns.values();
  }

  /** Reads what the logs have got since. */
  catchUp(): void {
    for (let acceptor = 0; acceptor < this.#logs.length; acceptor++) {
      const { words } = this.#logs[acceptor]!;
      if (
        Atomics.load(words, Word.End) !== this.#ends[acceptor] ||
        Atomics.load(words, Word.Generation) !== this.#generations[acceptor]
      ) {
        this.#read(acceptor);
      }
    }
  }

  #read(acceptor: number): void {
    const { words, data } = this.#logs[acceptor]!;
    lock(words, Word.Lock, this.#thread);
    const generation = words[Word.Generation]!;
    const anew = generation !== this.#generations[acceptor];
    const end = words[Word.End]!;
    const records = Buffer.from(data.subarray(anew ? 0 : this.#ends[acceptor]!, end));
    unlock(words, Word.Lock, this.#thread);
    this.#generations[acceptor] = generation;
    this.#ends[acceptor] = end;
    if (anew) this.#drop(acceptor);
    for (let at = 0; at < records.length; ) {
      const bytes = records.subarray(at + RECORD_HEADER, at + RECORD_HEADER + records.readInt32LE(at + 4));
      this.#count(acceptor, bytes, records.readInt32LE(at));
      at += recordBytes(bytes);
    }
  }

  #count(acceptor: number, bytes: Buffer, by: number): void {
    const name = bytes.toString('latin1');
    let known = this.#patterns.get(name);
    if (known === undefined) {
      known = {
        bytes: Buffer.from(bytes),
        first: firstByte(bytes),
        counts: new Int32Array(this.#logs.length),
        subscribers: 0,
      };
      this.#patterns.set(name, known);
    }
    known.counts[acceptor]! += by;
    known.subscribers += by;
    if (known.subscribers === 0) this.#patterns.delete(name);
  }

  /** Forgets what an acceptor's log has told. */
  #drop(acceptor: number): void {
    for (const [name, known] of this.#patterns) {
      known.subscribers -= known.counts[acceptor]!;
      known.counts[acceptor] = 0;
      if (known.subscribers === 0) this.#patterns.delete(name);
    }
  }
}

/** @returns the byte that whatever matches a pattern begins with, -1 if there is no such byte */
export function firstByte(pattern: Buffer): number {
  const first = pattern[0];
  return first === undefined || '*?[\\'.includes(String.fromCharCode(first)) ? -1 : first;
}

/** Whether a channel's name, `len` bytes at `off`, matches. */
export function patternMatches(
  { bytes, first }: { readonly bytes: Buffer; readonly first: number },
  source: Buffer,
  off: number,
  len: number,
): boolean {
  if (first >= 0 && (len === 0 || source[off] !== first)) return false;
  return globMatch(bytes, 0, bytes.length, source, off, len, false);
}
