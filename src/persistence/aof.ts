/**
 * The append only log as a whole: whether it is on, its files, its writer, and the rewriting of it.
 *
 *     Off ──enable──▶ Waiting ──endRewrite──▶ On        Waiting: until the first base is there, commands go to a temporary
 *      ▲                 │                     │        increment, and only while a rewrite runs. If that fails, another
 *      └────disable──────┴──────disable────────┘        one is due (`isRewriteDue`).
 *
 * A rewrite: `beginRewrite` at the point of the change stream where the snapshot is taken; the caller writes the snapshot
 * to `files.temporaryBase` and syncs it; `endRewrite`, or `failRewrite`. It can also run while the log is off: then it
 * makes a base that no increment follows.
 *
 * At start: `files.load`, `files.plan`, the caller loads the plan's files, `loaded`, `start`.
 *
 * Left out: taking the snapshot, scheduling among snapshots, and threads. Log texts are Redis's.
 */

import type { ConfigStore } from '../config/store.ts';
import { AofFiles, type AofFilesOptions, type AofLoadPlan, SinceSnapshot } from './aof-files.ts';
import { AofRewriteLimit, growthToRewrite } from './aof-rewrite-limit.ts';
import { AofWriter, type AppendFsync } from './aof-writer.ts';
import type { FilePath } from './files.ts';
import type { PersistenceLog } from './log.ts';

export const AofState = { Off: 0, On: 1, Waiting: 2 } as const;
export type AofState = (typeof AofState)[keyof typeof AofState];

export interface AofOptions extends AofFilesOptions {
  /** ms since 1970. */
  readonly now: () => number;
}

/** The directives that may change while the server runs. */
export interface AofSettings {
  readonly fsync: AppendFsync;
  readonly timestamps: boolean;
  readonly noFsyncOnRewrite: boolean;
  readonly rewritePercentage: number;
  readonly rewriteMinSize: number;
  readonly disableAutoGc: boolean;
}

/** The names of those directives: to watch. */
export const AOF_DIRECTIVES = [
  'appendfsync',
  'aof-timestamp-enabled',
  'no-appendfsync-on-rewrite',
  'auto-aof-rewrite-percentage',
  'auto-aof-rewrite-min-size',
  'aof-disable-auto-gc',
] as const;

export function aofSettings(config: ConfigStore): AofSettings {
  return {
    fsync: config.getEnum('appendfsync') as AppendFsync,
    timestamps: config.getBool('aof-timestamp-enabled'),
    noFsyncOnRewrite: config.getBool('no-appendfsync-on-rewrite'),
    rewritePercentage: config.getInt('auto-aof-rewrite-percentage'),
    rewriteMinSize: config.getMemory('auto-aof-rewrite-min-size'),
    disableAutoGc: config.getBool('aof-disable-auto-gc'),
  };
}

/** INFO's fields, by Redis's names without `aof_`. Those from currentSize on are shown only while the log is on. */
export interface AofInfo {
  readonly enabled: boolean;
  readonly rewriteInProgress: boolean;
  readonly rewriteScheduled: boolean;
  /** Seconds; -1 before the first. */
  readonly lastRewriteTimeSec: number;
  /** Seconds; -1 while none runs. */
  readonly currentRewriteTimeSec: number;
  readonly lastBgrewriteOk: boolean;
  readonly rewrites: number;
  readonly rewritesConsecutiveFailures: number;
  readonly lastWriteOk: boolean;
  /** What MISCONF tells; '' while all is well. */
  readonly lastWriteError: string;
  readonly currentSize: number;
  readonly baseSize: number;
  readonly bufferLength: number;
  /** mem_aof_buffer. */
  readonly bufferMemory: number;
  readonly pendingBioFsync: number;
  readonly delayedFsync: number;
}

const SECOND_MS = 1000;

