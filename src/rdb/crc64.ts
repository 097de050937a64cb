// CRC-64 as RDB files and DUMP payloads end with it: polynomial 0xad93d23594c935a9 ("Jones"), bits reflected, starting
// from 0, nothing added at the end. The check value of "123456789" is e9c6d914c4b8d9ca.
//
// Eight bytes a step by eight tables ("slicing by 8"), the 64 bits as two words of 32: about 1 GB/s, where BigInt
// reaches some 10 MB/s. Low and high words in two tables measured a fifth faster than side by side in one.

/** The polynomial with its bits reversed. */
const POLY_HIGH = 0x95ac9329 | 0;
const POLY_LOW = 0xac4bc9b5 | 0;
const TABLES = 8;

/** Table t, entry i: the effect of byte i with t bytes behind it. */
const tableLow = new Int32Array(TABLES * 256);
const tableHigh = new Int32Array(TABLES * 256);
fillTables();

function fillTables(): void {
  for (let i = 0; i < 256; i++) {
    let low = i;
    let high = 0;
    for (let bit = 0; bit < 8; bit++) {
      const out = low & 1;
      low = (low >>> 1) | (high << 31);
      high >>>= 1;
      if (out === 0) continue;
      low ^= POLY_LOW;
      high ^= POLY_HIGH;
    }
    tableLow[i] = low;
    tableHigh[i] = high;
  }
  for (let i = 256; i < TABLES * 256; i++) {
    const low = tableLow[i - 256]!;
    const high = tableHigh[i - 256]!;
    tableLow[i] = ((low >>> 8) | (high << 24)) ^ tableLow[low & 0xff]!;
    tableHigh[i] = (high >>> 8) ^ tableHigh[low & 0xff]!;
  }
}

/** A checksum in the making: feed it with update(), read `low` and `high`. */
export class Crc64 {
  /** Words of the checksum so far, signed. */
  low = 0;
  high = 0;

  reset(): void {
    this.low = 0;
    this.high = 0;
  }

  /** Adds the bytes [off, off + len). */
  update(bytes: Buffer, off: number, len: number): void {
    const lows = tableLow;
    const highs = tableHigh;
    let low = this.low;
    let high = this.high;
    let at = off;
    for (const end = off + (len & ~7); at < end; at += 8) {
      const a = low ^ (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24));
      const b =
        high ^ (bytes[at + 4]! | (bytes[at + 5]! << 8) | (bytes[at + 6]! << 16) | (bytes[at + 7]! << 24));
      const i7 = 1792 | (a & 0xff);
      const i6 = 1536 | ((a >>> 8) & 0xff);
      const i5 = 1280 | ((a >>> 16) & 0xff);
      const i4 = 1024 | (a >>> 24);
      const i3 = 768 | (b & 0xff);
      const i2 = 512 | ((b >>> 8) & 0xff);
      const i1 = 256 | ((b >>> 16) & 0xff);
      const i0 = b >>> 24;
      low = lows[i7]! ^ lows[i6]! ^ lows[i5]! ^ lows[i4]! ^ lows[i3]! ^ lows[i2]! ^ lows[i1]! ^ lows[i0]!;
      high =
        highs[i7]! ^ highs[i6]! ^ highs[i5]! ^ highs[i4]! ^ highs[i3]! ^ highs[i2]! ^ highs[i1]! ^ highs[i0]!;
    }
    for (const end = off + len; at < end; at++) {
      const i = (low ^ bytes[at]!) & 0xff;
      low = ((low >>> 8) | (high << 24)) ^ lows[i]!;
      high = (high >>> 8) ^ highs[i]!;
    }
    this.low = low;
    this.high = high;
  }

  /** Writes the checksum as files have it: 8 bytes, little endian. */
  write(bytes: Buffer, off: number): void {
    bytes.writeInt32LE(this.low, off);
    bytes.writeInt32LE(this.high, off + 4);
  }

  /** Whether the 8 bytes at `off` are this checksum. */
  matches(bytes: Buffer, off: number): boolean {
    return bytes.readInt32LE(off) === this.low && bytes.readInt32LE(off + 4) === this.high;
  }
}

/** x^0 where the lowest bit is the highest power. */
const ONE = 1n << 63n;
const POLY = (BigInt(POLY_HIGH >>> 0) << 32n) | BigInt(POLY_LOW >>> 0);

/** Product of two polynomials, modulo that of the checksum. */
function multiply(a: bigint, b: bigint): bigint {
  let product = 0n;
  for (let bit = ONE; bit !== 0n; bit >>= 1n) {
    if ((a & bit) !== 0n) product ^= b;
    b = (b & 1n) === 0n ? b >> 1n : (b >> 1n) ^ POLY;
  }
  return product;
}

/**
 * Makes `crc` the checksum of its bytes and `zeros` bytes of 0 behind them. Takes time by the logarithm of `zeros`: what a
 * change of a byte long ago does to a checksum is the exclusive or with the checksum of the difference and zeros.
 */
export function appendZeros(crc: Crc64, zeros: number): void {
  let factor = ONE;
  let power = ONE >> 8n;
  for (let left = BigInt(zeros); left !== 0n; left >>= 1n) {
    if ((left & 1n) !== 0n) factor = multiply(factor, power);
    power = multiply(power, power);
  }
  const result = multiply(factor, (BigInt(crc.high >>> 0) << 32n) | BigInt(crc.low >>> 0));
  crc.low = Number(BigInt.asIntN(32, result));
  crc.high = Number(BigInt.asIntN(32, result >> 32n));
}
