// The supervisor: the main thread of a server. Allocates the shared memory, starts the threads, listens, holds the
// configuration that counts, answers the control plane, shuts down. It touches no data.
//
//   start:     threads ─▶ "Server initialized" ─▶ (load) ─▶ listen ─▶ "Ready to accept connections"
//   shutdown:  (save, see shutdown.ts) ─▶ stop listening ─▶ close clients ─▶ remove pid file and socket ─▶ exit

import { randomBytes } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import type { AclChange } from '../acl/users.ts';
import { COMMAND_COUNT } from '../commands/command-names.ts';
import type { ServerFacts } from '../commands/server-api.ts';
import { configSet } from '../config/set.ts';
import type { ConfigStore } from '../config/store.ts';
import { SERVER_VERSION } from '../config/version.ts';
import { type Methods, RefusedError } from '../execution/control-port.ts';
import { rmSync, writeFileSync } from '../file-system.ts';
import { randomSeed } from '../keyspace/key-hash.ts';
import { Keyspace } from '../keyspace/keyspace.ts';
import type { Logger } from '../log/logger.ts';
import { GlobalWord } from '../memory/layout.ts';
import { allocateSharedBuffers, SharedMemory } from '../memory/shared-memory.ts';
import { LatencyMonitor } from '../metrics/latency-monitor.ts';
import { SlowLog } from '../metrics/slow-log.ts';
import { allocateStats, PersistenceGauge, Stats } from '../metrics/stats.ts';
import type { AccessControl } from './access-control.ts';
import { logInitialized, logReady, logStart } from './banner.ts';
import { ClientPause } from './client-pause.ts';
import { controlMethods, onReports, type SupervisorApi, unixSeconds } from './control-methods.ts';
import { Listening, TLS_FAILED } from './listening.ts';
import { setProcessTitle } from './process-title.ts';
import { ReportOrder } from './report-order.ts';
import { Sampler } from './sampler.ts';
import { Shutdown, type ShutdownHost } from './shutdown.ts';
import { SUPERVISOR_THREAD, Threads } from './threads.ts';
import { hookUnbuilt } from './unbuilt.ts';

/** The version of Redis whose behaviour is served: clients choose features by it. */
export const REDIS_VERSION = '7.4.0';
/** What connections by TLS to come are made with. */
const TLS_DIRECTIVES = [
  'tls-cert-file',
  'tls-key-file',
  'tls-key-file-pass',
  'tls-ca-cert-file',
  'tls-ca-cert-dir',
  'tls-dh-params-file',
  'tls-protocols',
  'tls-ciphers',
  'tls-ciphersuites',
  'tls-prefer-server-ciphers',
  'tls-session-caching',
  'tls-session-cache-timeout',
] as const;
const CRON_MS = 100;
const CLOSE_WAIT_MS = 1000;

export interface SupervisorOptions {
  readonly config: ConfigStore;
  readonly renames: readonly { readonly from: string; readonly to: string }[];
  readonly access: AccessControl;
  readonly log: Logger;
  readonly argumentsGiven: boolean;
  /** The working directory that relative paths of the configuration start from. */
  readonly startDirectory: string;
}

export class Supervisor implements SupervisorApi {
  readonly config: ConfigStore;
  readonly log: Logger;
  readonly facts: ServerFacts;
  readonly slowLog: SlowLog;
  readonly latency: LatencyMonitor;
  readonly reports: ReportOrder;
  readonly stats: Stats;
  readonly keyspace: Keyspace;
  readonly sampler: Sampler;
  readonly threads: Threads;
  readonly pause: ClientPause;
  readonly shutdown: Shutdown;
  readonly #listening: Listening;
  readonly #options: SupervisorOptions;
  readonly #pidFile: string;

