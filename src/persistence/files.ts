/**
 * The file system as persistence sees it: few calls, all behind one interface, so that tests and a test server can make
 * any of them fail (`faulty-files.ts`).
 *
 * Calls wait and throw the system's error, except those named ...Later, which a thread of libuv's pool does. Writing is
 * positioned: who writes knows where its file ends, and after a truncation there is no file offset to put right.
 *
 * Left out: reading and writing of more than one buffer at a time, and locks: Redis takes none on its files either.
 */

import { strerror } from '../config/system-error.ts';
import type { PersistenceLog } from './log.ts';

const fs = process.getBuiltinModule('node:fs');

/** A path. Names need not be UTF-8: those are given as bytes. */
export type FilePath = string | Buffer;

/** How to open: for reading; for writing, created if missing; for writing, empty. */
export const OpenMode = { Read: 0, Write: 1, WriteEmpty: 2 } as const;
export type OpenMode = (typeof OpenMode)[keyof typeof OpenMode];

export const FileKind = { File: 0, Directory: 1, Other: 2 } as const;
export type FileKind = (typeof FileKind)[keyof typeof FileKind];

export interface FileFacts {
  readonly kind: FileKind;
  /** Bytes. */
  readonly size: number;
}

/** What happened, null if all went well. */
export type Done = (error: Error | null) => void;

export interface Files {
  /** @returns a descriptor. New files have mode 0644. */
  open(path: FilePath, mode: OpenMode): number;
  close(fd: number): void;
  /** One read. @returns how many bytes; 0 at the end */
  read(fd: number, into: Buffer, off: number, len: number, position: number): number;
  /** One write. @returns how many bytes, which may be fewer */
  write(fd: number, from: Buffer, off: number, len: number, position: number): number;
  ftruncate(fd: number, size: number): void;
  truncate(path: FilePath, size: number): void;
  /** The file's bytes and what is needed to find them are on the disk. */
  fdatasync(fd: number): void;
  fdatasyncLater(fd: number, done: Done): void;
  fsync(fd: number): void;
  /** What was created, renamed and removed in a directory is on the disk. */
  fsyncDirectory(path: FilePath): void;
  rename(from: FilePath, to: FilePath): void;
  unlink(path: FilePath): void;
  /** Removes the name now; the blocks, which takes long for a large file, in the background. */
  unlinkLater(path: FilePath, done: Done): void;
  mkdir(path: FilePath): void;
  readdir(path: FilePath): string[];
  /** @returns null if there is nothing of that name */
  stat(path: FilePath): FileFacts | null;
  /** Bytes of an open file. */
  fileSize(fd: number): number;
}

const { O_CREAT, O_RDONLY, O_TRUNC, O_WRONLY } = fs.constants;
/** By OpenMode. */
const OPEN_FLAGS = [O_RDONLY, O_WRONLY | O_CREAT, O_WRONLY | O_CREAT | O_TRUNC];
const FILE_MODE = 0o644;
const DIRECTORY_MODE = 0o755;
/** Longest single write: Linux takes no more than 2 GiB - 4 KiB at once. */
const WRITE_BYTES_MAX = 1024 * 1024 * 1024;

class SystemFiles implements Files {
  open(path: FilePath, mode: OpenMode): number {
    return fs.openSync(path, OPEN_FLAGS[mode]!, FILE_MODE);
  }

  close(fd: number): void {
    fs.closeSync(fd);
  }

  read(fd: number, into: Buffer, off: number, len: number, position: number): number {
    return fs.readSync(fd, into, off, len, position);
  }

  write(fd: number, from: Buffer, off: number, len: number, position: number): number {
    return fs.writeSync(fd, from, off, Math.min(len, WRITE_BYTES_MAX), position);
  }

  ftruncate(fd: number, size: number): void {
    fs.ftruncateSync(fd, size);
  }

  truncate(path: FilePath, size: number): void {
    // Not truncateSync, which takes no path of bytes.
    const fd = fs.openSync(path, O_WRONLY);
    try {
      fs.ftruncateSync(fd, size);
    } finally {
      fs.closeSync(fd);
    }
  }

  fdatasync(fd: number): void {
    fs.fdatasyncSync(fd);
  }

  fdatasyncLater(fd: number, done: Done): void {
    fs.fdatasync(fd, done);
  }

