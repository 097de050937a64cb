// Snapshots: when one is due, which file it becomes, and what is told of it. One runs at a time, for an RDB file or for the
// base of the log; what is asked for meanwhile is refused or waits, as in Redis.
//
// A snapshot is taken by the threads that execute commands (keyspace/snapshot.ts); here its entries come in from the rings.
// One that FLUSHALL or SWAPDB has voided begins again. Log texts are Redis's, but for those on child processes.

import { strerror } from '../config/system-error.ts';
import { RefusedError } from '../execution/control-port.ts';
import { abortSnapshot, VoidReason } from '../keyspace/snapshot.ts';
import type { ChangeMerger } from '../memory/change-ring.ts';
import { PersistenceGauge as Gauge } from '../metrics/stats.ts';
import { AofState, type AppendOnlyLog } from './aof.ts';
import type { PersistenceContext } from './context.ts';
import { type Files, pathIn } from './files.ts';
import { RdbFile } from './rdb-file.ts';
import { SnapshotJob, type SnapshotMark } from './snapshot-job.ts';

/** After a failure, save points wait so long (ms) before the next attempt, as Redis's. */
const RETRY_MS = 5000;

const Purpose = { Save: 'save', Rewrite: 'rewrite' } as const;
type Purpose = (typeof Purpose)[keyof typeof Purpose];

interface Running {
  readonly purpose: Purpose;
  readonly startedAt: number;
  job: SnapshotJob;
  /** What the rings held when all shards were saved. */
  rest: Int32Array | null;
  finishing: boolean;
  /** Told how it ended: '' if well. */
  readonly waiting: ((failure: string) => void)[];
}

export class Snapshots {
  /** A BGSAVE SCHEDULE or SAVE that waits for the end of a rewrite. */
  #saveScheduled = false;
  #saveWaiting: ((failure: string) => void)[] = [];
  #running: Running | null = null;
  /**
   * What other threads have sent before the mark of the snapshot came: the mark has a place in the stream, entries have none,
   * so that these may be read first.
   */
  #early: (() => void)[] = [];
  #lastSaveFailed = false;
  #lastTry = 0;
  readonly #context: PersistenceContext;
  readonly #files: Files;
  readonly #aof: AppendOnlyLog;
  readonly #merger: ChangeMerger;

  constructor(context: PersistenceContext, files: Files, aof: AppendOnlyLog, merger: ChangeMerger) {
    this.#context = context;
    this.#files = files;
    this.#aof = aof;
    this.#merger = merger;
  }

  get running(): boolean {
    return this.#running !== null;
  }

  /** Whether writes are to be refused because the last one failed. */
  get stopsWrites(): boolean {
    const { config } = this.#context;
    return (
      this.#lastSaveFailed &&
      config.getBool('stop-writes-on-bgsave-error') &&
      config.getMulti('save').length > 0
    );
  }

  // ---- requests ----

