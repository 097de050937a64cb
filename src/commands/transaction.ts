// What a client has queued since MULTI: the commands as they were sent, and what was found out about them then, so that EXEC
// needs not parse, look up or hash anything.
//
//   bytes   the arguments, side by side
//   words   for each command:  length of this entry | id of the command, why it is denied << 16 | arguments | keys |
//                              for each argument: offset in `bytes`, length | for each key: argument, slot, hash
//
// Kept by the client's acceptor; a copy of it goes to a shard worker with an EXEC that is handed over (encode, decode).

import { copyBytes } from '../keyspace/shard.ts';
import type { CommandContext } from './context.ts';
import { type Command, CommandFlag, KeyPlan, Place } from './table.ts';

const INITIAL_BYTES = 512;
const INITIAL_WORDS = 128;
/** Transactions kept for the next MULTI of any client of the thread, if their buffers are no larger than this. */
const SPARE_MAX = 16;
const SPARE_BYTES_MAX = 16 * 1024;
const ENTRY_HEADER = 4;
/** In front of an encoded one, in words: commands, words, bytes, flags, low, high, bits. */
const ENCODED_WORDS = 7;
const ALL_SHARDS = 1;
const ON_WORKER = 2;
const CHANGES_ANYTHING = 4;
const CHANGES_DATABASE = 8;
const WHILE_LOADING = 16;
/** Above the id of a command: why its client may not run it any more. */
const DENIAL_SHIFT = 16;
const ID_MASK = (1 << DENIAL_SHIFT) - 1;

export class Transaction {
  bytes = Buffer.allocUnsafe(INITIAL_BYTES);
  length = 0;
  words = new Int32Array(INITIAL_WORDS);
  wordsUsed = 0;
  /** Commands queued. */
  count = 0;
  /** CommandFlag bits that any of them has. */
  flags = 0;
  /** Shards of all their keys, a bit each: 0..31 and 32..63. */
  low = 0;
  high = 0;
  /** Some command needs all shards: it names no keys, or not all that it may touch. */
  allShards = false;
  /** Some command runs on shard workers only. */
  onWorker = false;
  /** Some command changes keys without naming them: FLUSHALL, SWAPDB. */
  changesAnything = false;
  /** SELECT is among them: their keys may be in other databases than the client's of now. */
  changesDatabase = false;
  /** All of them may run while data is loaded. */
  whileLoading = true;
  /** A command was refused before it was queued: EXEC will answer EXECABORT. */
  failed = false;

  /** Empties it. */
  reset(): void {
    this.length = 0;
    this.wordsUsed = 0;
    this.count = 0;
    this.flags = 0;
    this.low = 0;
    this.high = 0;
    this.allShards = false;
    this.onWorker = false;
    this.changesAnything = false;
    this.changesDatabase = false;
    this.whileLoading = true;
    this.failed = false;
  }

  /** Memory that it takes, in bytes. */
  get memory(): number {
    return this.bytes.length + this.words.byteLength;
  }

  /**
   * Queues the command that is in `cx`.
   * @param keyArgs the first `keyCount` are the arguments that are keys; their slots and hashes are in `cx`
   * @param allKeys whether it may touch keys that it does not name
   */
  add(cx: CommandContext, keyArgs: Int32Array, keyCount: number, allKeys: boolean): void {
    const { command, argc } = cx;
    const words = this.#wordRoom(ENTRY_HEADER + argc * 2 + keyCount * 3);
    let at = this.wordsUsed;
    words[at] = ENTRY_HEADER + argc * 2 + keyCount * 3;
    words[at + 1] = command.id;
    words[at + 2] = argc;
    words[at + 3] = keyCount;
    at += ENTRY_HEADER;
    for (let i = 0; i < argc; i++, at += 2) {
      const len = cx.argLen[i]!;
      this.#byteRoom(len);
      words[at] = this.length;
      words[at + 1] = len;
      copyBytes(cx.input, cx.argOff[i]!, this.bytes, this.length, len);
      this.length += len;
    }
    for (let i = 0; i < keyCount; i++, at += 3) {
      const arg = keyArgs[i]!;
      words[at] = arg;
      words[at + 1] = cx.slots[arg]!;
      words[at + 2] = cx.hashes[arg]!;
    }
    this.wordsUsed = at;
    this.count++;
    this.#note(command, allKeys);
  }

