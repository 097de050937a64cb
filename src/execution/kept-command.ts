// The command in a context, while others run in its place.

import type { CommandContext } from '../commands/context.ts';
import type { Command } from '../commands/table.ts';
import type { KeyLocks } from './key-locks.ts';

/** What EXEC had in the context, to be put back when its commands have run. */
export class KeptCommand {
  readonly #cx: CommandContext;
  readonly #locks: KeyLocks;
  readonly #command: Command;
  readonly #input: Buffer;
  readonly #requestStart: number;
  readonly #argc: number;
  readonly #argOff: Int32Array;
  readonly #argLen: Int32Array;
  readonly #slots: Int32Array;
  readonly #hashes: Int32Array;
  readonly #keyArgs: Int32Array;

  constructor(cx: CommandContext, locks: KeyLocks) {
    this.#cx = cx;
    this.#locks = locks;
    this.#command = cx.command;
    this.#input = cx.input;
    this.#requestStart = cx.requestStart;
    this.#argc = cx.argc;
    this.#argOff = cx.argOff;
    this.#argLen = cx.argLen;
    this.#slots = cx.slots;
    this.#hashes = cx.hashes;
    this.#keyArgs = locks.keyArgs;
  }

  restore(): void {
    const cx = this.#cx;
    cx.command = this.#command;
    cx.input = this.#input;
    cx.requestStart = this.#requestStart;
    cx.argc = this.#argc;
    cx.argOff = this.#argOff;
    cx.argLen = this.#argLen;
    cx.slots = this.#slots;
    cx.hashes = this.#hashes;
    this.#locks.keyArgs = this.#keyArgs;
    this.#locks.keyCount = 0;
  }
}
