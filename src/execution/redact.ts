// Which arguments of a command neither MONITOR nor the slow log may show.

import type { CommandContext } from '../commands/context.ts';
import { sensitiveArguments } from '../config/set.ts';

const NONE: ReadonlySet<number> = new Set();

/** @returns indexes of the arguments to hide */
export function redactedArguments(cx: CommandContext): ReadonlySet<number> {
  switch (cx.command.name) {
    case 'auth':
      return from(1, cx.argc);
    case 'hello': {
      const hidden = new Set<number>();
      for (let i = 2; i < cx.argc; i++) {
        if (cx.argIs(i, 'AUTH')) hidden.add(++i).add(++i);
        else if (cx.argIs(i, 'SETNAME')) i++;
      }
      return hidden;
    }
    case 'acl|setuser':
    case 'acl|deluser':
    case 'acl|getuser':
      return from(2, cx.argc);
    case 'config|set': {
      const pairs = Array.from({ length: cx.argc - 2 }, (_, i) => cx.argLatin1(i + 2));
      return new Set(sensitiveArguments(pairs).map((i) => i + 2));
    }
    default:
      return NONE;
  }
}

function from(first: number, end: number): Set<number> {
  return new Set(Array.from({ length: Math.max(0, end - first) }, (_, i) => first + i));
}
