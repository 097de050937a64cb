/**
 * Writes the change stream into an increment of the append only log, and sees to it that it gets to the disk.
 *
 *     #TS:1700000000                        with aof-timestamp-enabled, when the second has changed
 *     *2 $6 SELECT $1 3                     when the database is another than that of the command before
 *     *3 $3 SET $1 a $1 1                   an effect
 *     *1 $5 MULTI  ... effects, SELECTs ... *1 $4 EXEC       a unit of several; one of more than a GiB becomes several
 *
 * Effects are gathered in memory; `flush` writes them and syncs the file as appendfsync says: `always` now, `everysec` in
 * the background when a second has passed since the last time, `no` never. As in Redis, a flush under `everysec` waits up to
 * two seconds for a sync that is running, since the system would make the write wait for it anyway.
 *
 * When the disk fails, nothing is forgotten and nothing exits: the file is cut back to the last whole unit, what was not
 * written stays in memory, and each flush tries again. Under `always`, also what was written and could not be synced is
 * written again: after a failed sync the system may have dropped it, and the next sync would succeed all the same. Redis
 * exits there; here `flush` answers false, and nobody must be told that his change is safe.
 *
 * Left out: who calls, when; and the rate of calls. All times are ms; all sizes bytes.
 */

import { strerror } from '../config/system-error.ts';
import { type Files, writeSome } from './files.ts';
import { type LatencySink, type PersistenceLog, tellLatency } from './log.ts';
import { PendingBytes } from './pending-bytes.ts';

export type AppendFsync = 'always' | 'everysec' | 'no';

export interface AofWriterOptions {
  readonly files: Files;
  readonly log: PersistenceLog;
  readonly latency: LatencySink;
  /** ms since 1970. */
  readonly now: () => number;
}

const SECOND_MS = 1000;
/** Half of what aof-reader.ts loads in one piece. */
const UNIT_BYTES_MAX = 1024 * 1024 * 1024;
/** How long a flush waits for a sync in the background. */
const POSTPONE_MS_MAX = 2000;
/** Between two lines about errors. */
const ERROR_LOG_MS = 30_000;

const MULTI = Buffer.from('*1\r\n$5\r\nMULTI\r\n');
const EXEC = Buffer.from('*1\r\n$4\r\nEXEC\r\n');
const NO_DATABASE = -1;

/** A file that is written to; it is closed when no sync runs on it any more. */
interface AofFile {
  readonly fd: number;
  syncs: number;
  closing: boolean;
}

export class AofWriter {
  /* Settings; each may change at any time. */

  fsync: AppendFsync = 'everysec';
  timestamps = false;
  noFsyncOnRewrite = false;
  /** A snapshot or rewrite is being written. */
  snapshotRuns = false;
  /** DEBUG AOF-FLUSH-SLEEP, µs. */
  flushSleep = 0;

  /* For INFO. */

  /** Syncs that took so long that a write did not wait for them (aof_delayed_fsync). */
  delayedFsyncs = 0;
  /** The reason of the last failed write or sync; '' while all is well. Redis's MISCONF tells it. */
  lastError = '';
  /** Its number, as the system has it: positive; 0 if it has none. */
  lastErrno = 0;
  /** Bytes of the file that is written to, as far as they count. */
  fileSize = 0;

  readonly #files: Files;
  readonly #log: PersistenceLog;
  readonly #latency: LatencySink;
  readonly #now: () => number;
  readonly #pending = new PendingBytes();
  readonly #selects: Buffer[] = [];
  #file: AofFile | null = null;
  #selected = NO_DATABASE;
  #inUnit = false;
  #unitBytes = 0;
  readonly #unitBytesMax: number;
  #timestamp = 0;
  /** Up to where a sync was asked for (everysec) or done (always). */
  #syncedSize = 0;
  #lastSync = 0;
  /** Since when a flush waits for a sync; 0 when none does. */
  #postponedSince = 0;
  #writeFailed = false;
  #syncFailed = false;
  #lastErrorLog = Number.NEGATIVE_INFINITY;
  #writtenTotal = 0;
  #syncedTotal = 0;

  /** @param unitBytesMax bytes of effects in a unit, at most, if there are several */
  constructor(options: AofWriterOptions, unitBytesMax = UNIT_BYTES_MAX) {
    this.#unitBytesMax = unitBytesMax;
    this.#files = options.files;
    this.#log = options.log;
    this.#latency = options.latency;
    this.#now = options.now;
  }

  /** Whether there is a file: effects are forgotten otherwise. */
  get isOpen(): boolean {
    return this.#file !== null;
  }

