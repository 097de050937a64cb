// Runs the commands of a log that is loaded: in order, on the keeper, while the server answers -LOADING to everybody else.
//
// Commands are refused for nothing (memory, passwords, pauses), nothing expires, replies go nowhere. What they answer with
// an error is counted: the log then says more than this server understands.

import { Session } from '../commands/session.ts';
import { ParseStatus, type RequestParser } from '../protocol/request-parser.ts';
import { RequestReader } from '../protocol/request-reader.ts';
import type { Executor } from './executor.ts';
import { Outcome } from './outcome.ts';

/** Commands in RESP, whole ones only. */
export interface ReplayRequest {
  readonly bytes: Uint8Array;
  /** Of a new file: database 0 is selected. */
  readonly first: boolean;
}

export interface ReplayResult {
  readonly commands: number;
  /** Commands that were answered with an error, and the first of these errors. */
  readonly refused: number;
  readonly error: string;
  /** Name of a command that does not exist or has no place in a log; nothing behind it has run. */
  readonly unknown: string | null;
  /** Why it did not come to its end, null if it did. */
  readonly fault: string | null;
}

type Running = { -readonly [name in keyof ReplayResult]: ReplayResult[name] };

/** How the reply to a command begins that there was no memory for. */
const OUT_OF_MEMORY = Buffer.from('-OOM ');

export class Replay {
  readonly #executor: Executor;
  readonly #parser: RequestParser;
  #session = newSession();

  constructor(executor: Executor, parser: RequestParser) {
    this.#executor = executor;
    this.#parser = parser;
  }

  run({ bytes, first }: ReplayRequest): ReplayResult {
    const executor = this.#executor;
    const parser = this.#parser;
    const { cx } = executor;
    const reader = new RequestReader();
    // No limits: what is in the log was taken once.
    reader.state.fromMaster = true;
    if (first) this.#session = newSession();
    const result: Running = { commands: 0, refused: 0, error: '', unknown: null, fault: null };
    if (!reader.feed(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)))
      return { ...result, fault: 'A transaction is too long' };
    executor.begin();
    executor.replaying = true;
    cx.keyspace.setReplayTime(Date.now());
    try {
      let status = reader.next(parser);
      for (; status > ParseStatus.Incomplete; status = reader.next(parser)) {
        if (status !== ParseStatus.Complete) continue;
        if (!this.#runOne(result)) return result;
      }
      // They were whole when they were read from the file.
      if (status !== ParseStatus.Incomplete || reader.size > 0) result.fault = 'Bad file format';
    } finally {
      cx.reply.reset();
      executor.replaying = false;
      executor.end();
      cx.keyspace.setTime(Date.now());
    }
    return result;
  }

  /** Runs the command that was parsed. @returns whether to go on */
  #runOne(result: Running): boolean {
    const executor = this.#executor;
    const parser = this.#parser;
    const { cx } = executor;
    cx.session = this.#session;
    cx.db = this.#session.db;
    const known = executor.table.lookup(parser.input, parser.argOff[0]!, parser.argLen[0]!) !== null;
    const outcome = known ? executor.execute(parser) : Outcome.Deferred;
    if (outcome !== Outcome.Done && outcome !== Outcome.Close) {
      result.unknown = nameOf(parser);
      return false;
    }
    result.commands++;
    const { reply } = cx;
    if (cx.failed && ++result.refused === 1)
      result.error = reply.bytes.toString('latin1', 0, reply.length).trim();
    const isFull =
      cx.failed && reply.bytes.compare(OUT_OF_MEMORY, 0, OUT_OF_MEMORY.length, 0, OUT_OF_MEMORY.length) === 0;
    reply.reset();
    // To go on would leave out what the log has, for good with its next rewrite.
    if (isFull) result.fault = 'Out of memory';
    return !isFull;
  }
}

function nameOf(parser: RequestParser): string {
  const off = parser.argOff[0]!;
  return parser.input.toString('latin1', off, off + Math.min(128, parser.argLen[0]!));
}

function newSession(): Session {
  const session = new Session(0, '', '', false, Date.now());
  session.authenticated = true;
  session.denyBlocking = true;
  return session;
}
