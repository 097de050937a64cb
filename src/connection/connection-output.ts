// The output of one connection: replies and messages, in order, until the kernel has them.
//
//   flush, write ──▶ unwritten ── end of the turn ──┬──▶ socket
//                                                   └──▶ gate (appendfsync always) ── release ──▶ socket
//
// What is pending is limited by client-output-buffer-limit; whatever that says, a connection with very much of it is not read
// until its client has taken some.

import { Stat } from '../metrics/stats.ts';
import type { ReplyWriter } from '../protocol/reply-writer.ts';
import type { AcceptorCore } from './acceptor-core.ts';
import type { Connection } from './connection.ts';

/** Replies up to this size are copied; larger ones take the writer's buffer along. */
const COPY_REPLY_MAX = 128 * 1024;
/** Replies at least this large are written at once. */
const WRITE_NOW_BYTES = 64 * 1024;
/** Pending output beyond which a connection is not read, whatever client-output-buffer-limit says. */
const OUTPUT_PENDING_MAX = 256 * 1024 * 1024;

export class ConnectionOutput {
  /** What `gate.failure` was when the last commands began to run. */
  failure = 0;
  readonly #core: AcceptorCore;
  readonly #connection: Connection;
  /** Whether writes go straight to the kernel. */
  readonly #isPlain: boolean;
  /** What is written at the end of this turn: one, or the first of `#unwrittenList`. */
  #unwritten: Buffer | null = null;
  #unwrittenList: Buffer[] | null = null;
  #unwrittenBytes = 0;
  /** As `failure`, of those whose replies are to be written. */
  #unwrittenFailure = 0;
  /** Bytes of replies that wait for the log to be on disk (appendfsync always), see reply-gate.ts. */
  #held = 0;
  #closesWhenWritten = false;
  #softLimitSince = 0;

  /** @param isPlain whether writes go straight to the kernel: no TLS */
  constructor(core: AcceptorCore, connection: Connection, isPlain: boolean) {
    this.#core = core;
    this.#connection = connection;
    this.#isPlain = isPlain;
  }

  /** Bytes that the client has not taken. */
  get pendingBytes(): number {
    return this.#connection.socket.writableLength + this.#held + this.#unwrittenBytes;
  }

  /** Whether so much is pending that the connection should not be read. */
  get full(): boolean {
    return this.#connection.socket.writableLength > OUTPUT_PENDING_MAX || this.#held > OUTPUT_PENDING_MAX;
  }

  /** Takes what the commands have replied. */
  flush(): void {
    const { gate, output, executor } = this.#core;
    const { reply } = executor.cx;
    const { length } = reply;
    if (length === 0) return;
    if (length >= WRITE_NOW_BYTES && reply.bytes.length <= 2 * length && !gate.shut) {
      this.#sendFrom(reply);
    } else if (length <= COPY_REPLY_MAX) {
      // What TLS, the gate, or a socket with more to write will keep.
      const own = !this.#isPlain || gate.shut || this.#connection.socket.writableLength > 0;
      const bytes = output.copy(reply.bytes, length, own);
      reply.reset();
      this.write(bytes);
    } else this.write(reply.take());
  }

  /**
   * Writes a large reply from where it is: the kernel mostly takes all of it at once, and then nothing was copied. If not,
   * the socket keeps the writer's buffer.
   */
  #sendFrom(reply: ReplyWriter): void {
    this.writeNow();
    this.#send(reply.bytes.subarray(0, reply.length));
    if (this.#connection.socket.writableLength === 0) reply.reset();
    else reply.take();
  }

  /**
   * Queues bytes for the end of this turn of the event loop, when the acceptor writes for all its connections: the
   * clients are then woken once, not once per read of ours, which costs more than the write itself.
   * @param isMessage no reply
   */
  write(bytes: Buffer, isMessage = false): void {
    const { length } = bytes;
    if (this.#unwritten !== null && (length >= WRITE_NOW_BYTES || this.#unwrittenFailure !== this.failure)) {
      this.writeNow();
    }
    this.#unwrittenBytes += length;
    if (this.#unwritten !== null) (this.#unwrittenList ??= [this.#unwritten]).push(bytes);
    else {
      this.#unwritten = bytes;
      this.#unwrittenFailure = this.failure;
      if (this.#unwrittenBytes < WRITE_NOW_BYTES) this.#core.writeLater(this, isMessage);
    }
    if (this.#unwrittenBytes >= WRITE_NOW_BYTES) this.writeNow();
  }

  /** Writes what was queued. */
  writeNow(): void {
    const list = this.#unwrittenList;
    const bytes = list === null ? this.#unwritten : Buffer.concat(list, this.#unwrittenBytes);
    if (bytes === null) return;
    this.forget();
    const { gate, output } = this.#core;
    if (gate.shut && (this.#held > 0 || !gate.lets(this.#unwrittenFailure))) {
      this.#held += bytes.length;
      output.keep(bytes);
      gate.hold(this, bytes);
      if (this.full) this.#connection.stopReading();
    } else this.#send(bytes);
  }

  /** Sends replies that the gate has held back. */
  release(bytes: Buffer): void {
    const connection = this.#connection;
    this.#held -= bytes.length;
    if (connection.closed) return;
    this.#send(bytes);
    if (this.#held > 0) return;
    if (this.#closesWhenWritten) connection.socket.destroySoon();
    else connection.readAgain();
  }

  /** Closes the socket once everything is out. Nothing may be queued. */
  closeWhenWritten(): void {
    this.#closesWhenWritten = true;
    if (this.#held === 0) this.#connection.socket.destroySoon();
  }

  /** The client has taken everything. */
  drained(): void {
    this.#softLimitSince = 0;
  }

  /** Drops what was queued. */
  forget(): void {
    this.#unwritten = null;
    this.#unwrittenList = null;
    this.#unwrittenBytes = 0;
  }

  #send(bytes: Buffer): void {
    const core = this.#core;
    const connection = this.#connection;
    const { socket } = connection;
    core.stats.add(Stat.NetOutput, bytes.length);
    core.stats.add(Stat.Writes, 1);
    if (!socket.writable) return;
    if (core.memory.active) core.memory.changed(connection);
    const taken = socket.write(bytes);
    const { writableLength } = socket;
    if (writableLength > 0) core.output.keep(bytes);
    if (taken) return;
    core.stats.raise(Stat.MaxOutputBuffer, writableLength);
    this.checkLimit(Date.now());
    if (this.full) connection.stopReading();
  }

  /** Closes the connection if client-output-buffer-limit says so. @param now ms */
  checkLimit(now: number): void {
    const core = this.#core;
    const connection = this.#connection;
    const pending = connection.socket.writableLength;
    if (pending === 0) return;
    const limit = connection.session.subscribed ? core.subscriberLimit : core.outputLimit;
    let over = limit.hard > 0 && pending >= limit.hard;
    if (!over && limit.soft > 0 && pending >= limit.soft) {
      if (this.#softLimitSince === 0) this.#softLimitSince = now;
      over = now - this.#softLimitSince > limit.seconds * 1000;
    } else this.#softLimitSince = 0;
    if (!over) return;
    core.stats.add(Stat.OutputLimitDisconnects, 1);
    core.log(
      'warning',
      `Client ${core.describe(connection)} scheduled to be closed ASAP for overcoming of output buffer limits.`,
    );
    connection.kill();
  }
}
