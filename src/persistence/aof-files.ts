/**
 * The files of the append only log: their directory, their names, and every step from one set of files to the next.
 *
 *     appendonlydir/appendonly.aof.manifest          what counts, in order (aof-manifest.ts)
 *     appendonlydir/appendonly.aof.3.base.rdb        the data set when the last rewrite began
 *     appendonlydir/appendonly.aof.7.incr.aof        commands since; the last one is written to
 *     appendonlydir/temp-appendonly.aof.incr         the same, while appendonly was switched on and the first base is not there
 *     temp-rewriteaof-bg-4122.aof                    the next base, being written
 *
 * What is not in the manifest does not count. A step makes files first, then replaces the manifest (aof-manifest-file.ts). Files that no longer count are removed last. A step that fails anywhere, or a crash, leaves the old set or the new one.
 *
 * Where Redis 7.0 would lose data, this does not follow it: when the manifest was renamed and only the last sync failed,
 * the disk may have either manifest after a crash, so the files of both stay (Redis removes the new base); an increment
 * that is created is emptied (Redis would append to what a crash has left under that name).
 *
 * Log texts are Redis's. Names have one character per byte. Writing into the increments is aof-writer.ts.
 */

import { strerror } from '../config/system-error.ts';
import { toUtf8 } from '../config/tokenize.ts';
import {
  type AofFileEntry,
  AofFileType,
  type AofManifest,
  EMPTY_MANIFEST,
  isEmptyManifest,
  withHistory,
  withIncrementsPast,
  withNewBase,
  withNewIncrement,
} from './aof-manifest.ts';
import { AofManifestFile, Replaced } from './aof-manifest-file.ts';
import {
  closeQuietly,
  type FilePath,
  type Files,
  isDirectory,
  isFile,
  OpenMode,
  pathIn,
  unlinkQuietly,
  writeAll,
} from './files.ts';
import { type LatencySink, type PersistenceLog, tellLatency } from './log.ts';

export interface AofFilesOptions {
  readonly files: Files;
  readonly log: PersistenceLog;
  readonly latency: LatencySink;
  /** The directive dir, as JavaScript has it; '' for the working directory. */
  readonly directory: string;
  /** appenddirname and appendfilename, one character per byte. */
  readonly dirName: string;
  readonly fileName: string;
}

/** What there is to load. */
export const AofFound = { Nothing: 0, Empty: 1, Files: 2, Failed: 3 } as const;
export type AofFound = (typeof AofFound)[keyof typeof AofFound];

export interface AofFileToLoad {
  readonly name: string;
  readonly path: FilePath;
  readonly size: number;
  readonly isBase: boolean;
  /** Only the last may have lost its end. */
  readonly isLast: boolean;
  /** From before Redis 7: may have commands behind an RDB. */
  readonly isOldStyle: boolean;
}

export interface AofLoadPlan {
  readonly found: AofFound;
  /** In the order to load. */
  readonly files: readonly AofFileToLoad[];
  readonly totalBytes: number;
}

/** An increment that is open for writing. */
export interface OpenIncrement {
  readonly fd: number;
  readonly size: number;
  readonly name: string;
}

/** Which increment holds what has happened since the snapshot began. */
export const SinceSnapshot = { None: 0, Last: 1, Temporary: 2 } as const;
export type SinceSnapshot = (typeof SinceSnapshot)[keyof typeof SinceSnapshot];

export class AofFiles {
  /** The manifest in force. */
  manifest: AofManifest = EMPTY_MANIFEST;
  readonly #files: Files;
  readonly #log: PersistenceLog;
  readonly #latency: LatencySink;
  readonly #directory: string;
  readonly #dirName: string;
  readonly #fileName: string;
  /** Path of the directory of the log. */
  readonly #path: FilePath;
  readonly #manifestFile: AofManifestFile;
  /** Whether the manifest in force is that of the disk: without it, names would be given twice. */
  #isLoaded = false;

