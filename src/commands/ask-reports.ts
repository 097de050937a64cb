// Questions about what threads have reported to the supervisor: SLOWLOG, LATENCY, ACL LOG.

import { GlobalWord } from '../memory/layout.ts';
import type { CommandContext } from './context.ts';
import type { ReportQuery } from './server-api.ts';

/**
 * Asks the supervisor when it has taken all that any thread had reported by now, and before it takes what this command
 * itself will be reported for.
 * @returns as ServerApi.ask
 */
export function askReports(cx: CommandContext, method: string, payload?: unknown): Promise<unknown> {
  const seen = Atomics.load(cx.keyspace.memory.control, GlobalWord.Reports);
  return cx.server.ask(method, { seen, payload } satisfies ReportQuery);
}
