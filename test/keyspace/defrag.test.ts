// Active defragmentation: chunks held by few records come back, nothing is lost, and it stops when it is done.

import { describe, expect, it } from 'vitest';
import { ConfigStore } from '../../src/config/store.ts';
import { checkKeyspace } from '../../src/keyspace/check.ts';
import { Defragmenter, fragmentationOf } from '../../src/keyspace/defrag.ts';
import type { Keyspace } from '../../src/keyspace/keyspace.ts';
import { GlobalWord, ShardCounter } from '../../src/memory/layout.ts';
import { Keys, makeKeyspace } from './bench.ts';

const COUNT = 120_000;

/** Few slots, so that shards have many spans; all but each `keep`-th keys are deleted again. */
function sparse(keep = 10): { keyspace: Keyspace; keys: Keys } {
  const keyspace = makeKeyspace();
  const keys = new Keys(keyspace);
  const name = (i: number): string => `{${i % 3}}${i}`;
  for (let i = 0; i < COUNT; i++)
    keys.set(name(i), `${i}`.padEnd(100 + (i % 2) * 70, '.'), i % 2 === 0 ? 2e12 : -1);
  for (let i = 0; i < COUNT; i++) if (Math.floor(i / 3) % keep !== 0) keys.del(name(i));
  return { keyspace, keys };
}

function expectValues(keys: Keys): void {
  let left = 0;
  for (let i = 0; i < COUNT; i++) {
    if (Math.floor(i / 3) % 10 !== 0) continue;
    left++;
    const value = keys.get(`{${i % 3}}${i}`);
    if (value?.toString() !== `${i}`.padEnd(100 + (i % 2) * 70, '.')) throw new Error(`key ${i} is wrong`);
  }
  expect(keys.keyspace.size(0)).toBe(left);
}

function configure(config: ConfigStore, settings: Record<string, string>): void {
  for (const [name, text] of Object.entries(settings))
    config.applyChange({ name: name as 'activedefrag', text });
}

/** @returns steps until it has nothing left to do */
function runOut(defragmenter: Defragmenter): number {
  for (let steps = 1; steps < 20_000; steps++) if (defragmenter.step(performance.now()) >= 1000) return steps;
  throw new Error('it does not come to an end');
}

describe('active defragmentation', () => {
  it('gives back chunks that hold little, and loses nothing', () => {
    const { keyspace, keys } = sparse();
    const config = new ConfigStore(null, '/');
    configure(config, {
      activedefrag: 'yes',
      'active-defrag-ignore-bytes': '1',
      'active-defrag-threshold-lower': '25',
    });
    const before = keyspace.memory.control[GlobalWord.ChunksUsed]!;
    expect(fragmentationOf(keyspace).percent).toBeGreaterThan(300);
    const defragmenter = new Defragmenter(keyspace, config, keyspace.shards);
    for (let passes = 0; passes < 10; passes++) runOut(defragmenter);
    expect(fragmentationOf(keyspace).percent).toBeLessThan(100);
    expect(keyspace.memory.control[GlobalWord.ChunksUsed]!).toBeLessThan(before * 0.4);
    expect(keyspace.sum(ShardCounter.DefragHits)).toBeGreaterThan(1000);
    checkKeyspace(keyspace);
    expectValues(keys);
  });

  it('does nothing unless it is on and there is enough to gain', () => {
    const { keyspace } = sparse();
    const config = new ConfigStore(null, '/');
    const defragmenter = new Defragmenter(keyspace, config, keyspace.shards);
    expect(runOut(defragmenter)).toBe(1);
    configure(config, { activedefrag: 'yes' });
    // 100 MB by default.
    expect(runOut(defragmenter)).toBe(1);
    configure(config, { 'active-defrag-ignore-bytes': '1', 'active-defrag-threshold-lower': '1000' });
    expect(runOut(defragmenter)).toBe(1);
    expect(keyspace.sum(ShardCounter.DefragHits)).toBe(0);
    configure(config, { 'active-defrag-threshold-lower': '10' });
    runOut(defragmenter);
    expect(keyspace.sum(ShardCounter.DefragHits)).toBeGreaterThan(0);
  });

  it('takes a share of the core between its two limits', () => {
    // Enough records that one step does not get through.
    const { keyspace } = sparse(3);
    const config = new ConfigStore(null, '/');
    configure(config, {
      activedefrag: 'yes',
      'active-defrag-ignore-bytes': '1',
      'active-defrag-cycle-min': '5',
      'active-defrag-cycle-max': '50',
      'active-defrag-threshold-upper': '20',
    });
    const defragmenter = new Defragmenter(keyspace, config, keyspace.shards);
    const wait = defragmenter.step(performance.now());
    // Far above the upper threshold: the most it may take, so it waits as long as it worked.
    expect(defragmenter.runningPercent).toBe(50);
    expect(wait).toBeGreaterThan(0.5);
    configure(config, { activedefrag: 'no' });
    expect(defragmenter.runningPercent).toBe(0);
    expect(defragmenter.step(performance.now())).toBe(1000);
  });
});
