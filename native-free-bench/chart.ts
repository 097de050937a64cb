/*
 * The chart: one SVG file, no script, no font of its own, readable on light and on dark pages (it brings its light
 * background along).
 *
 *   Throughput, times Redis: more is better
 *     SET, pipeline 1      [=========|==   ] 1.04
 *     GET, pipeline 64     [=========|=====================v====] 1.62
 *                                    1.0                   target
 *   Latency and memory, times Redis: less is better
 *   Limits: share of what is allowed
 *
 * Three panels by the kind of figure: throughput ratios; cost ratios; figures with an absolute limit, drawn as a share
 * of the limit. A bar is green when its target is reached, amber when it is missed, grey-blue without a target; the
 * target is a dark mark. Thin whiskers are the lowest and highest ratio of a round. Bars longer than a panel's scale
 * are cut, with the number still told.
 */

import type { Heading, Row } from './report.ts';
import { formatFigure } from './run.ts';

const WIDTH = 980;
const LABEL_WIDTH = 350;
const BAR_LEFT = LABEL_WIDTH + 16;
const BAR_RIGHT = WIDTH - 190;
const ROW_HEIGHT = 26;
const BAR_HEIGHT = 15;
const PANEL_HEAD = 52;
const PANEL_GAP = 22;
const HEAD_HEIGHT = 74;
const FOOT_HEIGHT = 44;
/** Beyond this the scale is of no use for the others. */
const SCALE_MAX = 6;

const COLORS = {
  background: '#fbfbfd',
  text: '#1d2330',
  quiet: '#667085',
  grid: '#e4e7ec',
  line: '#344054',
  ok: '#2f9e6e',
  missed: '#e08a1e',
  neutral: '#7b93b8',
  whisker: '#1d2330',
} as const;

/** One bar: a length, what is written beside it, and where its mark stands. */
export interface Bar {
  label: string;
  length: number;
  /** Its ratio, in bold; may be empty. */
  number: string;
  caption: string;
  mark: number | undefined;
  whisker: { low: number; high: number } | undefined;
  color: string;
}

interface Panel {
  title: string;
  note: string;
  bars: Bar[];
}