  constructor(options: SupervisorOptions) {
    const { config, log } = options;
    this.#options = options;
    this.config = config;
    this.log = log;
    this.facts = makeFacts(config);
    const memory = allocateSharedBuffers(config.getInt('databases'));
    const stats = allocateStats(
      COMMAND_COUNT,
      SUPERVISOR_THREAD + this.facts.acceptors + this.facts.shardWorkers + 1,
    );
    const seed = randomSeed();
    this.stats = new Stats(stats, SUPERVISOR_THREAD);
    this.keyspace = new Keyspace(new SharedMemory(memory, SUPERVISOR_THREAD), seed);
    this.slowLog = new SlowLog(config.getInt('slowlog-max-len'));
    this.latency = new LatencyMonitor();
    this.reports = new ReportOrder(this.keyspace.memory.control, {
      monitor: (number, lines) => this.threads.tellAcceptors('monitor-lines', { number, lines }),
      slow: (entry) => this.slowLog.add(entry),
      denied: (note) => options.access.noteDenied(note),
      late: ({ event, ms }) => this.latency.add(event, ms, unixSeconds()),
    });
    this.sampler = new Sampler(this.stats, this.keyspace);
    this.pause = new ClientPause(this.keyspace.memory.control);
    this.shutdown = new Shutdown(this.#shutdownHost());
    this.#pidFile = this.#pathOf('pidfile') || (config.getBool('daemonize') ? '/var/run/redis.pid' : '');
    logStart(log, this.facts, config, options.argumentsGiven);
    this.threads = new Threads({
      memory,
      stats,
      seed,
      config,
      renames: options.renames,
      users: options.access.data(),
      log,
      facts: this.facts,
      methods: {
        ...this.#threadMethods(),
        ...controlMethods(this),
        ...options.access.methods((change) => this.#tellUsers(change)),
        ...onReports(this.reports, options.access.logMethods()),
      },
      fatal: (what, error) => this.#fatal(what, error),
    });
    this.#listening = new Listening(config, this.threads, log, this.#pathOf('unixsocket'));
    this.#hookConfig();
  }

  /** Starts to serve. @returns false if it could not; the log says why */
  async start(): Promise<boolean> {
    // Before anything is logged: whoever reads that the server is ready may send a signal at once.
    this.#handleSignals();
    const ports = this.config.getInt('port') + this.config.getInt('tls-port');
    if (ports === 0 && this.config.getString('unixsocket') === '') {
      this.log.warning('Configured to not listen anywhere, exiting.');
      return false;
    }
    await this.threads.ready();
    this.#writePidFile();
    setProcessTitle(this.config);
    logInitialized(this.log, this.facts, this.config);
    this.stats.persistence[PersistenceGauge.LoadStartedAt] = Date.now();
    Atomics.store(this.keyspace.memory.control, GlobalWord.Loading, 1);
    const failed = await this.#listening.start();
    if (failed === TLS_FAILED) this.log.warning('Failed to configure TLS. Check logs for more info.');
    if (failed !== null) return false;
    if (!(await this.#load())) return false;
    logReady(this.log, this.config);
    setInterval(() => this.#cron(), CRON_MS);
    return true;
  }

  /** Lets the persistence worker load what there is. @returns false if the server must not start; the log says why */
  async #load(): Promise<boolean> {
    try {
      await this.threads.callPersistence('load');
      return true;
    } catch (error) {
      if (!(error instanceof RefusedError)) throw error;
      if (error.message !== '') this.log.warning(error.message);
      return false;
    }
  }

  /** Name and rules of each user, for CONFIG REWRITE. */
  userLines(): string[] {
    return this.#options.access.lines();
  }

  /** CONFIG SET. @throws RefusedError */
  async setConfig(pairs: readonly string[], localClient: boolean): Promise<void> {
    const refused = await configSet(this.config, pairs, {
      loading: this.#loading,
      localClient,
      warn: (message) => this.log.warning(message),
    });
    if (refused !== null) throw new RefusedError(refused);
    await this.#spreading;
  }

  #spreading: Promise<unknown> = Promise.resolve();

  #hookConfig(): void {
    const { config } = this;
    config.onCommit((changes) => {
      this.#spreading = this.threads.callAll('config-changed', changes);
    });
    config.watch('loglevel', () => this.log.setLevel(config.getEnum('loglevel') as never));
    config.watch('slowlog-max-len', () => this.slowLog.setMaxLength(config.getInt('slowlog-max-len')));
    const relisten = {
      apply: async () => {
        const failed = await this.#listening.restart();
        if (failed === null || failed === TLS_FAILED) return failed;
        return 'Unable to listen on this port. Check server logs.';
      },
    };
    for (const name of ['port', 'tls-port', 'bind', 'tls-auth-clients'] as const) config.hook(name, relisten);
    const renewTls = { apply: () => this.#listening.renewTls() };
    for (const name of TLS_DIRECTIVES) config.hook(name, renewTls);
    config.hook('dir', { apply: () => changeDirectory(config.getString('dir')) });
    for (const name of ['proc-title-template', 'port', 'tls-port', 'bind'] as const)
      config.watch(name, () => setProcessTitle(config));
    config.hook('appendonly', { apply: () => this.#switchLog() });
    config.hook('requirepass', {
      apply: async () => {
        await this.#tellUsers(this.#options.access.followPassword());
        return null;
      },
    });
    hookUnbuilt(config);
  }

  /** @returns null, or the reason it failed */
  async #switchLog(): Promise<string | null> {
    try {
      await this.threads.callPersistence('append-only', this.config.getBool('appendonly'));
      return null;
    } catch (error) {
      if (!(error instanceof RefusedError)) throw error;
      return error.message;
    }
  }

  #tellUsers(change: AclChange): Promise<unknown> {
    const { threads } = this;
    return Promise.all([
      threads.callAcceptors('acl-changed', change),
      threads.callWorkers('acl-changed', change),
    ]);
  }

  #threadMethods(): Methods {
    return {
      'call-acceptors': ({ method, payload }: { method: string; payload: unknown }) =>
        this.threads.callAcceptors(method, payload),
      'call-threads': ({ method, payload }: { method: string; payload: unknown }) =>
        this.threads.callAll(method, payload),
      'client-unblock': (request: unknown) => this.threads.callKeeper('client-unblock', request),
      settle: () => this.#settle(),
      'call-persistence': ({ method, payload }: { method: string; payload: unknown }) =>
        this.threads.callPersistence(method, payload),
      'call-worker': ({ worker, method, payload }: { worker: number; method: string; payload: unknown }) =>
        this.threads.callWorker(worker, method, payload),
      'call-keeper': ({ method, payload }: { method: string; payload: unknown }) =>
        this.threads.callKeeper(method, payload),
    };
  }

  #cron(): void {
    this.sampler.sample(performance.now());
    this.pause.endWhenOver(Date.now());
  }

  get #loading(): boolean {
    return Atomics.load(this.keyspace.memory.control, GlobalWord.Loading) !== 0;
  }

  #settle(): Promise<unknown> {
    return Promise.all([this.threads.callAcceptors('settle'), this.threads.callWorkers('settle')]);
  }

