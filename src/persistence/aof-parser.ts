/**
 * One command of an append only file: where it ends and where its arguments are.
 *
 *     *3\r\n $3\r\nSET\r\n $1\r\na\r\n $1\r\n1\r\n
 *
 * Stricter than Redis, whose loader takes any text behind a number and any two bytes behind an argument: those are signs of
 * damage, and going on would put what is left of the file to the wrong use. Lines may end in LF alone. There is no limit on
 * the number or length of arguments but the 2 GiB that offsets reach.
 */

/** A whole command; not all of it is there; this is no command. */
export const AofParse = { Whole: 0, Short: 1, Bad: 2 } as const;
export type AofParse = (typeof AofParse)[keyof typeof AofParse];

const STAR = 0x2a;
const DOLLAR = 0x24;
const CR = 0x0d;
const LF = 0x0a;
const ZERO = 0x30;
const NINE = 0x39;
/** More is no number that a file can hold. */
const DIGITS_MAX = 15;
const INITIAL_ARGS = 4096;

export class AofParser {
  /** After Whole: behind the command. After Short: at least so far the bytes must reach. After Bad: what is wrong. */
  end = 0;
  /** Arguments of this command: [argFirst, argEnd) of the two lists. */
  argFirst = 0;
  argEnd = 0;
  argOff = new Int32Array(INITIAL_ARGS);
  argLen = new Int32Array(INITIAL_ARGS);
  #number = 0;

  /** Gives the room of the arguments of all commands free. */
  reset(): void {
    this.argFirst = 0;
    this.argEnd = 0;
  }

  /**
   * Parses the command at `from`; its arguments are put behind those of the commands before.
   * @param to end of the bytes that are there
   */
  parse(bytes: Buffer, from: number, to: number): AofParse {
    const first = this.argEnd;
    this.argFirst = first;
    let status = this.#line(bytes, STAR, from, to);
    if (status !== AofParse.Whole) return status;
    const argc = this.#number;
    if (argc < 1) return this.#bad(from);
    let at = this.end;
    for (let i = 0; i < argc; i++) {
      status = this.#argument(bytes, at, to, first + i);
      if (status !== AofParse.Whole) return status;
      at = this.end;
    }
    this.argEnd = first + argc;
    return AofParse.Whole;
  }

  #argument(bytes: Buffer, from: number, to: number, index: number): AofParse {
    const status = this.#line(bytes, DOLLAR, from, to);
    if (status !== AofParse.Whole) return status;
    const off = this.end;
    const len = this.#number;
    this.end = off + len + 2;
    if (this.end > to) {
      // The first byte behind it, if it is there, tells already.
      if (off + len < to && bytes[off + len] !== CR) return this.#bad(off + len);
      return AofParse.Short;
    }
    if (bytes[off + len] !== CR || bytes[off + len + 1] !== LF) return this.#bad(off + len);
    if (index === this.argOff.length) this.#growArgs();
    this.argOff[index] = off;
    this.argLen[index] = len;
    return AofParse.Whole;
  }

  /** A prefix, a number, an end of line. */
  #line(bytes: Buffer, prefix: number, from: number, to: number): AofParse {
    this.end = from + 1;
    if (from >= to) return AofParse.Short;
    if (bytes[from] !== prefix) return this.#bad(from);
    let number = 0;
    let at = from + 1;
    for (; at < to; at++) {
      const digit = bytes[at]!;
      if (digit < ZERO || digit > NINE) break;
      if (at - from > DIGITS_MAX) return this.#bad(at);
      number = number * 10 + (digit - ZERO);
    }
    this.end = at + 1;
    if (at === to) return AofParse.Short;
    if (at === from + 1) return this.#bad(at);
    if (bytes[at] === CR) {
      at++;
      this.end = at + 1;
      if (at === to) return AofParse.Short;
    }
    if (bytes[at] !== LF) return this.#bad(at);
    this.#number = number;
    return AofParse.Whole;
  }

  #bad(at: number): AofParse {
    this.end = at;
    return AofParse.Bad;
  }

  #growArgs(): void {
    const off = new Int32Array(this.argOff.length * 2);
    const len = new Int32Array(this.argLen.length * 2);
    off.set(this.argOff);
    len.set(this.argLen);
    this.argOff = off;
    this.argLen = len;
  }
}