/** Text as XML: the five special characters, and no control characters (which XML 1.0 has no way to write). */
export function escapeXml(text: string): string {
  const names: Record<string, string> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&quot;',
    "'": '&apos;',
  };
  return text.replace(/[\x00-\x08\x0b\x0c\x0e-\x1f]/g, '').replace(/[&<>"']/g, (char) => names[char]!);
}

function barColor(row: Row): string {
  if (row.verdict === 'ok') return COLORS.ok;
  if (row.verdict === 'below' || row.verdict === 'above') return COLORS.missed;
  return COLORS.neutral;
}

/** A figure with an absolute limit, when a ratio of it says little: times, idle load. */
function isLimit(row: Row): boolean {
  return row.metric.target?.kind === 'max' && row.metric.unit !== 'B';
}

/** A figure in few characters: 104k, 1.05M. */
export function compact(value: number): string {
  if (value >= 1e6) return `${(value / 1e6).toFixed(2)}M`;
  return value >= 1e4 ? `${Math.round(value / 1e3)}k` : formatFigure(value);
}

function ratioBar(row: Row): Bar {
  const { target, unit, title } = row.metric;
  const absolute = target?.kind === 'max' || target?.kind === 'min';
  const mark = absolute && row.base !== undefined ? target.value / row.base : target?.value;
  const figures = `${compact(row.value!)} : ${compact(row.base!)} ${unit}`;
  return {
    label: title,
    length: row.ratio!,
    number: row.ratio!.toFixed(2),
    caption: figures,
    mark,
    whisker: row.rounds > 1 ? row.ratioSpread : undefined,
    color: barColor(row),
  };
}

function limitBar(row: Row): Bar {
  const limit = row.metric.target!.value;
  return {
    label: row.metric.title,
    length: row.value! / limit,
    number: '',
    caption: `${formatFigure(row.value!)} of ${formatFigure(limit)} ${row.metric.unit}`,
    mark: undefined,
    whisker: undefined,
    color: barColor(row),
  };
}

function makePanels(rows: readonly Row[], labels: readonly string[]): Panel[] {
  const base = labels[1] ?? 'the other';
  const compared = rows.filter((row) => row.ratio !== undefined && row.value !== undefined && !isLimit(row));
  const limited = rows.filter((row) => isLimit(row) && row.value !== undefined);
  const panels: Panel[] = [
    {
      title: `Throughput, times ${base}`,
      note: 'longer is better',
      bars: compared.filter((row) => row.metric.better === 'higher').map(ratioBar),
    },
    {
      title: `Latency and memory, times ${base}`,
      note: 'shorter is better',
      bars: compared.filter((row) => row.metric.better === 'lower').map(ratioBar),
    },
    {
      title: `${labels[0]}, part of its limit`,
      note: 'shorter is better; the limit is at 1.0',
      bars: limited.map(limitBar),
    },
  ];
  return panels.filter((panel) => panel.bars.length > 0);
}

/** End of a panel's scale: all bars and marks fit, up to SCALE_MAX, at a half. */
export function scaleEnd(bars: readonly Bar[]): number {
  const longest = Math.max(1.2, ...bars.map((bar) => Math.max(bar.length, bar.mark ?? 0)));
  return Math.min(SCALE_MAX, Math.ceil(longest * 2 + 0.05) / 2);
}

const n = (value: number): string => String(Math.round(value * 10) / 10);

function text(x: number, y: number, content: string, extra = ''): string {
  return `<text x="${n(x)}" y="${n(y)}"${extra}>${escapeXml(content)}</text>`;
}

function vertical(x: number, from: number, to: number, color: string, width: number, extra = ''): string {
  return `<line x1="${n(x)}" y1="${n(from)}" x2="${n(x)}" y2="${n(to)}" stroke="${color}" stroke-width="${width}"${extra}/>`;
}

function drawBar(bar: Bar, top: number, at: (value: number) => number): string[] {
  const middle = top + ROW_HEIGHT / 2;
  const width = Math.max(1, at(bar.length) - BAR_LEFT);
  const parts = [
    text(LABEL_WIDTH, middle + 4, bar.label, ' text-anchor="end"'),
    `<rect x="${BAR_LEFT}" y="${n(middle - BAR_HEIGHT / 2)}" width="${n(width)}" height="${BAR_HEIGHT}" rx="3" fill="${bar.color}"/>`,
  ];
  if (bar.whisker !== undefined) {
    const [low, high] = [at(bar.whisker.low), at(bar.whisker.high)];
    parts.push(
      `<line x1="${n(low)}" y1="${n(middle)}" x2="${n(high)}" y2="${n(middle)}" stroke="${COLORS.whisker}" stroke-opacity="0.45"/>`,
      vertical(low, middle - 3, middle + 3, COLORS.whisker, 1, ' stroke-opacity="0.45"'),
      vertical(high, middle - 3, middle + 3, COLORS.whisker, 1, ' stroke-opacity="0.45"'),
    );
  }
  if (bar.mark !== undefined) parts.push(vertical(at(bar.mark), middle - 11, middle + 11, COLORS.text, 2.5));
  const captionLeft = BAR_RIGHT + (bar.number === '' ? 12 : 48);
  if (bar.number !== '') parts.push(text(BAR_RIGHT + 12, middle + 4, bar.number, ' class="number"'));
  parts.push(text(captionLeft, middle + 4, bar.caption, ' class="figure"'));
  return parts;
}

function drawPanel(panel: Panel, top: number): { parts: string[]; height: number } {
  const end = scaleEnd(panel.bars);
  const at = (value: number): number => BAR_LEFT + (Math.min(value, end) / end) * (BAR_RIGHT - BAR_LEFT);
  const bodyTop = top + PANEL_HEAD;
  const bodyBottom = bodyTop + panel.bars.length * ROW_HEIGHT;
  const parts = [
    text(24, top + 18, panel.title, ' class="panel"'),
    text(WIDTH - 24, top + 18, panel.note, ' class="quiet" text-anchor="end"'),
  ];
  for (let tick = 0; tick <= end; tick += 0.5) {
    const one = tick === 1;
    parts.push(vertical(at(tick), bodyTop - 4, bodyBottom, one ? COLORS.line : COLORS.grid, one ? 1.5 : 1));
    if (Number.isInteger(tick) || end <= 3) {
      parts.push(
        text(at(tick), bodyTop - 9, tick.toFixed(1), ` class="${one ? 'one' : 'tick'}" text-anchor="middle"`),
      );
    }
  }
  panel.bars.forEach((bar, i) => {
    parts.push(...drawBar(bar, bodyTop + i * ROW_HEIGHT, at));
  });
  return { parts, height: PANEL_HEAD + panel.bars.length * ROW_HEIGHT + PANEL_GAP };
}

const STYLE = `
    text { font: 13px system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; fill: ${COLORS.text}; }
    .title { font-size: 20px; font-weight: 650; }
    .panel { font-size: 14px; font-weight: 650; }
    .quiet, .tick { fill: ${COLORS.quiet}; font-size: 12px; }
    .one { font-size: 12px; font-weight: 650; }
    .number { font-size: 12px; font-weight: 650; font-variant-numeric: tabular-nums; }
    .figure { fill: ${COLORS.quiet}; font-size: 12px; font-variant-numeric: tabular-nums; }
  `;

function drawLegend(y: number): string[] {
  const parts: string[] = [];
  const entries: [string, string][] = [
    [COLORS.ok, 'target reached'],
    [COLORS.missed, 'target missed'],
    [COLORS.neutral, 'no target'],
  ];
  entries.forEach(([color, name], i) => {
    const x = 24 + i * 130;
    parts.push(`<rect x="${x}" y="${y - 10}" width="12" height="12" rx="3" fill="${color}"/>`);
    parts.push(text(x + 18, y, name, ' class="quiet"'));
  });
  parts.push(
    vertical(24 + 3 * 130, y - 13, y + 3, COLORS.text, 2.5),
    text(34 + 3 * 130, y, 'target', ' class="quiet"'),
  );
  parts.push(text(500, y, 'thin line: lowest and highest round', ' class="quiet"'));
  return parts;
}

/**
 * Draws the rows.
 * @param heading where and when they were measured
 * @param rows the results; rows without a figure to draw are left out
 * @param labels names of the servers, the measured one first
 * @returns the SVG document
 */
export function drawChart(heading: Heading, rows: readonly Row[], labels: readonly string[]): string {
  const { machine } = heading;
  const title = labels.length > 1 ? `${labels[0]} and ${labels[1]}, the same work in turn` : `${labels[0]}`;
  const where = `${machine.cores} × ${machine.cpu}, ${machine.system}, Node ${machine.node}, ${heading.startedAt.slice(0, 10)}, medians of ${heading.rounds} rounds`;
  const body: string[] = [
    text(24, 34, title, ' class="title"'),
    text(24, 56, `${where}${heading.quick ? ', quick run' : ''}`, ' class="quiet"'),
  ];
  let y = HEAD_HEIGHT;
  for (const panel of makePanels(rows, labels)) {
    const { parts, height } = drawPanel(panel, y);
    body.push(...parts);
    y += height;
  }
  body.push(...drawLegend(y + 14));
  const height = y + FOOT_HEIGHT;
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${escapeXml(title)}">`,
    `<style>${STYLE}</style>`,
    `<rect width="${WIDTH}" height="${height}" rx="10" fill="${COLORS.background}"/>`,
    ...body,
    '</svg>',
    '',
  ].join('\n');
}