  fsync(fd: number): void {
    fs.fsyncSync(fd);
  }

  fsyncDirectory(path: FilePath): void {
    // Windows has no such thing: what is in a directory is written with it.
    if (process.platform === 'win32') return;
    const fd = fs.openSync(path, O_RDONLY);
    try {
      fs.fsyncSync(fd);
    } catch (error) {
      // File systems that cannot do it say so by EINVAL or EBADF; Redis takes that for done.
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'EINVAL' && code !== 'EBADF') throw error;
    } finally {
      fs.closeSync(fd);
    }
  }

  rename(from: FilePath, to: FilePath): void {
    fs.renameSync(from, to);
  }

  unlink(path: FilePath): void {
    fs.unlinkSync(path);
  }

  unlinkLater(path: FilePath, done: Done): void {
    // Windows removes no file that is open.
    if (process.platform === 'win32') {
      fs.unlink(path, done);
      return;
    }
    let fd = -1;
    try {
      fd = fs.openSync(path, O_RDONLY);
    } catch {
      // Then without one that holds the blocks: unlink says what is wrong.
    }
    try {
      fs.unlinkSync(path);
    } catch (error) {
      if (fd >= 0) fs.closeSync(fd);
      done(error as Error);
      return;
    }
    if (fd >= 0) fs.close(fd, (error) => done(error ?? null));
    else done(null);
  }

  mkdir(path: FilePath): void {
    fs.mkdirSync(path, DIRECTORY_MODE);
  }

  readdir(path: FilePath): string[] {
    return fs.readdirSync(path, 'latin1');
  }

  stat(path: FilePath): FileFacts | null {
    const facts = fs.statSync(path, { throwIfNoEntry: false });
    if (facts === undefined) return null;
    const kind = facts.isFile() ? FileKind.File : facts.isDirectory() ? FileKind.Directory : FileKind.Other;
    return { kind, size: facts.size };
  }

  fileSize(fd: number): number {
    return fs.fstatSync(fd).size;
  }
}

/** The file system as it is. */
export const systemFiles: Files = new SystemFiles();

/**
 * Writes all bytes, in several writes if one does not take all. Errors are the last write's; what was written before is
 * counted nowhere: for files that are thrown away then.
 */
export function writeAll(files: Files, fd: number, bytes: Buffer, position: number): void {
  let at = 0;
  while (at < bytes.length) {
    at += writeSome(files, fd, bytes, at, bytes.length - at, position + at);
  }
}

/** One write that is repeated when a signal interrupts it. */
export function writeSome(
  files: Files,
  fd: number,
  bytes: Buffer,
  off: number,
  len: number,
  position: number,
): number {
  for (;;) {
    try {
      return files.write(fd, bytes, off, len, position);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EINTR') throw error;
    }
  }
}

/**
 * The path of a file in a directory.
 * @param directory as JavaScript has it; '' for the working directory
 * @param name one character per byte, as the configuration and manifests have names
 */
export function pathIn(directory: FilePath, name: string): FilePath {
  if (typeof directory !== 'string') return Buffer.concat([directory, Buffer.from(`/${name}`, 'latin1')]);
  const prefix = directory === '' || directory.endsWith('/') ? directory : directory + '/';
  const bytes = Buffer.from(name, 'latin1');
  const text = bytes.toString('utf8');
  if (Buffer.from(text, 'utf8').equals(bytes)) return prefix + text;
  return Buffer.concat([Buffer.from(prefix, 'utf8'), bytes]);
}

export function isDirectory(files: Files, path: FilePath): boolean {
  return files.stat(path)?.kind === FileKind.Directory;
}

export function isFile(files: Files, path: FilePath): boolean {
  return files.stat(path)?.kind === FileKind.File;
}

/** For files that are read, given up, or synced before: closing can tell nothing that matters. */
export function closeQuietly(files: Files, log: PersistenceLog, fd: number): void {
  try {
    files.close(fd);
  } catch (error) {
    log.verbose(`Closing a file: ${strerror(error)}`);
  }
}

/** For temporary files, which the next attempt overwrites. */
export function unlinkQuietly(files: Files, log: PersistenceLog, path: FilePath): void {
  try {
    files.unlink(path);
  } catch (error) {
    log.verbose(`Can't remove ${path}: ${strerror(error)}`);
  }
}
