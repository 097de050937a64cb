/*
 * The load generator by itself, against any server that speaks the Redis protocol:
 *
 *   node native-free-bench/load.ts --port 6379 --connections 50 --pipeline 16 --keys 1000000 \
 *     --distribution zipfian --command "80:GET __key__" --command "20:SET __key__ __value__" --seconds 10
 *
 * Prints throughput and latencies, or the whole result with --json.
 */

import { parseArgs } from 'node:util';
import { runLoad } from './load/generator.ts';
import type { KeyDistribution } from './load/keys.ts';
import type { MixEntry } from './load/requests.ts';
import { type LatencySummary, LOAD_DEFAULTS, type LoadResult, type LoadSpec } from './load/spec.ts';
import { splitWords } from './servers.ts';

const HELP = `Usage: node native-free-bench/load.ts [options]

  --host HOST           server (127.0.0.1)
  --port N              (6379)
  --connections N       over all threads (50)
  --threads N           (1)
  --pipeline N          requests sent with one write (1)
  --command "[W:]CMD"   a command of the mix and its weight (1), with __key__ and __value__ in it; may be given
                        several times ("80:GET __key__" and "20:SET __key__ __value__")
  --keys N              size of the key space (1000000)
  --distribution NAME   uniform, zipfian or sequential (uniform)
  --theta X             skew of the zipfian distribution, 0 to 1 (0.99)
  --key-prefix TEXT     (key:)
  --key-digits N        decimal digits after it (12)
  --value-bytes N[-M]   size of values, or their range (32)
  --rate N              open loop: N requests per second, latency from when a request was due; without it, closed loop
  --requests N          closed loop: stop after N requests instead of after --seconds
  --seconds X           measured time (5)
  --warmup X            seconds before that (0)
  --seed N              for repeatable keys (1)
  --json                print the result as JSON
  --help                this text
`;

function parseCommand(text: string): MixEntry {
  const [, weight, line] = text.match(/^(?:(\d+):)?(.*)$/s)!;
  return { command: splitWords(line!), weight: weight === undefined ? 1 : Number(weight) };
}

function parseRange(text: string): { min: number; max: number } {
  const [, min, max] = text.match(/^(\d+)(?:-(\d+))?$/) ?? [];
  if (min === undefined) throw new Error(`--value-bytes must be N or N-M, not ${JSON.stringify(text)}`);
  return { min: Number(min), max: Number(max ?? min) };
}

const OPTIONS = {
  host: { type: 'string' },
  port: { type: 'string' },
  connections: { type: 'string' },
  threads: { type: 'string' },
  pipeline: { type: 'string' },
  command: { type: 'string', multiple: true },
  keys: { type: 'string' },
  distribution: { type: 'string' },
  theta: { type: 'string' },
  'key-prefix': { type: 'string' },
  'key-digits': { type: 'string' },
  'value-bytes': { type: 'string' },
  rate: { type: 'string' },
  requests: { type: 'string' },
  seconds: { type: 'string' },
  warmup: { type: 'string' },
  seed: { type: 'string' },
  json: { type: 'boolean' },
  help: { type: 'boolean' },
} as const;

/** Reads the command line. What is out of range is found by the generator's own check. */
export function parseLoadOptions(args: readonly string[]): { spec: LoadSpec; json: boolean; help: boolean } {
  const { values } = parseArgs({ args: [...args], strict: true, allowPositionals: false, options: OPTIONS });
  const number = (text: string | undefined, otherwise: number): number =>
    text === undefined ? otherwise : text.trim() === '' ? Number.NaN : Number(text);
  const spec: LoadSpec = {
    host: values.host ?? LOAD_DEFAULTS.host,
    port: number(values.port, LOAD_DEFAULTS.port),
    connections: number(values.connections, LOAD_DEFAULTS.connections),
    threads: number(values.threads, LOAD_DEFAULTS.threads),
    pipeline: number(values.pipeline, LOAD_DEFAULTS.pipeline),
    mix: (values.command ?? ['GET __key__']).map(parseCommand),
    keys: number(values.keys, LOAD_DEFAULTS.keys),
    distribution: (values.distribution ?? LOAD_DEFAULTS.distribution) as KeyDistribution,
    theta: number(values.theta, LOAD_DEFAULTS.theta),
    keyPrefix: values['key-prefix'] ?? LOAD_DEFAULTS.keyPrefix,
    keyDigits: number(values['key-digits'], LOAD_DEFAULTS.keyDigits),
    valueBytes: parseRange(values['value-bytes'] ?? '32'),
    seconds: number(values.seconds, LOAD_DEFAULTS.seconds),
    warmupSeconds: number(values.warmup, LOAD_DEFAULTS.warmupSeconds),
    seed: number(values.seed, LOAD_DEFAULTS.seed),
  };
  if (values.rate !== undefined) spec.rate = number(values.rate, 0);
  if (values.requests !== undefined) spec.requests = number(values.requests, 0);
  return { spec, json: values.json === true, help: values.help === true };
}

function latencyLine(name: string, us: LatencySummary): string {
  const figures = Object.entries(us).map(([key, value]) => `${key} ${(value / 1000).toFixed(3)}`);
  return `${name} (ms): ${figures.join('  ')}`;
}

function print(result: LoadResult, openLoop: boolean): void {
  const lines = [
    `${Math.round(result.requestsPerSecond).toLocaleString('en-US')} requests/s (${result.requests} in ${(result.elapsedMs / 1000).toFixed(2)} s)`,
    latencyLine('latency', result.latencyUs),
  ];
  if (openLoop) lines.push(latencyLine('sent late by', result.lagUs));
  if (result.nulls > 0) lines.push(`null replies: ${result.nulls}`);
  if (result.errors > 0) lines.push(`error replies: ${result.errors}, the first: ${result.firstError}`);
  process.stdout.write(`${lines.join('\n')}\n`);
}

if (import.meta.main) {
  try {
    const { spec, json, help } = parseLoadOptions(process.argv.slice(2));
    if (help) {
      process.stdout.write(HELP);
    } else {
      const result = await runLoad(spec);
      if (json) process.stdout.write(`${JSON.stringify({ spec, result }, null, 2)}\n`);
      else print(result, spec.rate !== undefined);
      if (result.errors > 0) process.exitCode = 1;
    }
  } catch (error) {
    process.stderr.write(`load: ${(error as Error).message}\n`);
    process.exitCode = 1;
  }
}
