// What the stress test of snapshots and its threads agree on.

import type { SharedBuffers } from '../../src/memory/shared-memory.ts';

export interface SnapshotJob {
  readonly buffers: SharedBuffers;
  readonly seed: readonly [number, number];
  readonly thread: number;
  /** A word that is 1 from the end of the last snapshot on. */
  readonly over: SharedArrayBuffer;
  /** Snapshots to take; 0: moves values about. */
  readonly snapshots: number;
  /** This many walk: which of them this thread is. A thread that only moves values walks too. */
  readonly walkers: number;
  readonly walker: number;
}

export interface SnapshotDone {
  readonly entries: readonly { readonly snapshot: number; readonly db: number; readonly bytes: Uint8Array }[];
  readonly completed: readonly number[];
  readonly commands: number;
  readonly handedOver: number;
}

/** Numbers of those who move values about. */
export const MOVERS = [3, 4] as const;
export const LISTS = 6;
export const SETS = 4;
export const PAIRS = 50;
export const PAIR_SUM = 1000;
