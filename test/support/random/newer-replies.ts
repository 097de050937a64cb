// Replies that Redis changed after 7.0, which is the oracle, and that Sabre gives as later versions do.
//
// Each is as narrow as it can be: the command, what Sabre says, what the oracle says. What changes data or orders is not
// here; generators leave that out.

import type { Argument } from '../raw-client.ts';
import type { Reply } from '../resp-parser.ts';

type Change = {
  command: RegExp;
  /** The whole reply, as latin1. */
  sabre: RegExp;
  redis: RegExp;
};

const CHANGES: readonly Change[] = [
  // 7.4 names the command, and XREAD's new '+'.
  {
    command: /^xread(group)?$/,
    sabre: /^-ERR Unbalanced '\w+' list of streams: for each stream key an ID/,
    redis: /^-ERR Unbalanced XREAD list of streams: for each stream key an ID/,
  },
  // 7.2 takes WITHSCORE as a fourth word.
  {
    command: /^z(rev)?rank$/,
    sabre: /^-ERR syntax error\r\n$/,
    redis: /^-ERR wrong number of arguments for 'z(rev)?rank' command\r\n$/,
  },
  // Small lists are listpacks since 7.2.
  {
    command: /^object$/,
    sabre: /^\$8\r\nlistpack\r\n$/,
    redis: /^\$9\r\nquicklist\r\n$/,
  },
  // Since 7.2 a client that waits runs its command again, and gets what that replies.
  { command: /^xreadgroup$/, sabre: /^-(NOGROUP|WRONGTYPE) /, redis: /^-(UNBLOCKED|NOGROUP) the / },
  // 7.0 also wakes it for entries that are deleted by now, of which it gets none.
  {
    command: /^xread(group)?$/,
    sabre: /^(\*-1|_)\r\n$/,
    redis: /^(\*1\r\n\*2|%1)\r\n\$\d+\r\n.*\r\n\*0\r\n$/s,
  },
];

/** Whether two replies differ only as versions do. */
export function isNewerReply(args: readonly Argument[], left: Reply, right: Reply): boolean {
  const name = String(args[0]).toLowerCase();
  const [mine, theirs] = [left.raw.toString('latin1'), right.raw.toString('latin1')];
  return CHANGES.some(
    ({ command, sabre, redis }) => command.test(name) && sabre.test(mine) && redis.test(theirs),
  );
}
