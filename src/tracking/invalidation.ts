// An invalidation message: the names of keys, or null for everything, as a client gets it.
//
//   RESP3   push of 2: `invalidate`, names
//   RESP2   message of __redis__:invalidate, for clients that others redirect to, once they have subscribed to something

import { ReplyWriter } from '../protocol/reply-writer.ts';

const CHANNEL = '__redis__:invalidate';

const writer = new ReplyWriter();

/** @param resp protocol of the client that gets it @returns what `make` writes */
export function render(resp: number, make: (writer: ReplyWriter) => void): Buffer {
  writer.reset();
  writer.resp = resp;
  make(writer);
  return Buffer.from(writer.bytes.subarray(0, writer.length));
}

export class Invalidation {
  readonly keys: readonly Buffer[] | null;
  /** By protocol of the one who gets it, and that of the one who tracks: it says how null looks. */
  readonly #rendered: (Buffer | null)[] = [null, null, null, null];

  /** @param keys null: everything */
  constructor(keys: readonly Buffer[] | null) {
    this.keys = keys;
  }

  /** @param resp protocol of the client that gets it @param trackerResp of the client that tracks */
  for(resp: number, trackerResp: number): Buffer {
    const index = (resp === 3 ? 2 : 0) + (trackerResp === 3 ? 1 : 0);
    let bytes = this.#rendered[index] ?? null;
    if (bytes === null) {
      bytes = render(resp, (to) => this.#write(to, trackerResp));
      this.#rendered[index] = bytes;
    }
    return bytes;
  }

  #write(to: ReplyWriter, trackerResp: number): void {
    if (to.resp === 3) {
      to.pushHeader(2);
      to.bulkString('invalidate');
    } else {
      to.arrayHeader(3);
      to.bulkString('message');
      to.bulkString(CHANNEL);
    }
    const { keys } = this;
    if (keys === null) {
      to.resp = trackerResp;
      to.nullBulk();
      return;
    }
    to.arrayHeader(keys.length);
    for (const key of keys) to.bulkBytes(key, 0, key.length);
  }
}
