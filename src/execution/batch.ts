// Runs the commands that a connection has sent, one after the other, until one of them ends the batch.
// Acceptors and shard workers share it; what CLIENT REPLY hides is hidden here.

import type { CommandContext } from '../commands/context.ts';
import { ReplyMode, type Session } from '../commands/session.ts';
import { ParseStatus, type RequestParser } from '../protocol/request-parser.ts';
import type { RequestReader } from '../protocol/request-reader.ts';
import type { Executor } from './executor.ts';
import { LOOK_AHEAD, LOOK_AHEAD_BYTES_MIN } from './look-ahead.ts';
import { hasRun, Outcome } from './outcome.ts';

export const BatchEnd = {
  /** Everything that was complete has run. */
  Drained: 0,
  /** The next command must run on a shard worker. */
  HandOver: Outcome.HandOver,
  /** The last command answers later: cx.deferred. */
  Deferred: Outcome.Deferred,
  /** The connection closes after what is written. */
  Close: Outcome.Close,
  /** CLIENT PAUSE holds the next command back. */
  Paused: Outcome.Paused,
  /** The next command must run on the acceptor (on workers only). */
  ToAcceptor: Outcome.ToAcceptor,
  /** HTTP: close at once. */
  Attack: Outcome.Attack,
  /** What comes next is not the protocol: parser.error. */
  ProtocolError: 7,
  /** Enough replies for one write. */
  ReplyFull: 8,
  /** Enough commands for one turn. */
  TurnOver: 9,
  /** The next command is for the worker that keeps waiting clients. */
  ToKeeper: Outcome.ToKeeper,
  /** The last command waits for a key (on that worker only). */
  Blocked: Outcome.Blocked,
  /** The next command is to be tried again. */
  Busy: Outcome.Busy,
  /** The last command was an EXEC that the acceptor has to complete (on workers only): Executor.transactions.gapped. */
  Gaps: Outcome.Gaps,
} as const;
export type BatchEnd = (typeof BatchEnd)[keyof typeof BatchEnd];

/** Reply bytes after which a batch is interrupted to write them. */
const REPLY_BYTES = 256 * 1024;

export class Batch {
  readonly #executor: Executor;
  readonly #parser: RequestParser;
  readonly #cx: CommandContext;
  /** Commands run. */
  commands = 0;

  constructor(executor: Executor, parser: RequestParser) {
    this.#executor = executor;
    this.#parser = parser;
    this.#cx = executor.cx;
  }

  /**
   * Runs commands of `reader` until one ends the batch. A command that has not run is the reader's next one.
   * @param commandsMax after how many commands the turn is over
   * @returns why it ended
   */
  run(reader: RequestReader, session: Session, commandsMax: number): BatchEnd {
    const parser = this.#parser;
    const cx = this.#cx;
    this.#executor.runsFor(session);
    cx.db = session.db;
    cx.reply.resp = session.resp;
    this.commands = 0;
    for (;;) {
      if (this.commands % LOOK_AHEAD === 0 && reader.atCommand) this.#lookAhead(reader, session.db);
      const status = this.#next(reader);
      if (status === ParseStatus.Incomplete) return BatchEnd.Drained;
      if (status === ParseStatus.Error) return BatchEnd.ProtocolError;
      if (status === ParseStatus.Empty) continue;
      const mark = cx.reply.length;
      const outcome = this.#executor.execute(parser);
      if (outcome === Outcome.Blocked) return outcome;
      if (!hasRun(outcome)) {
        reader.rewind();
        if (cx.pushed.length > 0) appendPushed(cx);
        return outcome;
      }
      this.commands++;
      // Of what is yet to come, the connection drops it.
      const isYetToCome = outcome === Outcome.Deferred || outcome === Outcome.Gaps;
      if (!isYetToCome && session.replyMode !== ReplyMode.On)
        applyReplyMode(cx, session, cx.keepsReply ? cx.reply.length : mark);
      cx.keepsReply = false;
      // Behind a reply that is yet to come, the connection puts it.
      if (isYetToCome) {
        if (this.#executor.onWorker) cx.pushed.length = 0;
        return outcome;
      }
      if (cx.pushed.length > 0) {
        appendPushed(cx);
        // What the acceptor has for the client comes in between.
        if (this.#executor.onWorker && outcome !== Outcome.Close) return BatchEnd.TurnOver;
      }
      if (outcome === Outcome.Close) return BatchEnd.Close;
      if (cx.reply.length > REPLY_BYTES) return BatchEnd.ReplyFull;
      if (this.commands >= commandsMax) return BatchEnd.TurnOver;
    }
  }

  #lookAhead(reader: RequestReader, db: number): void {
    if (reader.restEnd - reader.restStart < LOOK_AHEAD_BYTES_MIN) return;
    this.#executor.ahead.look(reader, this.#parser, db);
  }

  /** The next command in the parser: looked at before, or parsed now. */
  #next(reader: RequestReader): number {
    const parser = this.#parser;
    if (!this.#executor.ahead.give(parser, reader.rest, reader.restStart)) return reader.next(parser);
    reader.take(parser.pos);
    return ParseStatus.Complete;
  }
}

/** Drops the reply written since `mark` if CLIENT REPLY says so, and moves SKIP on to the next command. */
export function applyReplyMode(cx: CommandContext, session: Session, mark: number): void {
  cx.reply.truncate(mark);
  if (session.replyMode === ReplyMode.SkipNext) session.replyMode = ReplyMode.Skip;
  else if (session.replyMode === ReplyMode.Skip) session.replyMode = ReplyMode.On;
}

/** Puts what a command has sent to its own client behind its reply; CLIENT REPLY does not hide that. */
function appendPushed(cx: CommandContext): void {
  for (const bytes of cx.pushed) cx.reply.raw(bytes, 0, bytes.length);
  cx.pushed.length = 0;
}
