// Messages to acceptors from any thread that runs commands, in one order.
//
// There is a ring from each sender to each acceptor. A sender takes a ticket of the acceptor (a counter in shared memory)
// and puts it in front of its message; the acceptor takes messages in the order of their tickets, whichever ring they
// are in. So what is sent after something else, by another thread too, arrives after it. Tickets are dense: an acceptor that
// finds the next one missing knows that it is on its way.
//
//   message in a ring   0 ticket (32 bits, little endian)   4 the message
//
// What an acceptor sends to itself takes a ticket, too, and is handed over at once unless earlier ones are on their way.
//
// Limits: what does not fit into a ring waits with its sender, and `congested` tells the sender to run no more commands
// until the acceptor has taken some. Bells are rung once for all that was sent in a batch (`wake`).

import { ring } from '../memory/doorbell.ts';
import { allocateRing, RingConsumer, RingProducer } from '../memory/ring.ts';

const RING_BYTES = 256 * 1024;
/** Bytes waiting for room in a ring from which the sender is congested. */
const QUEUED_MAX = 4 * 1024 * 1024;
const TICKET_BYTES = 4;
/** Words between the counters of two acceptors, so that each has 128 bytes for itself. */
const TICKET_STRIDE = 32;

/** The shared part, made by the supervisor. */
export interface PostBuffers {
  /** A counter for each acceptor. */
  readonly tickets: SharedArrayBuffer;
  /** By sender (acceptors, then shard workers) and acceptor; null from an acceptor to itself. */
  readonly rings: readonly (readonly (SharedArrayBuffer | null)[])[];
}

export function allocatePost(acceptors: number, shardWorkers: number): PostBuffers {
  return {
    tickets: new SharedArrayBuffer(acceptors * TICKET_STRIDE * 4),
    rings: Array.from({ length: acceptors + shardWorkers }, (_, sender) =>
      Array.from({ length: acceptors }, (__, acceptor) =>
        sender === acceptor ? null : allocateRing(RING_BYTES),
      ),
    ),
  };
}

/** A thread's way to all acceptors. */
export class PostSender {
  readonly #control: Int32Array;
  readonly #tickets: Int32Array;
  readonly #acceptorThreads: readonly number[];
  readonly #rings: readonly (RingProducer | null)[];
  /** By acceptor: 1 if it was sent something since the last wake(). */
  readonly #unrung: Uint8Array;
  #anyUnrung = false;
  #queued = false;

  /**
   * @param control of the shared memory, where the doorbells are
   * @param sender this thread's number among the senders
   * @param acceptorThreads thread ids
   */
  constructor(post: PostBuffers, control: Int32Array, sender: number, acceptorThreads: readonly number[]) {
    this.#control = control;
    this.#tickets = new Int32Array(post.tickets);
    this.#acceptorThreads = acceptorThreads;
    this.#rings = post.rings[sender]!.map((buffer) => (buffer === null ? null : new RingProducer(buffer)));
    this.#unrung = new Uint8Array(acceptorThreads.length);
  }

