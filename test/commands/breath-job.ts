// What breath.test.ts and its worker share.

import type { MessagePort } from 'node:worker_threads';
import type { SharedBuffers } from '../../src/memory/shared-memory.ts';

export interface BreathJob {
  readonly buffers: SharedBuffers;
  /** 0: idle, 1: work, 2: end, 3: the worker has failed and may hold locks. */
  readonly signal: SharedArrayBuffer;
  readonly port: MessagePort;
  /** Unix time in ms that it is. */
  readonly now: number;
}

/** What is to be done, sent before the signal. */
export interface BreathOrder {
  /** Keys to look at. */
  readonly keys: readonly string[];
  /** Commands on other keys; none: only looks. */
  readonly writes: readonly (readonly string[])[];
}

const LONG = 60;

/** Members and what lies between them fill several spans of blocks, so that there is something to compact. */
export function long(word: string): string {
  return /^(member|junk):/.test(word) ? word.padEnd(LONG, '.') : word;
}
