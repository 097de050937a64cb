// The end of a server: SHUTDOWN, SIGTERM and SIGINT.
//
//   "User requested shutdown..." ─▶ writes are held back ─▶ the log is synced ─▶ the last snapshot is saved ─▶ exit
//                                        ▲                                              │
//                                        └── writes go on ◀── failed, or SHUTDOWN ABORT ┘
//
// While the last snapshot is saved, clients can read. Whoever asks for the end meanwhile waits for the same end. Log texts
// and errors are Redis's; there are no replicas to wait for, which is what NOW leaves out.

import type { ConfigStore } from '../config/store.ts';
import { RefusedError } from '../execution/control-port.ts';
import type { Logger } from '../log/logger.ts';

/** What SHUTDOWN, shutdown-on-sigterm and shutdown-on-sigint ask for. */
export interface ShutdownRequest {
  readonly save: boolean;
  readonly noSave: boolean;
  readonly now: boolean;
  readonly force: boolean;
}

/** What it needs of the supervisor. */
export interface ShutdownHost {
  readonly config: ConfigStore;
  readonly log: Logger;
  /** Whether data are being loaded: what is there is not to be saved. */
  readonly loading: boolean;
  /** Whether anything would be lost that is written from now on. */
  readonly keepsData: boolean;
  holdWrites(on: boolean): void;
  /** @returns when no command is under way any more that began before */
  settle(): Promise<unknown>;
  /** Syncs the log, and saves if asked to. @returns '' or why the server should not end */
  persist(how: { save: boolean; force: boolean }): Promise<string>;
  /** Gives up the last save. */
  abortSave(): void;
  /** Ends the process. */
  exit(): Promise<never>;
}

export class Shutdown {
  readonly #host: ShutdownHost;
  #running: Promise<never> | null = null;
  /** There is no way back: the process exits. */
  #final = false;
  #aborted = false;
  /** A signal has asked for it. */
  #signalled = false;

  constructor(host: ShutdownHost) {
    this.#host = host;
  }

  /** Whether the process is to end by now, whatever its threads do. */
  get final(): boolean {
    return this.#final;
  }

  /** Ends the server. @throws RefusedError if it does not end */
  request(how: ShutdownRequest): Promise<never> {
    if (this.#running === null) {
      const run = this.#run(how).finally(() => {
        this.#running = null;
        this.#signalled = false;
      });
      this.#running = run;
    }
    return this.#running;
  }

  /** SHUTDOWN ABORT. @throws RefusedError if there is nothing to abort */
  abort(): void {
    if (this.#running === null || this.#final) throw new RefusedError('ERR No shutdown in progress.');
    this.#aborted = true;
    this.#host.log.notice('Shutdown manually cancelled.');
    this.#host.abortSave();
  }

  /** @param exitNow ends the process without saving */
  signal(name: 'SIGTERM' | 'SIGINT', exitNow: (code: number) => void): void {
    const { log, config } = this.#host;
    if (this.#signalled && name === 'SIGINT') {
      log.warning('You insist... exiting now.');
      exitNow(1);
    } else if (this.#host.loading) {
      log.warning('Received shutdown signal during loading, exiting now.');
      exitNow(0);
    } else {
      log.warning(`Received ${name} scheduling shutdown...`);
      this.#signalled = true;
      const words = config.getEnum(name === 'SIGINT' ? 'shutdown-on-sigint' : 'shutdown-on-sigterm');
      const has = (word: string): boolean => words.split(' ').includes(word);
      const how = { save: has('save'), noSave: has('nosave'), now: has('now'), force: has('force') };
      // Refused: the log says why, and the server goes on.
      this.request(how).catch((error) => {
        if (!(error instanceof RefusedError)) throw error;
      });
    }
  }

  async #run({ save, noSave, force }: ShutdownRequest): Promise<never> {
    const host = this.#host;
    const { log } = host;
    this.#aborted = false;
    log.warning('User requested shutdown...');
    const saves = !host.loading && (save || (!noSave && host.config.getMulti('save').length > 0));
    if (saves || host.keepsData) {
      host.holdWrites(true);
      await host.settle();
      const failure = this.#aborted ? '' : await host.persist({ save: saves, force });
      if (this.#aborted || failure !== '') {
        host.holdWrites(false);
        if (!this.#aborted)
          log.warning('Errors trying to shut down the server. Check the logs for more information.');
        throw new RefusedError('ERR Errors trying to SHUTDOWN. Check logs.');
      }
    }
    this.#final = true;
    return await host.exit();
  }
}
