// The options that SET, GETEX and MSETEX share: conditions, expiry, GET. As Redis's parseExtendedStringArguments.
//
//   NX | XX | IFEQ value | IFNE value | IFDEQ digest | IFDNE digest       (SET; NX and XX also MSETEX)
//   GET                                                                   (SET)
//   EX seconds | PX milliseconds | EXAT seconds | PXAT milliseconds | KEEPTTL (SET, MSETEX) | PERSIST (GETEX)
//
// An option may be repeated (the last one counts) unless it excludes itself; options of different kinds that exclude
// each other are a syntax error. IFEQ and its like, and MSETEX, are those of Redis 8.4.

import type { RecordView } from '../keyspace/record.ts';
import { parseInteger64 } from '../protocol/numbers.ts';
import type { CommandContext } from './context.ts';
import { ErrorText, invalidExpire } from './errors.ts';

/** Bits of SetOptions.flags. */
export const SetFlag = {
  NX: 1,
  XX: 2,
  Get: 4,
  KeepTtl: 8,
  Persist: 16,
  EX: 32,
  PX: 64,
  EXAT: 128,
  PXAT: 256,
  IfEq: 512,
  IfNe: 1024,
  IfDeq: 2048,
  IfDne: 4096,
} as const;

/** Conditions on the value that is there. */
export const IF_FLAGS = SetFlag.IfEq | SetFlag.IfNe | SetFlag.IfDeq | SetFlag.IfDne;
const EXPIRY_FLAGS = SetFlag.EX | SetFlag.PX | SetFlag.EXAT | SetFlag.PXAT;
const RELATIVE_FLAGS = SetFlag.EX | SetFlag.PX;
const SECOND_FLAGS = SetFlag.EX | SetFlag.EXAT;
const ABSOLUTE_FLAGS = SetFlag.EXAT | SetFlag.PXAT;
const CONDITION_FLAGS = SetFlag.NX | SetFlag.XX | IF_FLAGS;

/** What each command takes. */
export const OptionSet = {
  Set: CONDITION_FLAGS | SetFlag.Get | SetFlag.KeepTtl | EXPIRY_FLAGS,
  Getex: SetFlag.Persist | EXPIRY_FLAGS,
  Msetex: SetFlag.NX | SetFlag.XX | SetFlag.KeepTtl | EXPIRY_FLAGS,
} as const;

const INT64_MAX = 2n ** 63n - 1n;
const SECONDS_MAX = INT64_MAX / 1000n;

/** Parsed options; one instance per command family is enough, as handlers run to their end. */
export class SetOptions {
  flags = 0;
  /** Argument index of the expiry, 0 if none. */
  expireArg = 0;
  /** Argument index of what IFEQ and its like compare with. */
  matchArg = 0;
  /** Unix time in ms, exact above 2^53 too; -1 if no expiry was given. Set by readExpiry. */
  expireAt: number | bigint = -1;

  has(flag: number): boolean {
    return (this.flags & flag) !== 0;
  }

  /** An expiry given as a moment: it may have passed. */
  get absolute(): boolean {
    return (this.flags & ABSOLUTE_FLAGS) !== 0;
  }

  clear(): void {
    this.flags = 0;
    this.expireArg = 0;
    this.matchArg = 0;
    this.expireAt = -1;
  }

  /**
   * Parses the options from argument `first` on.
   * @param allowed which the command takes, see OptionSet
   * @returns false after replying with a syntax error
   */
  parse(cx: CommandContext, first: number, allowed: number): boolean {
    this.clear();
    for (let arg = first; arg < cx.argc; arg++) {
      const flag = flagOf(cx, arg);
      if (flag === 0 || (flag & allowed) === 0 || (this.flags & excludedBy(flag)) !== 0) {
        cx.syntaxError();
        return false;
      }
      this.flags |= flag;
      if ((flag & (EXPIRY_FLAGS | IF_FLAGS)) === 0) continue;
      if (++arg === cx.argc) {
        cx.syntaxError();
        return false;
      }
      if ((flag & EXPIRY_FLAGS) !== 0) this.expireArg = arg;
      else this.matchArg = arg;
    }
    return true;
  }

