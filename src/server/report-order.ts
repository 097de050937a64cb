// Puts the reports of all threads (execution/reports.ts) in the order of their numbers, and takes them: lines go to the
// clients in MONITOR, the rest into slow log, latency monitor and ACL LOG.
//
// Ports of threads are read in any order: a report that is here may be younger than one that is not. Such a one waits. Who
// asks for what was reported (SLOWLOG GET) gets what had been when it asked, no less and no more.

import type { MonitorLine, Report } from '../execution/reports.ts';
import { GlobalWord } from '../memory/layout.ts';

export interface ReportTakers {
  /** @param number the report's, see AcceptorCore @param lines of the protocol, latin1 */
  monitor(number: number, lines: string): void;
  slow(entry: NonNullable<Report['slow']>): void;
  late(event: NonNullable<Report['late']>): void;
  denied(note: NonNullable<Report['denied']>): void;
}

interface Waiting {
  readonly number: number;
  readonly run: () => void;
}

export class ReportOrder {
  readonly #takers: ReportTakers;
  /** Reports that came before others with lower numbers. */
  readonly #early = new Map<number, Report>();
  #waiting: Waiting[] = [];
  /** Number of the last report taken. */
  #last: number;
  /** Time of the last line, microseconds: the clocks of threads differ by some. */
  #lineUsec = 0;

  constructor(words: Int32Array, takers: ReportTakers) {
    this.#takers = takers;
    this.#last = Atomics.load(words, GlobalWord.Reports);
  }

  add(report: Report): void {
    this.#early.set(report.number, report);
    for (;;) {
      const next = (this.#last + 1) | 0;
      const due = this.#early.get(next);
      if (due === undefined) break;
      this.#early.delete(next);
      this.#last = next;
      this.#take(due);
      if (this.#waiting.length > 0) this.#runWaiting();
    }
  }

  /** Runs something when the report with this number is taken, before the next one is. @returns its result */
  when<Result>(number: number, run: () => Result): Promise<Result> {
    return new Promise((resolve, reject) => {
      const settle = (): void => {
        try {
          resolve(run());
        } catch (error) {
          reject(error);
        }
      };
      if (this.#has(number)) settle();
      else this.#waiting.push({ number, run: settle });
    });
  }

  #runWaiting(): void {
    const waiting = this.#waiting;
    this.#waiting = waiting.filter(({ number }) => !this.#has(number));
    for (const { number, run } of waiting) if (this.#has(number)) run();
  }

  #has(number: number): boolean {
    return ((this.#last - number) | 0) >= 0;
  }

  #take({ number, lines, slow, late, denied }: Report): void {
    if (slow !== undefined) this.#takers.slow(slow);
    if (late !== undefined) this.#takers.late(late);
    if (denied !== undefined) this.#takers.denied(denied);
    if (lines === undefined || lines.length === 0) return;
    this.#takers.monitor(number, lines.map((line) => this.#timed(line)).join(''));
  }

  #timed({ usec, text }: MonitorLine): string {
    this.#lineUsec = Math.max(this.#lineUsec, usec);
    const seconds = Math.floor(this.#lineUsec / 1_000_000);
    const micros = String(this.#lineUsec - seconds * 1_000_000).padStart(6, '0');
    return `+${seconds}.${micros}${text}`;
  }
}
