// Look-ahead: before the commands of a read run, the keys of the next few are hashed and what their look-ups will load
// (segment, entry, record) is touched. A look-up is a chain of loads that each miss the caches in a large data set;
// chains of different keys overlap in the processor, which hides most of the waiting.
//
// Measured with 1 M keys at random, pipeline 64: see docs/benchmarks.md. Reads of a single command gain nothing and skip it.
// Arguments and hashes are kept, so that they need not be parsed and computed again. Only the first argument is looked at, where
// nearly all commands have their key; if it is none, a few cache lines were loaded in vain.
//
// Where all of them have one key and it is that of a large hash, set or sorted set, its fields or members are what misses the
// caches, and they are looked at in the same way (structures/table-look-ahead.ts). HSET with pipeline 16:
// 1.1 times as many a second in a hash of 100,000 fields, 1.16 in one of 1.5 M.

import { hashKey } from '../keyspace/key-hash.ts';
import type { Keyspace } from '../keyspace/keyspace.ts';
import { Encoding, RecordView } from '../keyspace/record.ts';
import { SLOT_TO_SHARD_SHIFT, SLOTS_PER_SHARD } from '../memory/layout.ts';
import { ParseState, ParseStatus, RequestParser } from '../protocol/request-parser.ts';
import type { RequestReader } from '../protocol/request-reader.ts';
import { sameBytes } from '../structures/bytes.ts';
import { KnownHashes, lookUpHashes } from '../structures/keyed-hash.ts';
import { TableLookAhead } from '../structures/table-look-ahead.ts';

/** Commands looked ahead at a time: as many chains as a core keeps in flight, a few times over. */
export const LOOK_AHEAD = 32;
/** Fewer bytes than this hold one or two commands. */
export const LOOK_AHEAD_BYTES_MIN = 128;
const KEY_BYTES_MAX = 256;

/** Arguments of a command that are kept; one with more is parsed again when it runs. */
const ARGS_MAX = 4;

/** So many commands on one key, or on none, are taken for a sign that the next ones are alike. */
const ONE_KEY_COMMANDS = 8;
/** Looks left out then, before it looks again. */
const ONE_KEY_SKIPS = 15;

export class LookAhead {
  readonly #keyspace: Keyspace;
  readonly #parser = new RequestParser();
  readonly #state = new ParseState();
  /** What the offsets below refer to. */
  input: Buffer | null = null;
  /** Commands parsed, and the one that runs next. */
  #commands = 0;
  #nextCommand = 0;
  readonly #starts = new Int32Array(LOOK_AHEAD);
  /** As RequestParser.start. */
  readonly #heads = new Int32Array(LOOK_AHEAD);
  readonly #ends = new Int32Array(LOOK_AHEAD);
  readonly #argCounts = new Int32Array(LOOK_AHEAD);
  readonly #argOff = new Int32Array(LOOK_AHEAD * ARGS_MAX);
  readonly #argLen = new Int32Array(LOOK_AHEAD * ARGS_MAX);
  /** Keys hashed, and the one that is next. */
  count = 0;
  next = 0;
  readonly offsets = new Int32Array(LOOK_AHEAD);
  readonly #lengths = new Int32Array(LOOK_AHEAD);
  readonly slots = new Int32Array(LOOK_AHEAD);
  readonly hashes = new Int32Array(LOOK_AHEAD);
  readonly #segments = new Int32Array(LOOK_AHEAD);
  readonly #entries = new Int32Array(LOOK_AHEAD);
  /** The last commands looked at all had one key: locks are kept. */
  oneKey = false;
  /** So many looks are left out: there was nothing to gain. */
  #skips = 0;
  readonly #record: RecordView;
  readonly #table: TableLookAhead;
  readonly #members = new KnownHashes(LOOK_AHEAD);
  /** Where the reads go, so that they are not optimised away. */
  sink = 0;

