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
import { askServer, fillServer } from './control.ts';
import { KEY } from './load/requests.ts';
import {
  load,
  loadDuring,
  present,
  type Sample,
  type Settings,
  sized,
  sleep,
  usedMemory,
} from './measure-parts.ts';
import type { Sized } from './scenario-types.ts';
import type { Server } from './servers.ts';

const PIPELINE = 64;
/** What is read beside the long command. */
const GETS = [{ command: ['GET', KEY], weight: 1 }];
const WARMUP_SECONDS = 1;

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
  } else await server.guard(fillServer(server.port, fillCommands(collection, collection, 0, elements)));
  const after = await usedMemory(server);
  await server.guard(askServer(server.port, [['FLUSHALL', 'SYNC']]));
  return { bytesPerElement: (after - before) / elements, elements };
}

/** Runs a long command, over and over for so many seconds if it can be repeated. */
async function runLong(
  long: LongCommand,
  server: Server,
  seconds: number,
): Promise<{ runs: number; longMs: number }> {
  const startedMs = performance.now();
  const elapsedMs = (): number => performance.now() - startedMs;
  let runs = 0;
  let longMs = 0;
  do {
    const beforeMs = elapsedMs();
    await askServer(server.port, [long.command]);
    longMs = Math.max(longMs, elapsedMs() - beforeMs);
    runs++;
  } while (long.repeats && elapsedMs() < seconds * 1000);
  // what it left to be done behind its reply belongs to it too
  await sleep(Math.max(0, seconds * 1000 - elapsedMs()));
  return { runs, longMs };
}

/**
 * Latency of GETs at a fixed rate beside a long command. The load begins with the command and ends with it: an open
 * loop that went on would add up a queue behind every repetition.
 */
export async function sampleBeside(
  work: { long: LongCommandName; elements: Sized; seconds: Sized; rate: number; keys: number },
  server: Server,
  settings: Settings,
): Promise<Sample> {
  const long: LongCommand = LONG_COMMANDS[work.long];
  const elements = sized(work.elements, settings.quick);
  const drop = ['UNLINK', ...Object.values(BIG)];
  await server.guard(askServer(server.port, [drop]));
  for (const { key, with: filling, from } of long.fill) {
    const commands = fillCommands(filling, key, Math.floor(from * elements), elements);
    await server.guard(fillServer(server.port, commands));
  }
  const spec = { pipeline: 1, mix: GETS, keys: work.keys, rate: work.rate, warmupSeconds: WARMUP_SECONDS };
  const { result, outcome } = await loadDuring(server, spec, settings.threads, () =>
    runLong(long, server, sized(work.seconds, settings.quick)),
  );
  await server.guard(askServer(server.port, [drop]));
  return present({
    p99Us: result.latencyUs.p99,
    p50Us: result.latencyUs.p50,
    p999Us: result.latencyUs.p999,
    maxUs: result.latencyUs.max,
    longMs: outcome.longMs,
    runs: outcome.runs,
    generatorLagP999Us: result.lagUs.p999,
  });
}
