// Which arguments of a command neither MONITOR nor the slow log may show.

import type { CommandContext } from '../commands/context.ts';
import { findDirective } from '../config/directives.ts';

/** @returns index of the first argument to hide; argc if none */
export function redactedFrom(cx: CommandContext): number {
  switch (cx.command.name) {
    case 'auth':
      return 1;
    case 'hello':
      for (let i = 2; i < cx.argc; i++) if (cx.argIs(i, 'AUTH')) return i + 1;
      return cx.argc;
    case 'config|set':
      for (let i = 2; i + 1 < cx.argc; i += 2) {
        if (findDirective(cx.argLatin1(i).toLowerCase())?.sensitive) return i + 1;
      }
      return cx.argc;
    default:
      return cx.argc;
  }
}
