// One buffer that all connections of a thread read into.
//
// Node gives every read of an accepted socket 64 KiB of its own, which the garbage collector has to find again: with values of
// 1 KiB and more that costs more than all the rest of a SET (measured: 0.7 of redis-server's throughput with it, 1.4
// without; with small values in pipelines some 8% more). `new Socket({ onread })` reads into a buffer of ours, but a server has
// no such option. So the handle of an accepted socket is put into a socket made with it.
//
// Owner rule: the buffer is its reader's until `onRead` returns. Whoever needs bytes for longer copies them. With SABRE_DEBUG=1
// they are written over then, so that who forgot it is found.
//
// `_handle` is not documented. Where it is not what it is in Node 24 to 26, sockets stay as they are.

import { Socket } from 'node:net';

const READ_BYTES = 256 * 1024;
const DEBUG = process.env['SABRE_DEBUG'] === '1';
const POISON = 0xdd;

/** A socket that reads into the buffer of its SharedReads. */
export interface SharedSocket {
  readonly socket: Socket;
  /**
   * Called with each read, which is [0, length) of `buffer`: what it finds there is gone when it returns. To be set before
   * anything else. The buffer is always the same: one more object per read would have to be remembered in a dozen places that
   * live longer, at some 30 ns each.
   */
  onRead: (buffer: Buffer, length: number) => void;
}

interface Accepted {
  _handle?: { useUserBuffer?: unknown } | null;
}

export class SharedReads {
  readonly #buffer = Buffer.allocUnsafeSlow(READ_BYTES);

  /**
   * Takes the place of an accepted socket, which was not read yet.
   * @returns null if that is impossible: the socket is as it was
   */
  adopt(accepted: Socket): SharedSocket | null {
    const { _handle: handle } = accepted as Accepted;
    if (typeof handle?.useUserBuffer !== 'function') return null;
    const shared: { socket: Socket; onRead: (buffer: Buffer, length: number) => void } = {
      socket: accepted,
      onRead: () => {
        throw new Error('a socket is read that nobody has taken');
      },
    };
    const buffer = this.#buffer;
    const callback = (count: number): boolean => {
      shared.onRead(buffer, count);
      if (DEBUG) buffer.fill(POISON, 0, count);
      return true;
    };
    (accepted as Accepted)._handle = null;
    // Missing in the types: `handle`, by which Node's own servers make their sockets.
    const options = { handle, allowHalfOpen: true, onread: { buffer, callback } };
    shared.socket = new Socket(options as object);
    // Without its handle it closes nothing; its server forgets it.
    accepted.destroy();
    return shared;
  }
}
