import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { compact, drawChart, escapeXml, scaleEnd } from '../../native-free-bench/chart.ts';
import { parseOptions } from '../../native-free-bench/options.ts';
import {
  memoryWithChildren,
  parseCpuSeconds,
  parseMachineSeconds,
  parseProportionalBytes,
  residentBytes,
} from '../../native-free-bench/process-stats.ts';
import { parseCsv } from '../../native-free-bench/redis-benchmark.ts';
import {
  formatTarget,
  type Heading,
  jsonReport,
  judge,
  makeRows,
  markdownReport,
  mergeMarkdown,
  remarks,
  textTable,
} from '../../native-free-bench/report.ts';
import type { RoundSample, RunOutcome } from '../../native-free-bench/run.ts';
import type { Metric, Scenario } from '../../native-free-bench/scenario-types.ts';
import { GROUPS, selectGroups } from '../../native-free-bench/scenarios.ts';
import { parseServer, splitWords } from '../../native-free-bench/servers.ts';
import { checkXml } from './xml.ts';

const HEADING: Heading = {
  startedAt: '2026-01-02T03:04:05.000Z',
  quick: false,
  rounds: 3,
  machine: { cpu: 'Fast & <Cheap> "CPU"', cores: 2, memoryGib: 24, system: 'linux 6', node: 'v26.0.0' },
  redisBenchmark: 'redis-benchmark 7.0.15',
  options: [],
};

/** A program that holds 300 MB and says so. */
const HOLDER =
  'const b = Buffer.alloc(3e8, 1); console.log(b.length); process.stdin.on("end", () => b).resume()';

function scenario(name: string, metrics: Metric[]): Scenario {
  return { name, work: { kind: 'start' }, metrics };
}

function rounds(key: string, first: number[], second: number[]): RoundSample[] {
  return first.flatMap((value, i) => [
    { round: i + 1, server: 'Sabre', values: { [key]: value } },
    { round: i + 1, server: 'Redis', values: { [key]: second[i]! } },
  ]);
}

const OUTCOME: RunOutcome = {
  servers: [
    { label: 'Sabre', command: 'node main.ts', version: '1' },
    { label: 'Redis', command: 'redis-server', version: '7' },
  ],
  outcomes: [
    {
      group: 'g',
      scenario: scenario('fast', [
        {
          key: 'rps',
          title: 'SET <&>',
          unit: 'req/s',
          better: 'higher',
          target: { kind: 'ratio-min', value: 1.5 },
        },
      ]),
      samples: rounds('rps', [100_000, 220_000, 180_000], [100_000, 100_000, 100_000]),
    },
    {
      group: 'g',
      scenario: scenario('slow', [
        {
          key: 'p999Us',
          title: 'p99.9',
          unit: 'µs',
          better: 'lower',
          target: { kind: 'ratio-max', value: 1 },
        },
      ]),
      samples: rounds('p999Us', [300, 200, 300], [200, 200, 200]),
    },
    {
      group: 'h',
      scenario: scenario('start', [
        { key: 'ms', title: 'start', unit: 'ms', better: 'lower', target: { kind: 'max', value: 400 } },
      ]),
      samples: rounds('ms', [250, 260, 240], [9, 9, 9]),
    },
    {
      group: 'h',
      scenario: scenario('broken', [{ key: 'rps', title: 'broken', unit: 'req/s', better: 'higher' }]),
      samples: [],
      error: 'it said no',
    },
  ],
};