  #shutdownHost(): ShutdownHost {
    const supervisor = this;
    const { config, log } = this;
    return {
      config,
      log,
      get loading() {
        return supervisor.#loading;
      },
      get keepsData() {
        return config.getBool('appendonly');
      },
      holdWrites: (on) => this.pause.setShutdown(on, Date.now()),
      settle: () => this.#settle(),
      persist: async (how) => (await this.threads.callPersistence('shutdown', how)) as string,
      abortSave: () => void this.threads.callPersistence('abort-shutdown'),
      exit: () => this.#exit(),
    };
  }

  async #exit(): Promise<never> {
    const closed = this.#listening.stop().then(() => this.threads.callAcceptors('close-clients'));
    const waited = new Promise((done) => setTimeout(done, CLOSE_WAIT_MS));
    await Promise.race([closed, waited]);
    this.#removePidFile();
    this.log.warning('Sabre is now ready to exit, bye bye...');
    return process.exit(0);
  }

  #handleSignals(): void {
    const exitNow = (code: number): void => {
      // What a save that is given up has left.
      rmSync(`temp-${process.pid}.rdb`, { force: true });
      process.exit(code);
    };
    process.on('SIGTERM', () => this.shutdown.signal('SIGTERM', exitNow));
    process.on('SIGINT', () => this.shutdown.signal('SIGINT', exitNow));
    process.on('SIGHUP', () => this.log.debug('SIGHUP ignored'));
  }

  #fatal(what: string, error: unknown): void {
    if (this.shutdown.final && error === null) return;
    const stack = error instanceof Error ? (error.stack ?? error.message) : String(error ?? '');
    this.log.warning(`=== SABRE BUG REPORT: ${what}. The process ends; restart recovers. ===`);
    this.log.raw(`${stack}\n`);
    this.#removePidFile();
    process.exit(1);
  }

  #pathOf(name: 'pidfile' | 'unixsocket'): string {
    const path = this.config.getString(name);
    return path === '' ? '' : resolve(this.#options.startDirectory, path);
  }

  #writePidFile(): void {
    if (this.#pidFile === '') return;
    try {
      writeFileSync(this.#pidFile, `${process.pid}\n`);
    } catch (error) {
      this.log.warning(`Failed to write PID file: ${(error as Error).message}`);
    }
  }

  #removePidFile(): void {
    if (this.#pidFile === '') return;
    this.log.notice('Removing the pid file.');
    rmSync(this.#pidFile, { force: true });
  }
}

function makeFacts(config: ConfigStore): ServerFacts {
  const cores = availableParallelism();
  return {
    pid: process.pid,
    runId: randomBytes(20).toString('hex'),
    startedAt: Date.now(),
    version: SERVER_VERSION,
    redisVersion: REDIS_VERSION,
    acceptors: config.getInt('acceptors') || automaticAcceptors(cores),
    shardWorkers: config.getInt('shard-workers') || automaticWorkers(cores),
    configFile: config.configFile ?? '',
    executable: process.argv[1] ?? process.execPath,
  };
}

/** One on one or two cores; else half of them: the kernel's network work takes its part of the others. */
function automaticAcceptors(cores: number): number {
  return Math.min(16, Math.max(1, Math.floor(cores / 2)));
}

/** Mostly idle, so few: one for every four cores. */
function automaticWorkers(cores: number): number {
  return Math.min(16, Math.max(1, Math.floor(cores / 4)));
}

/** @returns null, or the reason it failed */
function changeDirectory(path: string): string | null {
  try {
    process.chdir(path);
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}
