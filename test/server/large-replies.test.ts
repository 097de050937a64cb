// Replies that the kernel does not take at once: their bytes must stay as they are until it does, whatever is answered to
// others meanwhile.

import { expect, it } from 'vitest';
import { describeServer } from '../support/sabre-server.ts';

const KEYS = 42;
/** Around what is written at once, and what takes the buffer of replies along. */
const SIZES = [5_000, 20_000, 60_000, 70_000, 100_000, 140_000, 400_000];

const value = (i: number): Buffer => Buffer.alloc(SIZES[i % SIZES.length]!, String.fromCharCode(48 + i));

describeServer('large replies', (server) => {
  it('reach clients that read late as they were', async () => {
    const admin = await server.connect();
    for (let i = 0; i < KEYS; i++) await admin.call('SET', `key:${i}`, value(i));
    const late = await Promise.all(Array.from({ length: 12 }, () => server.connect()));
    for (const client of late) client.pause();
    // Single replies, and several of one read.
    for (let i = 0; i < KEYS; i++) {
      for (const [number, client] of late.entries()) client.send('GET', `key:${(i + number) % KEYS}`);
      expect(await admin.callBuffer('GET', `key:${i}`)).toEqual(value(i));
    }
    for (const client of late) client.resume();
    for (const [number, client] of late.entries())
      for (let i = 0; i < KEYS; i++) {
        const reply = await client.reply();
        expect(reply.bytes!.equals(value((i + number) % KEYS)), `client ${number}, reply ${i}`).toBe(true);
      }
  });
});