const ROWS = makeRows(OUTCOME);
const LABELS = ['Sabre', 'Redis'];
const directory = mkdtempSync(join(tmpdir(), 'bench-test-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe('rows', () => {
  it('hold medians, their ratio, the spread of the rounds and the verdict', () => {
    expect(ROWS.map((row) => [row.value, row.base, row.ratio, row.verdict])).toEqual([
      [180_000, 100_000, 1.8, 'ok'],
      [300, 200, 1.5, 'above'],
      [250, 9, 250 / 9, 'ok'],
      [undefined, undefined, undefined, 'failed'],
    ]);
    expect(ROWS[0]!.ratioSpread).toEqual({ low: 1, high: 2.2 });
  });

  it('judge targets at their edge', () => {
    expect(judge({ kind: 'ratio-min', value: 1.5 }, 9, 1.5)).toBe('ok');
    expect(judge({ kind: 'ratio-min', value: 1.5 }, 9, 1.4999)).toBe('below');
    expect(judge({ kind: 'ratio-max', value: 1 }, 9, 1)).toBe('ok');
    expect(judge({ kind: 'ratio-max', value: 1 }, 9, 1.01)).toBe('above');
    expect(judge({ kind: 'max', value: 85 }, 85, undefined)).toBe('ok');
    expect(judge({ kind: 'max', value: 85 }, 85.1, 0.5)).toBe('above');
    expect(judge({ kind: 'min', value: 90 }, 90, 0.1)).toBe('ok');
    expect(judge({ kind: 'min', value: 90 }, 89.9, undefined)).toBe('below');
    expect(judge({ kind: 'ratio-min', value: 1 }, 9, undefined)).toBe('none');
    expect(judge(undefined, 9, 9)).toBe('none');
  });

  it('tell a target with its unit when it is no ratio', () => {
    const metric: Metric = { key: 'part', title: 'part', unit: '%', better: 'higher' };
    expect(formatTarget(metric)).toBe('');
    expect(formatTarget({ ...metric, target: { kind: 'min', value: 90 } })).toBe('≥ 90.0 %');
    expect(formatTarget({ ...metric, target: { kind: 'max', value: 2 } })).toBe('≤ 2.00 %');
    expect(formatTarget({ ...metric, target: { kind: 'ratio-max', value: 2 } })).toBe('≤ 2.00');
  });

  it('print as a table', () => {
    const table = textTable(ROWS, LABELS).split('\n');
    expect(table[2]).toMatch(/^SET <&> +180,000 req\/s +100,000 req\/s +1\.80 +1\.00–2\.20 +≥ 1\.50 +ok$/);
    expect(table[4]).toMatch(/≤ 400 ms +ok$/);
    expect(table[5]).toMatch(/^broken .* failed$/);
    expect(textTable(ROWS, ['Sabre'])).not.toContain('100,000');
  });

  it('are remarked on when the generator was late or the machine busy', () => {
    expect(remarks(OUTCOME)).toEqual([]);
    const samples = [{ round: 1, server: 'Sabre', values: { p999Us: 100, generatorLagP999Us: 60 } }];
    const late = { ...OUTCOME, outcomes: [{ ...OUTCOME.outcomes[1]!, samples }] };
    expect(remarks(late)).toEqual([expect.stringContaining('itself was late')]);
    const others = [{ round: 1, server: 'Sabre', values: { p999Us: 100, foreignCpuPercent: 80 } }];
    const busy = { ...OUTCOME, outcomes: [{ ...OUTCOME.outcomes[1]!, samples: others }] };
    expect(remarks(busy)).toEqual([expect.stringContaining('slow 80%')]);
  });
});

describe('reports', () => {
  it('hold every sample as JSON', () => {
    const document = JSON.parse(jsonReport(HEADING, OUTCOME, ROWS));
    expect(document).toMatchObject({ format: 'sabre-bench', version: 1, machine: { cores: 2 } });
    expect(document.results[0].samples).toHaveLength(6);
    expect(document.results[0].metrics[0]).toMatchObject({ median: 180_000, ratio: 1.8, verdict: 'ok' });
    expect(document.results[3].error).toBe('it said no');
  });

  it('replace what is between the marks of a Markdown file, and nothing else', () => {
    const path = join(directory, 'a.md');
    const report = markdownReport(HEADING, OUTCOME, ROWS);
    writeFileSync(path, mergeMarkdown(path, report));
    writeFileSync(path, `# Title\n\n${readFileSync(path, 'utf8')}\nafter\n`);
    const merged = mergeMarkdown(path, 'NEW');
    expect(merged).toBe('# Title\n\n<!-- bench:begin -->\n\nNEW\n\n<!-- bench:end -->\n\nafter\n');
    writeFileSync(path, 'somebody wrote this');
    expect(() => mergeMarkdown(path, 'NEW')).toThrow('to write between');
  });

  it('have as many cells in each Markdown line', () => {
    const lines = markdownReport(HEADING, OUTCOME, ROWS)
      .split('\n')
      .filter((line) => line.startsWith('|'));
    expect(lines).toHaveLength(2 + ROWS.length);
    expect(new Set(lines.map((line) => line.split('|').length)).size).toBe(1);
  });
});

