// Loads the data set: an RDB file, section by section on all shard workers (rdb/file-scanner.ts, execution/section-loader.ts),
// or the files of the log: its base, and its increments, whose commands the keeper runs in order (execution/replay.ts).
//
// Meanwhile everybody is answered -LOADING. Log texts are Redis's.

import { strerror } from '../config/system-error.ts';
import type { ReplayRequest, ReplayResult } from '../execution/replay.ts';
import type { SectionRequest, SectionResult } from '../execution/section-loader.ts';
import { GlobalWord } from '../memory/layout.ts';
import { PersistenceGauge as Gauge } from '../metrics/stats.ts';
import { RdbFault, RdbFileError } from '../rdb/file-error.ts';
import { RdbScanner } from '../rdb/file-scanner.ts';
import type { AofFileToLoad, AofLoadPlan } from './aof-files.ts';
import { AofRead, AofReader, beginsAsRdb } from './aof-reader.ts';
import type { PersistenceContext } from './context.ts';
import { type FilePath, type Files, OpenMode } from './files.ts';

/** Sections that each worker has in hand. */
const SECTIONS_PER_WORKER = 2;
/** Batches of commands that the keeper has in hand. */
const BATCHES = 2;
/** Between two lines in the log on how far it is. */
const PROGRESS_MS = 5000;

/** How often key-load-delay is looked at while it delays. */
const DELAY_MS = 20;
const END = 'Terminating server after rdb file reading failure.';

/** A file cannot be loaded; why, is in the log. The message is the last line of a server that ends for it, '' for none. */
export class LoadError extends Error {}

export class Loading {
  readonly #context: PersistenceContext;
  readonly #files: Files;
  #total = 0;
  #before = 0;
  #toldAt = 0;
  /** Settled when what was loaded has been delayed by key-load-delay. */
  #delayed: Promise<void> = Promise.resolve();

  constructor(context: PersistenceContext, files: Files) {
    this.#context = context;
    this.#files = files;
  }

  /** Says that data is loaded from here on. @param bytes of all files */
  begin(bytes: number): void {
    const gauges = this.#context.stats.persistence;
    this.#total = bytes;
    this.#before = 0;
    this.#toldAt = Date.now();
    this.#context.libraries = [];
    gauges[Gauge.LoadStartedAt] = Date.now();
    gauges[Gauge.LoadTotalBytes] = bytes;
    gauges[Gauge.LoadedBytes] = 0;
    gauges[Gauge.LoadUsedMemory] = 0;
    gauges[Gauge.KeysLoaded] = 0;
    gauges[Gauge.KeysExpiredAtLoad] = 0;
    Atomics.store(this.#context.words, GlobalWord.Loading, 1);
  }

  end(): void {
    Atomics.store(this.#context.words, GlobalWord.Loading, 0);
  }

  /**
   * Loads an RDB file, or the RDB part in front of an old log.
   * @param base whether a log follows: keys that have expired are kept then
   * @returns offset behind it
   * @throws LoadError
   */
  async rdb(path: FilePath, name: string, base: boolean, replace = false): Promise<number> {
    const { log, config, stats } = this.#context;
    const files = this.#files;
    let fd: number;
    try {
      fd = files.open(path, OpenMode.Read);
    } catch (error) {
      throw this.#refuse(
        `Fatal error: can't open the RDB file ${name} for reading: ${strerror(error)}`,
        `Fatal error loading the DB: ${strerror(error)}. Exiting.`,
      );
    }
    try {
      const source = {
        size: files.fileSize(fd),
        read: (into: Buffer, off: number, len: number, position: number) =>
          files.read(fd, into, off, len, position),
      };
      const databases = config.getInt('databases');
      const scanner = new RdbScanner(source, { checksum: config.getBool('rdbchecksum'), databases });
      const gauges = stats.persistence;
      const result = await this.#sections(scanner, { path, databases, keepExpired: base, replace });
      const { libraries } = this.#context;
      this.#context.libraries = libraries.concat(scanner.functions.map(({ code }) => code));
      gauges[Gauge.KeysLoaded]! += result.loaded;
      gauges[Gauge.KeysExpiredAtLoad]! += result.expired;
      this.#before += scanner.position;
      if (result.empty > 0)
        log.notice(
          `Done loading RDB, keys loaded: ${result.loaded}, keys expired: ${result.expired}, empty keys skipped: ${result.empty}.`,
        );
      else log.notice(`Done loading RDB, keys loaded: ${result.loaded}, keys expired: ${result.expired}.`);
      return scanner.position;
    } catch (error) {
      if (error instanceof LoadError) throw error;
      if (error instanceof RdbFileError) throw this.#broken(error);
      if ((error as NodeJS.ErrnoException).code !== undefined)
        throw this.#refuse(
          `Fatal error: can't read the RDB file ${name}: ${strerror(error)}`,
          `Fatal error loading the DB: ${strerror(error)}. Exiting.`,
        );
      throw error;
    } finally {
      files.close(fd);
    }
  }

