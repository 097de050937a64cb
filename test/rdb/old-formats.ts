// Makes what old versions of Redis wrote, by their formats' descriptions: ziplists, zipmaps, and values of RDB files
// put together by hand. Nothing of src/rdb is used but the checksum, so that reader and fixtures do not share mistakes.

import { Crc64 } from '../../src/rdb/crc64.ts';

/** A number is written as an integer, text as a string whatever it looks like. */
export type Entry = number | bigint | string | Buffer;

function ziplistInteger(value: bigint): Buffer {
  if (value >= 0n && value <= 12n) return Buffer.from([0xf1 + Number(value)]);
  if (value >= -128n && value <= 127n) return Buffer.from([0xfe, Number(value) & 0xff]);
  const bytes = Buffer.alloc(9);
  bytes.writeBigInt64LE(value, 1);
  const widths = [
    [2, 0xc0],
    [3, 0xf0],
    [4, 0xd0],
    [8, 0xe0],
  ] as const;
  const [width, code] = widths.find(([w]) => BigInt.asIntN(w * 8, value) === value)!;
  bytes[0] = code;
  return bytes.subarray(0, 1 + width);
}

function ziplistString(value: Buffer): Buffer {
  const { length } = value;
  if (length < 64) return Buffer.concat([Buffer.from([length]), value]);
  if (length < 16384) return Buffer.concat([Buffer.from([0x40 | (length >> 8), length & 0xff]), value]);
  const head = Buffer.from([0x80, 0, 0, 0, 0]);
  head.writeUInt32BE(length, 1);
  return Buffer.concat([head, value]);
}

/** @param wideLengths whether lengths of entries before take five bytes even where one would do */
export function ziplist(entries: readonly Entry[], wideLengths = false): Buffer {
  const parts: Buffer[] = [];
  let before = 0;
  let at = 10;
  let tail = 10;
  for (const entry of entries) {
    const isNumber = typeof entry === 'number' || typeof entry === 'bigint';
    const data = isNumber ? ziplistInteger(BigInt(entry)) : ziplistString(Buffer.from(entry as string));
    const wide = Buffer.from([254, 0, 0, 0, 0]);
    wide.writeUInt32LE(before, 1);
    const head = before < 254 && !wideLengths ? Buffer.from([before]) : wide;
    parts.push(head, data);
    tail = at;
    before = head.length + data.length;
    at += before;
  }
  const header = Buffer.alloc(10);
  header.writeUInt32LE(at + 1, 0);
  header.writeUInt32LE(tail, 4);
  header.writeUInt16LE(Math.min(entries.length, 0xffff), 8);
  return Buffer.concat([header, ...parts, Buffer.from([0xff])]);
}

function zipmapLength(length: number): Buffer {
  if (length < 254) return Buffer.from([length]);
  const bytes = Buffer.from([254, 0, 0, 0, 0]);
  bytes.writeUInt32LE(length, 1);
  return bytes;
}

/** @param free unused bytes behind each value */
export function zipmap(pairs: readonly (readonly [string, string])[], free = 0): Buffer {
  const parts: Buffer[] = [Buffer.from([Math.min(pairs.length, 254)])];
  for (const [field, value] of pairs) {
    parts.push(zipmapLength(field.length), Buffer.from(field, 'latin1'), zipmapLength(value.length));
    parts.push(Buffer.from([free]), Buffer.from(value, 'latin1'), Buffer.alloc(free, 0xaa));
  }
  return Buffer.concat([...parts, Buffer.from([0xff])]);
}

/** An intset of the least width. */
export function intset(members: readonly (number | bigint)[]): Buffer {
  const sorted = members.map(BigInt).sort((a, b) => (a < b ? -1 : 1));
  const width = [2, 4, 8].find((w) => sorted.every((m) => BigInt.asIntN(w * 8, m) === m))!;
  const bytes = Buffer.alloc(8 + sorted.length * width);
  bytes.writeUInt32LE(width, 0);
  bytes.writeUInt32LE(sorted.length, 4);
  for (const [i, member] of sorted.entries()) writeSigned(bytes, 8 + i * width, width, member);
  return bytes;
}

