// The background work of a shard worker, for every W-th shard: eviction when the data set has outgrown maxmemory,
// active expiry, freeing what FLUSHDB ASYNC has detached and what deleted values still own, defragmentation, the walk of a
// snapshot.
//
// Each task keeps the time at which it wants to go on; step() runs those that are due, about a millisecond each, and
// returns the time until the first of the others. A task holds a shard's lock for a few hundred microseconds at most,
// and limits its share of the core by the time it asks for between its steps.

import { Defragmenter } from '../keyspace/defrag.ts';
import { Evictor, evictUntilRoom } from '../keyspace/eviction.ts';
import { Expirer } from '../keyspace/expiry.ts';
import { lazyFree } from '../keyspace/flush.ts';
import type { Keyspace } from '../keyspace/keyspace.ts';
import type { Shard } from '../keyspace/shard.ts';
import { SnapshotWalker } from '../keyspace/snapshot-walk.ts';
import { GlobalWord } from '../memory/layout.ts';
import { hiddenDatabase } from '../memory/shared-memory.ts';
import { Stat, type Stats } from '../metrics/stats.ts';
import type { ChangeLog } from './change-log.ts';
import type { Reporter } from './reports.ts';
import type { ThreadContext } from './thread-context.ts';

const STEP_MS = 1;
/** How soon it looks again when the policy leaves nothing to evict. */
const FULL_MS = 100;
const LAZY_FREE_KEYS = 256;
/** Blocks of dead values freed under one lock: some 50 microseconds. */
const LAZY_FREE_BLOCKS = 512;
/** Of the core, while detached databases are freed. */
const LAZY_FREE_SHARE = 0.5;
/** Without lazy-free work: how often to look for some. */
const LAZY_FREE_LOOK_MS = 100;

export class Background {
  readonly #keyspace: Keyspace;
  readonly #stats: Stats;
  readonly #shards: readonly Shard[];
  readonly #evictor: Evictor;
  readonly #expirer: Expirer;
  readonly #defragmenter: Defragmenter;
  readonly #changes: ChangeLog | null;
  readonly #reporter: Reporter;
  readonly #walker: SnapshotWalker;
  /** The first worker keeps the times that INFO tells of the whole server. */
  readonly #keepsTime: boolean;
  #lastStep = 0;
  #wasOver = false;
  #overMs = 0;
  #defragMs = 0;
  #evictAt = 0;
  #expireAt = 0;
  #freeAt = 0;
  #defragAt = 0;
  #walkAt = 0;
  #walking = false;

  constructor(thread: ThreadContext) {
    const { keyspace, config, stats, start } = thread;
    const workers = start.workerThreads.length;
    this.#keyspace = keyspace;
    this.#stats = stats;
    this.#shards = keyspace.shards.filter((shard) => shard.id % workers === start.number);
    this.#evictor = new Evictor(keyspace, config, stats);
    this.#expirer = new Expirer(keyspace, config, stats, this.#shards);
    this.#defragmenter = new Defragmenter(keyspace, config, this.#shards);
    this.#walker = new SnapshotWalker(keyspace, this.#shards);
    const follow = (): void => {
      this.#walker.keyDelay = config.getInt('rdb-key-save-delay');
    };
    follow();
    config.watch('rdb-key-save-delay', follow);
    this.#reporter = thread.reporter;
    this.#keepsTime = start.number === 0;
    this.#changes = thread.changes;
  }

