/**
 * When the append only log is rewritten by itself: it has grown enough, and rewrites have not failed too often lately.
 *
 * After the third failure in a row the next attempt waits a minute, then 2, 4, 8 ... at most 60: each attempt leaves an
 * increment behind. BGREWRITEAOF is not held back.
 */

import type { PersistenceLog } from './log.ts';

const FAILURES_MIN = 3;
const DELAY_MINUTES_MAX = 60;
const MINUTE_MS = 60_000;

export class AofRewriteLimit {
  /** INFO's aof_rewrites_consecutive_failures. */
  failures = 0;
  #delayMinutes = 0;
  /** When the next attempt may be made, in ms since 1970; 0 when no delay runs. */
  #nextTime = 0;
  readonly #log: PersistenceLog;

  constructor(log: PersistenceLog) {
    this.#log = log;
  }

  /**
   * Whether an attempt that nobody has asked for must wait (aofRewriteLimited). Begins the delay that is due.
   * @param now ms since 1970
   */
  isLimited(now: number): boolean {
    if (this.failures < FAILURES_MIN) {
      this.#delayMinutes = 0;
      this.#nextTime = 0;
      return false;
    }
    if (this.#nextTime !== 0) {
      if (now < this.#nextTime) return true;
      this.#nextTime = 0;
      return false;
    }
    this.#delayMinutes = this.#delayMinutes === 0 ? 1 : Math.min(this.#delayMinutes * 2, DELAY_MINUTES_MAX);
    this.#nextTime = now + this.#delayMinutes * MINUTE_MS;
    this.#log.warning(
      `Background AOF rewrite has repeatedly failed and triggered the limit, will retry in ${this.#delayMinutes} minutes`,
    );
    return true;
  }
}

/**
 * By how many percent the log has grown since the last rewrite, if that is enough for the next one.
 * @param percent auto-aof-rewrite-percentage; 0 for never
 * @param minSize auto-aof-rewrite-min-size, bytes
 * @returns -1 if it is not
 */
export function growthToRewrite(
  currentSize: number,
  baseSize: number,
  percent: number,
  minSize: number,
): number {
  if (percent === 0 || currentSize <= minSize) return -1;
  const growth = Math.floor((currentSize * 100) / (baseSize === 0 ? 1 : baseSize)) - 100;
  return growth >= percent ? growth : -1;
}