  #note(command: Command, allKeys: boolean): void {
    this.flags |= command.flags;
    if (command.place === Place.Worker) this.onWorker = true;
    if (allKeys || looksAtAllShards(command)) this.allShards = true;
    if (command.keyPlan === KeyPlan.None && (command.flags & CommandFlag.Write) !== 0)
      this.changesAnything = true;
    if (command.name === 'select') this.changesDatabase = true;
    if ((command.flags & CommandFlag.Loading) === 0) this.whileLoading = false;
  }

  /** Counts a key's shard in. */
  addShard(shard: number): void {
    if (shard < 32) this.low |= 1 << shard;
    else this.high |= 1 << (shard - 32);
  }

  /** Bytes of encode(). */
  get encodedLength(): number {
    return (ENCODED_WORDS + this.wordsUsed) * 4 + this.length;
  }

  /** Writes it at `at`. @returns where it ends */
  encode(to: Buffer, at: number): number {
    const bits =
      (this.allShards ? ALL_SHARDS : 0) |
      (this.onWorker ? ON_WORKER : 0) |
      (this.changesAnything ? CHANGES_ANYTHING : 0) |
      (this.changesDatabase ? CHANGES_DATABASE : 0) |
      (this.whileLoading ? WHILE_LOADING : 0);
    const head = [this.count, this.wordsUsed, this.length, this.flags, this.low, this.high, bits];
    for (const word of head) at = to.writeInt32LE(word, at);
    for (let i = 0; i < this.wordsUsed; i++) at = to.writeInt32LE(this.words[i]!, at);
    return at + this.bytes.copy(to, at, 0, this.length);
  }

  /** Fills this one, which is empty, with what encode() has written at `at`. @returns where it ends */
  decode(from: Buffer, at: number): number {
    const word = (i: number): number => from.readInt32LE(at + i * 4);
    const wordCount = word(1);
    const length = word(2);
    this.count = word(0);
    this.flags = word(3);
    this.low = word(4);
    this.high = word(5);
    this.allShards = (word(6) & ALL_SHARDS) !== 0;
    this.onWorker = (word(6) & ON_WORKER) !== 0;
    this.changesAnything = (word(6) & CHANGES_ANYTHING) !== 0;
    this.changesDatabase = (word(6) & CHANGES_DATABASE) !== 0;
    this.whileLoading = (word(6) & WHILE_LOADING) !== 0;
    const words = this.#wordRoom(wordCount);
    for (let i = 0; i < wordCount; i++) words[i] = word(ENCODED_WORDS + i);
    this.wordsUsed = wordCount;
    this.#byteRoom(length);
    const start = at + (ENCODED_WORDS + wordCount) * 4;
    from.copy(this.bytes, 0, start, start + length);
    this.length = length;
    return start + length;
  }

  #wordRoom(words: number): Int32Array {
    const needed = this.wordsUsed + words;
    if (needed > this.words.length) {
      const larger = new Int32Array(Math.max(needed, this.words.length * 2));
      larger.set(this.words.subarray(0, this.wordsUsed));
      this.words = larger;
    }
    return this.words;
  }

  #byteRoom(bytes: number): void {
    const needed = this.length + bytes;
    if (needed <= this.bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, this.bytes.length * 2));
    this.bytes.copy(larger, 0, 0, this.length);
    this.bytes = larger;
  }
}

const KEYSPACE = 'keyspace';

/** Whether a command without keys reads or changes what others have: it must see all of it at one moment. */
function looksAtAllShards(command: Command): boolean {
  if (command.keyPlan !== KeyPlan.None) return false;
  return command.place === Place.Worker || command.facts.acl_categories.includes(`@${KEYSPACE}`);
}

const spare: Transaction[] = [];

/** An empty transaction. */
export function takeTransaction(): Transaction {
  return spare.pop() ?? new Transaction();
}

/** Gives a transaction back that nobody uses any more. */
export function dropTransaction(transaction: Transaction): void {
  if (spare.length >= SPARE_MAX || transaction.memory > SPARE_BYTES_MAX) return;
  transaction.reset();
  spare.push(transaction);
}

/** Where the commands of a transaction are loaded, one after the other, to be run. */
export class QueuedCommand {
  argOff = new Int32Array(64);
  argLen = new Int32Array(64);
  slots = new Int32Array(64);
  hashes = new Int32Array(64);
  /** The first `keyCount` are the arguments that are keys. */
  keyArgs = new Int32Array(64);
  keyCount = 0;
  id = 0;
  /** A Denial: found out by who has begun EXEC. */
  denial = 0;
  argc = 0;
  /** Where it is in `words`, and the next one. */
  at = 0;
  next = 0;

  /** Loads the command at `at` of `words`. */
  load(transaction: Transaction, at: number): void {
    const { words } = transaction;
    this.at = at;
    this.next = at + words[at]!;
    this.id = words[at + 1]! & ID_MASK;
    this.denial = words[at + 1]! >>> DENIAL_SHIFT;
    this.argc = words[at + 2]!;
    this.keyCount = words[at + 3]!;
    if (this.argc > this.argOff.length) this.#grow(this.argc);
    let from = at + ENTRY_HEADER;
    for (let i = 0; i < this.argc; i++, from += 2) {
      this.argOff[i] = words[from]!;
      this.argLen[i] = words[from + 1]!;
    }
    for (let i = 0; i < this.keyCount; i++, from += 3) {
      const arg = words[from]!;
      this.keyArgs[i] = arg;
      this.slots[arg] = words[from + 1]!;
      this.hashes[arg] = words[from + 2]!;
    }
  }

  /** Notes in the transaction that its client may not run the command that is loaded. */
  deny(transaction: Transaction, denial: number): void {
    this.denial = denial;
    transaction.words[this.at + 1] = this.id | (denial << DENIAL_SHIFT);
  }

  #grow(argc: number): void {
    const room = argc * 2;
    this.argOff = new Int32Array(room);
    this.argLen = new Int32Array(room);
    this.slots = new Int32Array(room);
    this.hashes = new Int32Array(room);
    this.keyArgs = new Int32Array(room);
  }
}