  /** Loads the files of the log. @throws LoadError */
  async aof(plan: AofLoadPlan): Promise<void> {
    for (const file of plan.files) {
      const from = Date.now();
      let offset = 0;
      if (file.size > 0 && beginsAsRdb(this.#files, file.path)) {
        if (file.isOldStyle || file.isBase)
          this.#context.log.notice('Reading RDB base file on AOF loading...');
        offset = await this.rdb(file.path, file.name, true);
      }
      if (offset < file.size) await this.#commands(file, offset);
      const what = file.isBase ? 'base' : 'incr';
      const seconds = ((Date.now() - from) / 1000).toFixed(3);
      this.#context.log.notice(`DB loaded from ${what} file ${file.name}: ${seconds} seconds`);
    }
  }

  // ---- private ----

  #refuse(text: string, end: string): LoadError {
    this.#context.log.warning(text);
    return new LoadError(end);
  }

  #broken(error: RdbFileError): LoadError {
    const { kind, message } = error;
    if (kind === RdbFault.Truncated)
      this.#context.log.warning('Short read or OOM loading DB. Unrecoverable error, aborting now.');
    const header = kind === RdbFault.Header;
    return this.#refuse(message, header ? 'Fatal error loading the DB: Invalid argument. Exiting.' : END);
  }

  #logFacts(scanner: RdbScanner): void {
    const { log, stats } = this.#context;
    const { facts, functions } = scanner;
    const version = facts.get('redis-ver');
    if (version !== undefined) log.notice(`Loading RDB produced by version ${version}`);
    const created = facts.get('ctime');
    if (created !== undefined)
      log.notice(`RDB age ${Math.max(0, Math.floor(Date.now() / 1000) - Number(created))} seconds`);
    const used = facts.get('used-mem');
    stats.persistence[Gauge.LoadUsedMemory] = Number(used ?? 0);
    if (used !== undefined)
      log.notice(`RDB memory usage when created ${(Number(used) / 1048576).toFixed(2)} Mb`);
    if (functions.length > 0)
      log.warning(
        `${functions.length} libraries of functions are kept for the files to come, but cannot be called: functions are not supported by this version.`,
      );
  }

  /** Lets the workers load what the scanner finds. */
  async #sections(
    scanner: RdbScanner,
    options: Pick<SectionRequest, 'path' | 'databases' | 'keepExpired' | 'replace'>,
  ): Promise<SectionResult> {
    const { control, start } = this.#context;
    const workers = start.workerThreads.length;
    const sum = { loaded: 0, expired: 0, empty: 0 };
    const busy = new Set<Promise<void>>();
    let failure: LoadError | null = null;
    let next = 0;
    let told = false;
    // What has begun ends before anybody is told of a failure: who is, may go on with the data set.
    const nextSection = async (): Promise<boolean> => {
      try {
        return failure === null && scanner.next();
      } catch (error) {
        await Promise.allSettled(busy);
        throw error;
      }
    };
    while (await nextSection()) {
      if (!told) this.#logFacts(scanner);
      told = true;
      const request: SectionRequest = {
        ...options,
        position: scanner.sectionPosition,
        length: scanner.sectionLength,
        db: scanner.sectionDb,
      };
      const work = control
        .call('call-worker', { worker: next++ % workers, method: 'load-section', payload: request })
        .then((answer) => {
          const result = answer as SectionResult;
          if (result.error !== undefined) failure ??= this.#refuse(result.error, END);
          sum.loaded += result.loaded;
          sum.expired += result.expired;
          sum.empty += result.empty;
          this.#progress(request.position + request.length);
          return this.#delay(result.loaded);
        });
      busy.add(work);
      void work.then(() => busy.delete(work));
      if (busy.size >= workers * SECTIONS_PER_WORKER) await Promise.race(busy);
    }
    await Promise.all(busy);
    if (failure !== null) throw failure;
    if (!told) this.#logFacts(scanner);
    return sum;
  }

  /** Lets the keeper run the commands of a file. */
  async #commands(file: AofFileToLoad, offset: number): Promise<void> {
    const { log, config } = this.#context;
    const reader = new AofReader(this.#files, log, file.path, file.name, offset);
    if (!reader.open()) throw new LoadError('');
    const busy: Promise<void>[] = [];
    try {
      let first = true;
      for (;;) {
        const read = reader.next();
        if (read === AofRead.Batch) {
          const bytes = batchBytes(reader);
          const request: ReplayRequest = { bytes, first };
          first = false;
          const work = this.#context.keeper('replay', request).then((answer) => {
            const result = answer as ReplayResult;
            this.#check(result, file);
            return this.#delay(result.commands);
          });
          // Awaited in its turn; until then a refusal is nobody's.
          work.catch(() => undefined);
          busy.push(work);
          this.#progress(reader.wholeUpTo);
          if (busy.length >= BATCHES) await busy.shift();
          continue;
        }
        if (
          read === AofRead.Truncated &&
          !reader.settleTail(file.isLast, config.getBool('aof-load-truncated'))
        )
          throw new LoadError('');
        if (read === AofRead.Bad || read === AofRead.Failed) throw new LoadError('');
        break;
      }
      await Promise.all(busy);
      this.#before += file.size;
    } finally {
      // Also after a failure: see #sections.
      await Promise.allSettled(busy);
      reader.close();
    }
  }

  #check({ refused, error, unknown, fault }: ReplayResult, file: AofFileToLoad): void {
    if (fault !== null) throw this.#refuse(`${fault} reading the append only file ${file.name}`, '');
    if (unknown !== null)
      throw this.#refuse(`Unknown command '${unknown}' reading the append only file ${file.name}`, '');
    if (refused > 0)
      this.#context.log.warning(
        `${refused} commands of the append only file ${file.name} were refused, the first with: ${error}`,
      );
  }

  /** Takes key-load-delay's time for keys or commands that were loaded, one after the other as Redis does. */
  #delay(count: number): Promise<void> {
    if (this.#context.config.getInt('key-load-delay') === 0) return Promise.resolve();
    this.#delayed = this.#delayed.then(() => this.#waitFor(count));
    return this.#delayed;
  }

  async #waitFor(count: number): Promise<void> {
    for (let left = count; left > 0; ) {
      const usec = this.#context.config.getInt('key-load-delay');
      if (usec === 0) return;
      // Below 0: a microsecond for so many keys.
      const ms = (usec < 0 ? 1 / -usec : usec) / 1000;
      const now = Math.min(DELAY_MS, left * ms);
      await new Promise((done) => setTimeout(done, now));
      left -= now / ms;
    }
  }

  #progress(position: number): void {
    const { log, stats } = this.#context;
    const gauges = stats.persistence;
    const loaded = this.#before + position;
    if (loaded > gauges[Gauge.LoadedBytes]!) gauges[Gauge.LoadedBytes] = loaded;
    const now = Date.now();
    if (now - this.#toldAt < PROGRESS_MS) return;
    this.#toldAt = now;
    const percent = this.#total === 0 ? 100 : (100 * loaded) / this.#total;
    log.notice(`Loading: ${percent.toFixed(1)}% of ${(this.#total / 1048576).toFixed(0)} MB`);
  }
}

/** The commands of a batch, one behind the other, in memory of their own. */
function batchBytes(reader: AofReader): Uint8Array {
  const { count, starts, ends, bytes } = reader;
  let length = 0;
  for (let i = 0; i < count; i++) length += ends[i]! - starts[i]!;
  const all = Buffer.allocUnsafeSlow(length);
  let at = 0;
  for (let i = 0; i < count; i++) at += bytes.copy(all, at, starts[i]!, ends[i]!);
  return all;
}
