// OBJECT: what is known of a key besides its value. None of it touches the key.

import { NotifyFlag } from '../config/multi-values.ts';
import { ENCODING_NAMES, Encoding, Type } from '../keyspace/record.ts';
import { parseInteger } from '../protocol/numbers.ts';
import type { CommandContext } from './context.ts';
import { lookupQuietly } from './generic-expire.ts';
import { helpReply } from './help.ts';
import { type FamilyHandlers, Place } from './table.ts';

/** Redis shares the objects of small integers; they count as this many references. */
const SHARED_REFCOUNT = 2147483647;
const SHARED_INTEGERS = 10000;

const LFU_NOT_SELECTED =
  'ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.';
const LFU_SELECTED =
  'ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.';

const HELP = [
  'ENCODING <key>',
  '    Return the kind of internal representation used in order to store the value',
  '    associated with a <key>.',
  'FREQ <key>',
  '    Return the access frequency index of the <key>. The returned integer is',
  '    proportional to the logarithm of the recent access frequency of the key.',
  'IDLETIME <key>',
  '    Return the idle time of the <key>, that is the approximated number of',
  '    seconds elapsed since the last access to the key.',
  'REFCOUNT <key>',
  '    Return the number of references of the value associated with the specified',
  '    <key>.',
];

export const objectCommands: FamilyHandlers = {
  'OBJECT|ENCODING': { run: encoding, place: Place.InPlace },
  'OBJECT|FREQ': { run: frequency, place: Place.InPlace },
  'OBJECT|HELP': { run: (cx) => helpReply(cx, 'OBJECT', HELP), place: Place.InPlace },
  'OBJECT|IDLETIME': { run: idleTime, place: Place.InPlace },
  'OBJECT|REFCOUNT': { run: referenceCount, place: Place.InPlace },
};

/** Looks up the key of argument 2. @returns false after a null reply */
function lookup(cx: CommandContext): boolean {
  // A key that is not there is counted as missed, but is no event.
  let found = false;
  cx.withoutEvents(NotifyFlag.KeyMiss, () => {
    found = lookupQuietly(cx, 2);
  });
  if (!found) cx.reply.nullBulk();
  return found;
}

function encoding(cx: CommandContext): void {
  if (lookup(cx)) cx.reply.bulkString(ENCODING_NAMES[cx.rec.encoding]!);
}

/** Whether access words are LFU counters now. */
function usesFrequency(cx: CommandContext): boolean {
  return cx.server.config.getEnum('maxmemory-policy').endsWith('lfu');
}

function frequency(cx: CommandContext): void {
  if (!lookup(cx)) return;
  if (usesFrequency(cx)) cx.reply.integer(cx.keyspace.clock.frequency(cx.rec.access));
  else cx.error(LFU_NOT_SELECTED);
}

function idleTime(cx: CommandContext): void {
  if (!lookup(cx)) return;
  if (usesFrequency(cx)) cx.error(LFU_SELECTED);
  else cx.reply.integer(cx.keyspace.clock.idleSeconds(cx.rec.access));
}

function referenceCount(cx: CommandContext): void {
  if (lookup(cx)) cx.reply.integer(references(cx));
}

/** How many references Redis would have to the value at cx.rec: 1, unless it is an integer that it shares. */
export function references(cx: CommandContext): number {
  const rec = cx.rec;
  if (rec.type !== Type.String || rec.encoding !== Encoding.Int) return 1;
  const value = parseInteger(rec.bytes, rec.valueOffset, rec.valueLength);
  if (!(value >= 0 && value < SHARED_INTEGERS)) return 1;
  // Under a policy that looks at single objects' access times, nothing is shared.
  const { config } = cx.server;
  const policy = config.getEnum('maxmemory-policy');
  const sharing = config.getMemory('maxmemory') === 0 || !(policy.endsWith('lru') || policy.endsWith('lfu'));
  return sharing ? SHARED_REFCOUNT : 1;
}
