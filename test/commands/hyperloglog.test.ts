// HyperLogLog beyond the comparing tests: damaged values, estimates of work, the self test, accuracy.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { selfTest } from '../../src/commands/hyperloglog-selftest.ts';
import { IN_PLACE_WORK_MAX } from '../../src/commands/table.ts';
import { elementRegister } from '../../src/structures/hyperloglog-hash.ts';
import { InProcess } from '../support/in-process.ts';

const HEADER = Buffer.from('HYLL\x01\0\0\0\0\0\0\0\0\0\0\x80', 'latin1');
const CORRUPT = '-INVALIDOBJ Corrupted HLL object detected\r\n';

/** MurmurHash64A in BigInts, straight from its definition. */
function murmur64(bytes: Buffer): bigint {
  const m = 0xc6a4a7935bd1e995n;
  const times = (a: bigint) => BigInt.asUintN(64, a * m);
  let h = 0xadc83b19n ^ times(BigInt(bytes.length));
  let at = 0;
  for (; at + 8 <= bytes.length; at += 8) {
    let k = times(bytes.readBigUInt64LE(at));
    k = times(k ^ (k >> 47n));
    h = times(h ^ k);
  }
  const rest = bytes.subarray(at);
  if (rest.length > 0) {
    for (const [i, byte] of rest.entries()) h ^= BigInt(byte) << BigInt(8 * i);
    h = times(h);
  }
  h = times(h ^ (h >> 47n));
  return h ^ (h >> 47n);
}

describe('the hash of elements', () => {
  it('is MurmurHash64A, its low 14 bits and the first bit set behind them', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), fc.nat(7), (data, shift) => {
        const bytes = Buffer.concat([Buffer.alloc(shift), data, Buffer.alloc(9, 0xff)]);
        const hash = murmur64(Buffer.from(data));
        let rest = (hash >> 14n) | (1n << 50n);
        let count = 1;
        for (; (rest & 1n) === 0n; rest >>= 1n) count++;
        expect(elementRegister(bytes, shift, data.length)).toBe(Number(hash & 16383n) | (count << 14));
      }),
      { numRuns: 2000 },
    );
  });
});

describe('HyperLogLog', () => {
  it('refuses damaged opcodes wherever it meets them, and reads nothing outside the value', () => {
    const local = new InProcess();
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), fc.nat(300), (opcodes, element) => {
        local.run('FLUSHALL');
        local.run('SET', 'h', Buffer.concat([HEADER, Buffer.from(opcodes)]));
        local.run('SET', 'neighbour', 'n'.repeat(opcodes.length + 16));
        const covered = coveredRegisters(opcodes);
        if (covered === 16384) return;
        expect(local.text('PFCOUNT', 'h')).toBe(CORRUPT);
        expect(local.text('PFCOUNT', 'h', 'none')).toBe(CORRUPT);
        expect(local.text('PFMERGE', 'other', 'h')).toBe(CORRUPT);
        expect(local.value('EXISTS', 'other')).toBe(0);
        expect(local.text('PFDEBUG', 'GETREG', 'h')).toBe(CORRUPT);
        expect(local.text('PFDEBUG', 'TODENSE', 'h')).toBe(CORRUPT);
        expect(local.text('PFADD', 'h', `e${element}`)).toMatch(/^(?:-INVALIDOBJ |:[01]\r\n$)/);
        expect(local.value('GET', 'neighbour')).toBe('n'.repeat(opcodes.length + 16));
        local.checkInvariants();
      }),
      { numRuns: 300 },
    );
  });

  it('keeps the expiry when it adds, converts and merges', () => {
    const local = new InProcess();
    local.run('PFADD', 'h', 'a');
    local.run('EXPIRE', 'h', '100');
    local.run('PFADD', 'h', ...Array.from({ length: 3000 }, (_, i) => `e${i}`));
    expect(local.value('PFDEBUG', 'ENCODING', 'h')).toBe('dense');
    local.run('PFMERGE', 'h', 'none');
    expect(local.value('TTL', 'h')).toBe(100);
    expect(local.value('STRLEN', 'h')).toBe(12304);
    local.checkInvariants();
  });

  it('is long work for many elements or keys only', () => {
    const local = new InProcess();
    local.run('PFADD', 'h', 'a', 'b');
    local.run('PFADD', 'h', 'a', 'b');
    expect(local.lastEstimate).toBeLessThan(IN_PLACE_WORK_MAX);
    local.run('PFADD', 'h', ...Array.from({ length: 20_000 }, (_, i) => `e${i}`));
    local.run('PFADD', 'h', ...Array.from({ length: 20_000 }, (_, i) => `e${i}`));
    expect(local.lastEstimate).toBeGreaterThan(IN_PLACE_WORK_MAX);
    local.run('PFCOUNT', 'h', 'g');
    expect(local.lastEstimate).toBeLessThan(IN_PLACE_WORK_MAX);
    local.run('PFCOUNT', ...Array.from({ length: 50 }, () => 'h'));
    expect(local.lastEstimate).toBeGreaterThan(IN_PLACE_WORK_MAX);
  });

  it('passes its own test, and notices an error', () => {
    expect(selfTest(3000, 20_000, 20)).toBe(null);
    expect(selfTest(0, 1, 1)).toBe(null);
    // No value is as short as this limit, so the first element makes it dense: too early for so few.
    expect(selfTest(4, 1, 1)).toBe('ERR TESTFAILED sparse encoding not used');
  });
});

/** Registers that opcodes cover; NaN where a VAL passes the last one. */
function coveredRegisters(opcodes: Uint8Array): number {
  let registers = 0;
  for (let i = 0; i < opcodes.length; i++) {
    const opcode = opcodes[i]!;
    if ((opcode & 0x80) !== 0) {
      registers += (opcode & 3) + 1;
      if (registers > 16384) return NaN;
    } else if ((opcode & 0x40) === 0) registers += (opcode & 63) + 1;
    else registers += (((opcode & 63) << 8) | (opcodes[++i] ?? 0)) + 1;
  }
  return registers;
}
