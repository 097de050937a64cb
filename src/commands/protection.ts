// Commands that the configuration must allow: DEBUG (enable-debug-command), MODULE LOAD, LOADEX and UNLOAD
// (enable-module-command). `local` means clients on this host.

import type { CommandContext } from './context.ts';
import type { Session } from './session.ts';

/** @returns null, or why a command with CommandFlag.Protected may not run for this client */
export function protectedRefusal(cx: CommandContext): string | null {
  const debug = cx.command.name === 'debug';
  const option = debug ? 'enable-debug-command' : 'enable-module-command';
  const allowed = cx.server.config.getEnum(option);
  if (allowed === 'yes' || (allowed === 'local' && isLocal(cx.session))) return null;
  return `ERR ${debug ? 'DEBUG' : 'MODULE'} command not allowed. If the ${option} option is set to "local", you can run it from a local connection, otherwise you need to set this option in the configuration file, and then restart the server.`;
}

/**
 * Whether a client is on this host: over the unix socket or from the loopback address. Only the address travels with
 * commands that are handed over; that of a unix socket ends in port 0, which no TCP client has.
 */
function isLocal(session: Session): boolean {
  if (session.unix || session.address.endsWith(':0')) return true;
  return /^(?:127\.0\.0\.1|\[?::1\]?|\[?::ffff:127\.0\.0\.1\]?):\d+$/.test(session.address);
}
