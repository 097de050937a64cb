// What came of a command that an executor was to run. Values that BatchEnd (batch.ts) has, too, are the same.

export const Outcome = {
  /** The reply is written. */
  Done: 0,
  /** Must run on a shard worker; nothing has happened. */
  HandOver: 1,
  /** The reply comes later: see CommandContext.deferred. */
  Deferred: 2,
  /** The reply is written; the connection closes behind it. */
  Close: 3,
  /** CLIENT PAUSE holds it back; nothing has happened. */
  Paused: 4,
  /** Must run on the connection's acceptor; nothing has happened (workers only). */
  ToAcceptor: 5,
  /** A web browser talks to us: the connection closes at once, without any reply. */
  Attack: 6,
  /** Must run on the worker that keeps waiting clients; nothing has happened. */
  ToKeeper: 10,
  /** The client waits, without a reply (on that worker only). */
  Blocked: 11,
  /** A long command has the shard and will let it go soon: to be tried again; nothing has happened. */
  Busy: 12,
  /** An EXEC has run but for what only the acceptor can do: see Transactions.gapped (workers only). */
  Gaps: 13,
} as const;
export type Outcome = (typeof Outcome)[keyof typeof Outcome];

/** Whether the command has run, even if its reply is yet to come. */
export function hasRun(outcome: Outcome): boolean {
  return (
    outcome === Outcome.Done ||
    outcome === Outcome.Close ||
    outcome === Outcome.Deferred ||
    outcome === Outcome.Gaps
  );
}
