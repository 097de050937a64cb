// Whether a user may run a request: the command, every key by what is done with it, every channel.
//
// One selector must allow all of it. If none does, the denial that is told is the one of most weight (a channel before a
// key before the command), and of those the one furthest to the right: so Redis chooses what its error and ACL LOG name.
//
// What is done with a key is what COMMAND GETKEYSANDFLAGS says. Where a request touches a key that this does not name
// (`GEORADIUS ... STORE a STORE b` writes to b), everything must be allowed with that key; Redis lets it pass.
//
// No allocation, but for requests with more keys than ever before.

import { Denial } from '../commands/identity.ts';
import { commandHasKeys, keyPositions, keysWithFlags } from '../commands/key-positions.ts';
import { KeyFlag } from '../commands/key-specs.ts';
import { type Command, CommandFlag, KeyPlan } from '../commands/table.ts';
import { globMatch } from '../protocol/glob.ts';
import { type ChannelPattern, KeyAccess, type Selector } from './selector.ts';
import type { AclUser } from './user.ts';

const WRITES = KeyFlag.Insert | KeyFlag.Delete | KeyFlag.Update;
/** Argument of PUBLISH and SPUBLISH that is the channel; of SUBSCRIBE and its kind the first. */
const CHANNEL_ARG = 1;

/** How a command uses channels. */
const Channels = { None: 0, One: 1, All: 2, Patterns: 3 } as const;

/** Commands whose arguments are channels; leaving one needs no permission. */
const CHANNEL_COMMANDS: ReadonlyMap<string, number> = new Map([
  ['publish', Channels.One],
  ['spublish', Channels.One],
  ['subscribe', Channels.All],
  ['ssubscribe', Channels.All],
  ['psubscribe', Channels.Patterns],
]);

/** Arguments of a request. */
export interface Request {
  readonly command: Command;
  readonly argc: number;
  readonly argOff: Int32Array;
  readonly argLen: Int32Array;
  readonly input: Uint8Array;
}

export class Permissions {
  /** After a denial: the argument that it is about, 0 for the command itself. */
  argument = 0;
  #keys = new Int32Array(16);
  #access = new Int32Array(16);
  #touched = new Int32Array(16);
  #flags = new Int32Array(16);
  #keyCount = -1;

  /** Whether a user may run a request. @returns Denial.None if so */
  check(user: AclUser, request: Request): Denial {
    const { selectors } = user;
    let denial: Denial = Denial.Command;
    let last = 0;
    this.#keyCount = -1;
    for (let i = 0; i < selectors.length; i++) {
      this.argument = 0;
      const found = this.#checkSelector(selectors[i]!, request);
      if (found === Denial.None) return Denial.None;
      if (found > denial || (found === denial && this.argument > last)) {
        denial = found;
        last = this.argument;
      }
    }
    this.argument = last;
    return denial;
  }

  /** Whether a selector allows the request, and beyond that to read any key. */
  checkReadingAll(user: AclUser, request: Request): boolean {
    this.#keyCount = -1;
    return user.selectors.some(
      (selector) => readsAll(selector) && this.#checkSelector(selector, request) === Denial.None,
    );
  }

