// What the persistence worker is given when it starts, and what it makes of it. It executes no commands, so it has neither
// command table nor keyspace: its heap stays small.

import { type ConfigChange, ConfigStore } from '../config/store.ts';
import { collectGarbage } from '../execution/collect-garbage.ts';
import { ControlPort, type Methods } from '../execution/control-port.ts';
import type { ThreadStart } from '../execution/thread-context.ts';
import { Logger } from '../log/logger.ts';
import { Stats } from '../metrics/stats.ts';

export class PersistenceContext {
  readonly start: ThreadStart;
  readonly config: ConfigStore;
  readonly stats: Stats;
  readonly log: Logger;
  readonly control: ControlPort;
  /** Words shared by all threads, see memory/layout.ts. */
  readonly words: Int32Array;
  /**
   * Code of the libraries of functions that the data set was loaded with. There is nothing yet that would run them; RDB
   * files that are written have them again, so that they are not lost.
   */
  libraries: readonly Buffer[] = [];

  /** @param methods what the supervisor may call, besides those every thread has */
  constructor(start: ThreadStart, methods: Methods) {
    this.start = start;
    this.config = ConfigStore.restore(start.config);
    this.stats = new Stats(start.stats, start.thread);
    this.log = Logger.attach(start.log);
    this.words = new Int32Array(start.memory.control);
    const common: Methods = {
      'config-changed': (changes: readonly ConfigChange[]) => {
        for (const change of changes) this.config.applyChange(change);
      },
      'reset-stats': () => this.stats.reset(),
      'reset-latency': () => this.stats.resetLatency(),
      'collect-garbage': collectGarbage,
    };
    this.control = new ControlPort(start.port, { ...common, ...methods }, (error) => this.fatal(error));
  }

  /** Ends the process: thrown outside of any promise, so that the thread dies of it. */
  fatal(error: unknown): void {
    setImmediate(() => {
      throw error;
    });
  }

  /** Calls a method of the keeper: the shard worker that keeps waiting clients and acts for the whole data set. */
  keeper(method: string, payload?: unknown): Promise<unknown> {
    return this.control.call('call-keeper', { method, payload });
  }
}
