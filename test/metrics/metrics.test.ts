// Statistics by themselves: the slow log, the latency monitor, graphs, rates, percentiles.

import { describe, expect, it } from 'vitest';
import { percentileUsec } from '../../src/commands/command-latency.ts';
import { humanBytes } from '../../src/commands/info-text.ts';
import { LatencyMonitor } from '../../src/metrics/latency-monitor.ts';
import { type LatencyFacts, latencyReport } from '../../src/metrics/latency-report.ts';
import { SlowLog } from '../../src/metrics/slow-log.ts';
import { sparkline } from '../../src/metrics/sparkline.ts';
import { allocateStats, CommandStat, ERROR_PREFIXES, Stat, Stats } from '../../src/metrics/stats.ts';
import { Rate } from '../../src/server/sampler.ts';

const NOW = 1_700_000_000;

function slow(usec: number) {
  return { time: NOW, usec, args: ['GET', 'k'], address: '127.0.0.1:1', name: '' };
}

describe('slow log', () => {
  it('keeps the newest and goes on counting', () => {
    const log = new SlowLog(3);
    for (let usec = 0; usec < 5; usec++) log.add(slow(usec));
    expect(log.get(-1).map((entry) => entry.id)).toEqual([4, 3, 2]);
    expect(log.get(2).map((entry) => entry.usec)).toEqual([4, 3]);
    expect(log.get(0)).toEqual([]);
    log.reset();
    expect(log.length).toBe(0);
    log.add(slow(9));
    expect(log.get(10)[0]!.id).toBe(5);
  });

  it('takes a smaller limit with the next entry', () => {
    const log = new SlowLog(10);
    for (let usec = 0; usec < 10; usec++) log.add(slow(usec));
    log.setMaxLength(2);
    expect(log.length).toBe(10);
    log.add(slow(10));
    expect(log.get(-1).map((entry) => entry.usec)).toEqual([10, 9]);
    log.setMaxLength(0);
    log.add(slow(11));
    expect(log.length).toBe(0);
  });
});

describe('latency monitor', () => {
  it('keeps the longest of each second, 160 seconds, and the longest ever', () => {
    const monitor = new LatencyMonitor();
    monitor.add('command', 5, NOW);
    monitor.add('command', 900, NOW);
    monitor.add('command', 7, NOW);
    expect(monitor.history('command')).toEqual([{ time: NOW, ms: 900 }]);
    for (let i = 1; i <= 200; i++) monitor.add('command', i, NOW + i);
    expect(monitor.history('command')).toHaveLength(160);
    expect(monitor.latest()).toEqual([{ event: 'command', time: NOW + 200, ms: 200, msMax: 900 }]);
    expect(monitor.history('other')).toEqual([]);
    expect(monitor.graph('other', NOW)).toBe(null);
  });

  it('forgets by name in any case, or all', () => {
    const monitor = new LatencyMonitor();
    for (const event of ['a', 'b', 'c']) monitor.add(event, 1, NOW);
    expect(monitor.reset(['A', 'x'])).toBe(1);
    expect(monitor.events).toEqual(['b', 'c']);
    expect(monitor.reset([])).toBe(2);
    expect(monitor.reset([])).toBe(0);
  });

  it('draws the graph that redis-server 7.0.15 draws of the same samples', () => {
    const monitor = new LatencyMonitor();
    for (const [i, ms] of [2, 50, 20, 90, 3].entries()) monitor.add('command', ms, NOW + i);
    expect(monitor.graph('command', NOW + 5)).toBe(
      [
        'command - high 90 ms, low 2 ms (all time high 90 ms)',
        '-'.repeat(80),
        '   # ',
        ' _ | ',
        ' | | ',
        '_|#|_',
        '     ',
        '54321',
        'sssss',
        '',
      ].join('\n'),
    );
  });

  it('breaks long graphs into blocks of 80 columns and shortens ages', () => {
    const samples = Array.from({ length: 100 }, (_, i) => ({ value: i, label: i === 99 ? '10m' : '1s' }));
    const blocks = sparkline(samples, 80, 4).split('\n\n');
    expect(blocks).toHaveLength(2);
    expect(blocks[0]!.split('\n')[0]).toHaveLength(80);
    const monitor = new LatencyMonitor();
    for (const age of [200_000, 7200, 120, 59]) monitor.add('e', 5, NOW - age);
    const lines = monitor.graph('e', NOW)!.split('\n');
    expect(lines.slice(7, 10)).toEqual(['2225', 'dhm9', '   s']);
  });
});

