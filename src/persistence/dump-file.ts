// The RDB file of SAVE and BGSAVE: written under a temporary name in the working directory, then renamed. Log texts are Redis's.

import { strerror } from '../config/system-error.ts';
import { toUtf8 } from '../config/tokenize.ts';
import { type FilePath, type Files, pathIn } from './files.ts';
import type { PersistenceLog } from './log.ts';
import { OutputFile } from './snapshot-file.ts';

/** What log lines say of a working directory that was removed. */
const UNKNOWN = 'unknown';

/** @returns '' if it was removed */
export function workingDirectory(): string {
  try {
    return process.cwd();
  } catch {
    return '';
  }
}

function temporaryName(): string {
  return `temp-${process.pid}.rdb`;
}

/** Opens the temporary file. @returns it, or what went wrong, which the log tells */
export function openDump(files: Files, log: PersistenceLog, directory: string): OutputFile | string {
  const name = temporaryName();
  try {
    return new OutputFile(files, pathIn(directory, name));
  } catch (error) {
    const reason = strerror(error);
    log.warning(
      `Failed opening the temp RDB file ${name} (in server root dir ${directory || UNKNOWN}) for saving: ${reason}`,
    );
    return reason;
  }
}

/**
 * Gives a file that is on the disk its name.
 * @param fileName one character per byte
 * @returns '' or what went wrong, which the log tells
 */
export function nameDump(
  files: Files,
  log: PersistenceLog,
  path: FilePath,
  directory: string,
  fileName: string,
): string {
  try {
    files.rename(path, pathIn(directory, fileName));
  } catch (error) {
    const reason = strerror(error);
    log.warning(
      `Error moving temp DB file ${temporaryName()} on the final destination ${toUtf8(fileName)} (in server root dir ${directory || UNKNOWN}): ${reason}`,
    );
    return reason;
  }
  try {
    files.fsyncDirectory(directory || '.');
    return '';
  } catch (error) {
    log.warning(`Failed to fsync directory while saving DB: ${strerror(error)}`);
    return strerror(error);
  }
}