  /**
   * Does what is due.
   * @param now performance.now()
   * @returns ms until it wants to be called again; commands may run in between at any time
   */
  step(now: number): number {
    const { control } = this.#keyspace.memory;
    const walking = control[GlobalWord.SnapshotActive] !== 0;
    if (walking !== this.#walking) {
      // A snapshot has begun: this is what the worker was woken for.
      this.#walking = walking;
      this.#walkAt = 0;
    }
    if (now >= this.#walkAt) this.#walkAt = after(this.#walker.step(performance.now()));
    if (Atomics.load(control, GlobalWord.CronPaused) !== 0)
      return walking ? Math.max(0, Math.min(FULL_MS, this.#walkAt - performance.now())) : FULL_MS;
    if (this.#keepsTime) this.#keepTime(now);
    // While data are loaded nothing goes but what they say.
    const loading = control[GlobalWord.Loading] !== 0;
    if (this.#evictor.over && !loading) {
      if (now >= this.#evictAt) this.#evictAt = this.#next('eviction-cycle', () => this.#evict());
    } else this.#evictAt = 0;
    if (now >= this.#expireAt) {
      this.#keyspace.setTime(Date.now());
      this.#expireAt = loading
        ? after(FULL_MS)
        : this.#next('expire-cycle', (start) => this.#expirer.step(start));
    }
    if (now >= this.#freeAt) this.#freeAt = after(this.#free(performance.now()));
    if (now >= this.#defragAt)
      this.#defragAt = this.#next('active-defrag-cycle', (start) => this.#defragmenter.step(start));
    this.#keyspace.meter.flush();
    this.#changes?.wake();
    const next = Math.min(this.#expireAt, this.#freeAt, this.#defragAt, this.#walkAt);
    return Math.max(0, (this.#evictAt === 0 ? next : Math.min(next, this.#evictAt)) - performance.now());
  }

  /**
   * Does a step, and tells the latency monitor if it took long.
   * @param event Redis's name of it
   * @returns when the next one is due
   */
  #next(event: string, step: (start: number) => number): number {
    const start = performance.now();
    const pause = step(start);
    this.#reporter.late(event, performance.now() - start);
    return after(pause);
  }

  /** Evicts until there is room. @returns whether a command that may use more memory may run */
  makeRoom(): boolean {
    return evictUntilRoom(this.#evictor, true);
  }

  #evict(): number {
    this.#keyspace.setTime(Date.now());
    const room = this.#evictor.run(true, STEP_MS);
    return room ? 0 : FULL_MS;
  }

  /** Adds the time since the last step to what goes on now. */
  #keepTime(now: number): void {
    const stats = this.#stats;
    const elapsed = now - this.#lastStep;
    this.#lastStep = now;
    if (this.#wasOver) stats.add(Stat.EvictionExceededMs, elapsed);
    this.#overMs = this.#wasOver ? this.#overMs + elapsed : 0;
    this.#wasOver = this.#evictor.over;
    const percent = this.#defragmenter.runningPercent;
    if (percent > 0) stats.add(Stat.DefragMs, elapsed);
    this.#defragMs = percent > 0 ? this.#defragMs + elapsed : 0;
    stats.set(Stat.EvictionExceededNowMs, this.#overMs);
    stats.set(Stat.DefragNowMs, this.#defragMs);
    stats.set(Stat.DefragPercent, percent);
  }

  /** Frees detached databases and buried records. @returns ms until the next step */
  #free(now: number): number {
    const { memory } = this.#keyspace;
    if (Atomics.load(memory.control, GlobalWord.LazyFree) === 0) return LAZY_FREE_LOOK_MS;
    const hidden = hiddenDatabase(memory);
    let end = now;
    for (const shard of this.#shards) {
      while (shard.keys(hidden) > 0 || shard.buried > 0) {
        const locked = shard.acquire();
        const freed = lazyFree(locked, LAZY_FREE_KEYS);
        const dead = shard.buried;
        locked.freeBuried(LAZY_FREE_BLOCKS);
        locked.release();
        this.#stats.add(Stat.LazyFreed, freed + dead - shard.buried);
        end = performance.now();
        if (end - now >= STEP_MS) return (end - now) * (1 / LAZY_FREE_SHARE - 1);
      }
    }
    return LAZY_FREE_LOOK_MS;
  }
}

/** The time in `ms` from now: tasks ask for time from the end of their step on. */
function after(ms: number): number {
  return performance.now() + ms;
}
