// The oracle: a real redis-server (7.0 or later), started as Sabre is.
//
// Tests that compare with it fail when it is not installed, with a message that says how to install it: skipping them
// would let a machine without it report success.

import { spawnSync } from 'node:child_process';
import { type ServerOptions, ServerProcess } from './server-process.ts';

const HOW_TO_INSTALL = `redis-server is not installed, and these tests compare Sabre with it.
Install Redis 7 (Debian and Ubuntu: apt-get install redis-server; macOS: brew install redis), or set SABRE_REDIS_SERVER
to the path of a redis-server.`;

/** The path or name of the redis-server to compare with. */
export function redisExecutable(): string {
  return process.env['SABRE_REDIS_SERVER'] ?? 'redis-server';
}

/** The oracle's version, as [7, 0, 15]. Throws with how to install it when it cannot be run. */
export function redisVersion(): number[] {
  const result = spawnSync(redisExecutable(), ['--version'], { encoding: 'utf8' });
  const match = result.stdout?.match(/v=(\d+)\.(\d+)\.(\d+)/);
  if (!match) throw new Error(HOW_TO_INSTALL);
  return match.slice(1).map(Number);
}

/** Directives that only Sabre knows, left out when redis-server runs in its place. Each takes one value. */
const SABRE_ONLY = new Set(['--acceptors', '--shard-workers', '--shards', '--client-rate-limit']);

/** The arguments without Sabre's own directives. */
export function withoutSabreDirectives(args: readonly string[]): string[] {
  const kept: string[] = [];
  for (let i = 0; i < args.length; i++) {
    if (SABRE_ONLY.has(args[i]!)) i++;
    else kept.push(args[i]!);
  }
  return kept;
}

/** Starts the oracle. */
export async function startRedis(options: ServerOptions = {}): Promise<ServerProcess> {
  redisVersion();
  const args = withoutSabreDirectives(options.args ?? []);
  const server = new ServerProcess('redis', redisExecutable(), [], { ...options, args });
  await server.start();
  return server;
}