describe('latency doctor', () => {
  const facts: LatencyFacts = {
    thresholdMs: 10,
    slowerThanUsec: 10_000,
    hz: 10,
    fsyncAlways: false,
    hugePages: false,
  };

  it('says that it is off, or has seen nothing', () => {
    const monitor = new LatencyMonitor();
    expect(latencyReport(monitor, { ...facts, thresholdMs: 0 }, NOW)).toMatch(
      /^I'm sorry, Dave, I can't do that\./,
    );
    expect(latencyReport(monitor, facts, NOW)).toMatch(/^Dave, no latency spike was observed/);
  });

  it('gives figures and advice for each event, each advice once and in order', () => {
    const monitor = new LatencyMonitor();
    for (const [i, ms] of [10, 20, 40].entries()) monitor.add('command', ms, NOW - 30 + i * 10);
    monitor.add('expire-cycle', 30, NOW);
    monitor.add('unknown', 11, NOW - 1);
    const report = latencyReport(monitor, facts, NOW);
    const mean = '(average 23ms, mean deviation 11ms, period 10.00 sec)';
    expect(report).toContain(`\n1. command: 3 latency spikes ${mean}. Worst all time event 40ms.\n`);
    expect(report).toContain(
      '\n2. expire-cycle: 1 latency spikes (average 30ms, mean deviation 0ms, period 1.00 sec)',
    );
    expect(report.match(/^- /gm)).toHaveLength(3);
    expect(report.indexOf('- Check your Slow Log')).toBeLessThan(report.indexOf("'CONFIG SET hz 100'"));
    expect(latencyReport(monitor, { ...facts, hz: 100 }, NOW)).not.toContain('CONFIG SET hz 100');
    const off = latencyReport(monitor, { ...facts, slowerThanUsec: -1 }, NOW);
    expect(off).toContain("'CONFIG SET slowlog-log-slower-than 10000'");
  });

  it('has no advice for some events', () => {
    const monitor = new LatencyMonitor();
    monitor.add('unknown', 11, NOW);
    expect(latencyReport(monitor, facts, NOW)).toContain("I'm not able to suggest any easy fix");
    expect(latencyReport(monitor, { ...facts, hugePages: true }, NOW)).toContain('anonymous huge pages');
  });
});

describe('rates', () => {
  it('are means of 16 samples', () => {
    const rate = new Rate();
    for (let i = 0; i <= 16; i++) rate.add(i * 50, 1000 + i * 100);
    expect(rate.perSecond).toBe(500);
    for (let i = 17; i <= 24; i++) rate.add(800, 1000 + i * 100);
    expect(rate.perSecond).toBe(250);
    rate.reset();
    expect(rate.perSecond).toBe(0);
    rate.add(5, 5000);
    expect(rate.perSecond).toBe(0);
  });
});

describe('percentiles of histograms', () => {
  it('are interpolated within a bucket', () => {
    const buckets = [0, 0, 0, 100];
    expect(percentileUsec(buckets, 0)).toBe(4);
    expect(percentileUsec(buckets, 50)).toBe(6);
    expect(percentileUsec(buckets, 100)).toBe(8);
    expect(percentileUsec([10, 0, 0, 0, 10], 50)).toBe(1);
    expect(percentileUsec([10, 0, 0, 0, 10], 75)).toBe(12);
    expect(percentileUsec([], 50)).toBe(0);
  });
});

describe('human bytes', () => {
  it('are those of Redis', () => {
    expect([0, 1023, 1024, 1_048_576, 25_276_510_208, 2 ** 50 * 3].map(humanBytes)).toEqual([
      '0B',
      '1023B',
      '1.00K',
      '1.00M',
      '23.54G',
      '3.00P',
    ]);
  });
});

describe('counters', () => {
  it('are summed over threads; a thread resets its own, but no gauges', () => {
    const buffers = allocateStats(10, 3);
    const threads = [1, 2, 3].map((thread) => new Stats(buffers, thread));
    for (const [i, stats] of threads.entries()) {
      stats.add(Stat.Commands, i + 1);
      stats.add(Stat.Clients, 2);
      stats.countCommand(4, CommandStat.Calls);
      stats.timed(4, 3, 1);
      stats.countError('WRONGTYPE x');
      stats.countError('STRANGE x');
    }
    const [first] = threads;
    expect(first!.sum(Stat.Commands)).toBe(6);
    expect(first!.max(Stat.Commands)).toBe(3);
    expect(first!.of(2, Stat.Commands)).toBe(2);
    expect(first!.sumCommand(4, CommandStat.Calls)).toBe(3);
    expect(first!.sumLatency(4, 2)).toBe(3);
    expect(first!.sumError(ERROR_PREFIXES.indexOf('WRONGTYPE'))).toBe(3);
    expect(first!.sumError(ERROR_PREFIXES.length - 1)).toBe(3);
    threads[2]!.reset();
    expect(first!.sum(Stat.Commands)).toBe(3);
    expect(first!.sum(Stat.Clients)).toBe(6);
    expect(first!.sumLatency(4, 2)).toBe(2);
    threads[1]!.latencyTracking = false;
    threads[1]!.timed(4, 3, 1);
    expect(first!.sumLatency(4, 2)).toBe(2);
  });
});
