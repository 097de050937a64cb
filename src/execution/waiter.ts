// A client that waits in a blocking command: whose it is, the command as it is run again for it, and what it waits for.
// An object of the thread that keeps the waiting clients; nothing of it is data.

import type { CommandContext } from '../commands/context.ts';
import type { Session } from '../commands/session.ts';
import type { Command } from '../commands/table.ts';
import { isPinned } from '../keyspace/pins.ts';
import { SLOT_TO_SHARD_SHIFT } from '../memory/layout.ts';
import type { SharedMemory } from '../memory/shared-memory.ts';
import type { AwaitedKey } from './waiting-room.ts';

export class Waiter {
  /** Number of its acceptor, and of the connection there. */
  readonly acceptor: number;
  readonly connection: number;
  readonly session: Session;
  readonly command: Command;
  /** The arguments, side by side. */
  readonly input: Buffer;
  readonly argc: number;
  readonly argOff: Int32Array;
  readonly argLen: Int32Array;
  readonly slots: Int32Array;
  readonly hashes: Int32Array;
  /** The arguments that are keys, those it does not wait for too. */
  readonly keyArgs: Int32Array;
  /** Shards of all its keys, a bit each: 0..31 and 32..63. */
  readonly low: number;
  readonly high: number;
  /** See BlockRequest. */
  readonly type: number;
  readonly until: number;
  readonly orGone: boolean;
  readonly firstKey: number;
  readonly keyCount: number;
  /** The queues it stands in. */
  readonly keys: AwaitedKey[] = [];
  /** Its place in the heap of time-outs, -1: none. */
  heapIndex = -1;

  /**
   * @param cx after a handler has called block()
   * @param keyArgs the first `keyCount` are the arguments that are keys
   */
  constructor(
    acceptor: number,
    connection: number,
    cx: CommandContext,
    keyArgs: Int32Array,
    keyCount: number,
  ) {
    const { argc, blockRequest: request } = cx;
    this.acceptor = acceptor;
    this.connection = connection;
    this.session = cx.session;
    this.command = cx.command;
    this.argc = argc;
    this.argOff = new Int32Array(argc);
    this.argLen = new Int32Array(argc);
    this.input = copyArguments(cx, this.argOff, this.argLen);
    this.slots = cx.slots.slice(0, argc);
    this.hashes = cx.hashes.slice(0, argc);
    this.keyArgs = keyArgs.slice(0, keyCount);
    let low = 0;
    let high = 0;
    for (const arg of this.keyArgs) {
      const shard = this.slots[arg]! >>> SLOT_TO_SHARD_SHIFT;
      if (shard < 32) low |= 1 << shard;
      else high |= 1 << (shard - 32);
    }
    this.low = low;
    this.high = high;
    this.type = request.type;
    this.until = request.until;
    this.orGone = request.orGone;
    this.firstKey = request.firstKey;
    this.keyCount = request.keyCount;
  }

  /** Whether another thread has one of its keys pinned. The caller holds the locks of its shards. */
  meetsPin(memory: SharedMemory): boolean {
    for (const arg of this.keyArgs) {
      if (isPinned(memory, this.slots[arg]! >>> SLOT_TO_SHARD_SHIFT, this.hashes[arg]!)) return true;
    }
    return false;
  }

  /** Makes `cx` run its command. */
  prepare(cx: CommandContext): void {
    cx.session = this.session;
    cx.command = this.command;
    cx.db = this.session.db;
    cx.input = this.input;
    cx.requestStart = -1;
    cx.argc = this.argc;
    cx.argOff = this.argOff;
    cx.argLen = this.argLen;
    cx.slots = this.slots;
    cx.hashes = this.hashes;
    cx.noTouch = this.session.noTouch;
    cx.reply.resp = this.session.resp;
  }
}

/** Copies the arguments of a command, or what replaces them. @param argOff, argLen receive where they lie */
function copyArguments(cx: CommandContext, argOff: Int32Array, argLen: Int32Array): Buffer {
  const { replaced } = cx.blockRequest;
  let bytes = 0;
  for (let arg = 0; arg < cx.argc; arg++) {
    argOff[arg] = bytes;
    argLen[arg] = replaced.get(arg)?.length ?? cx.argLen[arg]!;
    bytes += argLen[arg]!;
  }
  const copy = Buffer.allocUnsafeSlow(bytes);
  for (let arg = 0; arg < cx.argc; arg++) {
    const text = replaced.get(arg);
    const off = cx.argOff[arg]!;
    if (text !== undefined) copy.write(text, argOff[arg]!, 'latin1');
    else cx.input.copy(copy, argOff[arg]!, off, off + cx.argLen[arg]!);
  }
  return copy;
}