describe('the chart', () => {
  it('is well-formed XML with a bar for each row that has a figure', () => {
    const svg = drawChart(HEADING, ROWS, LABELS);
    const elements = checkXml(svg);
    expect(elements[0]).toBe('svg');
    // the background, three bars, three colours of the legend
    expect(elements.filter((name) => name === 'rect')).toHaveLength(1 + 3 + 3);
    expect(svg).toContain('SET &lt;&amp;&gt;');
    expect(svg).not.toMatch(/NaN|undefined|Infinity/);
  });

  it('can be drawn of nothing and of one server', () => {
    checkXml(drawChart(HEADING, [], LABELS));
    const alone = { ...OUTCOME, servers: OUTCOME.servers.slice(0, 1) };
    checkXml(drawChart(HEADING, makeRows(alone), ['Sabre']));
  });

  it('has a scale that holds bars and targets, up to a limit', () => {
    const bar = {
      label: '',
      length: 1,
      number: '',
      caption: '',
      mark: undefined,
      whisker: undefined,
      color: '',
    };
    expect(scaleEnd([bar])).toBe(1.5);
    expect(scaleEnd([{ ...bar, mark: 1.9 }])).toBe(2);
    expect(scaleEnd([{ ...bar, length: 500 }])).toBe(6);
  });

  it('escapes and shortens', () => {
    expect(escapeXml('a<b>&"\'\u0001')).toBe('a&lt;b&gt;&amp;&quot;&apos;');
    expect([compact(1_234_567), compact(104_400), compact(9_999), compact(0.5)]).toEqual([
      '1.23M',
      '104k',
      '9,999',
      '0.50',
    ]);
  });

  it('is checked by a test that notices faults', () => {
    expect(() => checkXml('<svg><g></svg>')).toThrow();
    expect(() => checkXml('<svg a="1" a="2"/>')).toThrow();
    expect(() => checkXml('<svg>a & b</svg>')).toThrow();
    expect(() => checkXml('<svg/><svg/>')).toThrow();
    expect(() => checkXml('<svg a=1/>')).toThrow();
  });
});

describe('the command line', () => {
  it('has defaults for full and quick runs', () => {
    expect(parseOptions([])).toMatchObject({
      rounds: 5,
      servers: ['sabre', 'redis'],
      quick: false,
      only: [],
    });
    expect(parseOptions(['--quick'])).toMatchObject({ rounds: 2, quick: true });
    expect(parseOptions(['--quick', '--rounds', '7', '--only', 'a, b'])).toMatchObject({
      rounds: 7,
      only: ['a', 'b'],
    });
  });

  it.each([[['--rounds', '0']], [['--rounds', 'x']], [['--servers', 'a,b,c']], [['--frob']], [['word']]])(
    'refuses %o',
    (args) => {
      expect(() => parseOptions(args)).toThrow();
    },
  );

  it('splits words and servers', () => {
    expect(splitWords(`a "b c" --save '' x="1 2"`)).toEqual(['a', 'b c', '--save', '', 'x=1 2']);
    expect(parseServer('other=prog --p {port}')).toMatchObject({
      label: 'other',
      command: 'prog',
      args: ['--p', '{port}'],
    });
    expect(parseServer('other=prog').args).toEqual(['--port', '{port}']);
    expect(() => parseServer('nonsense')).toThrow('unknown server');
  });
});

