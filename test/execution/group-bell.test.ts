import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { GroupBell } from '../../src/execution/group-bell.ts';
import { GlobalWord, ThreadWord, threadWord } from '../../src/memory/layout.ts';

const THREAD = 5;

/** A bell of an acceptor whose clients wait for the disk, and the words it works on. */
function bellWithWords(): { bell: GroupBell; words: Int32Array; rings: () => number; change: () => void } {
  const words = new Int32Array(new SharedArrayBuffer(64 * 1024));
  words[GlobalWord.HoldReplies] = 1;
  const bell = new GroupBell(words, THREAD);
  let seq = 0;
  return {
    bell,
    words,
    rings: () => words[threadWord(THREAD, ThreadWord.Doorbell)]!,
    change: () => {
      bell.put(++seq);
      bell.batchEnded();
    },
  };
}

async function untilRung(rings: () => number, times: number): Promise<void> {
  while (rings() < times) await nextTurn();
}

it('rings for what has come when nobody comes any more', async () => {
  const { rings, change } = bellWithWords();
  change();
  change();
  expect(rings()).toBe(0);
  await untilRung(rings, 1);
});

it('lets what comes during a sync wait for the clients that are answered after it', async () => {
  const { bell, words, rings, change } = bellWithWords();
  change();
  await untilRung(rings, 1);
  change();
  for (let turn = 0; turn < 20; turn++) await nextTurn();
  expect(rings()).toBe(1);
  words[GlobalWord.PersistedSeq] = 1;
  bell.released(2);
  // With the one that has come before, three.
  change();
  expect(rings()).toBe(1);
  change();
  expect(rings()).toBe(2);
});

it('does not let many changes wait', async () => {
  const { rings, change } = bellWithWords();
  change();
  await untilRung(rings, 1);
  for (let i = 0; i < 200; i++) change();
  await untilRung(rings, 2);
});

it('rings when replies do not wait any more, although a group is under way', async () => {
  const { bell, words, rings, change } = bellWithWords();
  change();
  await untilRung(rings, 1);
  change();
  words[GlobalWord.HoldReplies] = 0;
  bell.released(0);
  await untilRung(rings, 2);
});
