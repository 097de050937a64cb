// What acceptors and shard workers tell the supervisor of the commands they run: lines for MONITOR, entries of the slow
// log, events of the latency monitor. Only making room under maxmemory differs between the two.

import type { CommandContext } from '../commands/context.ts';
import type { ExecutorEvents } from './executor.ts';
import { monitorLine } from './monitor-line.ts';
import type { MonitorLine, Reporter } from './reports.ts';
import { latencyEvent, slowEntry } from './slow-entry.ts';

export class ThreadEvents implements ExecutorEvents {
  readonly #reporter: Reporter;
  readonly makeRoom: () => boolean;
  /** Number and lines of the transaction that runs. */
  #number = 0;
  #lines: MonitorLine[] | null = null;

  /** @param makeRoom evicts when maxmemory is reached; false if the command must not go on */
  constructor(reporter: Reporter, makeRoom: () => boolean) {
    this.#reporter = reporter;
    this.makeRoom = makeRoom;
  }

  monitored(cx: CommandContext): void {
    const line = monitorLine(cx);
    if (this.#lines !== null) this.#lines.push(line);
    else this.#reporter.send({ number: this.#reporter.number(), lines: [line] });
  }

  beginMonitored(): void {
    this.#number = this.#reporter.number();
    this.#lines = [];
  }

  endMonitored(): void {
    if (this.#lines === null) return;
    this.#reporter.send({ number: this.#number, lines: this.#lines });
    this.#lines = null;
  }

  slow(cx: CommandContext, usec: number): void {
    this.#reporter.slow(slowEntry(cx, usec));
  }

  late(cx: CommandContext, ms: number): void {
    this.#reporter.late(latencyEvent(cx.command), ms);
  }
}