function writeSigned(bytes: Buffer, at: number, width: number, value: bigint): void {
  for (let i = 0; i < width; i++) bytes[at + i] = Number((value >> BigInt(i * 8)) & 0xffn);
}

function backward(length: number): Buffer {
  const groups: number[] = [];
  for (let rest = length, first = true; first || rest > 0; rest >>= 7, first = false)
    groups.unshift(rest & 127);
  return Buffer.from(groups.map((group, i) => (i === 0 ? group : group | 128)));
}

function listpackEntry(entry: Entry): Buffer {
  let data: Buffer;
  if (typeof entry === 'number' || typeof entry === 'bigint') {
    const value = BigInt(entry);
    if (value >= 0n && value <= 127n) data = Buffer.from([Number(value)]);
    else if (value >= -4096n && value <= 4095n)
      data = Buffer.from([0xc0 | (Number(value >> 8n) & 31), Number(value) & 0xff]);
    else {
      const [width, code] = ([[2, 0xf1], [3, 0xf2], [4, 0xf3], [8, 0xf4]] as const).find(
        ([w]) => BigInt.asIntN(w * 8, value) === value,
      )!; // biome-ignore format: a table
      data = Buffer.alloc(1 + width);
      data[0] = code;
      writeSigned(data, 1, width, value);
    }
  } else {
    const bytes = Buffer.from(entry);
    const { length } = bytes;
    const wide = Buffer.from([0xf0, 0, 0, 0, 0]);
    wide.writeUInt32LE(length, 1);
    const head =
      length < 64
        ? Buffer.from([0x80 | length])
        : length < 4096
          ? Buffer.from([0xe0 | (length >> 8), length & 0xff])
          : wide;
    data = Buffer.concat([head, bytes]);
  }
  return Buffer.concat([data, backward(data.length)]);
}

/** A listpack; text is written as a string whatever it looks like. */
export function listpack(entries: readonly Entry[]): Buffer {
  const body = Buffer.concat(entries.map(listpackEntry));
  const header = Buffer.alloc(6);
  header.writeUInt32LE(body.length + 7, 0);
  header.writeUInt16LE(Math.min(entries.length, 0xffff), 4);
  return Buffer.concat([header, body, Buffer.from([0xff])]);
}

/** A length of an RDB file. */
export function rdbLength(value: number | bigint): Buffer {
  const n = BigInt(value);
  if (n < 64n) return Buffer.from([Number(n)]);
  if (n < 16384n) return Buffer.from([0x40 | Number(n >> 8n), Number(n & 0xffn)]);
  const bytes = Buffer.alloc(9);
  if (n < 2n ** 32n) {
    bytes[0] = 0x80;
    bytes.writeUInt32BE(Number(n), 1);
    return bytes.subarray(0, 5);
  }
  bytes[0] = 0x81;
  bytes.writeBigUInt64BE(n, 1);
  return bytes;
}

/** A string of an RDB file, as it is. */
export function rdbString(value: string | Buffer): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([rdbLength(bytes.length), bytes]);
}

/** 64 bits, little endian. */
export function rdbTime(ms: number | bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64LE(BigInt(ms));
  return bytes;
}

/** 16 bytes of a stream ID, big endian. */
export function rawId(ms: number | bigint, seq: number | bigint): Buffer {
  const bytes = Buffer.alloc(16);
  bytes.writeBigUInt64BE(BigInt(ms), 0);
  bytes.writeBigUInt64BE(BigInt(seq), 8);
  return bytes;
}

/** A payload of RESTORE. @param type of the value @param value what follows the type */
export function payload(type: number, value: Buffer, version = 10): Buffer {
  const body = Buffer.concat([Buffer.from([type]), value, Buffer.from([version & 0xff, version >> 8])]);
  const crc = new Crc64();
  crc.update(body, 0, body.length);
  const sum = Buffer.alloc(8);
  crc.write(sum, 0);
  return Buffer.concat([body, sum]);
}
