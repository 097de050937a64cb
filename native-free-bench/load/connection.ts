/*
 * One connection of the load generator: sends batches, counts replies, knows when each batch was sent.
 *
 * Batches are reused in a circle. A batch's bytes may only be changed when the server has read them all, which is
 * certain when all its replies have come; so at most `batches.length` batches are under way:
 *
 *        head (oldest batch without all its replies)
 *         v
 *   [ 3 ][ 4 ][ 5 ][   ][   ][   ]     due[i]: the moment batch i was due (open loop) or sent (closed loop), in ms
 *                    ^                 left: replies the head batch still waits for
 *                   head + underWay
 *
 * Replies are read into one buffer that all connections of a thread share (`onread`): it is scanned before the call
 * returns, so nothing of it is kept.
 */

import { connect, type Socket } from 'node:net';
import { ReplyScanner } from './replies.ts';
import type { Batch } from './requests.ts';

/** What a thread does when replies have come. One object for all its connections, so that the call is monomorphic. */
export interface ReplyListener {
  /**
   * Replies to (a part of) one batch have come.
   * @param dueMs when the batch was due
   * @param replies how many
   */
  onReplies(dueMs: number, replies: number): void;
  /** All that one read brought has been counted; the connection may send again. */
  onReadEnd(connection: LoadConnection): void;
  onFailure(error: Error): void;
}

export class LoadConnection {
  readonly scanner = new ReplyScanner();
  underWay = 0;
  /** Open loop: when this connection's next batch is due. */
  nextDueMs = 0;
  /** Open loop: when it was last seen with something due and no batch free. */
  heldMs = 0;
  private readonly batches: readonly Batch[];
  private readonly due: Float64Array;
  private readonly listener: ReplyListener;
  private head = 0;
  private left = 0;
  private socket: Socket | undefined;
  private closing = false;

  constructor(batches: readonly Batch[], listener: ReplyListener) {
    this.batches = batches;
    this.due = new Float64Array(batches.length);
    this.listener = listener;
  }

  /**
   * Connects.
   * @param buffer where replies are read to; shared with other connections of this thread
   */
  open(host: string, port: number, buffer: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      const onread = { buffer, callback: (bytes: number, into: Uint8Array) => this.read(bytes, into) };
      const socket = connect({ host, port, noDelay: true, onread });
      this.socket = socket;
      socket.once('connect', resolve);
      socket.on('error', (error) => {
        reject(error);
        if (!this.closing) this.listener.onFailure(error);
      });
      socket.on('close', () => {
        if (!this.closing) this.listener.onFailure(new Error('the server closed a connection'));
      });
    });
  }

  close(): void {
    this.closing = true;
    this.socket?.destroy();
  }

  get canSend(): boolean {
    return this.underWay < this.batches.length;
  }

  /** The batch `send` will send next: its keys may be changed now. Only when `canSend`. */
  get nextBatch(): Batch {
    return this.batches[(this.head + this.underWay) % this.batches.length]!;
  }

  /** Sends the next batch, which was due at `dueMs`. Only when `canSend`. */
  send(dueMs: number): void {
    const slot = (this.head + this.underWay) % this.batches.length;
    const batch = this.batches[slot]!;
    this.due[slot] = dueMs;
    if (this.underWay === 0) this.left = batch.requests;
    this.underWay++;
    this.socket!.write(batch.bytes);
  }

  private read(bytes: number, from: Uint8Array): boolean {
    let replies: number;
    try {
      replies = this.scanner.scan(from, bytes);
    } catch (error) {
      this.listener.onFailure(error as Error);
      return false;
    }
    if (replies === 0) return true;
    while (replies > 0) {
      if (this.underWay === 0) {
        this.listener.onFailure(new Error('a reply to no request'));
        return false;
      }
      const taken = Math.min(replies, this.left);
      this.listener.onReplies(this.due[this.head]!, taken);
      replies -= taken;
      this.left -= taken;
      if (this.left === 0) this.batchDone();
    }
    this.listener.onReadEnd(this);
    return true;
  }

  private batchDone(): void {
    this.head = this.head + 1 === this.batches.length ? 0 : this.head + 1;
    this.underWay--;
    if (this.underWay > 0) this.left = this.batches[this.head]!.requests;
  }
}