  /** SAVE. @returns when the file is there @throws RefusedError */
  async save(): Promise<string> {
    if (this.#running?.purpose === Purpose.Save || this.#saveWaiting.length > 0)
      throw new RefusedError('ERR Background save already in progress');
    const failure = await this.saveNow();
    if (failure !== '') throw new RefusedError('ERR');
    return 'OK';
  }

  /** Saves, after what is running. @returns '' or what went wrong */
  saveNow(): Promise<string> {
    return new Promise((resolve) => {
      this.#saveWaiting.push(resolve);
      this.#next();
    });
  }

  /** BGSAVE. @throws RefusedError */
  backgroundSave(schedule: boolean): string {
    if (this.#running?.purpose === Purpose.Save)
      throw new RefusedError('ERR Background save already in progress');
    if (this.#running === null) {
      this.#begin(Purpose.Save, []);
      if (this.#running === null) throw new RefusedError('ERR');
      return 'Background saving started';
    }
    if (!schedule)
      throw new RefusedError(
        "ERR Another child process is active (AOF?): can't BGSAVE right now. Use BGSAVE SCHEDULE in order to schedule a BGSAVE whenever possible.",
      );
    this.#saveScheduled = true;
    this.publish();
    return 'Background saving scheduled';
  }

  /** BGREWRITEAOF. @throws RefusedError */
  rewrite(): string {
    if (this.#running?.purpose === Purpose.Rewrite)
      throw new RefusedError('ERR Background append only file rewriting already in progress');
    if (this.#running !== null) {
      this.#aof.rewriteScheduled = true;
      this.publish();
      return 'Background append only file rewriting scheduled';
    }
    this.#begin(Purpose.Rewrite, []);
    if (this.#running === null)
      throw new RefusedError(
        "ERR Can't execute an AOF background rewriting. Please check the server logs for more information.",
      );
    return 'Background append only file rewriting started';
  }

  /** Gives up the snapshot that runs, on purpose. */
  giveUp(): void {
    if (this.#running !== null) this.#end('given up', true);
  }

  /** Gives up a rewrite that runs: the log is switched off. */
  giveUpRewrite(): void {
    if (this.#running?.purpose === Purpose.Rewrite) this.#end('given up', true);
  }

  /** Called every 100 ms: begins what is due. */
  tick(dirty: number): void {
    this.#next();
    if (this.#running !== null) return;
    const { config, log, stats } = this.#context;
    const now = Date.now();
    const changes = dirty - stats.persistence[Gauge.DirtyAtSave]!;
    const age = (now - stats.persistence[Gauge.LastSaveAt]!) / 1000;
    const mayTry = !this.#lastSaveFailed || now - this.#lastTry > RETRY_MS;
    for (const point of config.getMulti('save')) {
      if (changes < point.changes || age <= point.seconds || !mayTry) continue;
      log.notice(`${point.changes} changes in ${point.seconds} seconds. Saving...`);
      this.#begin(Purpose.Save, []);
      return;
    }
    if (this.#aof.hasOutgrown()) this.#begin(Purpose.Rewrite, []);
  }

  // ---- what the rings bring ----

  /** The place in the stream where a snapshot begins. */
  marked(mark: SnapshotMark): void {
    const running = this.#running;
    if (running === null || running.job.mark !== null) {
      // It was given up before it had begun.
      abortSnapshot(this.#context.words, mark.snapshot);
      return;
    }
    running.job.mark = mark;
    const { config } = this.#context;
    this.#try(() => {
      running.job.file.begin({
        checksum: config.getBool('rdbchecksum'),
        incrementalSync: config.getBool('rdb-save-incremental-fsync'),
        redisVersion: this.#context.start.facts.redisVersion,
        aofBase: running.purpose === Purpose.Rewrite,
        usedMemory: mark.usedMemory,
        sizes: mark.sizes,
      });
    });
    if (this.#running !== null && running.purpose === Purpose.Rewrite && !this.#aof.beginRewrite())
      this.#end('no increment', false);
    this.publish();
    // Of these, what is not of this snapshot is left out now.
    for (const take of this.#early.splice(0)) take();
  }

  entries(
    ring: number,
    snapshot: number,
    db: number,
    version: number,
    part: boolean,
    bytes: Buffer,
    off: number,
    len: number,
  ): void {
    if (this.#awaitsMark) {
      const copy = Buffer.from(bytes.subarray(off, off + len));
      this.#early.push(() => this.entries(ring, snapshot, db, version, part, copy, 0, len));
      return;
    }
    const running = this.#of(snapshot);
    if (running !== null) this.#try(() => running.job.entries(ring, db, version, part, bytes, off, len));
  }

  shardSaved(snapshot: number): void {
    if (this.#awaitsMark) this.#early.push(() => this.shardSaved(snapshot));
    else this.#of(snapshot)?.job.shardSaved();
  }

  voided(snapshot: number, reason: number): void {
    if (this.#awaitsMark) {
      this.#early.push(() => this.voided(snapshot, reason));
      return;
    }
    const running = this.#of(snapshot);
    if (running === null) return;
    const { log } = this.#context;
    if (reason === VoidReason.OutOfMemory) {
      log.warning('The snapshot needs more memory than there is.');
      this.#end('out of memory', false);
      return;
    }
    log.notice('The databases were emptied or exchanged while they were saved: the snapshot begins anew.');
    running.job.file.abandon();
    if (running.purpose === Purpose.Rewrite && this.#aof.isRewriting) this.#aof.failRewrite(true);
    const { purpose, waiting } = running;
    this.#running = null;
    this.#begin(purpose, waiting);
  }

  /** After the rings have been read: finishes a snapshot of which all is here. */
  drained(): void {
    const running = this.#running;
    if (running === null || running.finishing || !running.job.walked) return;
    running.rest ??= this.#merger.heads();
    if (!this.#merger.passed(running.rest)) return;
    running.finishing = true;
    this.#try(() =>
      running.job.finish((error) => {
        if (this.#running !== running) return;
        if (error !== null) this.#failed(error);
        else this.#complete(running);
      }),
    );
  }

  /** What INFO shows. */
  publish(): void {
    const gauges = this.#context.stats.persistence;
    const running = this.#running;
    const saves = running?.purpose === Purpose.Save;
    gauges[Gauge.SaveRuns] = saves ? 1 : 0;
    gauges[Gauge.RewriteRuns] = running?.purpose === Purpose.Rewrite ? 1 : 0;
    if (running !== null) gauges[saves ? Gauge.SaveStartedAt : Gauge.RewriteStartedAt] = running.startedAt;
    gauges[Gauge.SaveScheduled] = this.#saveScheduled ? 1 : 0;
    gauges[Gauge.LastSaveFailed] = this.#lastSaveFailed ? 1 : 0;
    const keys = running?.job.mark?.sizes.reduce((sum, size) => sum + size.keys, 0) ?? 0;
    gauges[Gauge.KeysToSave] = keys;
    gauges[Gauge.KeysSaved] = running === null ? 0 : Math.round(keys * running.job.progress);
  }

  // ---- private ----

  /** Whether a snapshot is asked for whose mark has not come. */
  get #awaitsMark(): boolean {
    return this.#running !== null && this.#running.job.mark === null;
  }

  #of(snapshot: number): Running | null {
    return this.#running?.job.mark?.snapshot === snapshot ? this.#running : null;
  }

  /** Begins what has waited for the end of another snapshot. */
  #next(): void {
    if (this.#running !== null) return;
    if (this.#saveWaiting.length > 0 || this.#saveScheduled) {
      this.#saveScheduled = false;
      this.#begin(Purpose.Save, this.#saveWaiting.splice(0));
    } else if (this.#aof.isRewriteDue && !this.#aof.limit.isLimited(Date.now()))
      this.#begin(Purpose.Rewrite, []);
  }

  #begin(purpose: Purpose, waiting: ((failure: string) => void)[]): void {
    const { log, config } = this.#context;
    const path = purpose === Purpose.Save ? pathIn('', `temp-${process.pid}.rdb`) : this.#aof.temporaryBase;
    let file: RdbFile;
    this.#lastTry = Date.now();
    try {
      file = new RdbFile(this.#files, path);
    } catch (error) {
      log.warning(
        `Failed opening the temp RDB file ${String(path)} (in server root dir ${config.getString('dir')}) for saving: ${strerror(error)}`,
      );
      if (purpose === Purpose.Save) this.#lastSaveFailed = true;
      else {
        this.#aof.lastRewriteOk = false;
        this.#aof.limit.failures++;
      }
      this.publish();
      for (const tell of waiting) tell(strerror(error));
      return;
    }
    const running: Running = {
      purpose, startedAt: Date.now(), job: new SnapshotJob(file), rest: null, finishing: false, waiting,
    }; // biome-ignore format: short
    this.#running = running;
    this.#early = [];
    if (purpose === Purpose.Save) log.notice(`Background saving started by pid ${process.pid}`);
    this.publish();
    // From its start on, commands are told of if the log waits for its first base.
    const changes = purpose === Purpose.Rewrite && this.#aof.state === AofState.Waiting;
    void this.#context.keeper('snapshot-start', { changes }).then((snapshot) => {
      if (snapshot === 0 && this.#running === running && running.job.mark === null)
        this.#end('too many were given up', false);
    });
  }

  #try(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#failed(error);
    }
  }

  #failed(error: unknown): void {
    // What is no error of the system is a mistake of ours.
    if ((error as NodeJS.ErrnoException).code === undefined) throw error;
    this.#context.log.warning(`Write error saving DB on disk(rdbSaveRio): ${strerror(error)}`);
    this.#end(strerror(error), false);
  }

  /** The file is on the disk: gives it its name. */
  #complete(running: Running): void {
    const { log, config, stats } = this.#context;
    if (running.purpose === Purpose.Rewrite) {
      const ok = this.#aof.endRewrite(true);
      this.#close(running, ok ? '' : 'not renamed');
      return;
    }
    const name = config.getString('dbfilename');
    try {
      this.#files.rename(running.job.file.path, pathIn('', name));
      this.#files.fsyncDirectory('.');
    } catch (error) {
      log.warning(
        `Error moving temp DB file ${String(running.job.file.path)} on the final destination ${name} (in server root dir ${config.getString('dir')}): ${strerror(error)}`,
      );
      this.#end(strerror(error), false);
      return;
    }
    log.notice('DB saved on disk');
    log.notice('Background saving terminated with success');
    this.#lastSaveFailed = false;
    const gauges = stats.persistence;
    gauges[Gauge.DirtyAtSave] = running.job.mark!.dirty;
    gauges[Gauge.LastSaveAt] = Date.now();
    gauges[Gauge.LastSaveSeconds] = Math.floor((Date.now() - running.startedAt) / 1000) + 1;
    gauges[Gauge.Saves]! += 1;
    this.#close(running, '');
  }

  /** Ends a snapshot that does not come to its end. @param givenUp on purpose */
  #end(failure: string, givenUp: boolean): void {
    const running = this.#running!;
    const { log, words } = this.#context;
    const { mark } = running.job;
    if (mark !== null) abortSnapshot(words, mark.snapshot);
    running.job.file.abandon();
    if (running.purpose === Purpose.Rewrite) {
      if (this.#aof.isRewriting) this.#aof.failRewrite(givenUp);
    } else if (!givenUp) {
      log.warning('Background saving error');
      this.#lastSaveFailed = true;
    }
    this.#close(running, failure);
  }

  #close(running: Running, failure: string): void {
    this.#running = null;
    this.#early = [];
    this.publish();
    for (const tell of running.waiting) tell(failure);
    this.#next();
  }
}
