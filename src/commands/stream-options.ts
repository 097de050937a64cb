// The options in front of an entry of XADD, and those of XTRIM and of the deleting commands of Redis 8.2, in Redis's order
// and with its errors.

import { IdForm, isLeastId, Parsed } from '../structures/stream-id.ts';
import { References, TrimBy, type TrimSpec } from '../structures/stream-trim.ts';
import type { CommandContext } from './context.ts';
import { ErrorText } from './errors.ts';
import { longOf, parseIdArgument, StreamError, type StreamTools } from './stream-tools.ts';

const TrimError = {
  Both: 'ERR syntax error, MAXLEN and MINID options at the same time are not compatible',
  NegativeLength: 'ERR The MAXLEN argument must be >= 0.',
  NegativeLimit: 'ERR The LIMIT argument must be >= 0.',
  LimitAlone: 'ERR syntax error, LIMIT cannot be used without specifying a trimming strategy',
  LimitExact: 'ERR syntax error, LIMIT cannot be used without the special ~ option',
  NothingToTrim: 'ERR syntax error, XTRIM must be called with either MAXLEN or MINID',
} as const;

/** What an approximate trim deletes at most if nothing is said: so many blocks' entries, within these bounds. */
const DEFAULT_LIMIT_BLOCKS = 100;
const DEFAULT_LIMIT_UNBOUNDED = 10_000;
const DEFAULT_LIMIT_MAX = 1_000_000;

/** Where the ID of XADD comes from. */
export const IdSource = { Clock: 0, Given: 1, GivenMs: 2 } as const;

/** What was read. One per thread. */
export class AddOptions {
  /** Argument index of the ID (XADD). */
  idArg = 0;
  /** An IdSource; what is given is in the tools' `id`. */
  source: number = IdSource.Clock;
  noMakeStream = false;
  /** Argument index of the length or ID to trim to. */
  thresholdArg = 0;
  /** The error text, if reading failed. */
  error = '';
  #limitGiven = false;

  /**
   * Reads the options of XADD or XTRIM from argument 2 on, and fills in `spec`. Replies nothing.
   * @returns whether they are right, else `error` is set
   */
  parse(cx: CommandContext, tools: StreamTools, adding: boolean): boolean {
    const { spec } = tools;
    spec.reset();
    this.source = IdSource.Clock;
    this.noMakeStream = false;
    this.#limitGiven = false;
    let referencesGiven = false;
    let arg = 2;
    for (; arg < cx.argc; arg++) {
      const more = cx.argc - 1 - arg;
      if (adding && isStar(cx, arg)) break;
      if (more > 0 && cx.argIs(arg, 'MAXLEN')) arg = this.#trim(cx, tools, arg, TrimBy.Length);
      else if (more > 0 && cx.argIs(arg, 'MINID')) arg = this.#trim(cx, tools, arg, TrimBy.Id);
      else if (more > 0 && cx.argIs(arg, 'LIMIT')) arg = this.#limit(cx, spec, arg);
      else if (adding && cx.argIs(arg, 'NOMKSTREAM')) this.noMakeStream = true;
      else if (!referencesGiven && referencesOf(cx, arg) >= 0) {
        spec.references = referencesOf(cx, arg);
        referencesGiven = true;
      } else if (!adding) return this.#fail(ErrorText.Syntax);
      else {
        const parsed = parseIdArgument(cx, arg, IdForm.Open, 0, tools.id, 0);
        if (parsed === Parsed.Invalid) return this.#fail(StreamError.InvalidId);
        this.source = parsed === Parsed.OpenSequence ? IdSource.GivenMs : IdSource.Given;
        break;
      }
      if (arg < 0) return false;
    }
    this.idArg = arg;
    return this.#checkLimit(cx, tools, adding);
  }

