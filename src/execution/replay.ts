// Runs the commands of a log that is loaded: in order, on the keeper, while the server answers -LOADING to everybody else.
//
// Commands are refused for nothing (memory, passwords, pauses), nothing expires, replies go nowhere. What they answer with
// an error is counted: the log then says more than this server understands.

import { Session } from '../commands/session.ts';
import { ParseStatus, type RequestParser } from '../protocol/request-parser.ts';
import { RequestReader } from '../protocol/request-reader.ts';
import { type Executor, Outcome } from './executor.ts';

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
  /** Name of a command that does not exist; nothing behind it has run. */
  readonly unknown: string | null;
}

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
    if (first) this.#session = newSession();
    let commands = 0;
    let refused = 0;
    let error = '';
    reader.feed(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length));
    executor.begin();
    executor.replaying = true;
    cx.keyspace.setReplayTime(Date.now());
    try {
      while (reader.next(parser) === ParseStatus.Complete) {
        if (executor.table.lookup(parser.input, parser.argOff[0]!, parser.argLen[0]!) === null) {
          return { commands, refused, error, unknown: nameOf(parser) };
        }
        cx.session = this.#session;
        cx.db = this.#session.db;
        const outcome = executor.execute(parser);
        if (outcome !== Outcome.Done && outcome !== Outcome.Close)
          throw new Error(`'${nameOf(parser)}' in a log: outcome ${outcome}`);
        commands++;
        if (cx.failed && ++refused === 1)
          error = cx.reply.bytes.toString('latin1', 0, cx.reply.length).trim();
        cx.reply.reset();
      }
    } finally {
      cx.reply.reset();
      executor.replaying = false;
      executor.end();
      cx.keyspace.setTime(Date.now());
    }
    return { commands, refused, error, unknown: null };
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
