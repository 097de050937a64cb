/*
 * `npm run bench`: Sabre and redis-server, the same work in turn, medians and ratios.
 *
 * Reads the command line, finds what is installed, runs the scenarios (run.ts), reports. Exit codes: 0 done; 1 bad
 * command line, a server that died, or a scenario that failed; 2 with --strict when a target was missed.
 */

import { writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { drawChart } from './chart.ts';
import { cleanUpOnExit } from './children.ts';
import { describeMachine, findProgram, programVersion } from './machine.ts';
import { HELP, type Options, parseOptions } from './options.ts';
import type { Row } from './report.ts';
import {
  formatTarget,
  type Heading,
  jsonReport,
  makeRows,
  markdownReport,
  mergeMarkdown,
  remarks,
  textTable,
} from './report.ts';
import { type RunOutcome, runAll } from './run.ts';
import { GROUPS, selectGroups } from './scenarios.ts';
import { parseServer, type ServerSpec, splitWords } from './servers.ts';

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

function list(): void {
  for (const group of GROUPS) {
    const family = group.family === undefined ? '' : ` [${group.family}]`;
    say(`${group.name}${family}: ${group.title}${group.when === 'always' ? '' : ` (${group.when})`}`);
    for (const scenario of group.scenarios) {
      const metrics = scenario.metrics.map((metric) => `${metric.title} ${formatTarget(metric)}`.trim());
      say(`  ${scenario.name.padEnd(26)} ${metrics.join('; ')}`);
    }
  }
}

/** The servers to compare, with names that tell them apart. */
function chooseServers(options: Options): ServerSpec[] {
  let entries = options.servers;
  if (!options.serversGiven && findProgram('redis-server') === undefined) {
    say('redis-server is not installed: measuring Sabre alone, without ratios');
    entries = entries.filter((entry) => entry !== 'redis');
  }
  const specs = entries.map(parseServer);
  const [first, second] = specs;
  if (second !== undefined && first!.label === second.label) second.label += ' 2';
  return specs;
}

function writeReports(options: Options, heading: Heading, outcome: RunOutcome, rows: readonly Row[]): void {
  const labels = outcome.servers.map((server) => server.label);
  if (options.json !== undefined) writeFileSync(options.json, jsonReport(heading, outcome, rows));
  if (options.svg !== undefined) writeFileSync(options.svg, drawChart(heading, rows, labels));
  if (options.markdown !== undefined) {
    writeFileSync(options.markdown, mergeMarkdown(options.markdown, markdownReport(heading, outcome, rows)));
  }
}

function printSummary(heading: Heading, outcome: RunOutcome, rows: readonly Row[]): void {
  const { machine } = heading;
  say('');
  say(`${machine.cores} × ${machine.cpu}, ${machine.memoryGib} GiB, ${machine.system}, Node ${machine.node}`);
  for (const server of outcome.servers) say(`${server.label} ${server.version}`);
  say('');
  say(
    textTable(
      rows,
      outcome.servers.map((server) => server.label),
    ),
  );
  const judged = rows.filter((row) => row.verdict !== 'none');
  const reached = judged.filter((row) => row.verdict === 'ok').length;
  say('');
  say(`${reached} of ${judged.length} targets reached`);
  for (const remark of remarks(outcome)) say(remark);
  for (const row of rows.filter((one) => one.error !== undefined))
    say(`${row.scenario} failed: ${row.error}`);
}

async function bench(options: Options): Promise<number> {
  const redisBenchmark = findProgram('redis-benchmark');
  if (redisBenchmark === undefined)
    say('redis-benchmark is not installed: our own load generator stands in for it');
  const groups = selectGroups(GROUPS, {
    only: options.only,
    redisBenchmarkInstalled: redisBenchmark !== undefined,
  });
  if (groups.length === 0) throw new Error('nothing left to run: the chosen scenarios need redis-benchmark');
  const heading: Heading = {
    startedAt: new Date().toISOString(),
    quick: options.quick,
    rounds: options.rounds,
    machine: describeMachine(),
    redisBenchmark: redisBenchmark === undefined ? undefined : programVersion(redisBenchmark),
    options: process.argv.slice(2),
  };
  const outcome = await runAll({
    groups,
    servers: chooseServers(options),
    sabreArgs: splitWords(options.sabreArgs),
    rounds: options.rounds,
    settings: {
      quick: options.quick,
      threads: options.threads ?? Math.max(1, availableParallelism() >> 1),
      benchmarkThreads: options.benchmarkThreads,
      redisBenchmark,
      requests: options.requests,
    },
    say,
  });
  const rows = makeRows(outcome);
  printSummary(heading, outcome, rows);
  writeReports(options, heading, outcome, rows);
  if (rows.some((row) => row.verdict === 'failed')) return 1;
  const missed = rows.some((row) => row.verdict === 'below' || row.verdict === 'above');
  return options.strict && missed ? 2 : 0;
}

async function main(): Promise<number> {
  const options = parseOptions(process.argv.slice(2));
  if (options.help) {
    process.stdout.write(HELP);
    return 0;
  }
  if (options.list) {
    list();
    return 0;
  }
  cleanUpOnExit();
  return bench(options);
}

main().then(
  (code) => {
    process.exitCode = code;
  },
  (error: Error) => {
    process.stderr.write(`bench: ${error.message}\n`);
    process.exit(1);
  },
);
