// A value or two of every type of RDB files, put together by hand.

import {
  intset, listpack, rawId, rdbLength, rdbString, rdbTime, ziplist, zipmap,
} from './old-formats.ts'; // biome-ignore format: one list

/** When fields expire. */
const FAR = 4_000_000_000_000;

const numbers = (count: number): number[] => Array.from({ length: count }, (_, i) => i * 3 - 5);
const words = (count: number): string[] => Array.from({ length: count }, (_, i) => `word ${i}`);
const strings = (values: readonly (string | number | Buffer)[]): Buffer =>
  Buffer.concat([
    rdbLength(values.length),
    ...values.map((v) => rdbString(Buffer.isBuffer(v) ? v : String(v))),
  ]);
const float = (value: number): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return bytes;
};

function streamBlock(entries: number): Buffer {
  const parts: (string | number)[] = [entries, 1, 2, 'a', 'b', 0];
  for (let i = 0; i < entries; i++) {
    if (i % 3 === 2) parts.push(0, i, 0, 1, 'own', `v${i}`, 6);
    else parts.push(2, i, 0, i, `v${i}`, 5);
  }
  return listpack([...parts, 3, entries, 1, 'x', 'y', 5]);
}

function stream(type: number): Buffer {
  const group = [
    rdbString('group'), rdbLength(1500), rdbLength(0), type > 15 ? rdbLength(2n ** 64n - 1n) : Buffer.alloc(0),
    rdbLength(3),
    ...[1000, 1001, 2003].flatMap((ms) => [rawId(ms, 0), rdbTime(1_700_000_000_000), rdbLength(2)]),
    rdbLength(2),
    ...['alice', 'bob'].flatMap((name, i) => [
      rdbString(name), rdbTime(1_700_000_000_000), type === 21 ? rdbTime(1_700_000_000_000) : Buffer.alloc(0),
      i === 0 ? rdbLength(2) : rdbLength(1),
      ...(i === 0 ? [rawId(1000, 0), rawId(1001, 0)] : [rawId(2003, 0)]),
    ]),
  ]; // biome-ignore format: as it lies there
  const ids = type > 15 ? [1000, 0, 2, 5, 30].map(rdbLength) : [];
  return Buffer.concat([
    rdbLength(2), rdbString(rawId(1000, 0)), rdbString(streamBlock(6)), rdbString(rawId(2000, 0)), rdbString(streamBlock(9)),
    rdbLength(15), rdbLength(3000), rdbLength(1), ...ids, rdbLength(1), ...group,
  ]); // biome-ignore format: as it lies there
}

/** Good values by type. */
export const VALUES: readonly (readonly [type: number, value: Buffer])[] = [
  [0, rdbString('some text')],
  [1, strings(words(20))],
  [2, strings(words(20))],
  [2, strings(numbers(20))],
  [3, Buffer.concat([rdbLength(4), ...['a', 'b', 'c', 'd'].flatMap((m, i) => [rdbString(m), Buffer.from([1]), Buffer.from(String(i))])])],
  [4, Buffer.concat([rdbLength(8), ...words(16).map(rdbString)])],
  [5, Buffer.concat([rdbLength(10), ...words(10).flatMap((m, i) => [rdbString(m), float(i / 3)])])],
  [9, rdbString(zipmap([['field', 'value'], ['other', 'x'.repeat(30)], ['f', '']], 1))],
  [10, rdbString(ziplist([...numbers(10), ...words(10)]))],
  [11, rdbString(intset(numbers(30)))],
  [11, rdbString(intset([1, 2, 2n ** 40n]))],
  [12, rdbString(ziplist(['a', 1, 'b', 2, 'c', '2.5', 'd', 1000]))],
  [13, rdbString(ziplist(['a', 1, 'b', 'x'.repeat(70), 5, 'five']))],
  [14, strings([ziplist(words(5)), ziplist(numbers(5))])],
  [15, stream(15)],
  [16, rdbString(listpack(['a', 1, 'b', 'x'.repeat(70), 500, 'five', 'neg', -5000]))],
  [17, rdbString(listpack(['a', 1, 'b', 1, 'c', '2.5', 'd', 1000, 'e', 'inf']))],
  [18, Buffer.concat([rdbLength(3), rdbLength(2), rdbString(listpack(words(9))), rdbLength(1), rdbString('plain'), rdbLength(2), rdbString(listpack(numbers(9)))])],
  [19, stream(19)],
  [20, rdbString(listpack(['a', 1, 'b', -70000, 'x'.repeat(70)]))],
  [21, stream(21)],
  [22, Buffer.concat([rdbLength(2), rdbLength(FAR), rdbString('f'), rdbString('v'), rdbLength(0), rdbString('g'), rdbString('w')])],
  [23, rdbString(listpack(['f', 'v', FAR, 'h', 'x', FAR + 5, 'g', 'w', 0]))],
  [24, Buffer.concat([rdbTime(FAR), rdbLength(2), rdbLength(1), rdbString('f'), rdbString('v'.repeat(80)), rdbLength(9), rdbString('h'), rdbString('x')])],
  [25, Buffer.concat([rdbTime(FAR), rdbString(listpack(['f', 'v', FAR, 'g', 'w', 0]))])],
]; // biome-ignore format: a table
