// The persistence worker: the thread that owns the files. It merges the change rings of all threads into one stream, which
// goes to the log (aof.ts), and takes the entries of snapshots from the same rings (snapshots.ts).
//
// It never takes a shard's lock and always reads the rings: threads that hold locks may wait for it. While there is
// something to expect it looks at them every few ms; with `appendfsync always`, and when a ring fills, it is rung for.

import { ENTRY_HEADER } from '../commands/effects.ts';
import { RefusedError } from '../execution/control-port.ts';
import { Reporter } from '../execution/reports.ts';
import type { ThreadStart } from '../execution/thread-context.ts';
import { logWriteError } from '../execution/write-error.ts';
import { ChangeMerger, type ChangeSink } from '../memory/change-ring.ts';
import { listen, ring } from '../memory/doorbell.ts';
import {
  GlobalWord,
  SHARD_COUNT,
  SHARD_COUNTERS_OFFSET,
  ShardCounter,
  shardOffset,
  WriteError,
} from '../memory/layout.ts';
import { PersistenceGauge as Gauge } from '../metrics/stats.ts';
import { AOF_DIRECTIVES, AofState, AppendOnlyLog, aofSettings } from './aof.ts';
import { PersistenceContext } from './context.ts';
import { DataSource, type ReloadOptions } from './data-source.ts';
import { filesOfEnvironment } from './faulty-files.ts';
import type { Files } from './files.ts';
import type { SnapshotMark } from './snapshot-job.ts';
import { GIVEN_UP, Snapshots } from './snapshots.ts';

/** Bytes of changes taken between two looks at what else there is to do. */
const DRAIN_BYTES = 1024 * 1024;
/** How often the rings are looked at while there is something to expect. */
const LOOK_MS = 5;
/** Looks without finding anything, after which it waits to be rung for. */
const IDLE_LOOKS = 40;
const TICK_MS = 100;

export interface ShutdownSave {
  /** Whether to write an RDB file. */
  readonly save: boolean;
  /** Whether to end in spite of failures. */
  readonly force: boolean;
}

export class PersistenceWorker implements ChangeSink {
  readonly context: PersistenceContext;
  readonly #files: Files;
  readonly #merger: ChangeMerger;
  readonly #aof: AppendOnlyLog;
  readonly #snapshots: Snapshots;
  readonly #source: DataSource;
  readonly #counters: Float64Array;
  #draining = false;
  #looking = false;
  #idleLooks = 0;
  /** Counts the times from good to bad of the log, see execution/write-error.ts. */
  #failures = 0;
  #failing = false;