  #checkSelector(selector: Selector, request: Request): Denial {
    if (!allowsCommand(selector, request)) return Denial.Command;
    if (!selector.allKeys && commandHasKeys(request.command) && !this.#allowsKeys(selector, request))
      return Denial.Key;
    if (!selector.allChannels && !this.#allowsChannels(selector, request)) return Denial.Channel;
    return Denial.None;
  }

  #allowsKeys(selector: Selector, request: Request): boolean {
    if (this.#keyCount < 0) this.#findKeys(request);
    const { input, argOff, argLen } = request;
    for (let i = 0; i < this.#keyCount; i++) {
      const arg = this.#keys[i]!;
      if (!allowsKey(selector, input, argOff[arg]!, argLen[arg]!, this.#access[i]!)) {
        this.argument = arg;
        return false;
      }
    }
    return true;
  }

  #allowsChannels(selector: Selector, request: Request): boolean {
    const channels = CHANNEL_COMMANDS.get(request.command.name);
    if (channels === undefined) return true;
    const { input, argOff, argLen, argc } = request;
    const end = channels === Channels.One ? CHANNEL_ARG + 1 : argc;
    for (let arg = CHANNEL_ARG; arg < end; arg++) {
      const isPattern = channels === Channels.Patterns;
      if (!allowsChannel(selector.channels, input, argOff[arg]!, argLen[arg]!, isPattern)) {
        this.argument = arg;
        return false;
      }
    }
    return true;
  }

  /** Finds the keys of a request, and what access each needs. */
  #findKeys({ command, argc, argOff, argLen, input }: Request): void {
    let count = keysWithFlags(command, argc, argOff, argLen, input, this.#keys, this.#flags);
    if (count > this.#keys.length) {
      this.#grow(count);
      count = keysWithFlags(command, argc, argOff, argLen, input, this.#keys, this.#flags);
    }
    for (let i = 0; i < count; i++) this.#access[i] = accessOf(this.#flags[i]!);
    this.#keyCount = count;
    if (command.keyPlan !== KeyPlan.Special) return;
    let touched = keyPositions(command, argc, argOff, argLen, input, this.#touched);
    if (touched > this.#touched.length) {
      this.#touched = new Int32Array(touched);
      touched = keyPositions(command, argc, argOff, argLen, input, this.#touched);
    }
    for (let i = 0; i < touched; i++) this.#addUnnamed(this.#touched[i]!);
  }

  /** A key that will be touched: if no specification names it, everything about it must be allowed. */
  #addUnnamed(arg: number): void {
    for (let i = 0; i < this.#keyCount; i++) if (this.#keys[i] === arg) return;
    if (this.#keyCount === this.#keys.length) this.#grow(this.#keyCount + 1);
    this.#keys[this.#keyCount] = arg;
    this.#access[this.#keyCount++] = KeyAccess.All;
  }

  #grow(count: number): void {
    const keys = new Int32Array(count * 2);
    const access = new Int32Array(count * 2);
    keys.set(this.#keys);
    access.set(this.#access);
    this.#keys = keys;
    this.#access = access;
    this.#flags = new Int32Array(count * 2);
  }
}

function allowsCommand(selector: Selector, request: Request): boolean {
  const { command } = request;
  if (selector.allCommands || (command.flags & CommandFlag.NoAuth) !== 0) return true;
  if (selector.allowed[command.id] !== 0) return true;
  const words = selector.firstArgs?.get(command.id);
  if (words === undefined || request.argc < 2) return false;
  for (let i = 0; i < words.length; i++) if (isWord(request, 1, words[i]!)) return true;
  return false;
}

/** Whether an argument is a word (lower case), in any case. */
function isWord({ input, argOff, argLen }: Request, arg: number, word: string): boolean {
  if (argLen[arg] !== word.length) return false;
  const off = argOff[arg]!;
  for (let i = 0; i < word.length; i++) {
    const byte = input[off + i]!;
    if ((byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte) !== word.charCodeAt(i)) return false;
  }
  return true;
}

/** What a key's flags ask for. */
function accessOf(flags: number): number {
  return (
    ((flags & KeyFlag.Access) !== 0 ? KeyAccess.Read : 0) | ((flags & WRITES) !== 0 ? KeyAccess.Write : 0)
  );
}

/** @param access bits of KeyAccess; none: whatever the pattern allows is enough (EXISTS, TYPE) */
function allowsKey(selector: Selector, input: Uint8Array, off: number, len: number, access: number): boolean {
  const { keys } = selector;
  for (let i = 0; i < keys.length; i++) {
    const pattern = keys[i]!;
    if ((pattern.access & access) !== access) continue;
    if (globMatch(pattern.bytes, 0, pattern.bytes.length, input, off, len, false)) return true;
  }
  return false;
}

/**
 * Whether a channel is among those that patterns allow.
 * @param isPattern it is a pattern of PSUBSCRIBE, which must stand among the patterns as it is
 */
export function allowsChannel(
  patterns: readonly ChannelPattern[],
  input: Uint8Array,
  off: number,
  len: number,
  isPattern: boolean,
): boolean {
  for (let i = 0; i < patterns.length; i++) {
    const { bytes } = patterns[i]!;
    if (isPattern) {
      if (bytes.length === len && bytes.compare(input, off, off + len) === 0) return true;
    } else if (globMatch(bytes, 0, bytes.length, input, off, len, false)) return true;
  }
  return false;
}

/** Whether a selector has a right to read every key. */
function readsAll(selector: Selector): boolean {
  return (
    selector.allKeys ||
    selector.keys.some(({ access, text }) => text === '*' && (access & KeyAccess.Read) !== 0)
  );
}
