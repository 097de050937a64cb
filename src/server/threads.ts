// Starts the threads of a server and talks to them. A thread that dies takes the process down: it may have held locks
// or left a structure half changed, and a restart is safe where limping on is not.

import { MessageChannel, Worker } from 'node:worker_threads';
import type { UserData } from '../acl/user.ts';
import type { ServerFacts } from '../commands/server-api.ts';
import type { ConfigStore } from '../config/store.ts';
import { ControlPort, type Methods } from '../execution/control-port.ts';
import type { RingPair, ThreadStart } from '../execution/thread-context.ts';
import type { Logger } from '../log/logger.ts';
import { allocateChangeRing } from '../memory/change-ring.ts';
import { ring } from '../memory/doorbell.ts';
import { allocateRing } from '../memory/ring.ts';
import type { SharedBuffers } from '../memory/shared-memory.ts';
import type { StatBuffers } from '../metrics/stats.ts';
import { allocateExchange } from '../pubsub/exchange.ts';
import { allocateTracking } from '../tracking/tracker.ts';

/** Measured with values of 1 MB: a third to a half less time than rings of 256 KiB, whose sides wait for each other more. */
const RING_BYTES = 1024 * 1024;
/** Of a thread's changes: some ten milliseconds of small writes. */
const CHANGE_RING_BYTES = 4 * 1024 * 1024;
/** Thread id of the supervisor. */
export const SUPERVISOR_THREAD = 1;

interface ThreadHandle {
  readonly name: string;
  readonly worker: Worker;
  readonly control: ControlPort;
}

export interface ThreadsOptions {
  readonly memory: SharedBuffers;
  readonly stats: StatBuffers;
  readonly seed: readonly [number, number];
  readonly config: ConfigStore;
  readonly renames: readonly { readonly from: string; readonly to: string }[];
  readonly users: readonly UserData[];
  readonly log: Logger;
  readonly facts: ServerFacts;
  /** What threads may call. */
  readonly methods: Methods;
  /** Ends the process. */
  fatal(what: string, error: unknown): void;
}

export class Threads {
  readonly acceptors: ThreadHandle[] = [];
  readonly workers: ThreadHandle[] = [];
  readonly persistence: ThreadHandle;
  readonly #options: ThreadsOptions;
  readonly #ready: Promise<void>[] = [];
  readonly #controlWords: Int32Array;

  constructor(options: ThreadsOptions) {
    this.#options = options;
    this.#controlWords = new Int32Array(options.memory.control);
    const { acceptors, shardWorkers } = options.facts;
    const acceptorThreads = Array.from({ length: acceptors }, (_, i) => SUPERVISOR_THREAD + 1 + i);
    const workerThreads = Array.from(
      { length: shardWorkers },
      (_, i) => SUPERVISOR_THREAD + 1 + acceptors + i,
    );
    const rings: RingPair[][] = acceptorThreads.map(() =>
      workerThreads.map(() => ({ toWorker: allocateRing(RING_BYTES), toAcceptor: allocateRing(RING_BYTES) })),
    );
    const persistenceThread = SUPERVISOR_THREAD + 1 + acceptors + shardWorkers;
    const changeRings = [...acceptorThreads, ...workerThreads].map(() =>
      allocateChangeRing(CHANGE_RING_BYTES),
    );
    const exchange = allocateExchange(acceptors, shardWorkers);
    const tracking = allocateTracking(acceptors);
    const common = { exchange, tracking, acceptorThreads, workerThreads, persistenceThread, changeRings: [] };
    this.persistence = this.#start('persistence', 0, persistenceThread, [], null, { ...common, changeRings });
    for (let i = 0; i < shardWorkers; i++) {
      this.workers.push(
        this.#start(
          'shard',
          i,
          workerThreads[i]!,
          rings.map((row) => row[i]!),
          changeRings[acceptors + i]!,
          common,
        ),
      );
    }
    for (let i = 0; i < acceptors; i++) {
      this.acceptors.push(
        this.#start('acceptor', i, acceptorThreads[i]!, rings[i]!, changeRings[i]!, common),
      );
    }
  }

  /** Resolves when all threads run. */
  async ready(): Promise<void> {
    await Promise.all(this.#ready);
  }

  callAcceptors(method: string, payload?: unknown): Promise<unknown[]> {
    return Promise.all(this.acceptors.map((thread) => thread.control.call(method, payload)));
  }

  callWorkers(method: string, payload?: unknown): Promise<unknown[]> {
    return Promise.all(this.workers.map((thread) => thread.control.call(method, payload)));
  }

  /** Calls the worker that keeps waiting clients. */
  callKeeper(method: string, payload?: unknown): Promise<unknown> {
    return this.workers[0]!.control.call(method, payload);
  }

  callWorker(worker: number, method: string, payload?: unknown): Promise<unknown> {
    return this.workers[worker]!.control.call(method, payload);
  }

  callPersistence(method: string, payload?: unknown): Promise<unknown> {
    return this.persistence.control.call(method, payload);
  }

  async callAll(method: string, payload?: unknown): Promise<unknown[]> {
    const answers = await Promise.all([
      this.callAcceptors(method, payload),
      this.callWorkers(method, payload),
      this.callPersistence(method, payload),
    ]);
    return answers.flat();
  }

  tellAcceptors(method: string, payload?: unknown): void {
    for (const thread of this.acceptors) thread.control.tell(method, payload);
  }

  #start(
    kind: 'acceptor' | 'shard' | 'persistence',
    number: number,
    thread: number,
    rings: readonly RingPair[],
    changes: SharedArrayBuffer | null,
    common: Pick<
      ThreadStart,
      'exchange' | 'tracking' | 'acceptorThreads' | 'workerThreads' | 'persistenceThread' | 'changeRings'
    >,
  ): ThreadHandle {
    const { memory, stats, seed, config, renames, users, log, facts, methods, fatal } = this.#options;
    const { port1, port2 } = new MessageChannel();
    const start: ThreadStart = {
      memory, stats, seed, config: config.serialize(), renames, users, log: log.share(), facts, port: port2, thread, number, rings, changes, ...common,
    }; // biome-ignore format: shorthand
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
    const worker = new Worker(new URL(`../../workers/${kind}.${extension}`, import.meta.url), {
      workerData: start,
      transferList: [port2],
      name: `${kind}-${number}`,
    });
    const name = `${kind} thread ${number}`;
    worker.on('error', (error) => fatal(`${name} died`, error));
    worker.on('exit', (code) => fatal(`${name} ended with code ${code}`, null));
    const wake = kind === 'shard' ? (): void => ring(this.#controlWords, thread) : undefined;
    const onFatal = (error: unknown): void => fatal(`control port of ${name}`, error);
    let isReady: () => void;
    this.#ready.push(new Promise((resolve) => (isReady = resolve)));
    const control = new ControlPort(port1, { ...methods, 'thread-ready': () => isReady() }, onFatal, wake);
    control.listen();
    return { name, worker, control };
  }
}
