// Why writes are refused (GlobalWord.WriteError): the kind, and for the log the number of the system's error.

import { errnoText } from '../config/system-error.ts';
import { WriteError } from '../memory/layout.ts';

const ERRNO_SHIFT = 8;
const ERRNO_MASK = 0xfff;
const FAILURE_SHIFT = 20;
/** All but the system's number. */
const FAILURE_MASK = ~(ERRNO_MASK << ERRNO_SHIFT);

/**
 * The word for a log that cannot be written.
 * @param errno the system's number, positive
 * @param failure counts the times from good to bad: commands that began and ended within one of them have written nothing
 */
export function logWriteError(errno: number, failure: number): number {
  return WriteError.Log | ((errno & ERRNO_MASK) << ERRNO_SHIFT) | (failure << FAILURE_SHIFT);
}

/** Tells one failure of the log from another. @returns 0 without one */
export function logFailure(word: number): number {
  return (word & 0xff) === WriteError.Log ? word & FAILURE_MASK : 0;
}

/** The reply to a command that is refused, Redis's. */
export function writeErrorText(word: number): string {
  if ((word & 0xff) === WriteError.Snapshot)
    return "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. Commands that may modify the data set are disabled, because this instance is configured to report errors during writes if RDB snapshotting fails (stop-writes-on-bgsave-error option). Please check the Redis logs for details about the RDB error.";
  return `MISCONF Errors writing to the AOF file: ${errnoText(-((word >> ERRNO_SHIFT) & ERRNO_MASK))}`;
}