describe('scenarios', () => {
  it('have names of their own', () => {
    const names = GROUPS.flatMap((group) => [group.name, ...group.scenarios.map((one) => one.name)]);
    const twice = names.filter((name, i) => names.indexOf(name) !== i);
    expect(twice).toEqual(['idle']); // a group of one
  });

  it('are chosen by group or name, and fall back to the own generator', () => {
    const chosen = (only: string[], redisBenchmarkInstalled: boolean): string[] =>
      selectGroups(GROUPS, { only, redisBenchmarkInstalled }).flatMap((group) =>
        group.scenarios.map((one) => one.name),
      );
    expect(chosen(['set-p64', 'start'], true)).toEqual(['set-p64', 'start-to-ready']);
    expect(chosen([], true)).toContain('get-p64-a2');
    expect(chosen([], true)).not.toContain('own-set-p1');
    expect(chosen([], false)).toContain('own-set-p1');
    expect(chosen([], false)).not.toContain('set-p1');
    expect(chosen([], true).some((name) => name.startsWith('default-'))).toBe(false);
    expect(chosen(['default-set'], true)).toHaveLength(40);
    expect(() => chosen(['nope'], true)).toThrow('nope');
  });

  it('are chosen by family, too', () => {
    const chosen = selectGroups(GROUPS, { only: ['persistence'], redisBenchmarkInstalled: false });
    expect(chosen.map((group) => group.name)).toEqual([
      'persistence-everysec',
      'persistence-always',
      'persistence-snapshots',
    ]);
    expect(chosen.flatMap((group) => group.scenarios)).toHaveLength(7);
    const conversations = selectGroups(GROUPS, { only: ['conversations'], redisBenchmarkInstalled: false });
    expect(conversations.flatMap((group) => group.scenarios.map(({ name }) => name))).toEqual([
      'publish-50-p16',
      'publish-50-p256',
      'idle-clients',
      'connects',
      'unused-subscribers',
    ]);
  });

  it('have figures of their own in each', () => {
    for (const { name, metrics } of GROUPS.flatMap((group) => group.scenarios)) {
      const keys = metrics.map((metric) => metric.key);
      expect(new Set(keys).size, name).toBe(keys.length);
    }
  });

  it('with the cost of a log have a server without one to compare with', () => {
    const compared = GROUPS.filter((group) => group.scenarios.some((one) => one.work.kind === 'log-cost'));
    expect(compared).toHaveLength(1);
    for (const group of compared) expect(group).toMatchObject({ twin: true, config: { appendonly: 'yes' } });
  });
});

describe('what other programs print', () => {
  it('redis-benchmark: rows, without its other lines', () => {
    const rows = parseCsv(
      '"test","rps","avg_latency_ms","min_latency_ms","p50_latency_ms","p95_latency_ms","p99_latency_ms","max_latency_ms"\n' +
        'WARNING: something\n"LRANGE_100 (first 100 elements)","178571.42","3.130","0.488","2.799","6.055","6.879","7.191"\n',
    );
    expect(rows).toEqual([
      {
        test: 'LRANGE_100 (first 100 elements)',
        requestsPerSecond: 178571.42,
        p50Ms: 2.799,
        p99Ms: 6.879,
        maxMs: 7.191,
      },
    ]);
  });

  it('/proc/PID/stat: CPU time after a name with blanks and brackets', () => {
    const stat = `12 (a) b (c) S 1 12 12 0 -1 4194560 5 0 0 0 ${150} ${50} 0 0 20 0 11 0`;
    expect(parseCpuSeconds(stat)).toBe(2);
    expect(parseMachineSeconds('cpu  100 20 80 9000 5 1 7 0 0 0\ncpu0 1 1 1 1\n')).toBe(2);
  });

  it('/proc/PID/smaps_rollup: the proportional set size', () => {
    const text = '55d0-7ffe ---p 00000000 00:00 0  [rollup]\nRss:  9000 kB\nPss:  5120 kB\nPss_Dirty: 7 kB\n';
    expect(parseProportionalBytes(text)).toBe(5120 * 1024);
    expect(parseProportionalBytes('')).toBeUndefined();
  });

  it.skipIf(process.platform !== 'linux')('the kernel: memory of a process with its children', async () => {
    const alone = memoryWithChildren(process.pid)!;
    expect(alone).toBeGreaterThan(1e6);
    expect(alone).toBeLessThan(2 * residentBytes(process.pid)!);
    const child = spawn(process.execPath, ['-e', HOLDER]);
    try {
      await new Promise((resolve) => child.stdout.once('data', resolve));
      const parts = [process.pid, child.pid!].map((pid) => memoryWithChildren(pid)!);
      expect(parts[1]).toBeGreaterThan(3e8);
      expect(parts[0]).toBeGreaterThan(parts[1]!);
    } finally {
      child.kill('SIGKILL');
    }
    expect(memoryWithChildren(2 ** 22 + 1)).toBeUndefined();
  });
});
