// How often commands run and how long they take: for INFO, the slow log and the latency monitor.
//
// The clock is not read for each command, but for groups: its commands share their time. Where a single slow command must be
// found (a low slowlog-log-slower-than, the latency monitor, shard workers) each is a group of its own.

import type { CommandContext } from '../commands/context.ts';
import { CommandFlag } from '../commands/table.ts';
import type { ConfigStore } from '../config/store.ts';
import { CommandStat, Stat, type Stats } from '../metrics/stats.ts';
import type { WaiterTimes } from './waiter-service.ts';

/** Commands in a group, at most. */
const TIMED_GROUP = 16;
/** With a slow-log threshold below this (microseconds) each command is timed by itself. */
const PRECISE_BELOW_USEC = 2000;

/** Who is told of commands that took long. */
export interface SlowCommands {
  /** A command took at least as long as slowlog-log-slower-than says. @param usec microseconds */
  slow(cx: CommandContext, usec: number): void;
  /** A command took at least as long as latency-monitor-threshold says. @param ms whole */
  late(cx: CommandContext, ms: number): void;
}

export class CommandTimes implements WaiterTimes {
  /** Whether each command is timed by itself. */
  precise: boolean;
  /** By performance.now(): when the commands began that are not counted yet. */
  startedAt = 0;
  readonly #stats: Stats;
  readonly #told: SlowCommands;
  readonly #group = new Int32Array(TIMED_GROUP);
  #grouped = 0;
  /** Microseconds, -1: the slow log is off. */
  #slowerThan = 0;
  /** Milliseconds, 0: the latency monitor is off. */
  #lateMs = 0;

  /** @param worker a shard worker's, whose commands are long */
  constructor(stats: Stats, config: ConfigStore, told: SlowCommands, worker: boolean) {
    this.#stats = stats;
    this.#told = told;
    this.precise = worker;
    stats.settle = () => this.settle();
    const follow = (): void => {
      this.#slowerThan = config.getInt('slowlog-log-slower-than');
      this.#lateMs = config.getInt('latency-monitor-threshold');
      stats.latencyTracking = config.getBool('latency-tracking');
      const isLow = this.#slowerThan >= 0 && this.#slowerThan < PRECISE_BELOW_USEC;
      this.precise = worker || isLow || this.#lateMs > 0;
    };
    follow();
    for (const name of ['slowlog-log-slower-than', 'latency-monitor-threshold', 'latency-tracking'] as const)
      config.watch(name, follow);
  }

  /** The command in the context has run. */
  count(cx: CommandContext): void {
    const { id } = cx.command;
    if (cx.failed) this.#stats.countCommand(id, CommandStat.Failed);
    this.#group[this.#grouped++] = id;
    if (this.precise) this.timed(cx, this.#close(performance.now()));
    else if (this.#grouped === TIMED_GROUP) this.#close(performance.now());
  }

  /** Counts the commands that are not counted yet. */
  settle(): void {
    if (this.#grouped > 0) this.#close(performance.now());
  }

  /** A command took so long. @param usec microseconds */
  timed(cx: CommandContext, usec: number): void {
    const logged = (cx.command.flags & CommandFlag.SkipSlowlog) === 0;
    if (this.#slowerThan >= 0 && usec >= this.#slowerThan && logged) this.#told.slow(cx, usec);
    const ms = Math.floor(usec / 1000);
    if (this.#lateMs > 0 && ms >= this.#lateMs) this.#told.late(cx, ms);
  }

  /** Counts the commands of the group, and shares the time among them. @returns what each has got, microseconds */
  #close(now: number): number {
    const stats = this.#stats;
    const group = this.#group;
    const count = this.#grouped;
    const usec = Math.max(0, ((now - this.startedAt) * 1000) / count);
    stats.add(Stat.Commands, count);
    for (let i = 0; i < count; ) {
      const id = group[i]!;
      const first = i;
      while (i < count && group[i] === id) i++;
      stats.countCommand(id, CommandStat.Calls, i - first);
      stats.timed(id, usec, i - first);
    }
    this.startedAt = now;
    this.#grouped = 0;
    return usec;
  }
}
