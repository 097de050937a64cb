// `kill -9` under load, again and again: what was promised is there afterwards, and never a file that does not load.
//
// Each round: clients write, snapshots and rewrites are begun, the server is killed at a random moment (now and then also
// while it loads), started again, and compared with what the clients know. See support/crash-load.ts and support/crash-transfers.ts for what they do.
// SABRE_KILLS sets the number of kills of all blocks together, which otherwise end with their time; SABRE_KILL_SEED repeats.

import { spawnSync } from 'node:child_process';
import { cpSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { checkTokens, type Kept, Shared, Writer } from '../support/crash-load.ts';
import type { Random } from '../support/crash-model.ts';
import { checkTransfers, Transfers } from '../support/crash-transfers.ts';
import type { RawClient } from '../support/raw-client.ts';
import { startSabre, TOPOLOGIES } from '../support/sabre-server.ts';
import { pick, seeded } from '../support/seeded.ts';
import { ServerProcess } from '../support/server-process.ts';

const KILLS = Number(process.env['SABRE_KILLS'] ?? 0);
const SEED = Number(process.env['SABRE_KILL_SEED'] ?? Math.floor(Math.random() * 2 ** 31));

/** [what is kept, topology, seconds in a usual run, share of SABRE_KILLS] */
const BLOCKS: readonly (readonly [Kept, number, number, number])[] = [
  ['always', 1, 6, 0.35],
  ['always', 0, 3, 0.2],
  ['everysec', 1, 5, 0.3],
  ['saved', 1, 4, 0.15],
];
const WRITERS = 5;
const SHARERS = 3;
const TRANSFERRERS = 3;
const SAVES_LIMIT_MS = 5000;
const BALLAST_KEYS = 8000;
const BALLAST_DATABASE = 14;
/** Rounds of which the files are shown to Redis's tools, and loaded by a redis-server. */
const TOOLS_EVERY = 3;
const REDIS_EVERY = 4;
const MANIFEST = 'appendonlydir/appendonly.aof.manifest';

describe.each(BLOCKS)('killed, %s (topology %i)', (kept, topology, seconds, share) => {
  const kills = Math.ceil(KILLS * share);

  it(`SABRE_KILL_SEED=${SEED}`, { timeout: 120_000 + kills * 10_000 }, async () => {
    const run = new Run(kept, TOPOLOGIES[topology]!.args, seeded(SEED));
    await run.start();
    onTestFinished(() => run.stop());
    const end = Date.now() + seconds * 1000;
    while (KILLS > 0 ? run.kills < kills : Date.now() < end || run.kills < 3) await run.round();
    console.log(`${kept}, topology ${topology}: ${run.kills} kills, ${run.written} writes; ${run.facts()}`);
  });
});

class Run {
  kills = 0;
  written = 0;
  readonly #kept: Kept;
  readonly #args: readonly string[];
  readonly #random: Random;
  readonly #writers: Writer[];
  readonly #shared: Shared;
  readonly #transfers: Transfers;
  #server!: ServerProcess;
  #rounds = 0;
  #duringLoad = 0;
  #killed = false;
  #saves = 0;

  constructor(kept: Kept, topology: readonly string[], random: Random) {
    this.#kept = kept;
    this.#random = random;
    const log = ['--appendonly', 'yes', '--appendfsync', kept, '--auto-aof-rewrite-min-size', '1mb'];
    this.#args = [...topology, ...(kept === 'saved' ? [] : log)];
    this.#writers = Array.from({ length: WRITERS }, (_, i) => new Writer(i, random));
    this.#shared = new Shared(SHARERS, random);
    this.#transfers = new Transfers(TRANSFERRERS, random);
  }

  facts(): string {
    const count = (text: string): number => this.#server.log().split(text).length - 1;
    return (
      `${this.#duringLoad} more while loading, ${count('Background AOF rewrite finished')} of ` +
      `${count('file rewriting started')} rewrites and ${count('DB saved on disk')} of ` +
      `${count('Background saving started')} saves ended`
    );
  }

  async start(): Promise<void> {
    this.#server = await startSabre({ args: this.#args });
    const client = await this.#server.connect();
    await client.call('SELECT', BALLAST_DATABASE);
    await client.call('DEBUG', 'POPULATE', BALLAST_KEYS, 'ballast', 50);
    await this.#shared.fill(client);
    await this.#transfers.fill(client);
    if (this.#kept === 'saved') await client.call('SAVE');
    // What DEBUG POPULATE makes is not told to the log.
    else {
      await client.call('BGREWRITEAOF');
      await untilIdle(client);
    }
  }

  async stop(): Promise<void> {
    if (this.#server.running) await this.#server.kill9();
    await this.#server.stop();
  }

  async round(): Promise<void> {
    const where = `round ${this.#rounds++}`;
    const killedAt = await this.#writeAndKill();
    if (this.#random() < 0.2) await this.#killWhileLoading();
    await this.#server.start();
    const client = await this.#server.connect({ timeoutMs: 60_000 });
    const wrong = await this.#check(client, killedAt);
    if (wrong !== null) throw new Error(`${where}: ${wrong}\n${this.#server.describe()}`);
    expect(await client.call('DEBUG', 'INVARIANTS')).toMatch(/^OK /);
    await client.call('SELECT', BALLAST_DATABASE);
    expect(await client.call('DBSIZE')).toBe(BALLAST_KEYS);
    if (this.#rounds % TOOLS_EVERY === 0) await this.#atRest(client, () => this.#showTools());
    if (this.#rounds % REDIS_EVERY === 0) await this.#atRest(client, () => this.#showRedis());
    await client.close();
  }

  async #check(client: RawClient, killedAt: number): Promise<string | null> {
    for (const writer of this.#writers) {
      this.written += writer.acked;
      const wrong = await writer.check(client, this.#kept, killedAt);
      if (wrong !== null) return wrong;
    }
    return (
      (await this.#shared.check(client, this.#kept, killedAt)) ??
      (await this.#transfers.check(client, this.#kept, killedAt))
    );
  }

  /** @returns when it was killed */
  async #writeAndKill(): Promise<number> {
    const server = this.#server;
    this.#killed = false;
    const load = [...this.#writers, this.#shared, this.#transfers].map((one) => one.run(server));
    const disturbed = this.#disturb();
    // With `everysec`, rounds of more than two seconds tell most.
    const long = this.#kept === 'everysec' && this.#random() < 0.3;
    if (this.#kept === 'saved') await this.#someSaves();
    await sleep(long ? 2000 + this.#random() * 700 : 20 + this.#random() * 500);
    server.assertAlive();
    this.#killed = true;
    const at = Date.now();
    await server.kill9();
    this.kills++;
    await Promise.all([...load, disturbed]);
    return at;
  }

  /** Snapshots and rewrites at random moments, and all the time if nothing else is kept. */
  async #disturb(): Promise<void> {
    try {
      const client = await this.#server.connect();
      while (!this.#killed) {
        if (this.#kept === 'saved') {
          await this.#saveOnce(client);
          continue;
        }
        await sleep(this.#random() * 400);
        // One may be running: then it is refused, or waits.
        await client.command(
          ...[['BGREWRITEAOF'], ['BGSAVE'], ['BGSAVE', 'SCHEDULE']][pick(this.#random, 3)]!,
        );
      }
    } catch (error) {
      if (!this.#killed) throw error;
    }
  }

  /** A whole snapshot: what had been answered before it is kept. */
  async #saveOnce(client: RawClient): Promise<void> {
    const before = this.#writers.map(({ acked }) => acked);
    if (this.#random() < 0.5) await client.call('SAVE');
    else {
      await client.call('BGSAVE');
      while (String(await client.call('INFO', 'persistence')).includes('bgsave_in_progress:1'))
        await sleep(2);
      expect(await client.call('INFO', 'persistence')).toContain('rdb_last_bgsave_status:ok');
    }
    for (const [i, writer] of this.#writers.entries()) writer.floor = before[i]!;
    this.#saves++;
  }

  /** Waits for the end of none to two saves, on a machine that is not too busy. */
  async #someSaves(): Promise<void> {
    const goal = this.#saves + pick(this.#random, 3);
    const end = Date.now() + SAVES_LIMIT_MS;
    while (this.#saves < goal && Date.now() < end) await sleep(2);
  }

  async #killWhileLoading(): Promise<void> {
    const starting = this.#server.start().catch(() => null);
    // Up to the time that a start takes, about.
    await sleep(this.#random() * 900);
    await this.#server.kill9();
    await starting;
    this.kills++;
    this.#duringLoad++;
  }

  /** Does something while no rewrite, which may have begun by itself, replaces the files. */
  async #atRest(client: RawClient, look: () => void | Promise<void>): Promise<void> {
    await client.call('CONFIG', 'SET', 'auto-aof-rewrite-percentage', 0);
    await untilIdle(client);
    await look();
    await client.call('CONFIG', 'SET', 'auto-aof-rewrite-percentage', 100);
  }

  #showTools(): void {
    const { folder } = this.#server;
    if (existsSync(join(folder, MANIFEST))) expectAccepted('redis-check-aof', MANIFEST, folder);
    if (existsSync(join(folder, 'dump.rdb'))) expectAccepted('redis-check-rdb', 'dump.rdb', folder);
  }

  /** A redis-server loads a copy of the files: it holds the same. */
  async #showRedis(): Promise<void> {
    const args = this.#kept === 'saved' ? [] : ['--appendonly', 'yes'];
    const redis = new ServerProcess('redis', 'redis-server', [], { args });
    try {
      for (const name of ['dump.rdb', 'appendonlydir']) {
        const path = join(this.#server.folder, name);
        if (existsSync(path)) cpSync(path, join(redis.folder, name), { recursive: true });
      }
      await redis.start();
      const client = await redis.connect();
      for (const writer of this.#writers) expect(await writer.compare(client)).toBeNull();
      await client.call('SELECT', 15);
      expect(await checkTokens(client)).toBeNull();
      expect(await checkTransfers(client)).toBeNull();
    } finally {
      await redis.stop();
    }
  }
}

/** Waits until neither a rewrite nor a save runs. */
async function untilIdle(client: RawClient): Promise<void> {
  for (;;) {
    const info = String(await client.call('INFO', 'persistence'));
    if (!/(rdb_bgsave_in_progress|aof_rewrite_in_progress|aof_rewrite_scheduled):1/.test(info)) return;
    await sleep(5);
  }
}

function expectAccepted(tool: string, file: string, cwd: string): void {
  const { status, stdout, stderr } = spawnSync(tool, [file], { cwd, encoding: 'utf8' });
  // redis-check-aof does not take what Redis itself makes: an increment that nothing has been written to yet.
  if (tool === 'redis-check-aof' && /^Empty file: /m.test(stdout)) return;
  if (status !== 0) throw new Error(`${tool} ${file}: ${status}\n${stdout}${stderr}`);
}
