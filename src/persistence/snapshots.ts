// Snapshots: when one is due, which file it becomes, and what is told of it. One runs at a time, for an RDB file or for the
// base of the log; what is asked for meanwhile is refused or waits, as in Redis.
//
// A snapshot is taken by the threads that execute commands (keyspace/snapshot.ts); here its entries come in from the rings.
// One that FLUSHALL or SWAPDB has voided begins again. Log texts are Redis's, but for those on child processes.

import { strerror } from '../config/system-error.ts';
import { RefusedError } from '../execution/control-port.ts';
import { abortSnapshot, VoidReason } from '../keyspace/snapshot.ts';
import type { ChangeMerger } from '../memory/change-ring.ts';
import { GlobalWord } from '../memory/layout.ts';
import { PersistenceGauge as Gauge } from '../metrics/stats.ts';
import { AofState, type AppendOnlyLog } from './aof.ts';
import { CommandsFile } from './commands-file.ts';
import type { PersistenceContext } from './context.ts';
import { nameDump, openDump, workingDirectory } from './dump-file.ts';
import type { Files } from './files.ts';
import type { LatencySink } from './log.ts';
import { RdbFile } from './rdb-file.ts';
import { OutputFile } from './snapshot-file.ts';
import { SnapshotJob, type SnapshotMark } from './snapshot-job.ts';

/** After a failure, save points wait so long (ms) before the next attempt, as Redis's. */
const RETRY_MS = 5000;
/** How soon to ask again for a snapshot that could not begin: another one ends, or old epochs are swept. */
const ASK_AGAIN_MS = 10;

/** Why a save failed that was given up on purpose. */
export const GIVEN_UP = 'given up';

const Purpose = { Save: 'save', Rewrite: 'rewrite' } as const;
type Purpose = (typeof Purpose)[keyof typeof Purpose];

/** Told how something ended: '' if well, or what went wrong. */
type Told = (failure: string) => void;

interface Running {
  readonly purpose: Purpose;
  /** Nobody waits for it: BGSAVE, save points. Its failures count, and INFO tells of it. */
  readonly background: boolean;
  /** Of the base of the log: whether as RDB, aof-use-rdb-preamble. */
  readonly rdb: boolean;
  /** Tells its mark from those of others that were given up before they had begun. */
  readonly request: number;
  readonly startedAt: number;
  /** Of a save: where it goes, `dir` and `dbfilename` as they were when it began. */
  readonly directory: string;
  readonly fileName: string;
  readonly job: SnapshotJob;
  /** What the rings held when all shards were saved. */
  rest: Int32Array | null;
  finishing: boolean;
  /** Told when it has begun, or cannot. */
  readonly beginning: Told[];
  /** Told when it has ended. */
  readonly waiting: Told[];
}

export class Snapshots {
  /** A BGSAVE that waits for the end of something else. */
  #saveScheduled = false;
  /** Those who wait for a save that has not begun. */
  #saveWaiting: Told[] = [];
  #running: Running | null = null;
  /**
   * What other threads have sent before the mark of the snapshot came: the mark has a place in the stream, entries have none,
   * so that these may be read first.
   */
  #early: (() => void)[] = [];
  /** Nothing begins: the data set is being replaced. */
  #isHeld = false;
  #lastSaveFailed = false;
  #lastTry = 0;
  #requests = 0;
  /** Bytes that commands saved ahead of the walk, in the last save and the last rewrite. */
  #savePreserved = 0;
  #rewritePreserved = 0;
  readonly #context: PersistenceContext;
  readonly #files: Files;
  readonly #aof: AppendOnlyLog;
  readonly #merger: ChangeMerger;
  readonly #latency: LatencySink;
  readonly #changed: () => void;

  /** @param changed called after what `publish` tells may have changed */
  constructor(
    context: PersistenceContext,
    files: Files,
    aof: AppendOnlyLog,
    merger: ChangeMerger,
    latency: LatencySink,
    changed: () => void,
  ) {
    this.#context = context;
    this.#files = files;
    this.#aof = aof;
    this.#merger = merger;
    this.#latency = latency;
    this.#changed = changed;
  }

  get running(): boolean {
    return this.#running !== null;
  }

  /** Whether writes are to be refused because the last background save failed. */
  get stopsWrites(): boolean {
    const { config } = this.#context;
    return (
      this.#lastSaveFailed &&
      config.getBool('stop-writes-on-bgsave-error') &&
      config.getMulti('save').length > 0
    );
  }

  /** Whether a save runs that nobody waits for: Redis's child. */
  get savesInBackground(): boolean {
    return this.#running?.purpose === Purpose.Save && this.#running.background;
  }

  get rewrites(): boolean {
    return this.#running?.purpose === Purpose.Rewrite;
  }

  // ---- requests ----

