/**
 * The manifest on the disk: read at the start, replaced at each step. Replacing: a temporary one is written and synced, the
 * directory synced (so that the files it names are there), renamed, the directory synced again. Texts in the log are Redis's.
 */

import { strerror } from '../config/system-error.ts';
import { toUtf8 } from '../config/tokenize.ts';
import { type AofManifest, EMPTY_MANIFEST, parseManifest, printManifest } from './aof-manifest.ts';
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
import type { PersistenceLog } from './log.ts';

/**
 * How the replacement of a manifest ended: on the disk; not done; nobody knows (the rename failed); done, but what a crash
 * would leave is open (the last sync failed).
 */
export const Replaced = { Yes: 0, No: 1, Unknown: 2, Unsynced: 3 } as const;
export type Replaced = (typeof Replaced)[keyof typeof Replaced];

export class AofManifestFile {
  /** Whether the directory has changes that may not be on the disk: nothing may be removed then. */
  unsynced = false;
  readonly #files: Files;
  readonly #log: PersistenceLog;
  /** Path of the directory of the log, and its name. */
  readonly #path: FilePath;
  readonly #dirName: string;
  readonly #name: string;

  constructor(files: Files, log: PersistenceLog, path: FilePath, dirName: string, fileName: string) {
    this.#files = files;
    this.#log = log;
    this.#path = path;
    this.#dirName = dirName;
    this.#name = `${fileName}.manifest`;
  }

  /** @returns an empty one if there is none; null, with the reason in the log, if it cannot be read */
  read(): AofManifest | null {
    const path = this.#pathOf(this.#name);
    try {
      if (!isDirectory(this.#files, this.#path)) {
        this.#log.debug(`The AOF directory ${toUtf8(this.#dirName)} doesn't exist`);
        return EMPTY_MANIFEST;
      }
      if (!isFile(this.#files, path)) {
        this.#log.debug(`The AOF manifest file ${toUtf8(this.#name)} doesn't exist`);
        return EMPTY_MANIFEST;
      }
    } catch (error) {
      this.#log.warning(`Fatal error: can't look for the AOF manifest file ${path}: ${strerror(error)}`);
      return null;
    }
    const text = this.#readText(path);
    if (text === null) return null;
    const read = parseManifest(text);
    if (!('error' in read)) return read;
    this.#log.warning('\n*** FATAL AOF MANIFEST FILE ERROR ***\n');
    if (read.line !== null) {
      this.#log.warning(`Reading the manifest file, at line ${read.lineNumber}\n`);
      this.#log.warning(`>>> '${toUtf8(read.line)}'\n`);
    }
    this.#log.warning(`${read.error}\n`);
    return null;
  }

  #readText(path: FilePath): string | null {
    let fd: number;
    try {
      fd = this.#files.open(path, OpenMode.Read);
    } catch (error) {
      this.#log.warning(
        `Fatal error: can't open the AOF manifest file ${path} for reading: ${strerror(error)}`,
      );
      return null;
    }
    try {
      const bytes = Buffer.alloc(this.#files.fileSize(fd));
      let length = 0;
      while (length < bytes.length) {
        const count = this.#files.read(fd, bytes, length, bytes.length - length, length);
        if (count === 0) break;
        length += count;
      }
      return bytes.toString('latin1', 0, length);
    } catch (error) {
      this.#log.warning('\n*** FATAL AOF MANIFEST FILE ERROR ***\n');
      this.#log.warning(`Read AOF manifest failed: ${strerror(error)}\n`);
      return null;
    } finally {
      closeQuietly(this.#files, this.#log, fd);
    }
  }

  /** Puts another in its place. Failures are in the log. */
  replace(manifest: AofManifest): Replaced {
    const temporaryName = `temp-${this.#name}`;
    const temporary = this.#pathOf(temporaryName);
    if (!this.#writeTemporary(temporary, toUtf8(temporaryName), manifest)) {
      unlinkQuietly(this.#files, this.#log, temporary);
      return Replaced.No;
    }
    const path = this.#pathOf(this.#name);
    try {
      this.#files.rename(temporary, path);
    } catch (error) {
      const names = `${toUtf8(temporaryName)} into ${toUtf8(this.#name)}`;
      this.#log.warning(
        `Error trying to rename the temporary AOF manifest file ${names}: ${strerror(error)}`,
      );
      return Replaced.Unknown;
    }
    this.unsynced = true;
    return this.syncDirectory() ? Replaced.Yes : Replaced.Unsynced;
  }

  #writeTemporary(path: FilePath, name: string, manifest: AofManifest): boolean {
    let fd: number;
    try {
      fd = this.#files.open(path, OpenMode.WriteEmpty);
    } catch (error) {
      this.#log.warning(`Can't open the AOF manifest file ${name}: ${strerror(error)}`);
      return false;
    }
    try {
      writeAll(this.#files, fd, Buffer.from(printManifest(manifest), 'latin1'), 0);
    } catch (error) {
      this.#log.warning(`Error trying to write the temporary AOF manifest file ${name}: ${strerror(error)}`);
      closeQuietly(this.#files, this.#log, fd);
      return false;
    }
    try {
      this.#files.fsync(fd);
    } catch (error) {
      this.#log.warning(`Fail to fsync the temp AOF file ${name}: ${strerror(error)}.`);
      return false;
    } finally {
      closeQuietly(this.#files, this.#log, fd);
    }
    return this.syncDirectory();
  }

  syncDirectory(): boolean {
    try {
      this.#files.fsyncDirectory(this.#path);
      this.unsynced = false;
      return true;
    } catch (error) {
      this.#log.warning(`Fail to fsync AOF directory ${this.#path}: ${strerror(error)}.`);
      return false;
    }
  }

  #pathOf(name: string): FilePath {
    return pathIn(this.#path, name);
  }
}