  /**
   * Computes expireAt of an expiry that was given.
   * @returns false after replying with an error
   */
  readExpiry(cx: CommandContext): boolean {
    return this.expireArg === 0 || this.readExpiryOf(cx, this.expireArg, this.flags);
  }

  /** As readExpiry, for SETEX and PSETEX. @param flags one of SetFlag.EX, PX, EXAT, PXAT */
  readExpiryOf(cx: CommandContext, arg: number, flags: number): boolean {
    const amount = cx.argInteger(arg);
    if (amount > 0) {
      const ms = (flags & SECOND_FLAGS) !== 0 ? amount * 1000 : amount;
      const at = (flags & RELATIVE_FLAGS) !== 0 ? ms + cx.present : ms;
      if (at <= Number.MAX_SAFE_INTEGER) {
        this.expireAt = at;
        return true;
      }
    }
    return this.#readExpiry64(cx, arg, flags);
  }

  #readExpiry64(cx: CommandContext, arg: number, flags: number): boolean {
    let ms = parseInteger64(cx.input, cx.argOff[arg]!, cx.argLen[arg]!);
    if (ms === null) {
      cx.error(ErrorText.NotInteger);
      return false;
    }
    const inSeconds = (flags & SECOND_FLAGS) !== 0;
    const valid = ms > 0n && !(inSeconds && ms > SECONDS_MAX);
    if (valid && inSeconds) ms *= 1000n;
    if (valid && (flags & RELATIVE_FLAGS) !== 0) ms += BigInt(cx.present);
    if (!valid || ms > INT64_MAX) {
      cx.error(invalidExpire(cx.command.name));
      return false;
    }
    this.expireAt = ms <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(ms) : ms;
    return true;
  }
}

/** The expiry of a record to the last bit, -1 for none. */
export function exactExpiry(rec: RecordView): number | bigint {
  const at = rec.expireAt;
  return at > Number.MAX_SAFE_INTEGER ? rec.expireAtExact : at;
}

/** The option that an argument names, 0 if none. */
function flagOf(cx: CommandContext, arg: number): number {
  switch (cx.argLen[arg]) {
    case 2:
      if (cx.argIs(arg, 'NX')) return SetFlag.NX;
      if (cx.argIs(arg, 'XX')) return SetFlag.XX;
      if (cx.argIs(arg, 'EX')) return SetFlag.EX;
      return cx.argIs(arg, 'PX') ? SetFlag.PX : 0;
    case 3:
      return cx.argIs(arg, 'GET') ? SetFlag.Get : 0;
    case 4:
      if (cx.argIs(arg, 'EXAT')) return SetFlag.EXAT;
      if (cx.argIs(arg, 'PXAT')) return SetFlag.PXAT;
      if (cx.argIs(arg, 'IFEQ')) return SetFlag.IfEq;
      return cx.argIs(arg, 'IFNE') ? SetFlag.IfNe : 0;
    case 5:
      if (cx.argIs(arg, 'IFDEQ')) return SetFlag.IfDeq;
      return cx.argIs(arg, 'IFDNE') ? SetFlag.IfDne : 0;
    case 7:
      if (cx.argIs(arg, 'KEEPTTL')) return SetFlag.KeepTtl;
      return cx.argIs(arg, 'PERSIST') ? SetFlag.Persist : 0;
    default:
      return 0;
  }
}

/** Options that must not have come before this one. */
function excludedBy(flag: number): number {
  if (flag === SetFlag.NX || flag === SetFlag.XX) return CONDITION_FLAGS & ~flag;
  if ((flag & IF_FLAGS) !== 0) return CONDITION_FLAGS;
  const lifetime = EXPIRY_FLAGS | SetFlag.KeepTtl | SetFlag.Persist;
  return (flag & lifetime) !== 0 ? lifetime & ~flag : 0;
}
