// The directory of subscriptions against a plain map; patterns over their logs; the post's order.

import { describe, expect, it } from 'vitest';
import { ChannelKind } from '../../src/commands/pubsub-api.ts';
import { CONTROL_BYTES } from '../../src/memory/layout.ts';
import { allocateDirectory, Directory } from '../../src/pubsub/directory.ts';
import { allocatePatternLog, PatternLog, PatternSet } from '../../src/pubsub/pattern-log.ts';
import { allocatePost, MESSAGE_AT, messageBuffer, PostReceiver, PostSender } from '../../src/pubsub/post.ts';
import { pick, seeded } from '../support/seeded.ts';

const ACCEPTORS = 3;
const { Channel, Pattern, ShardChannel } = ChannelKind;

describe('the directory', () => {
  it('counts what a map counts, over growth and removal', () => {
    const random = seeded(7);
    const buffer = allocateDirectory();
    const writer = new Directory(buffer, 1);
    const reader = new Directory(buffer, 2);
    const model = new Map<string, number[]>();
    const counts = new Int32Array(ACCEPTORS);
    const check = (key: string): void => {
      const name = Buffer.from(key.slice(1));
      counts.fill(0);
      const expected = model.get(key) ?? [0, 0, 0];
      const found = reader.count(Number(key[0]) as ChannelKind, name, 0, name.length, counts);
      expect([...counts]).toEqual(expected);
      expect(found).toBe(expected.reduce((a, b) => a + b));
    };
    for (let i = 0; i < 60_000; i++) {
      // First mostly more, then mostly less.
      const adds = pick(random, 100) < (i < 30_000 ? 80 : 20);
      const key = `${pick(random, 3)}channel-${pick(random, 8_000)}`;
      const acceptor = pick(random, ACCEPTORS);
      const kind = Number(key[0]) as ChannelKind;
      const now = model.get(key) ?? [0, 0, 0];
      if (adds) {
        expect(writer.add(kind, Buffer.from(key.slice(1)), acceptor)).toBe(true);
        now[acceptor]!++;
      } else if (now[acceptor]! > 0) {
        writer.remove(kind, Buffer.from(key.slice(1)), acceptor);
        now[acceptor]!--;
      }
      if (now.some((count) => count > 0)) model.set(key, now);
      else model.delete(key);
      if (i % 10 === 0) check(`${pick(random, 3)}channel-${pick(random, 8_000)}`);
    }
    for (const key of model.keys()) check(key);
    for (const kind of [Channel, Pattern, ShardChannel]) {
      const of = [...model].filter(([key]) => Number(key[0]) === kind);
      expect(reader.distinct(kind)).toBe(of.length);
      expect(reader.total(kind)).toBe(of.flatMap(([, counts]) => counts).reduce((a, b) => a + b, 0));
    }
  });

  it('keeps kinds apart, and bytes of any value', () => {
    const buffer = allocateDirectory();
    const directory = new Directory(buffer, 1);
    const counts = new Int32Array(ACCEPTORS);
    for (const name of [Buffer.alloc(0), Buffer.from([0]), Buffer.from([0, 0]), Buffer.alloc(300, 255)]) {
      directory.add(Channel, name, 2);
      expect(directory.count(Channel, name, 0, name.length, counts)).toBe(1);
      expect(directory.count(ShardChannel, name, 0, name.length, counts)).toBe(0);
    }
    expect(directory.distinct(Channel)).toBe(4);
  });

  it('ends the process over a subscription that is not there', () => {
    const directory = new Directory(allocateDirectory(), 1);
    directory.add(Channel, Buffer.from('a'), 0);
    expect(() => directory.remove(Channel, Buffer.from('a'), 1)).toThrow('not in the directory');
  });
});

describe('patterns', () => {
  const shown = (set: PatternSet): Record<string, number[]> =>
    Object.fromEntries([...set.patterns].map((pattern) => [pattern.bytes.toString(), [...pattern.counts]]));

  it('are known to a reader that looks now and then, and to one that comes late', () => {
    const random = seeded(3);
    const buffers = Array.from({ length: 2 }, allocatePatternLog);
    const logs = buffers.map((buffer, acceptor) => new PatternLog(buffer, acceptor + 1));
    const reader = new PatternSet(buffers, 9);
    const model = new Map<string, number[]>();
    for (let i = 0; i < 40_000; i++) {
      const acceptor = pick(random, 2);
      const name = `pattern-${pick(random, 40)}*`;
      const now = model.get(name) ?? [0, 0];
      if (pick(random, 2) === 0) {
        expect(logs[acceptor]!.add(name)).toBe(true);
        now[acceptor]!++;
      } else if (now[acceptor]! > 0) {
        logs[acceptor]!.remove(name);
        now[acceptor]!--;
      }
      if (now.some((count) => count > 0)) model.set(name, now);
      else model.delete(name);
      if (pick(random, 3000) !== 0) continue;
      reader.catchUp();
      expect(shown(reader)).toEqual(Object.fromEntries(model));
    }
    const late = new PatternSet(buffers, 10);
    for (const each of [reader, late]) {
      each.catchUp();
      expect(shown(each)).toEqual(Object.fromEntries(model));
    }
  });

  it('are refused when there is no room for their texts', () => {
    const log = new PatternLog(allocatePatternLog(), 1);
    expect(log.add('x'.repeat(30 * 1024 * 1024))).toBe(false);
    expect(log.add('x'.repeat(10 * 1024 * 1024))).toBe(true);
  });
});

describe('the post', () => {
  it('hands over in the order of sending, whoever sent', () => {
    const random = seeded(5);
    const post = allocatePost(2, 2);
    const control = new Int32Array(CONTROL_BYTES / 4);
    const acceptorThreads = [2, 3];
    const senders = [0, 1, 2, 3].map((sender) => new PostSender(post, control, sender, acceptorThreads));
    const got: number[] = [];
    const receiver = new PostReceiver(post, control, 0, [2, 3, 4, 5], (message) => {
      got.push(message.readInt32LE(MESSAGE_AT));
    });
    const makeMessage = (number: number, length: number): Buffer => {
      const message = messageBuffer(length);
      message.writeInt32LE(number, MESSAGE_AT);
      return message;
    };
    let sent = 0;
    for (let i = 0; i < 5_000; i++) {
      // Some larger than a ring, so that messages wait with their senders.
      const message = makeMessage(sent, pick(random, 50) === 0 ? 300_000 : 8 + pick(random, 200));
      const sender = pick(random, 4);
      if (sender > 0) senders[sender]!.send(0, message);
      else {
        const ticket = senders[0]!.ticket(0);
        if (receiver.isNext(ticket)) got.push(sent);
        else receiver.hold(ticket, message);
      }
      sent++;
      if (pick(random, 20) === 0) receiver.receive();
      if (pick(random, 50) === 0) for (const each of senders) each.wake();
      while (senders.some((each) => each.congested)) receiver.receive();
    }
    for (let i = 0; i < 5_000 && got.length < sent; i++) {
      for (const each of senders) each.wake();
      receiver.receive();
    }
    expect(receiver.hasMail).toBe(false);
    expect(got).toEqual(Array.from({ length: sent }, (_, i) => i));
  });
});