export class AppendOnlyLog {
  state: AofState = AofState.Off;
  readonly files: AofFiles;
  readonly writer: AofWriter;
  readonly limit: AofRewriteLimit;
  /** A rewrite was asked for and has to wait. */
  rewriteScheduled = false;
  isRewriting = false;
  lastRewriteOk = true;
  /** Rewrites begun. */
  rewrites = 0;
  readonly #log: PersistenceLog;
  readonly #now: () => number;
  #settings: AofSettings | null = null;
  /** Bytes of the files before the one that is written to. */
  #closedBytes = 0;
  #baseSize = 0;
  #rewriteStart = -1;
  #lastRewriteSeconds = -1;

  constructor(options: AofOptions) {
    this.#log = options.log;
    this.#now = options.now;
    this.files = new AofFiles(options);
    this.writer = new AofWriter(options);
    this.limit = new AofRewriteLimit(options.log);
  }

  configure(settings: AofSettings): void {
    this.#settings = settings;
    this.writer.fsync = settings.fsync;
    this.writer.timestamps = settings.timestamps;
    this.writer.noFsyncOnRewrite = settings.noFsyncOnRewrite;
  }

  /** Where the snapshot for the next base is to be written. */
  get temporaryBase(): FilePath {
    return this.files.temporaryBase;
  }

  /** Bytes of base and increments. */
  get currentSize(): number {
    return this.#closedBytes + this.writer.fileSize;
  }

  /** Whether a rewrite should begin as soon as possible: asked for, or the log waits for its first base. */
  get isRewriteDue(): boolean {
    return !this.isRewriting && (this.rewriteScheduled || this.state === AofState.Waiting);
  }

  /* On and off */

  /**
   * All files of a plan are loaded, and cut back where that was due: takes their sizes.
   * @returns false, with the reason in the log, if they cannot be told
   */
  loaded(plan: AofLoadPlan): boolean {
    this.#closedBytes = 0;
    for (const { name, isBase } of plan.files) {
      const size = this.files.sizeOf(name);
      if (size < 0) return false;
      this.#closedBytes += size;
      if (isBase) this.#baseSize = size;
    }
    return true;
  }

  /**
   * Switches the log on when the server starts: after `loaded`.
   * @returns false, with the reason in the log, if the server must not start
   */
  start(emptyBase: Buffer, rdb: boolean): boolean {
    const open = this.files.openOnStart(emptyBase, rdb);
    if (open === null) return false;
    this.#closedBytes = Math.max(0, this.#closedBytes - open.size);
    this.writer.open(open.fd, open.size);
    this.state = AofState.On;
    this.#collectHistory();
    return true;
  }

  /** Switches the log on while the server runs. A rewrite is due now; if it cannot begin, call `disable`. */
  enable(): void {
    if (this.state !== AofState.Off) throw new Error('the append only log is on');
    this.state = AofState.Waiting;
    if (this.writer.forgetErrors()) this.#log.warning('AOF reopen, just ignore the last error.');
  }

  /** Switches the log off. A rewrite that runs must be given up: `failRewrite` first. */
  disable(): void {
    if (this.state === AofState.Off) return;
    this.writer.sync();
    this.writer.close();
    this.state = AofState.Off;
    this.rewriteScheduled = false;
  }

  /** Before the server ends; it may go on after all. @returns whether all is on the disk */
  stop(): boolean {
    if (!this.writer.isOpen) return true;
    this.#log.notice('Calling fsync() on the AOF file.');
    return this.writer.sync();
  }

  /* Rewriting */

  /**
   * From here on in the change stream, effects belong behind the snapshot.
   * @returns false, with the reason in the log, if no rewrite can begin now
   */
  beginRewrite(): boolean {
    if (this.isRewriting) throw new Error('a rewrite is running');
    if (!this.#beginIncrement()) {
      this.lastRewriteOk = false;
      return false;
    }
    this.isRewriting = true;
    this.rewriteScheduled = false;
    this.rewrites++;
    this.#rewriteStart = this.#now();
    this.#log.notice(`Background append only file rewriting started by pid ${process.pid}`);
    return true;
  }