  /** Bytes that wait to be written (aof_buffer_length). */
  get bufferLength(): number {
    return this.#pending.length;
  }

  /** Memory taken by them (mem_aof_buffer). */
  get bufferMemory(): number {
    return this.#file === null ? 0 : this.#pending.memory;
  }

  /** Syncs that run (aof_pending_bio_fsync). */
  get pendingFsyncs(): number {
    return this.#file === null ? 0 : this.#file.syncs;
  }

  /** False while writes or syncs fail (aof_last_write_status). */
  get isWell(): boolean {
    return !this.#writeFailed && !(this.#syncFailed && this.fsync !== 'no');
  }

  /** Bytes ever appended, and those of them that are known to be on the disk: for who waits for that (WAITAOF). */
  get appendedTotal(): number {
    return this.#writtenTotal + this.#pending.length;
  }

  get syncedTotal(): number {
    return this.#syncedTotal;
  }

  /* What is written */

  /**
   * Appends a command.
   * @param db its database; -1 for one that has none
   * @param bytes the command in RESP, at [off, off + len)
   */
  effect(db: number, bytes: Buffer, off: number, len: number): void {
    if (this.#file === null) return;
    if (this.#inUnit) this.#lengthenUnit(len);
    if (this.timestamps) this.#annotate();
    if (db !== this.#selected && db !== NO_DATABASE) this.#select(db);
    this.#pending.append(bytes, off, len);
    if (!this.#inUnit) this.#pending.mark();
  }

  /** Effects from here to `endUnit` count together or not at all. */
  beginUnit(): void {
    if (this.#inUnit) throw new Error('a unit in a unit');
    this.#inUnit = true;
    this.#unitBytes = 0;
    this.effect(NO_DATABASE, MULTI, 0, MULTI.length);
    // Of effects only.
    this.#unitBytes = 0;
  }

  endUnit(): void {
    if (!this.#inUnit) throw new Error('no unit to end');
    this.#inUnit = false;
    this.effect(NO_DATABASE, EXEC, 0, EXEC.length);
  }

  /** One that nobody could load becomes several, each of which counts as a whole. */
  #lengthenUnit(len: number): void {
    if (this.#unitBytes > 0 && this.#unitBytes + len > this.#unitBytesMax) {
      this.endUnit();
      this.beginUnit();
    }
    this.#unitBytes += len;
  }

  #select(db: number): void {
    let select = this.#selects[db];
    if (select === undefined) {
      const name = String(db);
      select = Buffer.from(`*2\r\n$6\r\nSELECT\r\n$${name.length}\r\n${name}\r\n`);
      this.#selects[db] = select;
    }
    this.#pending.append(select, 0, select.length);
    this.#selected = db;
  }

  #annotate(): void {
    const now = Math.floor(this.#now() / SECOND_MS);
    if (now <= this.#timestamp) return;
    this.#timestamp = now;
    const line = Buffer.from(`#TS:${now}\r\n`);
    this.#pending.append(line, 0, line.length);
  }

  /* Files */

  /**
   * Goes on in another file, or begins: the one before is closed. What is still pending goes into the new file.
   * @param size its bytes so far, which are taken to be on the disk
   */
  open(fd: number, size: number): void {
    this.#leave();
    this.#file = { fd, syncs: 0, closing: false };
    this.fileSize = size;
    this.#syncedSize = size;
    this.#lastSync = this.#now();
    this.#postponedSince = 0;
    this.selectAgain();
  }

  /** The next effect tells its database. */
  selectAgain(): void {
    this.#selected = NO_DATABASE;
  }

  /** Closes the file and forgets what is pending. Call `sync` before, if it counts. */
  close(): void {
    if (this.#pending.length > 0 && this.#writeFailed) this.#cutBack();
    this.#leave();
    this.#file = null;
    this.#pending.clear();
    this.#inUnit = false;
    this.fileSize = 0;
    this.#syncedSize = 0;
    this.#postponedSince = 0;
  }

  /** Errors of a file that is no longer of interest. @returns whether there were any */
  forgetErrors(): boolean {
    const had = !this.isWell;
    this.#writeFailed = false;
    this.#syncFailed = false;
    this.lastError = '';
    return had;
  }

  #leave(): void {
    const file = this.#file;
    if (file === null) return;
    file.closing = true;
    if (file.syncs === 0) this.#closeFile(file);
  }

  #closeFile(file: AofFile): void {
    try {
      this.#files.close(file.fd);
    } catch (error) {
      this.#log.warning(`Closing the AOF file: ${strerror(error)}`);
    }
  }

  /* Flushing */

  /**
   * Writes what is pending, and syncs when that is due.
   * @param force do not wait for a sync that runs
   * @returns whether all that was appended before is as safe as appendfsync wants it: written, and with `always` synced
   */
  flush(force: boolean): boolean {
    if (this.#file === null) return true;
    if (this.#inUnit) throw new Error('flush in a unit');
    const syncRuns = this.#file.syncs > 0;
    if (this.#pending.length > 0) {
      if (this.fsync === 'everysec' && !force && syncRuns && this.#postpone()) return false;
      if (!this.#write(syncRuns)) return false;
    }
    return this.#syncIfDue(syncRuns);
  }

  /** Writes and syncs everything, whatever appendfsync says. @returns whether that went well */
  sync(): boolean {
    const file = this.#file;
    if (file === null) return true;
    if (this.#pending.length > 0 && !this.#write(file.syncs > 0)) return false;
    try {
      this.#files.fdatasync(file.fd);
    } catch (error) {
      this.#log.warning(`Fail to fsync the AOF file: ${strerror(error)}`);
      this.#syncFailed = true;
      this.#note(error);
      this.#syncAgain();
      return false;
    }
    this.#syncDone();
    return true;
  }

  /** A sync that has failed is tried again by the next flush, although nothing may be written meanwhile. */
  #syncAgain(): void {
    this.#syncedSize = -1;
  }

  /** Whether this flush is to wait for the sync that runs. */
  #postpone(): boolean {
    const now = this.#now();
    if (this.#postponedSince === 0) {
      this.#postponedSince = now;
      return true;
    }
    if (now - this.#postponedSince < POSTPONE_MS_MAX) return true;
    this.delayedFsyncs++;
    this.#log.notice(
      'Asynchronous AOF fsync is taking too long (disk is busy?). Writing the AOF buffer without waiting for fsync to complete, this may slow down Redis.',
    );
    return false;
  }

  /** Writes all that is pending. Under `always` it stays pending, until it is synced. */
  #write(syncRuns: boolean): boolean {
    if (this.flushSleep > 0) sleep(this.flushSleep / 1000);
    const expected = this.#pending.length;
    const start = performance.now();
    const outcome = writeChunks(this.#files, this.#file!.fd, this.#pending, this.fileSize);
    const event = syncRuns
      ? 'aof-write-pending-fsync'
      : this.snapshotRuns
        ? 'aof-write-active-child'
        : 'aof-write-alone';
    tellLatency(this.#latency, event, start);
    tellLatency(this.#latency, 'aof-write', start);
    this.#postponedSince = 0;
    if (outcome.error !== null) {
      this.#failWrite(outcome, expected);
      return false;
    }
    if (this.#writeFailed) {
      this.#log.warning('AOF write error looks solved, Redis can write again.');
      this.#writeFailed = false;
      this.#clearError();
    }
    if (this.fsync !== 'always') this.#advance(expected);
    return true;
  }

  #failWrite(outcome: WriteOutcome, expected: number): void {
    const reason = strerror(outcome.error);
    const tells = this.#mayLogError();
    if (tells) {
      this.#log.warning(
        outcome.written === 0
          ? `Error writing to the AOF file: ${reason}`
          : `Short write while writing to the AOF file: (nwritten=${outcome.written}, expected=${expected})`,
      );
    }
    this.#writeFailed = true;
    this.#note(outcome.error);
    // Under `always` nothing is kept that was not synced.
    if (this.fsync !== 'always') this.#advance(outcome.whole);
    if (outcome.written > 0) this.#cutBack(tells);
  }

  /** Ends the file where the last whole unit ends. If that fails, the next write covers what is there. */
  #cutBack(tells = true): void {
    try {
      this.#files.ftruncate(this.#file!.fd, this.fileSize);
    } catch (error) {
      if (!tells) return;
      this.#log.warning(
        `Could not remove short write from the append-only file.  Redis may refuse to load the AOF the next time it starts.  ftruncate: ${strerror(error)}`,
      );
    }
  }

  /** The first `count` pending bytes are in the file. */
  #advance(count: number): void {
    this.#pending.consume(count);
    this.fileSize += count;
    this.#writtenTotal += count;
  }

  #syncIfDue(syncRuns: boolean): boolean {
    const isAlways = this.fsync === 'always';
    if (this.noFsyncOnRewrite && this.snapshotRuns) {
      if (isAlways) this.#advance(this.#pending.length);
      return true;
    }
    if (isAlways) return this.#syncNow();
    const isDue = this.fsync === 'everysec' && this.fileSize !== this.#syncedSize;
    if (isDue && !syncRuns && this.#now() - this.#lastSync >= SECOND_MS) this.#syncLater();
    return true;
  }

  /** Syncs what `#write` has left pending. */
  #syncNow(): boolean {
    if (this.#pending.length === 0 && this.fileSize === this.#syncedSize && !this.#syncFailed) return true;
    const start = performance.now();
    try {
      this.#files.fdatasync(this.#file!.fd);
    } catch (error) {
      this.#note(error);
      this.#syncFailed = true;
      if (this.#mayLogError()) {
        this.#log.warning(
          `Can't persist AOF for fsync error when the AOF fsync policy is 'always': ${this.lastError}. No reply is sent until it can.`,
        );
      }
      return false;
    }
    tellLatency(this.#latency, 'aof-fsync-always', start);
    this.#syncDone();
    return true;
  }

  /** All that was written is on the disk. */
  #syncDone(): void {
    this.#advance(this.#pending.length);
    this.#syncedSize = this.fileSize;
    this.#syncedTotal = this.#writtenTotal;
    this.#lastSync = this.#now();
    if (!this.#syncFailed) return;
    this.#log.warning('AOF fsync error looks solved, Redis can write again.');
    this.#syncFailed = false;
    this.#clearError();
  }

  /**
   * Syncs in the background what was written so far, whatever appendfsync says, so that a `sync` soon after has little to
   * do. Its failure counts as that of any other.
   * @param done called when it has ended
   */
  syncAhead(done: () => void): void {
    if (this.#file === null || (this.fileSize === this.#syncedSize && this.#file.syncs === 0)) done();
    else this.#syncLater(done);
  }

  #syncLater(done?: () => void): void {
    const file = this.#file!;
    const total = this.#writtenTotal;
    file.syncs++;
    this.#syncedSize = this.fileSize;
    this.#lastSync = this.#now();
    this.#files.fdatasyncLater(file.fd, (error) => {
      file.syncs--;
      if (file.closing && file.syncs === 0) this.#closeFile(file);
      if (error === null) this.#backgroundSyncDone(file, total);
      else this.#backgroundSyncFailed(error);
      // What has waited for this, goes now.
      if (file === this.#file && this.#postponedSince !== 0 && !this.#inUnit) this.flush(false);
      done?.();
    });
  }

  #backgroundSyncDone(file: AofFile, total: number): void {
    if (file !== this.#file) return;
    this.#syncedTotal = Math.max(this.#syncedTotal, total);
    if (!this.#syncFailed) return;
    this.#syncFailed = false;
    this.#clearError();
  }

  #backgroundSyncFailed(error: Error): void {
    if (!this.#syncFailed) this.#log.warning(`Fail to fsync the AOF file: ${strerror(error)}`);
    this.#syncFailed = true;
    this.#note(error);
    // Also if it was the file before: writes are refused until a sync has gone well.
    this.#syncAgain();
  }

  #note(error: unknown): void {
    this.lastError = strerror(error);
    this.lastErrno = -((error as NodeJS.ErrnoException).errno ?? 0);
  }

  #clearError(): void {
    if (this.isWell) this.lastError = '';
  }

  #mayLogError(): boolean {
    const now = this.#now();
    if (now - this.#lastErrorLog <= ERROR_LOG_MS) return false;
    this.#lastErrorLog = now;
    return true;
  }
}

interface WriteOutcome {
  /** Bytes written. */
  readonly written: number;
  /** Of these, up to the end of the last unit that is known to be whole. */
  readonly whole: number;
  /** What ended it early; null if all was written. */
  readonly error: unknown;
}

/** Writes pending bytes, as far as it goes; they stay pending. */
function writeChunks(files: Files, fd: number, pending: PendingBytes, position: number): WriteOutcome {
  let written = 0;
  let whole = 0;
  let start = pending.start;
  for (const { bytes, used, mark } of pending.chunks) {
    const chunkAt = written - start;
    for (let at = start; at < used; ) {
      try {
        const count = writeSome(files, fd, bytes, at, used - at, position + written);
        if (count === 0) throw Object.assign(new Error('nothing written'), { code: 'ENOSPC' });
        at += count;
        written += count;
      } catch (error) {
        return { written, whole, error };
      }
    }
    if (mark > start) whole = chunkAt + mark;
    start = 0;
  }
  return { written, whole, error: null };
}

const pause = new Int32Array(new SharedArrayBuffer(4));

function sleep(ms: number): void {
  Atomics.wait(pause, 0, 0, ms);
}