  /** Takes the next ticket of an acceptor. */
  ticket(acceptor: number): number {
    return Atomics.add(this.#tickets, acceptor * TICKET_STRIDE, 1);
  }

  /** @param message with room for the ticket in its first bytes, see messageBuffer() */
  send(acceptor: number, message: Buffer): void {
    const producer = this.#rings[acceptor]!;
    message.writeInt32LE(this.ticket(acceptor), 0);
    if (!producer.send(message, 0, message.length)) this.#queued = true;
    this.#unrung[acceptor] = 1;
    this.#anyUnrung = true;
  }

  /** Moves on what waits for room, and rings for what was sent. */
  wake(): void {
    if (this.#queued) this.#flush();
    if (!this.#anyUnrung) return;
    this.#anyUnrung = false;
    for (let acceptor = 0; acceptor < this.#unrung.length; acceptor++) {
      if (this.#unrung[acceptor] === 0) continue;
      this.#unrung[acceptor] = 0;
      ring(this.#control, this.#acceptorThreads[acceptor]!);
    }
  }

  /** Whether this thread must not run commands that send, for now. */
  get congested(): boolean {
    if (!this.#queued) return false;
    this.wake();
    return this.#rings.some((producer) => producer !== null && producer.queued > QUEUED_MAX);
  }

  /** For threads that may block: sleeps until there is some room, or `ms` have passed. */
  waitForRoom(ms: number): void {
    this.wake();
    this.#rings.find((producer) => producer !== null && producer.queued > 0)?.waitForRoom(ms);
  }

  #flush(): void {
    this.#queued = false;
    for (let acceptor = 0; acceptor < this.#rings.length; acceptor++) {
      const producer = this.#rings[acceptor]!;
      if (producer === null || producer.queued === 0) continue;
      const before = producer.queued;
      if (!producer.flush()) this.#queued = true;
      if (producer.queued === before) continue;
      this.#unrung[acceptor] = 1;
      this.#anyUnrung = true;
    }
  }
}

/** Room for a message of `length` bytes; it begins at MESSAGE_AT. */
export function messageBuffer(length: number): Buffer {
  return Buffer.allocUnsafe(TICKET_BYTES + length);
}
export const MESSAGE_AT = TICKET_BYTES;

interface OwnMessage {
  readonly ticket: number;
  readonly message: Buffer;
}

/** An acceptor's letter box. */
export class PostReceiver {
  readonly #control: Int32Array;
  readonly #tickets: Int32Array;
  readonly #ticketWord: number;
  readonly #rings: readonly (RingConsumer | null)[];
  readonly #senderThreads: readonly number[];
  /** By sender: the first message that was not handed over yet. */
  readonly #heads: (Buffer | null)[];
  /** What this thread has sent to itself while earlier messages were on their way. */
  #own: OwnMessage[] = [];
  #next = 0;
  readonly #deliver: (message: Buffer) => void;

  /**
   * @param senderThreads thread ids by number of the sender
   * @param deliver takes a message; it begins at MESSAGE_AT
   */
  constructor(
    post: PostBuffers,
    control: Int32Array,
    acceptor: number,
    senderThreads: readonly number[],
    deliver: (message: Buffer) => void,
  ) {
    this.#control = control;
    this.#tickets = new Int32Array(post.tickets);
    this.#ticketWord = acceptor * TICKET_STRIDE;
    this.#rings = post.rings.map((row) => (row[acceptor] === null ? null : new RingConsumer(row[acceptor]!)));
    this.#senderThreads = senderThreads;
    this.#heads = post.rings.map(() => null);
    this.#deliver = deliver;
  }

  /**
   * Whether a message of this thread's own with this ticket may be handed over now; it counts as handed over then. Else
   * it is to be given to hold().
   */
  isNext(ticket: number): boolean {
    if (ticket !== this.#next) return false;
    this.#next = (this.#next + 1) | 0;
    return true;
  }

  /** Keeps a message of this thread's own until its turn comes. */
  hold(ticket: number, message: Buffer): void {
    this.#own.push({ ticket, message });
  }

  /** Whether anything has been sent that was not handed over. */
  get hasMail(): boolean {
    return Atomics.load(this.#tickets, this.#ticketWord) !== this.#next;
  }

  /** Hands over what has come, in order. */
  receive(): void {
    while (this.#takeOwn() || this.#takeFromRings());
  }

  #takeOwn(): boolean {
    const first = this.#own[0];
    if (first === undefined || first.ticket !== this.#next) return false;
    this.#own.shift();
    this.#handOver(first.message);
    return true;
  }

  /** Goes round the rings once. @returns whether anything was handed over */
  #takeFromRings(): boolean {
    let taken = false;
    for (let sender = 0; sender < this.#rings.length; sender++) {
      const consumer = this.#rings[sender]!;
      if (consumer === null) continue;
      for (;;) {
        const head = this.#heads[sender] ?? this.#fetch(sender, consumer);
        if (head === null || head.readInt32LE(0) !== this.#next) break;
        this.#heads[sender] = null;
        this.#handOver(head);
        taken = true;
      }
    }
    return taken;
  }

  #fetch(sender: number, consumer: RingConsumer): Buffer | null {
    const head = consumer.receive();
    this.#heads[sender] = head;
    if (consumer.takeRoomWish()) ring(this.#control, this.#senderThreads[sender]!);
    return head;
  }

  #handOver(message: Buffer): void {
    this.#next = (this.#next + 1) | 0;
    this.#deliver(message);
  }
}