  /** `MAXLEN|MINID [=|~] threshold`. @returns the last argument of it, -1 after an error */
  #trim(cx: CommandContext, tools: StreamTools, arg: number, by: number): number {
    const { spec } = tools;
    if (spec.by !== TrimBy.Nothing) return this.#failed(TrimError.Both);
    spec.approximate = false;
    if (cx.argc - 1 - arg >= 2 && cx.argLen[arg + 1] === 1) {
      const sign = cx.input[cx.argOff[arg + 1]!];
      if (sign === 0x7e) spec.approximate = true;
      if (sign === 0x7e || sign === 0x3d) arg++;
    }
    arg++;
    if (by === TrimBy.Length) {
      const length = longOf(cx, arg);
      if (Number.isNaN(length)) return this.#failed(ErrorText.NotInteger);
      if (length < 0) return this.#failed(TrimError.NegativeLength);
      spec.length = length;
    } else if (parseIdArgument(cx, arg, IdForm.Strict, 0, spec.id, 0) === Parsed.Invalid) {
      return this.#failed(StreamError.InvalidId);
    }
    spec.by = by;
    this.thresholdArg = arg;
    return arg;
  }

  #limit(cx: CommandContext, spec: TrimSpec, arg: number): number {
    const limit = longOf(cx, arg + 1);
    if (Number.isNaN(limit)) return this.#failed(ErrorText.NotInteger);
    if (limit < 0) return this.#failed(TrimError.NegativeLimit);
    spec.limit = limit;
    this.#limitGiven = true;
    return arg + 1;
  }

  #checkLimit(cx: CommandContext, tools: StreamTools, adding: boolean): boolean {
    const { spec } = tools;
    if (cx.replaying) spec.limit = 0;
    if (spec.limit > 0 && spec.by === TrimBy.Nothing) return this.#fail(TrimError.LimitAlone);
    if (!adding && spec.by === TrimBy.Nothing) return this.#fail(TrimError.NothingToTrim);
    // What is left after a limited trim was put in place of the threshold.
    if (cx.replaying) return true;
    if (this.#limitGiven) return spec.approximate || this.#fail(TrimError.LimitExact);
    if (!spec.approximate) return true;
    const limit = DEFAULT_LIMIT_BLOCKS * tools.blockEntries;
    spec.limit = limit <= 0 ? DEFAULT_LIMIT_UNBOUNDED : Math.min(limit, DEFAULT_LIMIT_MAX);
    return true;
  }

  #fail(text: string): false {
    this.error = text;
    return false;
  }

  #failed(text: string): -1 {
    this.error = text;
    return -1;
  }

  /** Whether 0-0 was given, which no entry can have. */
  isLeast(tools: StreamTools): boolean {
    return this.source === IdSource.Given && isLeastId(tools.id, 0);
  }
}

export function isStar(cx: CommandContext, arg: number): boolean {
  return cx.argLen[arg] === 1 && cx.input[cx.argOff[arg]!] === 0x2a;
}

/** @returns a References, -1 if the argument is none of its words */
function referencesOf(cx: CommandContext, arg: number): number {
  if (cx.argIs(arg, 'KEEPREF')) return References.Keep;
  if (cx.argIs(arg, 'DELREF')) return References.Drop;
  return cx.argIs(arg, 'ACKED') ? References.Respect : -1;
}

/** `[KEEPREF | DELREF | ACKED] IDS numids id [id ...]`, in any order. */
export class DeleteOptions {
  /** A References. */
  references: number = References.Keep;
  /** Argument index of the first ID, and how many there are. */
  first = 0;
  count = 0;

  /** @param arg where they begin @returns false after replying with the error */
  parse(cx: CommandContext, arg: number): boolean {
    let references = -1;
    this.count = 0;
    for (; arg < cx.argc; arg++) {
      const word = references < 0 ? referencesOf(cx, arg) : -1;
      if (word >= 0) {
        references = word;
        continue;
      }
      if (!cx.argIs(arg, 'IDS') || arg + 1 >= cx.argc) {
        cx.syntaxError();
        return false;
      }
      const count = longOf(cx, arg + 1);
      if (!(count >= 1)) {
        cx.error('ERR Number of IDs must be a positive integer');
        return false;
      }
      if (count > cx.argc - arg - 2) {
        cx.error('ERR The `numids` parameter must match the number of arguments');
        return false;
      }
      this.first = arg + 2;
      this.count = count;
      arg += 1 + count;
    }
    this.references = references < 0 ? References.Keep : references;
    if (this.count > 0) return true;
    cx.syntaxError();
    return false;
  }
}
