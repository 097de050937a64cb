/*
 * Results as rows, and rows as a table for the terminal, as Markdown and as JSON.
 *
 * A row is one metric: the median of each server, their ratio, how much the ratio varied from round to round, the
 * target and whether it was reached. The JSON file also holds every sample.
 */

import { existsSync, readFileSync } from 'node:fs';
import type { Machine } from './machine.ts';
import { formatFigure, type RunOutcome, type ScenarioOutcome } from './run.ts';
import type { Metric, Target } from './scenario-types.ts';
import { median, pairedRatios, ratio, spread } from './stats.ts';

/** `ok`; missed: `below` a minimum, `above` a maximum; `none`: no target or nothing to judge; or the scenario failed. */
export type Verdict = 'ok' | 'below' | 'above' | 'none' | 'failed';

export interface Row {
  group: string;
  scenario: string;
  metric: Metric;
  /** Median of the first server; undefined: not measured. */
  value: number | undefined;
  /** Median of the second. */
  base: number | undefined;
  ratio: number | undefined;
  /** Lowest and highest ratio of a round. */
  ratioSpread: { low: number; high: number } | undefined;
  verdict: Verdict;
  rounds: number;
  error?: string;
}

/** Head of every result. */
export interface Heading {
  startedAt: string;
  quick: boolean;
  rounds: number;
  machine: Machine;
  redisBenchmark: string | undefined;
  options: string[];
}

/** A generator late by this part of the measured latency is worth a remark. */
const LAG_REMARKABLE = 0.4;
/** Others' CPU time, in percent of one core, that is worth a remark. */
const FOREIGN_REMARKABLE_PERCENT = 15;

/** Whether a target is reached, by medians. */
export function judge(
  target: Target | undefined,
  value: number | undefined,
  quotient: number | undefined,
): Verdict {
  if (target === undefined) return 'none';
  const absolute = target.kind === 'min' || target.kind === 'max';
  const measured = absolute ? value : quotient;
  if (measured === undefined) return 'none';
  if (target.kind === 'ratio-min' || target.kind === 'min') return measured >= target.value ? 'ok' : 'below';
  return measured <= target.value ? 'ok' : 'above';
}

/** Samples of one metric on one server, in the order of the rounds. */
function samplesOf(outcome: ScenarioOutcome, server: string | undefined, key: string): number[] {
  return outcome.samples
    .filter((sample) => sample.server === server && sample.values[key] !== undefined)
    .map((sample) => sample.values[key]!);
}

function makeRow(outcome: ScenarioOutcome, metric: Metric, labels: readonly string[]): Row {
  const values = samplesOf(outcome, labels[0], metric.key);
  const bases = samplesOf(outcome, labels[1], metric.key);
  const value = values.length > 0 ? median(values) : undefined;
  const base = bases.length > 0 ? median(bases) : undefined;
  const quotient = ratio(value, base);
  const row: Row = {
    group: outcome.group,
    scenario: outcome.scenario.name,
    metric,
    value,
    base,
    ratio: quotient,
    ratioSpread: spread(pairedRatios(values, bases)),
    verdict: outcome.error === undefined ? judge(metric.target, value, quotient) : 'failed',
    rounds: values.length,
  };
  if (outcome.error !== undefined) row.error = outcome.error;
  return row;
}

/** One row for each metric of each scenario. */
export function makeRows(outcome: RunOutcome): Row[] {
  const labels = outcome.servers.map((server) => server.label);
  return outcome.outcomes.flatMap((one) =>
    one.scenario.metrics.map((metric) => makeRow(one, metric, labels)),
  );
}

/** Median of one figure over all samples of a scenario (on one server, or on all). */
function medianOf(outcome: ScenarioOutcome, key: string, server?: string): number | undefined {
  const mine = outcome.samples.filter((one) => server === undefined || one.server === server);
  const values = mine.map((one) => one.values[key]).filter((value) => value !== undefined);
  return values.length === 0 ? undefined : median(values);
}

/** An open loop whose generator was itself late: its latencies say more about the generator's core than about the server. */
function lateRemark(outcome: ScenarioOutcome, server: string): string | undefined {
  const lag = medianOf(outcome, 'generatorLagP999Us', server);
  const latency = medianOf(outcome, 'p999Us', server);
  if (lag === undefined || latency === undefined || lag < LAG_REMARKABLE * latency) return undefined;
  const figures = `p99.9 ${formatFigure(lag)} µs of ${formatFigure(latency)}`;
  return `${outcome.scenario.name}, ${server}: the load generator itself was late (${figures}), so the latencies are upper bounds`;
}

/**
 * Remarks on results that mean less than they look: others used the machine meanwhile, or an open loop could not keep
 * its own time.
 */
export function remarks(outcome: RunOutcome): string[] {
  const found: string[] = [];
  const busy = outcome.outcomes
    .map((one) => ({ name: one.scenario.name, percent: medianOf(one, 'foreignCpuPercent') ?? 0 }))
    .filter((one) => one.percent > FOREIGN_REMARKABLE_PERCENT);
  if (busy.length > 0) {
    const list = busy.map((one) => `${one.name} ${Math.round(one.percent)}%`).join(', ');
    found.push(`not a quiet machine: other processes took, of one core, during ${list}; measure again`);
  }
  for (const one of outcome.outcomes) {
    for (const { label } of outcome.servers)
      found.push(...[lateRemark(one, label)].filter((text) => text !== undefined));
  }
  return found;
}

