// What threads tell the supervisor of what they run: lines for MONITOR, entries of the slow log, events of the latency
// monitor, of ACL LOG. Each report has a number of one counter in shared memory (GlobalWord.Reports), taken when what it tells of has
// run: for MONITOR before the locks are free. The numbers are dense, so the supervisor puts the reports of all threads in
// their one order (server/report-order.ts), however long each takes on its way.

import type { DenialNote } from '../acl/acl-log.ts';
import type { ConfigStore } from '../config/store.ts';
import { GlobalWord } from '../memory/layout.ts';
import type { ControlPort } from './control-port.ts';
import type { SlowEntry } from './slow-entry.ts';

/** What MONITOR shows of a command. */
export interface MonitorLine {
  /** Unix time in microseconds. */
  readonly usec: number;
  /** Behind the time, latin1. */
  readonly text: string;
}

export interface LatencyEvent {
  readonly event: string;
  /** Whole. */
  readonly ms: number;
}

export interface Report {
  readonly number: number;
  /** Lines of commands that ran as one: an EXEC and what was in it. Empty or absent: none. */
  readonly lines?: readonly MonitorLine[];
  readonly slow?: SlowEntry;
  readonly late?: LatencyEvent;
  readonly denied?: DenialNote;
}

export class Reporter {
  readonly #words: Int32Array;
  readonly #control: ControlPort;
  /** latency-monitor-threshold; Infinity for none. */
  #lateMs = Infinity;

  /** @param words those all threads share, see memory/layout.ts */
  constructor(words: Int32Array, control: ControlPort, config: Pick<ConfigStore, 'getInt' | 'watch'>) {
    this.#words = words;
    this.#control = control;
    const follow = (): void => {
      this.#lateMs = config.getInt('latency-monitor-threshold') || Infinity;
    };
    follow();
    config.watch('latency-monitor-threshold', follow);
  }

  /** Takes the next number: a report with it must follow, and soon. */
  number(): number {
    return (Atomics.add(this.#words, GlobalWord.Reports, 1) + 1) | 0;
  }

  send(report: Report): void {
    this.#control.tell('report', report);
  }

  slow(slow: SlowEntry): void {
    this.send({ number: this.number(), slow });
  }

  denied(denied: DenialNote): void {
    this.send({ number: this.number(), denied });
  }

  /** Something has taken so long: told if the latency monitor wants to know. */
  late(event: string, ms: number): void {
    if (ms < this.#lateMs) return;
    this.send({ number: this.number(), late: { event, ms: Math.floor(ms) } });
  }
}
