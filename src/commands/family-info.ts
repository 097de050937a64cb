// INFO: what the server tells of itself, in sections of lines `name:value`. All of it comes from shared counters, so
// any thread can answer.

import type { CommandContext } from './context.ts';
import { memoryLines } from './info-memory.ts';
import { persistenceLines } from './info-persistence.ts';
import {
  clientLines,
  clusterLines,
  cpuLines,
  replicationLines,
  serverLines,
  statsLines,
} from './info-sections.ts';
import {
  commandStatsLines,
  errorStatsLines,
  keyspaceLines,
  latencyStatsLines,
  shardLines,
  threadLines,
} from './info-tables.ts';
import { formatSection, type InfoLines } from './info-text.ts';
import { type FamilyHandlers, Place } from './table.ts';

interface Section {
  readonly name: string;
  readonly header: string;
  readonly lines: (cx: CommandContext) => InfoLines;
  /** Printed by INFO without arguments. */
  readonly usual: boolean;
}

/** In the order printed. The last two are Sabre's own. */
const SECTIONS: readonly Section[] = [
  { name: 'server', header: 'Server', lines: serverLines, usual: true },
  { name: 'clients', header: 'Clients', lines: clientLines, usual: true },
  { name: 'memory', header: 'Memory', lines: memoryLines, usual: true },
  { name: 'persistence', header: 'Persistence', lines: persistenceLines, usual: true },
  { name: 'stats', header: 'Stats', lines: statsLines, usual: true },
  { name: 'replication', header: 'Replication', lines: replicationLines, usual: true },
  { name: 'cpu', header: 'CPU', lines: cpuLines, usual: true },
  { name: 'modules', header: 'Modules', lines: () => [], usual: true },
  { name: 'commandstats', header: 'Commandstats', lines: commandStatsLines, usual: false },
  { name: 'errorstats', header: 'Errorstats', lines: errorStatsLines, usual: true },
  { name: 'latencystats', header: 'Latencystats', lines: latencyStatsLines, usual: false },
  { name: 'cluster', header: 'Cluster', lines: clusterLines, usual: true },
  { name: 'keyspace', header: 'Keyspace', lines: keyspaceLines, usual: true },
  { name: 'threads', header: 'Threads', lines: threadLines, usual: false },
  { name: 'shards', header: 'Shards', lines: shardLines, usual: false },
];

/** INFO [section [section ...]] */
function infoCommand(cx: CommandContext): void {
  const wanted = wantedSections(cx);
  const sections = SECTIONS.filter((section) => wanted.has(section.name));
  const texts = sections.map((section) => formatSection(section.header, section.lines(cx)));
  cx.reply.verbatim(texts.join('\r\n'));
}

/** Names of sections in any case; unknown ones are passed over. */
function wantedSections(cx: CommandContext): Set<string> {
  const wanted = new Set<string>();
  if (cx.argc === 1) addSections(wanted, 'default');
  for (let i = 1; i < cx.argc; i++) addSections(wanted, cx.argLatin1(i).toLowerCase());
  return wanted;
}

function addSections(wanted: Set<string>, word: string): void {
  const all = word === 'all' || word === 'everything';
  for (const section of SECTIONS) {
    if (all || section.name === word || (word === 'default' && section.usual)) wanted.add(section.name);
  }
}

/** Statistics of commands are spread over all threads' blocks; the other sections are cheap. */
function estimateInfo(cx: CommandContext): number {
  const wanted = wantedSections(cx);
  const perCommand = wanted.has('commandstats') || wanted.has('latencystats');
  return perCommand ? cx.server.stats.commands.byteLength : 0;
}

export const infoCommands: FamilyHandlers = {
  INFO: { run: infoCommand, place: Place.Estimated, estimate: estimateInfo },
};
