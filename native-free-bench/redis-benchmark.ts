/*
 * Driver for `redis-benchmark`, the tool everybody compares with: runs it, reads its CSV.
 *
 *   "test","rps","avg_latency_ms","min_latency_ms","p50_latency_ms","p95_latency_ms","p99_latency_ms","max_latency_ms"
 *   "SET","800000.00","0.728","0.192","0.735","1.023","1.263","1.383"
 *
 * Tests that need data first (LRANGE) print a row for making it; the last row is the one that was asked for.
 */

import { spawnChild } from './children.ts';

export interface RedisBenchmarkRun {
  program: string;
  port: number;
  /** A name `-t` takes: set, get, lpush, ... */
  test: string;
  /** Words of a command instead; `__data__` becomes the value. */
  command?: readonly string[] | undefined;
  clients: number;
  /** `-r`: keys are drawn from so many. */
  keyspace: number;
  valueBytes: number;
  pipeline: number;
  requests: number;
  /** `--threads`; 1: the tool's usual single thread. */
  threads: number;
}

/** One row of its output. */
export interface RedisBenchmarkRow {
  test: string;
  requestsPerSecond: number;
  p50Ms: number;
  p99Ms: number;
  maxMs: number;
}

/** No sensible run takes longer; a server that hangs must not hang the benchmark. */
const TIMEOUT_MS = 300_000;

/** Reads its CSV output. Lines that aren't rows are passed over. */
export function parseCsv(output: string): RedisBenchmarkRow[] {
  const rows: RedisBenchmarkRow[] = [];
  for (const line of output.split('\n')) {
    const fields = [...line.matchAll(/"([^"]*)"/g)].map((match) => match[1]!);
    const requestsPerSecond = Number(fields[1]);
    if (fields.length < 8 || Number.isNaN(requestsPerSecond)) continue;
    rows.push({
      test: fields[0]!,
      requestsPerSecond,
      p50Ms: Number(fields[4]),
      p99Ms: Number(fields[6]),
      maxMs: Number(fields[7]),
    });
  }
  return rows;
}

function arguments_(run: RedisBenchmarkRun): string[] {
  const args: (string | number)[] = [
    '-h',
    '127.0.0.1',
    '-p',
    run.port,
    '-c',
    run.clients,
    '-r',
    run.keyspace,
  ];
  args.push('-d', run.valueBytes, '-P', run.pipeline, '-n', run.requests, '--csv');
  if (run.threads > 1) args.push('--threads', run.threads);
  if (run.command === undefined) args.push('-t', run.test);
  // Last, as everything behind the command's first word is the command's.
  else for (const word of run.command) args.push(word === '__data__' ? 'x'.repeat(run.valueBytes) : word);
  return args.map(String);
}

/**
 * Runs one test.
 * @returns its row
 * @throws Error with what the tool said when it fails (it ends at the first error reply)
 */
export async function runRedisBenchmark(run: RedisBenchmarkRun): Promise<RedisBenchmarkRow> {
  const child = spawnChild(run.program, arguments_(run));
  let output = '';
  let complaints = '';
  child.stdout!.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    complaints += text;
  });
  const timer = setTimeout(() => child.kill('SIGKILL'), TIMEOUT_MS);
  const [code, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (exit, by) => resolve([exit, by]));
  });
  clearTimeout(timer);
  const row = parseCsv(output).at(-1);
  if (code === 0 && row !== undefined) return row;
  const said = complaints.trim() || output.trim() || 'nothing';
  throw new Error(
    `redis-benchmark -t ${run.test} failed (${signal ?? `exit code ${code}`}), it said: ${said.slice(-500)}`,
  );
}
