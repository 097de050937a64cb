// What is in memory comes from files: at the start, and by DEBUG RELOAD and DEBUG LOADAOF, which put what the files hold in the
// place of the data set. How a file is loaded: loading.ts.

import { RefusedError } from '../execution/control-port.ts';
import { GlobalWord } from '../memory/layout.ts';
import { PersistenceGauge as Gauge } from '../metrics/stats.ts';
import { BufferOutput } from '../rdb/file-source.ts';
import { RdbFileWriter } from '../rdb/file-writer.ts';
import { AofState, type AppendOnlyLog } from './aof.ts';
import { AofFound } from './aof-files.ts';
import type { PersistenceContext } from './context.ts';
import { type Files, pathIn } from './files.ts';
import { LoadError, Loading } from './loading.ts';
import type { Snapshots } from './snapshots.ts';

/** DEBUG RELOAD. */
export interface ReloadOptions {
  readonly save: boolean;
  readonly flush: boolean;
  /** Whether keys that are there are replaced. */
  readonly merge: boolean;
}

/** What loading needs of the persistence worker. */
export interface LoadHost {
  /** Reads and writes all that is in the rings. */
  drainAll(): void;
  /** Changes counted since the server's start. */
  dirty(): number;
  publish(): void;
  holdReplies(): void;
}

export class DataSource {
  /** False while the data set is not what the files say, or will say. */
  loaded = false;
  readonly #context: PersistenceContext;
  readonly #files: Files;
  readonly #aof: AppendOnlyLog;
  readonly #snapshots: Snapshots;
  readonly #host: LoadHost;
  readonly #loading: Loading;

  constructor(
    context: PersistenceContext,
    files: Files,
    aof: AppendOnlyLog,
    snapshots: Snapshots,
    host: LoadHost,
  ) {
    this.#context = context;
    this.#files = files;
    this.#aof = aof;
    this.#snapshots = snapshots;
    this.#host = host;
    this.#loading = new Loading(context, files);
  }

  /** Loads what there is, at start. @throws RefusedError if the server must not start */
  async load(): Promise<void> {
    const { config, log, words, stats } = this.#context;
    const from = Date.now();
    try {
      if (config.getBool('appendonly')) await this.#loadLog(from);
      else await this.#loadRdb(from);
    } catch (error) {
      if (!(error instanceof LoadError)) throw error;
      throw new RefusedError(error.message);
    }
    if (config.getBool('appendonly')) {
      const rdb = config.getBool('aof-use-rdb-preamble');
      if (!this.#aof.start(rdb ? emptyRdb(this.#context.start.facts.redisVersion) : Buffer.alloc(0), rdb))
        throw new RefusedError('');
      Atomics.store(words, GlobalWord.ChangesWanted, 1);
      this.#host.holdReplies();
    }
    const gauges = stats.persistence;
    gauges[Gauge.DirtyAtSave] = this.#host.dirty();
    gauges[Gauge.LastSaveAt] = Date.now();
    this.loaded = true;
    this.#host.publish();
    this.#loading.end();
    log.debug('persistence is ready');
  }

  async #loadRdb(from: number): Promise<void> {
    const { config, log } = this.#context;
    const path = pathIn('', config.getText('dbfilename'));
    const facts = this.#files.stat(path);
    if (facts === null) return;
    this.#loading.begin(facts.size);
    await this.#loading.rdb(path, config.getString('dbfilename'), false);
    log.notice(`DB loaded from disk: ${((Date.now() - from) / 1000).toFixed(3)} seconds`);
  }

  async #loadLog(from: number): Promise<void> {
    const { log } = this.#context;
    if (!this.#aof.files.load()) throw new LoadError('');
    const plan = this.#aof.files.plan();
    if (plan.found === AofFound.Failed) throw new LoadError('');
    if (plan.found === AofFound.Files) {
      this.#loading.begin(plan.totalBytes);
      await this.#loading.aof(plan);
      log.notice(`DB loaded from append only file: ${((Date.now() - from) / 1000).toFixed(3)} seconds`);
    }
    if (!this.#aof.loaded(plan)) throw new LoadError('');
  }

  /** DEBUG RELOAD. @throws RefusedError */
  async reload({ save, flush, merge }: ReloadOptions): Promise<string> {
    const { config, log } = this.#context;
    const path = pathIn('', config.getText('dbfilename'));
    await this.#anew(
      async () => {
        if (save && (await this.#snapshots.saveNow()) !== '') throw new RefusedError('ERR');
      },
      flush,
      async () => {
        const facts = this.#files.stat(path);
        this.#loading.begin(facts?.size ?? 0);
        await this.#loading.rdb(path, config.getString('dbfilename'), false, merge);
      },
      'ERR Error trying to load the RDB dump, check server logs.',
    );
    log.warning('DB reloaded by DEBUG RELOAD');
    return 'OK';
  }

  /** DEBUG LOADAOF. @throws RefusedError */
  async reloadLog(): Promise<string> {
    const { files, writer } = this.#aof;
    const failure = 'ERR Error trying to load the AOF files, check server logs.';
    await this.#anew(
      async () => {
        this.#host.drainAll();
        // Without a log, that of an earlier time.
        if (this.#aof.state === AofState.Off ? !files.load() : !writer.sync())
          throw new RefusedError(failure);
      },
      true,
      async () => {
        const plan = files.plan();
        if (plan.found !== AofFound.Files) throw new LoadError('');
        this.#loading.begin(plan.totalBytes);
        await this.#loading.aof(plan);
      },
      failure,
    );
    this.#context.log.warning('Append Only File loaded by DEBUG LOADAOF');
    return 'OK';
  }

  /**
   * Replaces the data set by one that is loaded. Nothing of it is told: the files have it.
   * @param before done when nobody changes anything any more: what is not in the files by then is lost
   */
  async #anew(
    before: () => Promise<void>,
    flush: boolean,
    load: () => Promise<void>,
    failure: string,
  ): Promise<void> {
    const { words, stats, control } = this.#context;
    Atomics.store(words, GlobalWord.Loading, 1);
    this.loaded = false;
    try {
      // What is still being run belongs to what was before.
      await control.call('settle');
      await before();
      this.#snapshots.hold();
      if (flush) await this.#context.keeper('empty-databases');
      await load();
    } catch (error) {
      if (!(error instanceof LoadError)) throw error;
      throw new RefusedError(failure);
    } finally {
      stats.persistence[Gauge.DirtyAtSave] = this.#host.dirty();
      this.loaded = true;
      this.#host.publish();
      this.#loading.end();
      this.#snapshots.goOn();
    }
  }
}

/** An RDB file without keys. */
function emptyRdb(redisVersion: string): Buffer {
  const output = new BufferOutput();
  new RdbFileWriter(output, {
    checksum: true,
    redisVersion,
    createdAt: Math.floor(Date.now() / 1000),
    usedMemory: 0,
    aofBase: true,
    sizes: [],
  }).finish();
  return output.bytes;
}
