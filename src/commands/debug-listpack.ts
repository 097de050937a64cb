// DEBUG LISTPACK and QUICKLIST: how the bytes of a value lie in memory, written to the log (Redis writes it to its
// standard output, which is where Sabre's log goes unless there is a log file). What DEBUG OBJECT says of a quicklist.

import { Encoding } from '../keyspace/record.ts';
import { headerCount, Listpack, listpackBytes } from '../structures/listpack.ts';
import { Quicklist } from '../structures/quicklist.ts';
import { ListNode } from '../structures/quicklist-nodes.ts';
import type { CommandContext } from './context.ts';
import { lenientInteger, withKey } from './debug-arguments.ts';
import { ErrorText } from './errors.ts';

/** Bytes of an entry's text that are shown. */
const SHOWN_BYTES = 40;

/** DEBUG LISTPACK key: of any type. */
export function debugListpack(cx: CommandContext): void {
  const { rec } = cx;
  withKey(cx, cx.input, cx.argOff[2]!, cx.argLen[2]!, rec, (_shard, found) => {
    if (!found) {
      cx.error(ErrorText.NoSuchKey);
      return;
    }
    if (rec.encoding !== Encoding.Listpack) {
      cx.error('ERR Not a listpack encoded object.');
      return;
    }
    cx.server.log.raw(`${showListpack(rec.bytes, rec.valueOffset)}\n`);
    cx.reply.simpleString('Listpack structure printed on stdout');
  });
}

/** DEBUG QUICKLIST key [full]: its nodes, with 1 their elements, too. */
export function debugQuicklist(cx: CommandContext): void {
  const full = cx.argc === 4 && lenientInteger(cx, 3) !== 0;
  withKey(cx, cx.input, cx.argOff[2]!, cx.argLen[2]!, cx.rec, (_shard, found) => {
    if (!found) {
      cx.error(ErrorText.NoSuchKey);
      return;
    }
    if (cx.rec.encoding !== Encoding.Quicklist) {
      cx.error('ERR Not a quicklist encoded object.');
      return;
    }
    showQuicklist(cx, full);
    cx.reply.simpleString('Quicklist structure printed on stdout');
  });
}

/** What DEBUG OBJECT adds for a list that is a quicklist, with a space in front. The record is at cx.rec. */
export function quicklistFacts(cx: CommandContext): string {
  const list = openQuicklist(cx);
  const average = (list.size / list.nodeCount).toFixed(2);
  return (
    ` ql_nodes:${list.nodeCount} ql_avg_node:${average} ql_listpack_max:${list.fill}` +
    ` ql_compressed:${list.depth !== 0 ? 1 : 0} ql_uncompressed_size:${list.dataBytes}`
  );
}

function openQuicklist(cx: CommandContext): Quicklist {
  const { rec, keyspace } = cx;
  const list = new Quicklist(keyspace.memory);
  list.open(keyspace.shards[rec.shard]!.arena, rec.words, rec.rootWord);
  return list;
}

function showQuicklist(cx: CommandContext, full: boolean): void {
  const list = openQuicklist(cx);
  const { log } = cx.server;
  log.raw(
    `{count : ${list.size}}\n{len : ${list.nodeCount}}\n{fill : ${list.fill}}\n{compress : ${list.depth}}\n`,
  );
  let number = 0;
  for (let ref = list.head; ref !== 0; ref = list.node(ref, ListNode.Next)) {
    const plain = list.isPlain(ref);
    const compressed = list.isCompressed(ref);
    const node =
      `{quicklist node(${number++})\n{container : ${plain ? 'PLAIN' : 'PACKED'}, ` +
      `encoding: ${compressed ? 'LZF' : 'RAW'}, size: ${list.node(ref, ListNode.Size)}, ` +
      `count: ${list.node(ref, ListNode.Count)}, room: ${list.node(ref, ListNode.Room)}, ` +
      `start: ${list.node(ref, ListNode.Start)}}`;
    if (!full) {
      log.raw(`${node}\n`);
      continue;
    }
    const bytes = compressed ? list.decompressed(ref) : list.dataBuffer(ref);
    const base = compressed ? 0 : list.base(ref);
    const shown = plain
      ? `{ entry : ${shownText(bytes, base, list.node(ref, ListNode.Size))} }`
      : `{ listpack:\n${showListpack(bytes, base)}\n}`;
    log.raw(`${node}\n${shown}\n}\n`);
  }
}

function showListpack(bytes: Buffer, base: number): string {
  const total = listpackBytes(bytes, base);
  const lines = [`{total bytes ${total}} {num entries ${headerCount(bytes, base)}}`];
  const lp = new Listpack(bytes);
  lp.open(bytes, base);
  let index = 0;
  for (let more = lp.first(); more; more = lp.next()) {
    lp.text();
    const { pos } = lp;
    const size = lp.entrySize();
    lines.push(
      `{\n\tindex: ${index++},\n\toffset: ${pos},\n\thdr+entrylen+backlen: ${size},\n\tpayload: ${lp.len}`,
      `\tbytes: ${bytes.toString('hex', base + pos, base + pos + size).replace(/../g, '$&|')}`,
      `\t[${lp.isInteger ? 'int' : 'str'}]${shownText(lp.buf, lp.off, lp.len)}\n}`,
    );
  }
  lines.push('{end}');
  return lines.join('\n');
}

function shownText(bytes: Buffer, off: number, len: number): string {
  const text = bytes.toString('latin1', off, off + Math.min(len, SHOWN_BYTES));
  return len > SHOWN_BYTES ? `${text}...` : text;
}