  #beginIncrement(): boolean {
    if (this.state === AofState.Off) return this.files.prepare();
    // What comes before the snapshot must not get into the increment that follows it, and an increment that is not the
    // last may not lose its end.
    if (this.state === AofState.On && !this.writer.sync()) {
      this.#log.warning(
        "Can't rewrite append only file in background: what was written before is not on the disk",
      );
      return false;
    }
    const open = this.files.beginIncrement(this.state === AofState.Waiting);
    if (open === null) return false;
    this.#closedBytes += this.writer.fileSize;
    this.writer.open(open.fd, open.size);
    return true;
  }

  /**
   * The snapshot is in `temporaryBase` and on the disk.
   * @param rdb whether as RDB
   * @returns whether it is the base now
   */
  endRewrite(rdb: boolean): boolean {
    if (!this.isRewriting) throw new Error('no rewrite is running');
    this.#log.notice('Background AOF rewrite terminated with success');
    if (!this.files.commitRewrite(rdb, SINCE_SNAPSHOT[this.state]!)) {
      this.#countFailure();
      this.#cleanUp();
      return false;
    }
    if (this.state !== AofState.Off) {
      this.writer.selectAgain();
      this.#closedBytes = Math.max(0, this.files.sizeOf(this.files.manifest.base!.name));
      this.#baseSize = this.currentSize;
      this.state = AofState.On;
    }
    this.lastRewriteOk = true;
    this.limit.failures = 0;
    this.#log.notice('Background AOF rewrite finished successfully');
    this.#cleanUp();
    this.#collectHistory();
    return true;
  }

  /**
   * The snapshot could not be written, or was given up.
   * @param givenUp on purpose: that counts as no failure
   */
  failRewrite(givenUp: boolean): void {
    if (!this.isRewriting) throw new Error('no rewrite is running');
    if (!givenUp) this.#countFailure();
    this.#log.warning(
      givenUp
        ? 'Background AOF rewrite terminated by signal 10'
        : 'Background AOF rewrite terminated with error',
    );
    this.#cleanUp();
  }

  #countFailure(): void {
    this.lastRewriteOk = false;
    this.limit.failures++;
  }

  #cleanUp(): void {
    const isWaiting = this.state === AofState.Waiting;
    if (isWaiting) {
      this.writer.close();
      // Nothing is left whose writing could go well again: writes would be refused for ever.
      this.writer.forgetErrors();
    }
    this.files.removeTemporaries(isWaiting);
    this.isRewriting = false;
    this.#lastRewriteSeconds = Math.floor((this.#now() - this.#rewriteStart) / SECOND_MS);
    this.#rewriteStart = -1;
  }

  #collectHistory(): void {
    if (this.#settings?.disableAutoGc !== true) this.files.deleteHistory();
  }

  /** Whether the log has grown so much that it should be rewritten now; says so in the log. */
  hasOutgrown(): boolean {
    if (this.state !== AofState.On || this.isRewriting || this.#settings === null) return false;
    const { rewritePercentage, rewriteMinSize } = this.#settings;
    const growth = growthToRewrite(this.currentSize, this.#baseSize, rewritePercentage, rewriteMinSize);
    if (growth < 0 || this.limit.isLimited(this.#now())) return false;
    this.#log.notice(`Starting automatic rewriting of AOF on ${growth}% growth`);
    return true;
  }

  info(): AofInfo {
    const { writer } = this;
    const running = this.#rewriteStart < 0 ? -1 : Math.floor((this.#now() - this.#rewriteStart) / SECOND_MS);
    return {
      enabled: this.state !== AofState.Off,
      rewriteInProgress: this.isRewriting,
      rewriteScheduled: this.rewriteScheduled,
      lastRewriteTimeSec: this.#lastRewriteSeconds,
      currentRewriteTimeSec: running,
      lastBgrewriteOk: this.lastRewriteOk,
      rewrites: this.rewrites,
      rewritesConsecutiveFailures: this.limit.failures,
      lastWriteOk: writer.isWell,
      lastWriteError: writer.lastError,
      currentSize: this.currentSize,
      baseSize: this.#baseSize,
      bufferLength: writer.bufferLength,
      bufferMemory: writer.bufferMemory,
      pendingBioFsync: writer.pendingFsyncs,
      delayedFsync: writer.delayedFsyncs,
    };
  }
}

/** By AofState. */
const SINCE_SNAPSHOT = [SinceSnapshot.None, SinceSnapshot.Last, SinceSnapshot.Temporary] as const;