  constructor(options: AofFilesOptions) {
    this.#files = options.files;
    this.#log = options.log;
    this.#latency = options.latency;
    this.#directory = options.directory;
    this.#dirName = options.dirName;
    this.#fileName = options.fileName;
    this.#path = pathIn(options.directory, options.dirName);
    this.#manifestFile = new AofManifestFile(
      this.#files,
      this.#log,
      this.#path,
      this.#dirName,
      this.#fileName,
    );
  }

  /** Where the next base is to be written, and synced, before `commitRewrite`. */
  get temporaryBase(): FilePath {
    return pathIn(this.#directory, this.#temporaryBaseName);
  }

  get #temporaryBaseName(): string {
    return `temp-rewriteaof-bg-${process.pid}.aof`;
  }

  get #temporaryIncrementName(): string {
    return `temp-${this.#fileName}.incr`;
  }

  pathOf(name: string): FilePath {
    return pathIn(this.#path, name);
  }

  /* Starting */

  /**
   * Reads the manifest, if there is one.
   * @returns false, with the reason in the log, if the server must not start
   */
  load(): boolean {
    const read = this.#manifestFile.read();
    this.manifest = read ?? EMPTY_MANIFEST;
    this.#isLoaded = read !== null;
    return this.#isLoaded;
  }

  /** What is to be loaded; a log from before Redis 7 is taken over first. Failures are in the log. */
  plan(): AofLoadPlan {
    const failed = { found: AofFound.Failed, files: [], totalBytes: 0 };
    try {
      if (this.#wantsUpgrade() && !this.#upgrade()) return failed;
    } catch (error) {
      this.#log.warning(`Can't look for append only files: ${strerror(error)}`);
      return failed;
    }
    const { base, increments } = this.manifest;
    const entries = base === null ? increments : [base, ...increments];
    if (entries.length === 0) return { found: AofFound.Nothing, files: [], totalBytes: 0 };
    const files: AofFileToLoad[] = [];
    let totalBytes = 0;
    for (const entry of entries) {
      const size = this.sizeOf(entry.name);
      if (size < 0) return failed;
      totalBytes += size;
      files.push(this.#fileToLoad(entry, size, files.length === entries.length - 1));
    }
    return { found: totalBytes === 0 ? AofFound.Empty : AofFound.Files, files, totalBytes };
  }

  #fileToLoad({ name, type }: AofFileEntry, size: number, isLast: boolean): AofFileToLoad {
    const isBase = type === AofFileType.Base;
    return { name, path: this.pathOf(name), size, isBase, isLast, isOldStyle: name === this.#fileName };
  }

  /** Whether there is a log from before Redis 7 that no manifest has taken over, or not quite to the end. */
  #wantsUpgrade(): boolean {
    if (!isFile(this.#files, pathIn(this.#directory, this.#fileName))) return false;
    if (!isDirectory(this.#files, this.#path) || isEmptyManifest(this.manifest)) return true;
    const { base, increments } = this.manifest;
    if (base?.name !== this.#fileName || increments.length > 0) return false;
    return !isFile(this.#files, this.pathOf(this.#fileName));
  }

  /** The manifest first, then the file: a crash between the two is seen by `wantsUpgrade`. */
  #upgrade(): boolean {
    if (!this.makeDirectory()) return false;
    const base = { name: this.#fileName, seq: 1, type: AofFileType.Base };
    const next = { ...this.manifest, base, baseSeq: 1 };
    if (this.#manifestFile.replace(next) !== Replaced.Yes) return false;
    const [from, to] = [toUtf8(this.#fileName), toUtf8(this.#dirName)];
    try {
      this.#files.rename(pathIn(this.#directory, this.#fileName), this.pathOf(this.#fileName));
      this.#files.fsyncDirectory(this.#path);
    } catch (error) {
      this.#log.warning(`Error trying to move the old AOF file ${from} into dir ${to}: ${strerror(error)}`);
      return false;
    }
    this.manifest = next;
    this.#log.notice(`Successfully migrated an old-style AOF file (${from}) into the AOF directory (${to}).`);
    return true;
  }

  /**
   * Opens the last increment for writing when the server starts and all is loaded. Where there is no log yet, it makes a
   * base of nothing first.
   * @param emptyBase a file without keys
   * @param rdb whether it is an RDB file
   * @returns null, with the reason in the log, if the server must not start
   */
  openOnStart(emptyBase: Buffer, rdb: boolean): OpenIncrement | null {
    if (!this.prepare()) return null;
    let next = this.manifest;
    if (isEmptyManifest(next)) {
      next = withNewBase(next, this.#fileName, rdb);
      if (!this.#createBase(next.base!.name, emptyBase)) return null;
      this.#log.notice(`Creating AOF base file ${toUtf8(next.base!.name)} on server start`);
    }
    const isNew = next.increments.length === 0;
    if (isNew) next = withNewIncrement(next, this.#fileName);
    const { name } = next.increments.at(-1)!;
    const open = this.#openIncrement(name, isNew);
    if (open === null) return null;
    if (next !== this.manifest) {
      if (this.#manifestFile.replace(next) !== Replaced.Yes) {
        closeQuietly(this.#files, this.#log, open.fd);
        return null;
      }
      this.manifest = next;
    }
    this.#log.notice(`${isNew ? 'Creating' : 'Opening'} AOF incr file ${toUtf8(name)} on server start`);
    return open;
  }

  /** A base file from bytes, by way of a temporary one. */
  #createBase(name: string, bytes: Buffer): boolean {
    const temporary = pathIn(this.#directory, `temp-rewriteaof-${process.pid}.aof`);
    let fd: number;
    try {
      fd = this.#files.open(temporary, OpenMode.WriteEmpty);
    } catch (error) {
      this.#log.warning(
        `Opening the temp file for AOF rewrite in rewriteAppendOnlyFile(): ${strerror(error)}`,
      );
      return false;
    }
    try {
      try {
        writeAll(this.#files, fd, bytes, 0);
        this.#files.fsync(fd);
      } finally {
        this.#files.close(fd);
      }
    } catch (error) {
      this.#log.warning(`Write error writing append only file on disk: ${strerror(error)}`);
      unlinkQuietly(this.#files, this.#log, temporary);
      return false;
    }
    try {
      this.#files.rename(temporary, this.pathOf(name));
      return true;
    } catch (error) {
      this.#log.warning(`Error moving temp append only file on the final destination: ${strerror(error)}`);
      unlinkQuietly(this.#files, this.#log, temporary);
      return false;
    }
  }

  #openIncrement(name: string, empty: boolean): OpenIncrement | null {
    let fd = -1;
    try {
      fd = this.#files.open(this.pathOf(name), empty ? OpenMode.WriteEmpty : OpenMode.Write);
      return { fd, size: this.#files.fileSize(fd), name };
    } catch (error) {
      if (fd >= 0) closeQuietly(this.#files, this.#log, fd);
      this.#log.warning(`Can't open the append-only file ${toUtf8(name)}: ${strerror(error)}`);
      return null;
    }
  }

  /* Rewriting */

  /**
   * Sees to it that there is a directory, and that its manifest is known: a server that was started without the log has
   * not read it.
   * @returns false, with the reason in the log, if not
   */
  prepare(): boolean {
    return this.makeDirectory() && (this.#isLoaded || this.load());
  }

  /**
   * Opens a new increment, for what happens after the snapshot that becomes the next base. From now on it is the one to
   * write to: what was written before must be on the disk.
   * @param temporary whether there is no base before: it does not count yet
   * @returns null, with the reason in the log, if that failed: the old increment stays
   */
  beginIncrement(temporary: boolean): OpenIncrement | null {
    if (!this.prepare()) return null;
    const next = temporary ? this.manifest : withNewIncrement(this.manifest, this.#fileName);
    const name = temporary ? this.#temporaryIncrementName : next.increments.at(-1)!.name;
    const open = this.#openIncrement(name, true);
    if (open === null) return null;
    // Where the disk may have either manifest afterwards, the new increment has to stay, and to stay empty.
    if (!temporary && this.#manifestFile.replace(next) !== Replaced.Yes) {
      closeQuietly(this.#files, this.#log, open.fd);
      return null;
    }
    this.manifest = next;
    this.#log.notice(`Creating AOF incr file ${toUtf8(name)} on background rewrite`);
    return open;
  }

  /**
   * The new base is written and synced: from now on it counts, with what has happened since, and nothing from before.
   * @param rdb whether it is an RDB file
   * @param since where that is
   * @returns false, with the reason in the log, if nothing has changed
   */
  commitRewrite(rdb: boolean, since: SinceSnapshot): boolean {
    if (!this.prepare()) return false;
    const withBase = withNewBase(this.manifest, this.#fileName, rdb);
    const baseName = withBase.base!.name;
    if (!this.#renameInto(this.temporaryBase, this.#temporaryBaseName, baseName, 'base')) return false;
    const made = [baseName];
    let next = withBase;
    if (since === SinceSnapshot.Temporary) {
      next = withNewIncrement(next, this.#fileName);
      const { name } = next.increments.at(-1)!;
      const from = this.#temporaryIncrementName;
      if (!this.#renameInto(this.pathOf(from), from, name, 'incr')) {
        this.#removeLater(baseName);
        return false;
      }
      made.push(name);
    }
    next = withIncrementsPast(next, since === SinceSnapshot.None ? 0 : 1);
    const replaced = this.#manifestFile.replace(next);
    if (replaced === Replaced.No) {
      for (const name of made) this.#removeLater(name);
      return false;
    }
    if (replaced === Replaced.Unknown) {
      // The names are used up: the manifest on the disk may have them.
      const { baseSeq, incrementSeq } = next;
      this.manifest = { ...this.manifest, baseSeq, incrementSeq };
      return false;
    }
    this.manifest = next;
    return true;
  }

  #renameInto(path: FilePath, from: string, to: string, what: 'base' | 'incr'): boolean {
    const target = this.pathOf(to);
    const start = performance.now();
    try {
      this.#files.rename(path, target);
    } catch (error) {
      this.#log.warning(
        `Error trying to rename the temporary AOF ${what} file ${toUtf8(from)} into ${target}: ${strerror(error)}`,
      );
      return false;
    }
    tellLatency(this.#latency, 'aof-rename', start);
    this.#log.notice(
      `Successfully renamed the temporary AOF ${what} file ${toUtf8(from)} into ${toUtf8(to)}`,
    );
    return true;
  }

  /** Removes what a rewrite that failed has left. @param increment whether there may be a temporary one */
  removeTemporaries(increment: boolean): void {
    this.#files.unlinkLater(this.temporaryBase, IGNORE);
    if (!increment) return;
    const name = this.#temporaryIncrementName;
    this.#log.notice(`Removing the temp incr aof file ${toUtf8(name)} in the background`);
    this.#files.unlinkLater(this.pathOf(name), IGNORE);
  }

  /** Removes the files that no longer count. What cannot be removed now, stays in the manifest, to be tried again. */
  deleteHistory(): void {
    if (this.manifest.history.length === 0) return;
    if (this.#manifestFile.unsynced && !this.#manifestFile.syncDirectory()) return;
    const kept: AofFileEntry[] = [];
    for (const entry of this.manifest.history) {
      this.#log.notice(`Removing the history file ${toUtf8(entry.name)} in the background`);
      this.#files.unlinkLater(this.pathOf(entry.name), (error) => {
        if (error === null || (error as NodeJS.ErrnoException).code === 'ENOENT') return;
        this.#log.warning(`Can't remove the history file ${toUtf8(entry.name)}: ${strerror(error)}`);
        kept.push(entry);
      });
    }
    const next = withHistory(this.manifest, kept);
    // If that fails, the manifest names files that are not there, which harms nothing.
    this.#manifestFile.replace(next);
    this.manifest = next;
  }

  /* Parts */

  /** Creates the directory of the log. @returns false, with the reason in the log, if there can be none */
  makeDirectory(): boolean {
    try {
      if (isDirectory(this.#files, this.#path)) return true;
      this.#files.mkdir(this.#path);
      this.#files.fsyncDirectory(this.#directory === '' ? '.' : this.#directory);
      return true;
    } catch (error) {
      this.#log.warning(`Can't open or create append-only dir ${toUtf8(this.#dirName)}: ${strerror(error)}`);
      return false;
    }
  }

  /** Bytes of a file of the log; -1, with the reason in the log, if that cannot be told. */
  sizeOf(name: string): number {
    const start = performance.now();
    let size = -1;
    let reason = 'No such file or directory';
    try {
      size = this.#files.stat(this.pathOf(name))?.size ?? -1;
    } catch (error) {
      reason = strerror(error);
    }
    if (size < 0) {
      this.#log.warning(`Unable to obtain the AOF file ${toUtf8(name)} length. stat: ${reason}`);
    }
    tellLatency(this.#latency, 'aof-fstat', start);
    return size;
  }

  #removeLater(name: string): void {
    this.#files.unlinkLater(this.pathOf(name), (error) => {
      if (error !== null) this.#log.warning(`Can't remove ${toUtf8(name)}: ${strerror(error)}`);
    });
  }
}

/** For names that need not be there. */
const IGNORE = (): void => {};
