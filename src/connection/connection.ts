// One client's connection: bytes in, batches of commands, bytes out. Lives on its acceptor.
//
//   reading ── run ──┬─▶ replies written
//                    ├─▶ handed over: waits for a shard worker
//                    ├─▶ deferred: waits for another thread's answer
//                    ├─▶ blocked: waits for a key, in the waiting room of a shard worker
//                    └─▶ paused: waits for the end of CLIENT PAUSE
//
// While it waits, what arrives is kept (and beyond a bound not read), so that the commands of a connection run
// strictly in order. What it answers goes by its output (connection-output.ts).

import type { Socket } from 'node:net';
import type { ReplyFunction } from '../commands/server-api.ts';
import { ReplyMode, type Session } from '../commands/session.ts';
import { dropTransaction } from '../commands/transaction.ts';
import { unwatchAll } from '../commands/watches.ts';
import { applyReplyMode, BatchEnd } from '../execution/batch.ts';
import type { GappedReply } from '../execution/exec-gaps.ts';
import {
  applySessionFlags,
  decodeHandBack,
  HAND_OVER_HEADER,
  HandOverStatus,
  hasExecuted,
  repliesEnd,
  requestOf,
  wasReplyDue,
} from '../execution/hand-over.ts';
import { Stat } from '../metrics/stats.ts';
import { RequestReader } from '../protocol/request-reader.ts';
import type { AcceptorCore } from './acceptor-core.ts';
import { ConnectionOutput } from './connection-output.ts';
import { RateLimit } from './rate-limit.ts';
import type { SharedSocket } from './shared-reads.ts';

const Waiting = { No: 0, Worker: 1, Deferred: 2, Paused: 3, Rate: 4, Blocked: 5 } as const;

/** Input kept while the connection waits, beyond which its socket is not read. */
const KEPT_INPUT_MAX = 1024 * 1024;
/** Commands run in one turn before other connections get theirs. */
const TURN_COMMANDS = 4096;
/** How long a rate limit holds a connection back before it looks at the limit again, which may have been changed. */
const RATE_WAIT_MAX_MS = 1000;

export class Connection {
  readonly number: number;
  readonly session: Session;
  readonly socket: Socket;
  readonly output: ConnectionOutput;
  readonly #core: AcceptorCore;
  readonly #reader = new RequestReader();
  #waiting: number = Waiting.No;
  #paused = false;
  /** The client has sent its FIN: close when all is answered. */
  #ended = false;
  #closed = false;
  #closing = false;
  #rate: RateLimit | null = null;
  /** Runs while client-rate-limit holds the connection back. */
  #rateTimer: NodeJS.Timeout | null = null;
  /** Messages that wait for the reply in front of them. */
  #behind: Buffer[] | null = null;
  /** Replies to the client, which had waited, that are known to be on their way; -1: one has come before this was known. */
  #repliesDue = 0;
  /** Closes once it has the answer that it waits for. */
  closesAfterAnswer = false;

