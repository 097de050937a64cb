// Which arguments of a command neither MONITOR nor the slow log may show.

import type { CommandContext } from '../commands/context.ts';
import { sensitiveArguments } from '../config/set.ts';

/** @returns index of the first argument to hide; argc if none */
export function redactedFrom(cx: CommandContext): number {
  switch (cx.command.name) {
    case 'auth':
      return 1;
    case 'hello':
      for (let i = 2; i < cx.argc; i++) if (cx.argIs(i, 'AUTH')) return i + 1;
      return cx.argc;
    case 'acl|setuser':
    case 'acl|deluser':
    case 'acl|getuser':
      return 2;
    case 'config|set': {
      const pairs = Array.from({ length: cx.argc - 2 }, (_, i) => cx.argLatin1(i + 2));
      const first = sensitiveArguments(pairs)[0];
      return first === undefined ? cx.argc : first + 2;
    }
    default:
      return cx.argc;
  }
}
