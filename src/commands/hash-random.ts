// HRANDFIELD: fields of a hash at random, each as likely as any other.
//
//   no count, or a negative one      draws with repetition
//   a count of all fields or more    all of them
//   a count not far below that       one walk, on which each field is chosen with the chance that it still has
//                                    (Knuth's algorithm S): no memory, any combination equally likely
//   a small count of a big hash      draws without repetition
//
// Fields that have expired are removed first, as Redis 7.4 does.

import type { HashView } from '../keyspace/hash-view.ts';
import { Encoding } from '../keyspace/record.ts';
import { parseInteger64 } from '../protocol/numbers.ts';
import type { CommandContext } from './context.ts';
import { ErrorText } from './errors.ts';
import {
  BREATH_FIELDS,
  FIELD_WORK,
  hashView,
  isGone,
  readHash,
  removeAllExpired,
  replyName,
  replyValue,
  walkWork,
} from './hash-tools.ts';
import { handOverLong } from './string-values.ts';

const LONG_MAX = 2n ** 63n - 1n;
/** A walk over this many fields costs about as much as drawing one. */
const WALK_FACTOR = 16;
/** A client can ask for more random fields than fit into memory; Redis would end here, too. */
const REPLY_BYTES_MAX = 2 * 1024 ** 3;

export function hrandfield(cx: CommandContext): void {
  if (cx.argc === 2) {
    randomField(cx);
    return;
  }
  const count = countArgument(cx);
  if (Number.isNaN(count)) return;
  const withValues = cx.argc === 4 && cx.argIs(3, 'WITHVALUES');
  if (cx.argc > 4 || (cx.argc === 4 && !withValues)) {
    cx.syntaxError();
    return;
  }
  // As Redis: twice as many elements must be countable.
  if (withValues && Math.abs(count) > Number(LONG_MAX / 2n)) {
    cx.error('ERR value is out of range');
    return;
  }
  const found = readHash(cx, 1);
  if (found < 0) return;
  if (found === 0 || count === 0) {
    cx.reply.emptyArray();
    return;
  }
  const view = hashView(cx);
  if (handOverLong(cx, randomWork(view, count), 1, 1)) return;
  removeAllExpired(cx, 1);
  if (isGone(view)) cx.reply.emptyArray();
  else if (count < 0) drawRepeatedly(cx, view, -count, withValues);
  else if (count >= view.size) replyAll(cx, view, withValues);
  else if (view.encoding !== Encoding.Hashtable || count * WALK_FACTOR > view.size)
    chooseOnWalk(cx, view, count, withValues);
  else drawDifferent(cx, view, count, withValues);
}

function randomField(cx: CommandContext): void {
  const found = readHash(cx, 1);
  if (found < 0) return;
  const view = hashView(cx);
  if (found === 1) {
    if (handOverLong(cx, randomWork(view, 1), 1, 1)) return;
    removeAllExpired(cx, 1);
  }
  if (found === 0 || isGone(view)) {
    cx.reply.nullBulk();
    return;
  }
  view.random();
  replyName(cx, view);
}

/** @returns NaN after an error; rounded beyond 2^53 */
function countArgument(cx: CommandContext): number {
  const count = cx.argInteger(2);
  if (!Number.isNaN(count)) return count;
  const large = parseInteger64(cx.input, cx.argOff[2]!, cx.argLen[2]!);
  if (large === null) cx.error(ErrorText.NotInteger);
  else if (large < -LONG_MAX)
    cx.error(`ERR value is out of range, value must between ${-LONG_MAX} and ${LONG_MAX}`);
  else return Number(large);
  return NaN;
}

/** Bytes touched. */
function randomWork(view: HashView, count: number): number {
  const draws = count < 0 ? -count : Math.min(count, view.size);
  const expired = view.encoding === Encoding.Hashtable ? view.table.expiring * FIELD_WORK : 0;
  if (view.encoding === Encoding.Hashtable)
    return expired + Math.min(draws * FIELD_WORK, walkWork(view) + draws * 64);
  return count < 0 ? draws * view.rec.valueLength : walkWork(view);
}

function header(cx: CommandContext, fields: number, withValues: boolean): void {
  cx.reply.arrayHeader(withValues && cx.reply.resp === 2 ? fields * 2 : fields);
}

function replyField(cx: CommandContext, view: HashView, withValues: boolean): void {
  if (withValues && cx.reply.resp === 3) cx.reply.arrayHeader(2);
  replyName(cx, view);
  if (withValues) replyValue(cx, view);
}

function drawRepeatedly(cx: CommandContext, view: HashView, count: number, withValues: boolean): void {
  const mark = cx.reply.length;
  header(cx, count, withValues);
  for (let drawn = 1; drawn <= count; drawn++) {
    view.random();
    replyField(cx, view, withValues);
    if (drawn % BREATH_FIELDS !== 0) continue;
    cx.breathe();
    if (cx.reply.length - mark <= REPLY_BYTES_MAX) continue;
    cx.reply.truncate(mark);
    cx.error('ERR the reply would be larger than 2 GiB');
    return;
  }
}

function replyAll(cx: CommandContext, view: HashView, withValues: boolean): void {
  header(cx, view.size, withValues);
  view.begin();
  for (let met = 1; view.next(); met++) {
    replyField(cx, view, withValues);
    if (met % BREATH_FIELDS === 0) cx.breathe();
  }
}

function chooseOnWalk(cx: CommandContext, view: HashView, count: number, withValues: boolean): void {
  header(cx, count, withValues);
  let left = view.size;
  let wanted = count;
  view.begin();
  while (wanted > 0 && view.next()) {
    if (Math.random() * left < wanted) {
      replyField(cx, view, withValues);
      wanted--;
    }
    left--;
    if (left % BREATH_FIELDS === 0) cx.breathe();
  }
}

function drawDifferent(cx: CommandContext, view: HashView, count: number, withValues: boolean): void {
  header(cx, count, withValues);
  const drawn = new Set<number>();
  while (drawn.size < count) {
    view.random();
    if (drawn.has(view.foundId)) continue;
    drawn.add(view.foundId);
    replyField(cx, view, withValues);
    if (drawn.size % BREATH_FIELDS === 0) cx.breathe();
  }
}