  /** @param shared what reads the socket, null if it does so itself */
  constructor(
    core: AcceptorCore,
    number: number,
    session: Session,
    socket: Socket,
    shared: SharedSocket | null,
  ) {
    this.#core = core;
    this.number = number;
    this.session = session;
    this.socket = socket;
    this.output = new ConnectionOutput(core, this, shared !== null);
    if (shared === null) socket.on('data', (chunk: Buffer) => this.#onData(chunk, chunk.length));
    else {
      shared.onRead = (buffer, length) => {
        this.#onData(buffer, length);
        this.#reader.releaseChunk();
      };
    }
    socket.resume();
    socket.on('end', () => this.#onEnd());
    socket.on('error', (error: Error) => this.#core.logClose(this, error.message));
    socket.on('close', () => this.#onClose());
    socket.on('drain', () => this.#onDrain());
    this.#reader.state.authRequired = !session.authenticated;
  }

  get closed(): boolean {
    return this.#closed;
  }
  /** Whether nothing can be sent to it any more. */
  get gone(): boolean {
    return this.#closed || this.#closing;
  }
  /** File descriptor of the socket, for CLIENT LIST; -1 where Node's handle does not tell. */
  get fd(): number {
    return (this.socket as unknown as { _handle?: { fd?: number } | null })._handle?.fd ?? -1;
  }
  /** Bytes of input held. */
  get queryBufferBytes(): number {
    return this.#reader.size;
  }
  /** Memory that input takes. */
  get queryBufferMemory(): number {
    return this.#reader.memory;
  }
  /** Bytes of replies that the client has not taken. */
  get outputPendingBytes(): number {
    return this.output.pendingBytes;
  }

  /** Whether it waits for a key, or may do so by now for all that is known here. */
  get mayWaitForKeys(): boolean {
    return this.#waiting === Waiting.Blocked || this.#waiting === Waiting.Worker;
  }

  /** Closes at once; pending replies are lost. */
  kill(): void {
    this.#closing = true;
    // At once, not when the socket reports it: CLIENT LIST, KILL and INFO must not see it any more.
    this.#core.forget(this);
    this.socket.destroy();
  }

  /** Closes when the replies written so far are out. */
  closeAfterWriting(): void {
    this.output.writeNow();
    this.#closing = true;
    this.output.closeWhenWritten();
  }

  /** Goes on after CLIENT PAUSE or a rate limit. */
  resume(): void {
    if (this.#closed || (this.#waiting !== Waiting.Paused && this.#waiting !== Waiting.Rate)) return;
    this.#goOn();
  }

  /** Writes bytes of an out-of-band message (MONITOR); behind the reply of the command that runs if it is its own client's. */
  push(bytes: Buffer): void {
    if (this.#closed || this.#closing) return;
    const core = this.#core;
    if (core.running === this) core.executor.cx.pushed.push(bytes);
    // What an EXEC has left may publish to its own client.
    else if (this.#waiting === Waiting.Deferred) (this.#behind ??= []).push(bytes);
    else this.output.write(bytes, true);
  }

  /**
   * Writes an invalidation (CLIENT TRACKING), behind the replies that are under way: the client must not get a value after it was
   * told to forget it.
   */
  pushInvalidation(bytes: Buffer): void {
    if (this.#closed || this.#closing) return;
    const isUnanswered = this.#waiting === Waiting.Worker || this.#waiting === Waiting.Deferred;
    if (isUnanswered || this.#repliesDue > 0) (this.#behind ??= []).push(bytes);
    else this.push(bytes);
  }

  replyIsDue(): void {
    this.#repliesDue++;
  }

  /** Writes the messages that have waited. */
  #writeBehind(): void {
    const held = this.#behind;
    if (held === null || this.#repliesDue > 0) return;
    this.#behind = null;
    for (const bytes of held) this.output.write(bytes);
  }

  /** A shard worker is done with the input it was handed. */
  handedBack(message: Buffer): void {
    if (this.session.tracking !== 0) this.#core.exchange.receive();
    if (this.#closed || this.#closing) return;
    const back = decodeHandBack(message);
    this.session.db = back.db;
    applySessionFlags(this.session, back.flags);
    this.session.commands += back.commands;
    this.session.lastCommand = this.#core.table.all[back.lastCommand] ?? this.session.lastCommand;
    const end = repliesEnd(message);
    const gapped = back.status === HandOverStatus.Gaps ? (requestOf(message).payload as GappedReply) : null;
    const whole = gapped === null ? end : HAND_OVER_HEADER + gapped.from;
    if (whole > HAND_OVER_HEADER) this.output.write(message.subarray(HAND_OVER_HEADER, whole));
    if (wasReplyDue(back.flags)) this.#repliesDue--;
    if (back.status !== HandOverStatus.Ask && gapped === null) this.#writeBehind();
    if (hasExecuted(back.flags)) this.#endTransaction(gapped === null);
    this.#reader.skip(back.consumed);
    if (this.#core.rateLimited) this.#limitRate(back.commands, back.consumed);
    if (back.status === HandOverStatus.Close) {
      this.closeAfterWriting();
      return;
    }
    switch (back.status) {
      case HandOverStatus.Paused:
        this.#waiting = Waiting.Paused;
        this.#core.hold(this);
        break;
      case HandOverStatus.ToKeeper:
        if (!this.#closing) this.#handOver(true);
        break;
      case HandOverStatus.Blocked:
        this.#waitForKeys();
        break;
      case HandOverStatus.Ask:
        this.#waiting = Waiting.Deferred;
        this.#await(this.#core.ask(requestOf(message)), false);
        break;
      case HandOverStatus.Gaps:
        this.#waiting = Waiting.Deferred;
        this.#await(this.#core.completeExec(this.session, message.subarray(whole, end), gapped!.gaps), false);
        break;
      case HandOverStatus.Served:
        this.session.lastCommandAt = Date.now();
        this.#goOn();
        break;
      default:
        this.#goOn();
    }
  }

  /** A shard worker has run its EXEC. @param drop whether nothing of it is left to do */
  #endTransaction(drop: boolean): void {
    const { session } = this;
    unwatchAll(this.#core.thread.keyspace.memory, session);
    if (!drop || session.transaction === null) return;
    dropTransaction(session.transaction);
    session.transaction = null;
  }

  /** What comes in meanwhile is kept, up to client-query-buffer-limit: a socket that is not read can't tell its end. */
  #waitForKeys(): void {
    this.#waiting = Waiting.Blocked;
    this.session.blocked = true;
    if (this.#ended) this.#leave();
    else this.#startReading();
  }

  /** The client is gone while it waits for a key. */
  #leave(): void {
    this.#core.leave(this.number);
    this.closeAfterWriting();
  }

  #handOver(toKeeper: boolean): void {
    this.#waiting = Waiting.Worker;
    const { rest, restStart, restEnd } = this.#reader;
    this.#core.handOver(this, rest, restStart, restEnd, toKeeper);
  }

  /** Checked about once a second. @param now ms */
  tick(now: number, idleMs: number): void {
    if (
      idleMs > 0 &&
      this.#waiting === Waiting.No &&
      now - this.session.lastCommandAt > idleMs &&
      !this.session.monitor &&
      !this.session.subscribed
    ) {
      this.#core.logClose(this, 'Closing idle client');
      this.kill();
      return;
    }
    this.output.checkLimit(now);
  }

  /** [0, length) of `chunk` was read. */
  #onData(chunk: Buffer, length: number): void {
    this.#core.stats.add(Stat.NetInput, length);
    this.#core.stats.add(Stat.Reads, 1);
    if (this.#closing) return;
    const queued = this.session.transaction === null ? 0 : this.session.transaction.length;
    this.#reader.limit = Math.max(0, this.#core.queryBufferLimit - queued);
    if (!this.#reader.feed(chunk, length)) {
      this.#tooMuchInput();
      return;
    }
    if (this.#core.memory.active) this.#core.memory.changed(this);
    if (this.#waiting === Waiting.No) this.#run();
    else if (
      this.#waiting !== Waiting.Blocked &&
      this.#reader.size > Math.min(KEPT_INPUT_MAX, this.#reader.limit / 2)
    ) {
      this.stopReading();
    }
  }

  /** Runs what the reader holds. */
  #run(): void {
    const core = this.#core;
    core.exchange.receive();
    // What has come may have closed this very connection: its client is too slow.
    if (this.#closed || this.#closing) return;
    if (core.exchange.post.congested) {
      this.#waiting = Waiting.Paused;
      core.retryLater(this);
      return;
    }
    const { batch, executor } = core;
    this.output.failure = core.gate.failure;
    const before = this.#reader.size;
    core.running = this;
    executor.begin();
    this.session.lastCommandAt = executor.cx.now;
    let commands = 0;
    let why: BatchEnd;
    do {
      why = batch.run(this.#reader, this.session, TURN_COMMANDS);
      commands += batch.commands;
      if (why === BatchEnd.ReplyFull) this.output.flush();
    } while (why === BatchEnd.ReplyFull && !this.#closing);
    this.session.commands += commands;
    this.#reader.state.authRequired = !this.session.authenticated;
    if (why === BatchEnd.ProtocolError) this.#protocolError();
    else if (why === BatchEnd.Attack) this.#attacked();
    this.output.flush();
    core.running = null;
    executor.end();
    if (why !== BatchEnd.Drained) this.#settle(why);
    else core.stats.raise(Stat.MaxInputBuffer, this.#reader.size);
    if (core.rateLimited && !this.#closing) this.#limitRate(commands, before - this.#reader.size);
    if (this.#ended && this.#waiting === Waiting.No) this.closeAfterWriting();
  }

  #settle(why: BatchEnd): void {
    const core = this.#core;
    switch (why) {
      case BatchEnd.HandOver:
        this.#handOver(false);
        break;
      case BatchEnd.ToKeeper:
        this.#handOver(true);
        break;
      case BatchEnd.Deferred:
        if (core.executor.cx.pushed.length > 0) this.#behind = core.executor.cx.pushed.splice(0);
        this.#waiting = Waiting.Deferred;
        this.#await(core.executor.cx.deferred!, core.executor.cx.closeAfterReply);
        break;
      case BatchEnd.Paused:
        this.#waiting = Waiting.Paused;
        core.hold(this);
        break;
      case BatchEnd.Busy:
        this.#waiting = Waiting.Paused;
        core.retryLater(this);
        break;
      case BatchEnd.TurnOver:
        this.#waiting = Waiting.Paused;
        setImmediate(() => this.resume());
        break;
      case BatchEnd.Close:
        this.closeAfterWriting();
        break;
    }
  }

  /** @param closes whether the connection closes then */
  #await(work: Promise<ReplyFunction>, closes: boolean): void {
    const core = this.#core;
    const answer = (write: ReplyFunction): void => {
      if (this.#closed) return;
      const reply = core.executor.cx.reply;
      reply.resp = this.session.resp;
      write(reply);
      if (this.session.replyMode !== ReplyMode.On) applyReplyMode(core.executor.cx, this.session, 0);
      this.output.flush();
      for (const bytes of this.session.behind.splice(0)) this.output.write(bytes);
      this.#writeBehind();
      if (closes || this.closesAfterAnswer) this.closeAfterWriting();
      else this.#goOn();
    };
    work.then(answer, (error: Error) => {
      if (!(error instanceof Error) || !/^[A-Z]+( |$)/.test(error.message)) core.fatal(error);
      core.stats.countError(error.message);
      answer((reply) => reply.error(error.message));
    });
  }

  /** The wait is over: runs what came in meanwhile. */
  #goOn(): void {
    this.#waiting = Waiting.No;
    this.session.blocked = false;
    if (this.#closing) return;
    if (this.#rateTimer !== null) {
      this.#waiting = Waiting.Rate;
      return;
    }
    this.#reader.state.authRequired = !this.session.authenticated;
    if (this.#reader.hasInput) this.#run();
    else if (this.#ended) this.closeAfterWriting();
    if (this.#waiting === Waiting.No) this.#startReading();
  }

  #tooMuchInput(): void {
    const core = this.#core;
    core.stats.add(Stat.QueryLimitDisconnects, 1);
    core.log(
      'warning',
      `Closing client that reached max query buffer length: ${core.describe(this)} (qbuf initial bytes: "${this.#inputStart()}")`,
    );
    this.kill();
  }

  /** Replies of the same read are lost with the connection, as in Redis. */
  #attacked(): void {
    const core = this.#core;
    core.executor.cx.reply.reset();
    core.log(
      'warning',
      `Possible SECURITY ATTACK detected. It looks like somebody is sending POST or Host: commands to Redis. This is likely due to an attacker attempting to use Cross Protocol Scripting to compromise your Redis instance. Connection from ${this.session.address} aborted.`,
    );
    this.kill();
  }

  #protocolError(): void {
    const core = this.#core;
    core.executor.cx.reply.error('ERR ' + core.parser.error);
    core.stats.countError('ERR');
    core.log(
      'verbose',
      `Protocol error (${protocolErrorName(core.parser.error)}) from client: ${core.describe(this)}. Query buffer: '${this.#inputStart()}'`,
    );
    this.output.flush();
    this.closeAfterWriting();
  }

  /** The beginning of the input that was not run, as a log line may show it. */
  #inputStart(): string {
    if (this.#core.hideUserData) return '*redacted*';
    const { rest, restStart } = this.#reader;
    return rest
      .toString('latin1', restStart, Math.min(this.#reader.restEnd, restStart + 64))
      .replace(/[^\x20-\x7e]/g, '.');
  }

  /** Holds the connection back for as long as what it has sent is more than it may. */
  #limitRate(commands: number, bytes: number): void {
    const core = this.#core;
    const now = Date.now();
    this.#rate ??= new RateLimit(core.rateCommands, core.rateBytes, now);
    const delay = this.#rate.spend(commands, bytes, core.rateCommands, core.rateBytes, now);
    if (delay === 0) return;
    if (this.#rateTimer === null) {
      core.stats.add(Stat.RateLimited, 1);
      core.stats.add(Stat.RateLimitedNow, 1);
    } else clearTimeout(this.#rateTimer);
    this.#rateTimer = setTimeout(() => this.#rateOver(), Math.min(delay, RATE_WAIT_MAX_MS));
    this.stopReading();
    if (this.#waiting === Waiting.No) this.#waiting = Waiting.Rate;
  }

  #rateOver(): void {
    const core = this.#core;
    const delay = core.rateLimited
      ? this.#rate!.spend(0, 0, core.rateCommands, core.rateBytes, Date.now())
      : 0;
    if (delay > 0) {
      this.#rateTimer = setTimeout(() => this.#rateOver(), Math.min(delay, RATE_WAIT_MAX_MS));
      return;
    }
    this.#endRateWait();
    if (this.#waiting === Waiting.Rate) this.resume();
    else if (this.#mayRead) this.#startReading();
  }

  #endRateWait(): void {
    if (this.#rateTimer === null) return;
    clearTimeout(this.#rateTimer);
    this.#rateTimer = null;
    this.#core.stats.add(Stat.RateLimitedNow, -1);
  }

  /** Until readAgain(), or the end of what it waits for. */
  stopReading(): void {
    if (this.#paused) return;
    this.#paused = true;
    this.socket.pause();
  }

  #startReading(): void {
    if (!this.#paused || this.#rateTimer !== null) return;
    if (this.output.full) return;
    this.#paused = false;
    this.socket.resume();
  }

  /** What spoke against reading in its output is over. */
  readAgain(): void {
    if (this.#mayRead) this.#startReading();
  }

  #onDrain(): void {
    if (this.#core.memory.active) this.#core.memory.changed(this);
    this.output.drained();
    this.readAgain();
  }

  /** Whether nothing in what it does now speaks against reading. */
  get #mayRead(): boolean {
    return this.#waiting === Waiting.No || this.#waiting === Waiting.Blocked;
  }

  #onEnd(): void {
    this.#core.logClose(this, 'Client closed connection');
    this.#ended = true;
    if (this.#waiting === Waiting.Blocked) this.#leave();
    else if (this.#waiting === Waiting.No) this.closeAfterWriting();
  }

  #onClose(): void {
    this.#closed = true;
    this.output.forget();
    this.#endRateWait();
    this.#reader.clear();
    this.#core.forget(this);
  }
}

/** What Redis's log calls an error that its reply words differently. */
const ERROR_NAMES: Readonly<Record<string, string>> = {
  'invalid multibulk length': 'invalid mbulk count',
  'unauthenticated multibulk length': 'unauth mbulk count',
  'unauthenticated bulk length': 'unauth bulk length',
  'unbalanced quotes in request': 'unbalanced quotes in inline request',
};

/** @param text a parser's error: `Protocol error: ...` */
function protocolErrorName(text: string): string {
  const what = text.slice('Protocol error: '.length);
  return ERROR_NAMES[what] ?? (what.startsWith("expected '$'") ? 'expected $ but got something else' : what);
}
