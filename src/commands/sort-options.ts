// The options of SORT and SORT_RO:
//
//   [BY pattern] [LIMIT offset count] [GET pattern ...] [ASC | DESC] [ALPHA] [STORE destination]
//
// In any order; of an option given twice the last one counts, GETs are gathered. SORT_RO has no STORE.

import { argLong } from './arguments.ts';
import type { CommandContext } from './context.ts';
import { ErrorText } from './errors.ts';
import { pinnedSlot } from './generic-scan.ts';
import { PatternKind, SortPattern } from './sort-pattern.ts';

export class SortOptions {
  descending = false;
  alpha = false;
  /** Of LIMIT; -1 counts all. */
  offset = 0;
  count = -1;
  /** Argument of the key to store at, 0 for none. */
  store = 0;
  /** Whether BY names a pattern to look up; `by` is it. */
  hasBy = false;
  /** BY names something constant: the elements stay in the order they have. */
  keepsOrder = false;
  readonly by = new SortPattern();
  /** Patterns of GET: the first `gets` of `get`. */
  gets = 0;
  readonly get: SortPattern[] = [];

  /** Reads the options. @returns false after an error */
  parse(cx: CommandContext, readOnly: boolean): boolean {
    this.descending = false;
    this.alpha = false;
    this.offset = 0;
    this.count = -1;
    this.store = 0;
    this.hasBy = false;
    this.keepsOrder = false;
    this.gets = 0;
    for (let arg = 2; arg < cx.argc; arg++) {
      const left = cx.argc - arg - 1;
      if (cx.argIs(arg, 'ASC')) this.descending = false;
      else if (cx.argIs(arg, 'DESC')) this.descending = true;
      else if (cx.argIs(arg, 'ALPHA')) this.alpha = true;
      else if (left >= 2 && cx.argIs(arg, 'LIMIT')) {
        if (!this.#readLimit(cx, arg + 1)) return false;
        arg += 2;
      } else if (left >= 1 && !readOnly && cx.argIs(arg, 'STORE')) this.store = ++arg;
      else if (left >= 1 && cx.argIs(arg, 'BY')) {
        if (!this.#readBy(cx, ++arg)) return false;
      } else if (left >= 1 && cx.argIs(arg, 'GET')) {
        if (!this.#readGet(cx, ++arg)) return false;
      } else {
        cx.syntaxError();
        return false;
      }
    }
    return true;
  }

  /** Whether keys are looked up that are no arguments. */
  get namesKeys(): boolean {
    if (this.hasBy) return true;
    for (let i = 0; i < this.gets; i++) if (this.get[i]!.kind >= PatternKind.Key) return true;
    return false;
  }

  #readLimit(cx: CommandContext, arg: number): boolean {
    const offset = argLong(cx, arg);
    const count = argLong(cx, arg + 1);
    if (offset === null || count === null) {
      cx.error(ErrorText.NotInteger);
      return false;
    }
    this.offset = offset;
    this.count = count;
    return true;
  }

  #readBy(cx: CommandContext, arg: number): boolean {
    this.by.compile(cx, arg);
    this.hasBy = this.by.hasStar;
    // Once constant, always constant, whatever a later BY says: so Redis.
    if (!this.by.hasStar) this.keepsOrder = true;
    else if (!cx.server.acl.mayReadAllKeys(cx)) {
      cx.error('ERR BY option of SORT denied due to insufficient ACL permissions.');
      return false;
    } else if (isElsewhere(cx, arg)) {
      cx.error(
        'ERR BY option of SORT denied in Cluster mode when keys formed by the pattern may be in different slots.',
      );
      return false;
    }
    return true;
  }

  #readGet(cx: CommandContext, arg: number): boolean {
    if (this.get.length === this.gets) this.get.push(new SortPattern());
    const pattern = this.get[this.gets++]!;
    pattern.compile(cx, arg);
    if (!cx.server.acl.mayReadAllKeys(cx)) {
      cx.error('ERR GET option of SORT denied due to insufficient ACL permissions.');
      return false;
    }
    if (pattern.kind === PatternKind.Element || !isElsewhere(cx, arg)) return true;
    cx.error(
      'ERR GET option of SORT denied in Cluster mode when keys formed by the pattern may be in different slots.',
    );
    return false;
  }
}

/** In cluster mode: whether keys that a pattern forms may be in another slot than the key to be sorted. */
function isElsewhere(cx: CommandContext, arg: number): boolean {
  return cx.server.config.getBool('cluster-enabled') && pinnedSlot(cx, arg) !== cx.slots[1];
}
