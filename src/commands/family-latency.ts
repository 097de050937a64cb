// LATENCY DOCTOR GRAPH HISTOGRAM HISTORY LATEST RESET HELP. Events are kept by the supervisor
// (metrics/latency-monitor.ts); histograms of commands are in shared memory, so any thread answers.

import type { LatencySample, LatestLatency } from '../metrics/latency-monitor.ts';
import type { ReplyWriter } from '../protocol/reply-writer.ts';
import { argText } from './arguments.ts';
import { askReports } from './ask-reports.ts';
import { hasLatency, latencyBuckets } from './command-latency.ts';
import type { CommandContext } from './context.ts';
import { helpReply } from './help.ts';
import { type Command, type FamilyHandlers, Place } from './table.ts';

function latencyDoctorCommand(cx: CommandContext): void {
  cx.defer(askReports(cx, 'latency-doctor').then((report) => (reply) => reply.verbatim(report as string)));
}

/** LATENCY GRAPH event */
function latencyGraphCommand(cx: CommandContext): void {
  const event = argText(cx, 2);
  cx.defer(
    askReports(cx, 'latency-graph', event).then((graph) => {
      if (graph === null) throw new Error(`ERR No samples available for event '${event}'`);
      return (reply) => reply.verbatim(graph as string);
    }),
  );
}

/** LATENCY HISTORY event */
function latencyHistoryCommand(cx: CommandContext): void {
  cx.defer(
    askReports(cx, 'latency-history', argText(cx, 2)).then((history) => (reply) => {
      const samples = history as LatencySample[];
      reply.arrayHeader(samples.length);
      for (const sample of samples) {
        reply.arrayHeader(2);
        reply.integer(sample.time);
        reply.integer(sample.ms);
      }
    }),
  );
}

function latencyLatestCommand(cx: CommandContext): void {
  cx.defer(
    askReports(cx, 'latency-latest').then((latest) => (reply) => {
      const events = latest as LatestLatency[];
      reply.arrayHeader(events.length);
      for (const { event, time, ms, msMax } of events) {
        reply.arrayHeader(4);
        reply.bulkString(event);
        reply.integer(time);
        reply.integer(ms);
        reply.integer(msMax);
      }
    }),
  );
}

/** LATENCY RESET [event ...] */
function latencyResetCommand(cx: CommandContext): void {
  const events: string[] = [];
  for (let i = 2; i < cx.argc; i++) events.push(argText(cx, i));
  cx.defer(
    askReports(cx, 'latency-reset', events).then((count) => (reply) => reply.integer(count as number)),
  );
}

/** LATENCY HISTOGRAM [command ...] */
function latencyHistogramCommand(cx: CommandContext): void {
  const { stats } = cx.server;
  const commands = asked(cx).filter((command) => hasLatency(stats, command.id));
  cx.reply.mapHeader(commands.length);
  for (const command of commands) writeHistogram(cx.reply, command, latencyBuckets(stats, command.id));
}

/** The commands named, with their subcommands; all without names. Unknown ones are left out. */
function asked(cx: CommandContext): Command[] {
  const { table } = cx.server;
  const commands: Command[] = [];
  if (cx.argc === 2) return table.all.filter((command) => command.built);
  for (let i = 2; i < cx.argc; i++) {
    const command = table.find(argText(cx, i));
    if (command === null) continue;
    commands.push(command, ...(command.subcommands?.values() ?? []));
  }
  return commands;
}

/** Counts add up from bucket to bucket; those that add nothing are left out. */
function writeHistogram(reply: ReplyWriter, command: Command, buckets: readonly number[]): void {
  const filled = [...buckets.entries()].filter(([, calls]) => calls > 0);
  const total = filled.reduce((sum, [, calls]) => sum + calls, 0);
  reply.bulkString(command.name);
  reply.mapHeader(2);
  reply.bulkString('calls');
  reply.integer(total);
  reply.bulkString('histogram_usec');
  reply.mapHeader(filled.length);
  let below = 0;
  for (const [bucket, calls] of filled) {
    below += calls;
    reply.integer(shownLimit(bucket));
    reply.integer(below);
  }
}

/**
 * What Redis calls the bucket, whose own are of 1024 ns times a power of two, each named by the highest value that its histogram,
 * which keeps 8 bits of a value, cannot tell from its limit.
 * @returns microseconds, no less than the bucket's limit
 */
function shownLimit(bucket: number): number {
  return Math.floor((2 ** (bucket + 10) + 2 ** (bucket + 3) - 1) / 1000);
}

/** All blocks of the counters of calls are read, and the histograms of what was called. */
function estimateHistogram(cx: CommandContext): number {
  return cx.server.stats.commands.byteLength;
}

const HELP = [
  'DOCTOR',
  '    Return a human readable latency analysis report.',
  'GRAPH <event>',
  '    Return an ASCII latency graph for the <event> class.',
  'HISTORY <event>',
  '    Return time-latency samples for the <event> class.',
  'LATEST',
  '    Return the latest latency samples for all events.',
  'RESET [<event> ...]',
  '    Reset latency data of one or more <event> classes.',
  '    (default: reset all data for all event classes)',
  'HISTOGRAM [COMMAND ...]',
  '    Return a cumulative distribution of latencies in the format of a histogram for the specified command names.',
  '    If no commands are specified then all histograms are replied.',
];

export const latencyCommands: FamilyHandlers = {
  'LATENCY|DOCTOR': { run: latencyDoctorCommand, place: Place.Supervisor },
  'LATENCY|GRAPH': { run: latencyGraphCommand, place: Place.Supervisor },
  'LATENCY|HISTORY': { run: latencyHistoryCommand, place: Place.Supervisor },
  'LATENCY|LATEST': { run: latencyLatestCommand, place: Place.Supervisor },
  'LATENCY|RESET': { run: latencyResetCommand, place: Place.Supervisor },
  'LATENCY|HISTOGRAM': { run: latencyHistogramCommand, place: Place.Estimated, estimate: estimateHistogram },
  'LATENCY|HELP': { run: (cx) => helpReply(cx, 'LATENCY', HELP), place: Place.InPlace },
};
