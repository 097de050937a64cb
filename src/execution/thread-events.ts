// What acceptors and shard workers tell the supervisor of the commands they run: lines for MONITOR, entries of the slow
// log, events of the latency monitor. Only making room under maxmemory differs between the two.

import type { CommandContext } from '../commands/context.ts';
import type { ControlPort } from './control-port.ts';
import type { ExecutorEvents } from './executor.ts';
import { monitorLine } from './monitor-line.ts';
import { latencyEvent, slowEntry } from './slow-entry.ts';

export class ThreadEvents implements ExecutorEvents {
  readonly #control: ControlPort;
  readonly makeRoom: () => boolean;

  /** @param makeRoom evicts when maxmemory is reached; false if the command must not go on */
  constructor(control: ControlPort, makeRoom: () => boolean) {
    this.#control = control;
    this.makeRoom = makeRoom;
  }

  monitored(cx: CommandContext, db: number): void {
    this.#control.tell('monitor', monitorLine(cx, db));
  }

  slow(cx: CommandContext, usec: number): void {
    this.#control.tell('slow', slowEntry(cx, usec));
  }

  late(cx: CommandContext, ms: number): void {
    this.#control.tell('latency-add', { event: latencyEvent(cx.command), ms });
  }
}