/** A target as people write it. */
export function formatTarget(metric: Metric): string {
  const { target } = metric;
  if (target === undefined) return '';
  const sign = target.kind === 'ratio-min' || target.kind === 'min' ? '≥' : '≤';
  const absolute = target.kind === 'min' || target.kind === 'max';
  return `${sign} ${absolute ? `${formatFigure(target.value)} ${metric.unit}` : target.value.toFixed(2)}`;
}

function cells(row: Row, withBase: boolean): string[] {
  const figure = (value: number | undefined): string =>
    value === undefined ? '-' : `${formatFigure(value)} ${row.metric.unit}`;
  const { ratioSpread } = row;
  const range =
    ratioSpread === undefined ? '' : `${ratioSpread.low.toFixed(2)}–${ratioSpread.high.toFixed(2)}`;
  const verdict = row.verdict === 'none' ? '' : row.verdict;
  const head = [row.metric.title, figure(row.value)];
  const compared = withBase ? [figure(row.base), row.ratio?.toFixed(2) ?? '', range] : [];
  return [...head, ...compared, formatTarget(row.metric), verdict];
}

function headCells(labels: readonly string[]): string[] {
  const compared = labels.length > 1 ? [labels[1]!, 'ratio', 'rounds'] : [];
  return ['', labels[0]!, ...compared, 'target', ''];
}

/** First column and last ones to the left, figures to the right. */
function isFigure(column: number, columns: number): boolean {
  return column > 0 && column < columns - 1;
}

/** The table for a terminal. */
export function textTable(rows: readonly Row[], labels: readonly string[]): string {
  const lines = [headCells(labels), ...rows.map((row) => cells(row, labels.length > 1))];
  const widths = lines[0]!.map((_cell, column) => Math.max(...lines.map((line) => line[column]!.length)));
  const render = (line: string[]): string =>
    line
      .map((cell, i) => (isFigure(i, line.length) ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!)))
      .join('  ')
      .trimEnd();
  const [head, ...body] = lines.map(render);
  return [head, '-'.repeat(widths.reduce((sum, width) => sum + width + 2, -2)), ...body].join('\n');
}

/** The table and its heading as Markdown. */
export function markdownReport(heading: Heading, outcome: RunOutcome, rows: readonly Row[]): string {
  const labels = outcome.servers.map((server) => server.label);
  const lines = [headCells(labels), ...rows.map((row) => cells(row, labels.length > 1))];
  const render = (line: string[]): string => `| ${line.join(' | ')} |`;
  const rule = lines[0]!.map((_cell, i) => (isFigure(i, lines[0]!.length) ? '---:' : '---'));
  const [head, ...body] = lines.map(render);
  const { machine } = heading;
  const versions = outcome.servers.map((server) => `${server.label} ${server.version}`).join(', ');
  return [
    `Measured ${heading.startedAt.slice(0, 10)} on ${machine.cores} × ${machine.cpu}, ${machine.memoryGib} GiB,`,
    `${machine.system}, Node ${machine.node}; ${versions}; ${heading.redisBenchmark ?? 'without redis-benchmark'}.`,
    `${heading.quick ? 'A quick run; medians' : 'Medians'} of ${heading.rounds} rounds A B A B; "rounds" is the lowest and highest ratio of a round.`,
    '',
    head,
    render(rule),
    ...body,
    ...remarks(outcome).map((remark) => `\n${remark}`),
  ].join('\n');
}

export const MARKDOWN_BEGIN = '<!-- bench:begin -->';
export const MARKDOWN_END = '<!-- bench:end -->';

/**
 * What a Markdown file shall hold: the report alone, or, where the file exists, the report between its two marks.
 * @throws Error when the file exists without the marks: it is somebody's text, not to be overwritten
 */
export function mergeMarkdown(path: string, report: string): string {
  const block = `${MARKDOWN_BEGIN}\n\n${report}\n\n${MARKDOWN_END}`;
  if (!existsSync(path)) return `${block}\n`;
  const text = readFileSync(path, 'utf8');
  const from = text.indexOf(MARKDOWN_BEGIN);
  const to = text.indexOf(MARKDOWN_END);
  if (from < 0 || to < from)
    throw new Error(`${path} has no ${MARKDOWN_BEGIN} and ${MARKDOWN_END} to write between`);
  return text.slice(0, from) + block + text.slice(to + MARKDOWN_END.length);
}

/** Everything as one JSON document. */
export function jsonReport(heading: Heading, outcome: RunOutcome, rows: readonly Row[]): string {
  const results = outcome.outcomes.map((one) => ({
    group: one.group,
    scenario: one.scenario.name,
    work: one.scenario.work,
    ...(one.error === undefined ? {} : { error: one.error }),
    metrics: rows
      .filter((row) => row.scenario === one.scenario.name && row.group === one.group)
      .map((row) => ({
        ...row.metric,
        median: row.value,
        baseMedian: row.base,
        ratio: row.ratio,
        ratioSpread: row.ratioSpread,
        verdict: row.verdict,
      })),
    samples: one.samples,
  }));
  const { servers } = outcome;
  const document = {
    format: 'sabre-bench',
    version: 1,
    ...heading,
    servers,
    remarks: remarks(outcome),
    results,
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}
