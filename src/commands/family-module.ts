// MODULE LIST LOAD LOADEX UNLOAD HELP. Redis modules are native code: none can be loaded, so that there are none.

import { argText } from './arguments.ts';
import type { CommandContext } from './context.ts';
import { helpReply } from './help.ts';
import { protectedRefusal } from './protection.ts';
import { type FamilyHandlers, Place } from './table.ts';

/** MODULE LOAD path [arg ...], MODULE LOADEX path [CONFIG name value ...] [ARGS arg ...] */
function moduleLoadCommand(cx: CommandContext): void {
  const refused = protectedRefusal(cx);
  if (refused !== null) {
    cx.error(refused);
    return;
  }
  cx.server.log.warning(
    `Module ${argText(cx, 2)} failed to load: Redis modules are native code, none can be loaded`,
  );
  cx.error('ERR Error loading the extension. Please check the server logs.');
}

/** MODULE UNLOAD name */
function moduleUnloadCommand(cx: CommandContext): void {
  cx.error(protectedRefusal(cx) ?? 'ERR Error unloading module: no such module with that name');
}

const HELP = [
  'LIST',
  '    Return a list of loaded modules.',
  'LOAD <path> [<arg> ...]',
  '    Load a module library from <path>, passing to it any optional arguments.',
  'LOADEX <path> [[CONFIG NAME VALUE]...] [ARGS ...]',
  '    Load a module library from <path>, while passing it module configurations and optional arguments.',
  'UNLOAD <name>',
  '    Unload a module.',
];

export const moduleCommands: FamilyHandlers = {
  'MODULE|LIST': { run: (cx) => cx.reply.emptyArray(), place: Place.InPlace },
  'MODULE|LOAD': { run: moduleLoadCommand, place: Place.InPlace },
  'MODULE|LOADEX': { run: moduleLoadCommand, place: Place.InPlace },
  'MODULE|UNLOAD': { run: moduleUnloadCommand, place: Place.InPlace },
  'MODULE|HELP': { run: (cx) => helpReply(cx, 'MODULE', HELP), place: Place.InPlace },
};
