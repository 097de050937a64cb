/*
 * Samples of large collections: their memory, and how other clients fare while a command works on millions of elements.
 */

import {
  BIG,
  type Collection,
  fillCommands,
  LONG_COMMANDS,
  type LongCommand,
  type LongCommandName,
  MIXES,
} from './collections.ts';
import { askServer } from './control.ts';
import { KEY } from './load/requests.ts';
import { load, present, type Sample, type Settings, sized, usedMemory } from './measure-parts.ts';
import type { Sized } from './scenarios.ts';
import type { Server } from './servers.ts';

const PIPELINE = 64;
/** Commands sent with one connection before it is renewed. */
const BATCH = 1000;
/** What is read beside the long command. */
const GETS = [{ command: ['GET', KEY], weight: 1 }];
const WARMUP_SECONDS = 1;

/** Sends many commands, without keeping their replies. */
async function sendAll(server: Server, commands: Iterable<string[]>): Promise<void> {
  let batch: string[][] = [];
  for (const command of commands) {
    batch.push(command);
    if (batch.length < BATCH) continue;
    await server.guard(askServer(server.port, batch));
    batch = [];
  }
  await server.guard(askServer(server.port, batch));
}

/** Memory of a collection per element, in bytes. */
export async function sampleCollection(
  work: { collection: Collection; elements: Sized },
  server: Server,
  settings: Settings,
): Promise<Sample> {
  const elements = sized(work.elements, settings.quick);
  await server.guard(askServer(server.port, [['FLUSHALL', 'SYNC']]));
  const before = await usedMemory(server);
  const { collection } = work;
  if (collection === 'hashes' || collection === 'stream') {
    const shape = { pipeline: PIPELINE, mix: MIXES[collection], distribution: 'sequential' } as const;
    const valueBytes = { min: 8, max: 8 };
    await load(server, { ...shape, keys: elements, requests: elements, valueBytes }, settings.threads);
  } else await sendAll(server, fillCommands(collection, collection, 0, elements));
  const after = await usedMemory(server);
  await server.guard(askServer(server.port, [['FLUSHALL', 'SYNC']]));
  return { bytesPerElement: (after - before) / elements, elements };
}

/** Latency of GETs at a fixed rate while a long command runs, over and over if it can be repeated. */
export async function sampleBeside(
  work: { long: LongCommandName; elements: Sized; seconds: Sized; rate: number; keys: number },
  server: Server,
  settings: Settings,
): Promise<Sample> {
  const long: LongCommand = LONG_COMMANDS[work.long];
  const elements = sized(work.elements, settings.quick);
  await server.guard(askServer(server.port, [['UNLINK', ...Object.values(BIG)]]));
  for (const { key, with: filling, from } of long.fill)
    await sendAll(server, fillCommands(filling, key, Math.floor(from * elements), elements));
  const seconds = sized(work.seconds, settings.quick);
  const spec = { pipeline: 1, mix: GETS, keys: work.keys, rate: work.rate };
  const loading = load(server, { ...spec, seconds, warmupSeconds: WARMUP_SECONDS }, settings.threads);
  let over = false;
  const end = loading.finally(() => {
    over = true;
  });
  await Promise.race([end, new Promise((resolve) => setTimeout(resolve, WARMUP_SECONDS * 1000))]);
  let runs = 0;
  let longMs = 0;
  do {
    const startedMs = performance.now();
    await server.guard(askServer(server.port, [long.command]));
    longMs = Math.max(longMs, performance.now() - startedMs);
    runs++;
  } while (long.repeats && !over);
  const result = await end;
  return present({
    p99Us: result.latencyUs.p99,
    p50Us: result.latencyUs.p50,
    p999Us: result.latencyUs.p999,
    maxUs: result.latencyUs.max,
    longMs,
    runs,
    generatorLagP999Us: result.lagUs.p999,
  });
}