  constructor(start: ThreadStart) {
    this.#files = filesOfEnvironment(process.env);
    this.context = new PersistenceContext(start, {
      load: () => this.#source.load(),
      save: () => this.#snapshots.save(),
      bgsave: ({ schedule }: { schedule: boolean }) => this.#snapshots.backgroundSave(schedule),
      bgrewriteaof: () => this.#snapshots.rewrite(),
      'append-only': (on: boolean) => this.#switch(on),
      'save-flushed': () => this.#saveFlushed(),
      'debug-reload': (options: ReloadOptions) => this.#source.reload(options),
      'debug-load-aof': () => this.#source.reloadLog(),
      'debug-flush-sleep': (usec: number) => {
        this.#aof.writer.flushSleep = usec;
        return 'OK';
      },
      shutdown: (how: ShutdownSave) => this.#shutdown(how),
      'abort-shutdown': () => this.#abortShutdown(),
      'reset-stats': () => this.#resetStats(),
    });
    const { config, words, log } = this.context;
    this.#counters = new Float64Array(start.memory.control);
    const reporter = new Reporter(words, this.context.control, config);
    this.#merger = new ChangeMerger(start.changeRings, words, this);
    const late = (event: string, ms: number): void => reporter.late(event, ms);
    this.#aof = new AppendOnlyLog({
      files: this.#files,
      log,
      latency: late,
      now: Date.now,
      directory: '',
      dirName: config.getString('appenddirname'),
      fileName: config.getString('appendfilename'),
    });
    this.#snapshots = new Snapshots(this.context, this.#files, this.#aof, this.#merger, late, () =>
      this.#publishErrors(),
    );
    this.#source = new DataSource(this.context, this.#files, this.#aof, this.#snapshots, {
      drainAll: () => this.#drainAll(),
      dirty: () => this.#dirty(),
      publish: () => this.#publish(),
      holdReplies: () => this.#holdReplies(),
    });
    this.#followConfig();
    listen(words, start.thread, () => this.#wake());
    this.context.control.listen();
    setInterval(() => this.#tick(), TICK_MS);
  }

  // ---- the merged stream ----

  effect(db: number, bytes: Buffer, off: number, len: number): void {
    this.#aof.writer.effect(db, bytes, off, len);
  }

  unit(bytes: Buffer, off: number, len: number): void {
    const { writer } = this.#aof;
    if (!writer.isOpen) return;
    writer.beginUnit();
    for (let at = off; at < off + len; ) {
      const size = bytes.readInt32LE(at + 4);
      writer.effect(bytes.readInt32LE(at), bytes, at + ENTRY_HEADER, size);
      at += ENTRY_HEADER + size;
    }
    writer.endUnit();
  }

  marker(bytes: Buffer, off: number, len: number): void {
    this.#snapshots.marked(JSON.parse(bytes.toString('latin1', off, off + len)) as SnapshotMark);
  }

  snapshot(
    ring: number,
    snapshot: number,
    db: number,
    version: number,
    part: boolean,
    bytes: Buffer,
    off: number,
    len: number,
  ): void {
    this.#snapshots.entries(ring, snapshot, db, version, part, bytes, off, len);
  }

  shardSaved(snapshot: number): void {
    this.#snapshots.shardSaved(snapshot);
  }

  snapshotVoided(snapshot: number, reason: number): void {
    this.#snapshots.voided(snapshot, reason);
  }

  // ---- reading the rings ----

  #wake(): void {
    if (!this.#draining) this.#drain();
    this.#look();
  }

  #drain(): void {
    const taken = this.#merger.drain(DRAIN_BYTES);
    if (taken > 0) this.#idleLooks = 0;
    this.#flush(false);
    this.#snapshots.drained();
    this.#draining = taken >= DRAIN_BYTES;
    if (this.#draining) setImmediate(() => this.#drain());
  }

  /** Reads and writes all that is in the rings now, in this turn. */
  #drainAll(): void {
    while (this.#merger.drain(DRAIN_BYTES) >= DRAIN_BYTES) this.#flush(false);
    this.#flush(true);
  }

  /** Writes what has come in, and tells those whose replies wait for it. */
  #flush(force: boolean): void {
    const { words } = this.context;
    const safe = this.#aof.writer.flush(force);
    if (safe) {
      const { last } = this.#merger;
      if (words[GlobalWord.PersistedSeq] !== last) {
        Atomics.store(words, GlobalWord.PersistedSeq, last);
        if (words[GlobalWord.HoldReplies] !== 0) this.#ringAcceptors();
      }
    }
    if (!this.#aof.writer.isWell || words[GlobalWord.WriteError] !== WriteError.None) this.#publishErrors();
  }

  /** Looks at the rings now and then, until nothing has come for a while. */
  #look(): void {
    if (this.#looking) return;
    const { words } = this.context;
    this.#looking = true;
    Atomics.store(words, GlobalWord.Draining, 1);
    const look = (): void => {
      if (!this.#draining) this.#drain();
      if (++this.#idleLooks < IDLE_LOOKS || this.#snapshots.running) {
        setTimeout(look, LOOK_MS);
        return;
      }
      this.#looking = false;
      Atomics.store(words, GlobalWord.Draining, 0);
      // What was put in before the word was seen, nobody has rung for.
      if (!this.#merger.idle) this.#look();
    };
    setTimeout(look, LOOK_MS);
  }

  #ringAcceptors(): void {
    for (const thread of this.context.start.acceptorThreads) ring(this.context.words, thread);
  }

  // ---- regular work ----

  #tick(): void {
    if (!this.#source.loaded) return;
    if (!this.#draining) this.#drain();
    this.#snapshots.tick(this.#dirty());
    const saving = this.#snapshots.running;
    this.#aof.writer.snapshotRuns = saving;
    if (saving) this.#look();
    this.#publish();
  }

  /** Changes counted since the server's start. */
  #dirty(): number {
    let sum = 0;
    for (let shard = 0; shard < SHARD_COUNT; shard++)
      sum += this.#counters[((shardOffset(shard) + SHARD_COUNTERS_OFFSET) >> 3) + ShardCounter.Dirty]!;
    return sum;
  }

  #publish(): void {
    const gauges = this.context.stats.persistence;
    const info = this.#aof.info();
    gauges[Gauge.AofOn] = info.enabled ? 1 : 0;
    gauges[Gauge.RewriteScheduled] = info.rewriteScheduled ? 1 : 0;
    gauges[Gauge.LastRewriteSeconds] = info.lastRewriteTimeSec + 1;
    gauges[Gauge.LastRewriteFailed] = info.lastBgrewriteOk ? 0 : 1;
    gauges[Gauge.Rewrites] = info.rewrites;
    gauges[Gauge.RewriteFailures] = info.rewritesConsecutiveFailures;
    gauges[Gauge.AofWriteFailed] = info.lastWriteOk ? 0 : 1;
    gauges[Gauge.AofBytes] = info.currentSize;
    gauges[Gauge.AofBaseBytes] = info.baseSize;
    gauges[Gauge.AofPendingBytes] = info.bufferLength;
    gauges[Gauge.AofBufferBytes] = info.bufferMemory;
    gauges[Gauge.FsyncRuns] = info.pendingBioFsync;
    gauges[Gauge.DelayedFsyncs] = info.delayedFsync;
    this.#snapshots.publish();
    this.#publishErrors();
  }

  /** Tells the threads that execute commands whether writes are refused. */
  #publishErrors(): void {
    const { writer, state } = this.#aof;
    const { words } = this.context;
    const fails = state !== AofState.Off && !writer.isWell;
    if (fails && !this.#failing) this.#failures++;
    this.#failing = fails;
    // Where replies wait for the log, who is not to wait must know of its failure.
    const held = words[GlobalWord.HoldReplies] !== 0;
    let error: number = WriteError.None;
    if (this.#snapshots.stopsWrites && !(fails && held)) error = WriteError.Snapshot;
    else if (fails) error = logWriteError(writer.lastErrno, this.#failures);
    Atomics.store(words, GlobalWord.WriteError, error);
  }

  // ---- configuration ----

  #followConfig(): void {
    const { config } = this.context;
    const follow = (): void => {
      this.#aof.configure(aofSettings(config));
      this.#holdReplies();
    };
    follow();
    for (const name of AOF_DIRECTIVES) config.watch(name, follow);
    for (const name of ['save', 'stop-writes-on-bgsave-error'] as const)
      config.watch(name, () => this.#publishErrors());
  }

  /** Replies wait for the disk while a log is written with `appendfsync always`. */
  #holdReplies(): void {
    const { config, words } = this.context;
    const hold = this.#aof.state !== AofState.Off && config.getEnum('appendfsync') === 'always';
    Atomics.store(words, GlobalWord.HoldReplies, hold ? 1 : 0);
    if (!hold) this.#ringAcceptors();
  }

  /** CONFIG SET appendonly. @throws RefusedError */
  async #switch(on: boolean): Promise<void> {
    if (on === (this.#aof.state !== AofState.Off)) return;
    if (on) await this.#switchOn();
    else this.#switchOff();
    this.#holdReplies();
    this.#publish();
  }

  async #switchOn(): Promise<void> {
    const { log } = this.context;
    if (this.#snapshots.rewrites) {
      log.warning(
        'AOF was enabled but there is already an AOF rewriting in background. Stopping background AOF and starting a rewrite now.',
      );
      this.#snapshots.giveUpRewrite();
    }
    this.#aof.enable();
    if (this.#snapshots.running) {
      log.warning(
        'AOF was enabled but there is already another background operation. An AOF background was scheduled to start when possible.',
      );
      return;
    }
    if ((await this.#snapshots.rewriteNow()) === '') return;
    log.warning(
      "Redis needs to enable the AOF but can't trigger a background AOF rewrite operation. Check the above logs for more info about the error.",
    );
    this.#switchOff();
    throw new RefusedError('Unable to turn on AOF. Check server logs.');
  }

  #switchOff(): void {
    this.#snapshots.giveUpRewrite();
    this.#drainAll();
    this.#aof.disable();
    Atomics.store(this.context.words, GlobalWord.ChangesWanted, 0);
  }

  // ---- start and end ----

  /** FLUSHALL with save points. */
  async #saveFlushed(): Promise<string> {
    // If that fails, the log says so, and save points will try again: Redis's FLUSHALL answers OK all the same.
    await this.#snapshots.saveNow();
    return 'OK';
  }

  #resetStats(): void {
    const { stats } = this.context;
    const gauges = stats.persistence;
    stats.reset();
    this.#aof.rewrites = 0;
    this.#aof.writer.delayedFsyncs = 0;
    gauges[Gauge.Saves] = 0;
    this.#publish();
  }

  /** Before the process ends; nobody writes any more. @returns '' or why it should not end */
  async #shutdown({ save, force }: ShutdownSave): Promise<string> {
    const { log } = this.context;
    if (this.#snapshots.savesInBackground) {
      log.warning('There is a child saving an .rdb. Killing it!');
      this.#snapshots.giveUp();
    }
    if (this.#snapshots.rewrites) {
      // Without its first base, the log is of no use.
      const initial = this.#aof.state === AofState.Waiting;
      if (initial) log.warning(`Writing initial AOF${force ? '. Exit anyway.' : ", can't exit."}`);
      if (initial && !force) return 'no log yet';
      log.warning('There is a child rewriting the AOF. Killing it!');
      this.#snapshots.giveUp();
    }
    this.#drainAll();
    if (this.#aof.state !== AofState.Off) {
      // What goes wrong is in the log: as Redis's, it does not keep the server from its end.
      this.#aof.stop();
      this.#flush(true);
    }
    if (!save) {
      this.#snapshots.hold();
      return '';
    }
    log.notice('Saving the final RDB snapshot before exiting.');
    const failure = await this.#snapshots.saveNow();
    // Given up by SHUTDOWN ABORT, which has said so.
    if (failure !== '' && failure !== GIVEN_UP)
      log.warning(`Error trying to save the DB${force ? '. Exit anyway.' : ", can't exit."}`);
    // Nothing is begun any more that the end of the process would leave half done.
    if (failure === '' || (force && failure !== GIVEN_UP)) this.#snapshots.hold();
    return force ? '' : failure;
  }

  /** The server goes on after all. */
  #abortShutdown(): void {
    this.#snapshots.giveUpWaiting();
    this.#snapshots.goOn();
  }
}