  /** SAVE. @returns when the file is there @throws RefusedError */
  async save(): Promise<string> {
    if (this.savesInBackground) throw new RefusedError('ERR Background save already in progress');
    this.#count(Gauge.Saves);
    const failure = await this.saveNow();
    if (failure !== '') throw new RefusedError('ERR');
    return 'OK';
  }

  /** Saves, after what is running; many who wait share one. @returns '' or what went wrong */
  saveNow(): Promise<string> {
    return new Promise((resolve) => {
      this.#saveWaiting.push(resolve);
      this.#next();
    });
  }

  /** BGSAVE. @returns when it has begun: what is written from then on is not in it @throws RefusedError */
  async backgroundSave(schedule: boolean): Promise<string> {
    if (this.savesInBackground) throw new RefusedError('ERR Background save already in progress');
    if (this.#running === null) {
      // If it could not: Redis would have heard so from its child, later.
      await new Promise<string>((resolve) => this.#beginBackgroundSave([resolve]));
      return 'Background saving started';
    }
    if (this.rewrites && !schedule)
      throw new RefusedError(
        "ERR Another child process is active (AOF?): can't BGSAVE right now. Use BGSAVE SCHEDULE in order to schedule a BGSAVE whenever possible.",
      );
    this.#saveScheduled = true;
    this.publish();
    // Behind a SAVE, for which Redis would have let the client wait.
    return schedule ? 'Background saving scheduled' : 'Background saving started';
  }

  /** BGREWRITEAOF. @throws RefusedError */
  async rewrite(): Promise<string> {
    if (this.rewrites)
      throw new RefusedError('ERR Background append only file rewriting already in progress');
    if (this.#running !== null) {
      this.#aof.rewriteScheduled = true;
      this.publish();
      return 'Background append only file rewriting scheduled';
    }
    if ((await this.rewriteNow()) !== '')
      throw new RefusedError(
        "ERR Can't execute an AOF background rewriting. Please check the server logs for more information.",
      );
    return 'Background append only file rewriting started';
  }

  /** Begins a rewrite; nothing runs. @returns when it has begun: '', or what went wrong */
  rewriteNow(): Promise<string> {
    return new Promise((resolve) => this.#begin(Purpose.Rewrite, true, [], [resolve]));
  }

  /** Gives up what runs, on purpose. */
  giveUp(): void {
    if (this.#running !== null) this.#end(GIVEN_UP, true);
  }

  /** Gives up what runs and lets nothing begin, while the data set is replaced: what is due waits until `goOn`. */
  hold(): void {
    this.#isHeld = true;
    this.giveUp();
  }

  goOn(): void {
    this.#isHeld = false;
    this.#next();
  }

  /** Gives up a rewrite that runs: the log is switched on or off. */
  giveUpRewrite(): void {
    if (this.rewrites) this.#end(GIVEN_UP, true);
  }

  /** Nobody is to be answered any more who waits for a save: SHUTDOWN ABORT. */
  giveUpWaiting(): void {
    const waiting = this.#saveWaiting.splice(0);
    if (this.#running?.purpose === Purpose.Save && !this.#running.background) this.giveUp();
    for (const tell of waiting) tell(GIVEN_UP);
  }

  /** Called every 100 ms: begins what is due. */
  tick(dirty: number): void {
    this.#next();
    if (this.#running !== null) return;
    const { config, log, stats } = this.#context;
    const changes = dirty - stats.persistence[Gauge.DirtyAtSave]!;
    const age = (Date.now() - stats.persistence[Gauge.LastSaveAt]!) / 1000;
    for (const point of config.getMulti('save')) {
      if (changes < point.changes || age <= point.seconds || !this.#mayTry) continue;
      log.notice(`${point.changes} changes in ${point.seconds} seconds. Saving...`);
      this.#beginBackgroundSave([]);
      return;
    }
    if (this.#aof.hasOutgrown()) this.#begin(Purpose.Rewrite, true, [], []);
  }

  // ---- what the rings bring ----

  /** The place in the stream where a snapshot begins. */
  marked(mark: SnapshotMark): void {
    const running = this.#running;
    if (running === null || running.job.mark !== null || running.request !== mark.request) {
      // It was given up before it had begun.
      const { words } = this.#context;
      abortSnapshot(words, mark.snapshot);
      // The keeper has begun to tell of commands with it, and the log was switched off meanwhile.
      if (this.#aof.state === AofState.Off) Atomics.store(words, GlobalWord.ChangesWanted, 0);
      return;
    }
    running.job.mark = mark;
    const { config } = this.#context;
    const rewrites = running.purpose === Purpose.Rewrite;
    running.job.file.output.incrementalSync = config.getBool(
      rewrites ? 'aof-rewrite-incremental-fsync' : 'rdb-save-incremental-fsync',
    );
    if (rewrites && !this.#aof.beginRewrite()) this.#end('no increment', false);
    else
      this.#try(() => {
        running.job.file.begin({
          checksum: config.getBool('rdbchecksum'),
          redisVersion: this.#context.start.facts.redisVersion,
          aofBase: rewrites,
          usedMemory: mark.usedMemory,
          sizes: mark.sizes,
          libraries: this.#context.libraries,
        });
      });
    for (const tell of running.beginning.splice(0)) tell('');
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
    if (running === null) return;
    if (ring < this.#context.start.acceptorThreads.length) running.job.preserved += len;
    this.#try(() => running.job.entries(ring, db, version, part, bytes, off, len));
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
    if (reason === VoidReason.FlushedAll && this.savesInBackground) {
      // As Redis: what is saved is not wanted any more. With save points, FLUSHALL itself saves.
      this.#end(GIVEN_UP, true);
      return;
    }
    log.notice('The databases were emptied or exchanged while they were saved: the snapshot begins anew.');
    running.job.file.output.abandon(this.#latency);
    if (running.purpose === Purpose.Rewrite && this.#aof.isRewriting) this.#aof.failRewrite(true);
    this.#running = null;
    this.#begin(running.purpose, running.background, running.waiting, running.beginning);
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
    gauges[Gauge.SaveRuns] = this.savesInBackground ? 1 : 0;
    gauges[Gauge.RewriteRuns] = this.rewrites ? 1 : 0;
    gauges[Gauge.SnapshotStartedAt] = running === null ? 0 : running.startedAt;
    gauges[Gauge.RewriteScheduled] = this.#aof.rewriteScheduled ? 1 : 0;
    gauges[Gauge.SaveScheduled] = this.#saveScheduled ? 1 : 0;
    gauges[Gauge.LastSaveFailed] = this.#lastSaveFailed ? 1 : 0;
    const keys = running?.job.mark?.sizes.reduce((sum, size) => sum + size.keys, 0) ?? 0;
    gauges[Gauge.KeysToSave] = keys;
    gauges[Gauge.KeysSaved] = running === null ? 0 : Math.round(keys * running.job.progress);
    gauges[Gauge.PreservedBytes] = running === null ? 0 : running.job.preserved;
    gauges[Gauge.LastSavePreserved] = this.#savePreserved;
    gauges[Gauge.LastRewritePreserved] = this.#rewritePreserved;
    this.#changed();
  }

  // ---- private ----

  get #awaitsMark(): boolean {
    return this.#running !== null && this.#running.job.mark === null;
  }

  /** Not so soon after a failure. */
  get #mayTry(): boolean {
    return !this.#lastSaveFailed || Date.now() - this.#lastTry > RETRY_MS;
  }

  #of(snapshot: number): Running | null {
    return this.#running?.job.mark?.snapshot === snapshot ? this.#running : null;
  }

  #count(gauge: number): void {
    this.#context.stats.persistence[gauge]! += 1;
  }

  /** Begins what has waited for the end of another snapshot. */
  #next(): void {
    if (this.#running !== null || this.#isHeld) return;
    if (this.#saveWaiting.length > 0) this.#begin(Purpose.Save, false, this.#saveWaiting.splice(0), []);
    else if (this.#saveScheduled && this.#mayTry) this.#beginBackgroundSave([]);
    else if (this.#aof.isRewriteDue && !this.#aof.limit.isLimited(Date.now()))
      this.#begin(Purpose.Rewrite, true, [], []);
  }

  #beginBackgroundSave(beginning: Told[]): void {
    this.#saveScheduled = false;
    this.#count(Gauge.Saves);
    this.#lastTry = Date.now();
    this.#context.log.notice(`Background saving started by pid ${process.pid}`);
    this.#begin(Purpose.Save, true, [], beginning);
  }

  #begin(purpose: Purpose, background: boolean, waiting: Told[], beginning: Told[]): void {
    const rdb = purpose === Purpose.Save || this.#context.config.getBool('aof-use-rdb-preamble');
    const directory = workingDirectory();
    const fileName = this.#context.config.getText('dbfilename');
    const output =
      purpose === Purpose.Save ? openDump(this.#files, this.#context.log, directory) : this.#openBase();
    if (typeof output === 'string') {
      this.#cannotBegin(purpose, background);
      for (const tell of [...beginning, ...waiting]) tell(output);
      return;
    }
    this.#holdWalks(false);
    if (!rdb && this.#context.libraries.length > 0)
      this.#context.log.warning('A base of commands has no libraries of functions: they are left out.');
    const file = rdb ? new RdbFile(output) : new CommandsFile(output);
    const job = new SnapshotJob(file, (on) => this.#holdWalks(on));
    const request = ++this.#requests;
    this.#running = {
      purpose, background, rdb, request, startedAt: Date.now(), directory, fileName, job, rest: null, finishing: false, beginning,
      waiting,
    }; // biome-ignore format: short
    this.#early.length = 0;
    this.publish();
    if (purpose === Purpose.Save) this.#askForIt(this.#running);
    else this.#askSynced(this.#running);
  }

  /**
   * An increment must be on the disk before the next one begins. Most of it is synced in the background before; the rest, of
   * a few ms, at the mark, while the rings are not read.
   */
  #askSynced(running: Running): void {
    this.#aof.writer.syncAhead(() => {
      if (this.#running === running) this.#askForIt(running);
    });
  }

  #holdWalks(on: boolean): void {
    Atomics.store(this.#context.words, GlobalWord.SnapshotHeld, on ? 1 : 0);
  }

  /** @returns the file, or what went wrong, which the log tells */
  #openBase(): OutputFile | string {
    if (!this.#aof.files.makeDirectory()) return 'no directory';
    try {
      return new OutputFile(this.#files, this.#aof.temporaryBase);
    } catch (error) {
      const reason = strerror(error);
      this.#context.log.warning(
        `Opening the temp file for AOF rewrite in rewriteAppendOnlyFile(): ${reason}`,
      );
      return reason;
    }
  }

  #cannotBegin(purpose: Purpose, background: boolean): void {
    if (purpose === Purpose.Rewrite) {
      this.#aof.lastRewriteOk = false;
      this.#aof.limit.failures++;
    } else if (background) {
      this.#backgroundSaveFailed();
      this.#context.stats.persistence[Gauge.LastSaveSeconds] = 1;
    }
    this.publish();
  }

  #backgroundSaveFailed(): void {
    this.#context.log.warning('Background saving error');
    this.#lastSaveFailed = true;
  }

  /** Has the keeper begin it, again and again until that is possible. */
  #askForIt(running: Running): void {
    // From its start on, commands are told of if the log waits for its first base.
    const changes = running.purpose === Purpose.Rewrite && this.#aof.state === AofState.Waiting;
    const { request } = running;
    void this.#context.keeper('snapshot-start', { changes, request }).then((snapshot) => {
      if (snapshot !== 0) return;
      setTimeout(() => {
        if (this.#running === running) this.#askForIt(running);
      }, ASK_AGAIN_MS);
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
    const reason = strerror(error);
    this.#context.log.warning(
      this.rewrites
        ? `Write error writing append only file on disk: ${reason}`
        : `Write error saving DB on disk(rdbSaveRio): ${reason}`,
    );
    this.#end(reason, false);
  }

  /** The file is on the disk: gives it its name. */
  #complete(running: Running): void {
    const { log, stats } = this.#context;
    if (running.purpose === Purpose.Rewrite) {
      const ok = this.#aof.endRewrite(running.rdb);
      this.#close(running, ok ? '' : 'not renamed');
      return;
    }
    const { directory, fileName, job } = running;
    const failure = nameDump(this.#files, log, job.file.output.path, directory, fileName);
    if (failure !== '') {
      this.#end(failure, false);
      return;
    }
    log.notice('DB saved on disk');
    if (running.background) log.notice('Background saving terminated with success');
    this.#lastSaveFailed = false;
    const gauges = stats.persistence;
    gauges[Gauge.DirtyAtSave] = running.job.mark!.dirty;
    gauges[Gauge.LastSaveAt] = Date.now();
    this.#close(running, '');
  }

  /** Ends a snapshot that does not come to its end. @param givenUp on purpose */
  #end(failure: string, givenUp: boolean): void {
    const running = this.#running!;
    const { log, words } = this.#context;
    const { mark } = running.job;
    if (mark !== null) abortSnapshot(words, mark.snapshot);
    running.job.file.output.abandon(this.#latency);
    if (running.purpose === Purpose.Rewrite) {
      if (this.#aof.isRewriting) this.#aof.failRewrite(givenUp);
      else if (!givenUp) this.#aof.limit.failures++;
    } else if (running.background) {
      if (givenUp) log.warning('Background saving terminated by signal 10');
      else this.#backgroundSaveFailed();
    }
    this.#close(running, failure);
  }

  #close(running: Running, failure: string): void {
    const { stats } = this.#context;
    this.#running = null;
    this.#early.length = 0;
    if (running.purpose === Purpose.Rewrite) this.#rewritePreserved = running.job.preserved;
    else {
      this.#savePreserved = running.job.preserved;
      if (running.background)
        stats.persistence[Gauge.LastSaveSeconds] = Math.floor((Date.now() - running.startedAt) / 1000) + 1;
    }
    this.publish();
    for (const tell of [...running.beginning.splice(0), ...running.waiting]) tell(failure);
    this.#next();
  }
}