  constructor(keyspace: Keyspace) {
    this.#keyspace = keyspace;
    this.#record = new RecordView(keyspace.memory);
    this.#table = new TableLookAhead(keyspace.shards[0]!.arena, LOOK_AHEAD);
    lookUpHashes(this.#members);
  }

  /**
   * Looks at the commands that come next; one must begin at `reader.restStart`.
   * @param limits the parser whose limits hold
   */
  look(reader: RequestReader, limits: RequestParser, db: number): void {
    if (this.#skips > 0) {
      this.#skips--;
      return;
    }
    const parser = this.#parser;
    const { rest: input, restStart: start, restEnd: end } = reader;
    parser.maxBulkLength = limits.maxBulkLength;
    this.#state.authRequired = reader.state.authRequired;
    let commands = 0;
    let keys = 0;
    let pos = start;
    const hadOneKey = this.oneKey;
    while (commands < LOOK_AHEAD && parser.parse(input, pos, end, this.#state) === ParseStatus.Complete) {
      if (parser.input !== input) break;
      this.#keep(commands++, pos);
      pos = parser.pos;
      if (parser.argc < 2 || parser.argLen[1]! > KEY_BYTES_MAX) continue;
      this.offsets[keys] = parser.argOff[1]!;
      if (hadOneKey) this.#hashAgain(keys);
      else hashKey(input, parser.argOff[1]!, parser.argLen[1]!, this.slots, this.hashes, keys);
      keys++;
    }
    this.#state.reset();
    this.oneKey = commands >= ONE_KEY_COMMANDS && isOneKey(this.hashes, keys);
    this.input = input;
    this.#commands = commands;
    this.#nextCommand = 0;
    this.count = keys;
    this.next = 0;
    this.#members.clear();
    if (!this.oneKey) this.#touch(db);
    else if (keys === 0 || !this.#touchMembers(db)) this.#skips = ONE_KEY_SKIPS;
  }

  /**
   * Gives the command at `pos` to `parser` as if it had parsed it.
   * @returns whether it was looked at; if not, parser is as it was
   */
  give(parser: RequestParser, input: Buffer, pos: number): boolean {
    const i = this.#nextCommand;
    if (i >= this.#commands || this.input !== input || this.#starts[i] !== pos) return false;
    this.#nextCommand = i + 1;
    const argc = this.#argCounts[i]!;
    if (argc > ARGS_MAX) return false;
    const base = i * ARGS_MAX;
    for (let arg = 0; arg < argc; arg++) {
      parser.argOff[arg] = this.#argOff[base + arg]!;
      parser.argLen[arg] = this.#argLen[base + arg]!;
    }
    parser.argc = argc;
    parser.input = input;
    parser.start = this.#heads[i]!;
    parser.pos = this.#ends[i]!;
    return true;
  }

  /** Hashes the first argument that the parser holds, the i-th key, which most likely is the one before it. */
  #hashAgain(i: number): void {
    const { input, argOff, argLen } = this.#parser;
    const off = argOff[1]!;
    const len = argLen[1]!;
    this.#lengths[i] = len;
    if (i > 0 && this.#lengths[i - 1] === len && sameBytes(input, this.offsets[i - 1]!, input, off, len)) {
      this.slots[i] = this.slots[i - 1]!;
      this.hashes[i] = this.hashes[i - 1]!;
    } else hashKey(input, off, len, this.slots, this.hashes, i);
  }

  #keep(i: number, start: number): void {
    const { argc, argOff, argLen, pos } = this.#parser;
    this.#starts[i] = start;
    this.#heads[i] = this.#parser.start;
    this.#ends[i] = pos;
    this.#argCounts[i] = argc;
    if (argc > ARGS_MAX) return;
    const base = i * ARGS_MAX;
    for (let arg = 0; arg < argc; arg++) {
      this.#argOff[base + arg] = argOff[arg]!;
      this.#argLen[base + arg] = argLen[arg]!;
    }
  }

  /** One step for all keys, then the next: the loads of a step do not wait for one another. */
  #touch(db: number): void {
    const { slots, hashes, count } = this;
    const shards = this.#keyspace.shards;
    const segments = this.#segments;
    const entries = this.#entries;
    const { index } = shards[0]!;
    let sink = 0;
    for (let i = 0; i < count; i++) {
      const slot = slots[i]!;
      const local = slot & (SLOTS_PER_SHARD - 1);
      const own = shards[slot >>> SLOT_TO_SHARD_SHIFT]!.index;
      const segment = own.peekSegment(db, local, hashes[i]!);
      segments[i] = segment;
      if (segment !== 0) entries[i] = own.peekHome(db, local, segment, hashes[i]!);
    }
    for (let i = 0; i < count; i++) if (segments[i] !== 0) sink ^= index.peekLine(segments[i]!, entries[i]!);
    for (let i = 0; i < count; i++) {
      entries[i] = segments[i] === 0 ? 0 : index.peekEntry(segments[i]!, entries[i]!, hashes[i]!);
    }
    for (let i = 0; i < count; i++) if (entries[i] !== 0) sink ^= index.peekRecord(entries[i]!);
    this.sink = sink;
  }

  /**
   * As #touch, for what the commands look up in the value of the first key, which all of them have.
   * @returns false: it is no large hash table
   */
  #touchMembers(db: number): boolean {
    const record = this.#record;
    const slot = this.slots[0]!;
    const { index } = this.#keyspace.shards[slot >>> SLOT_TO_SHARD_SHIFT]!;
    const ref = index.peekHash(db, slot & (SLOTS_PER_SHARD - 1), this.hashes[0]!);
    if (ref === 0) return false;
    record.point(ref);
    const { encoding, words } = record;
    if (encoding !== Encoding.Hashtable && encoding !== Encoding.Skiplist) return false;
    const root = record.rootWord;
    if (!this.#table.gains(words, root)) return false;
    const members = this.#members;
    const input = this.input!;
    for (let i = 0; i < this.#commands; i++) {
      const argc = this.#argCounts[i]!;
      if (argc < 3 || argc > ARGS_MAX) continue;
      // A sorted set's members come last, behind their scores.
      const arg = i * ARGS_MAX + (encoding === Encoding.Skiplist ? argc - 1 : 2);
      if (this.#argLen[arg]! > KEY_BYTES_MAX) continue;
      members.add(input, this.#argOff[arg]!, this.#argLen[arg]!);
    }
    members.input = input;
    this.#table.touch(words, root, members.hashes, members.count);
    return members.count >= ONE_KEY_COMMANDS;
  }

  /** Forgets what was looked at, and lets go of the input. */
  clear(): void {
    this.input = null;
    this.#commands = 0;
    this.count = 0;
    this.#members.clear();
  }
}

/** Whether the first `count` hashes are all the same, or there are none. */
function isOneKey(hashes: Int32Array, count: number): boolean {
  for (let i = 1; i < count; i++) if (hashes[i] !== hashes[0]) return false;
  return true;
}
