// PFSELFTEST: checks the registers' bit packing, the agreement of the sparse and the dense form, and that estimates
// stay within six standard errors up to ten million elements, as Redis's command does. Takes seconds; touches no key.

import {
  countValue,
  DENSE_BYTES,
  denseRegister,
  HEADER_BYTES,
  HllEncoding,
  REGISTER_MAX,
  REGISTERS,
  raiseDense,
  setDenseRegister,
  writeHeader,
} from '../structures/hyperloglog.ts';
import { elementRegister, INDEX_BITS } from '../structures/hyperloglog-hash.ts';
import { HllImage } from '../structures/hyperloglog-image.ts';

const CYCLES = 1000;
const ELEMENTS = 10_000_000;
const INDEX_MASK = (1 << INDEX_BITS) - 1;

/**
 * @param sparseMax hll-sparse-max-bytes
 * @param elements to add @param cycles times that all registers are set
 * @returns null if all is well, else an error's text
 */
export function selfTest(
  sparseMax: number,
  elements: number = ELEMENTS,
  cycles: number = CYCLES,
): string | null {
  return testRegisters(cycles) ?? testEstimates(sparseMax, elements);
}

/** Registers keep what they are set to, and leave their neighbours alone. */
function testRegisters(cycles: number): string | null {
  const dense = Buffer.alloc(DENSE_BYTES);
  const values = new Uint8Array(REGISTERS);
  for (let cycle = 0; cycle < cycles; cycle++) {
    for (let i = 0; i < REGISTERS; i++) {
      values[i] = Math.random() * (REGISTER_MAX + 1);
      setDenseRegister(dense, HEADER_BYTES, i, values[i]!);
    }
    for (let i = 0; i < REGISTERS; i++) {
      const value = denseRegister(dense, HEADER_BYTES, i);
      if (value !== values[i]) return `ERR TESTFAILED Register ${i} should be ${values[i]} but is ${value}`;
    }
  }
  return null;
}

function testEstimates(sparseMax: number, elements: number): string | null {
  const dense = Buffer.alloc(DENSE_BYTES);
  writeHeader(dense, 0, HllEncoding.Dense);
  const image = new HllImage();
  image.clear();
  const element = Buffer.alloc(8);
  const seed = Math.floor(Math.random() * 4294967296);
  element.writeUInt32LE(Math.floor(Math.random() * 4294967296), 4);
  let checkpoint = 1;
  for (let i = 1; i <= elements; i++) {
    element.writeInt32LE(i ^ seed, 0);
    const register = elementRegister(element, 0, 8);
    const index = register & INDEX_MASK;
    const value = register >> INDEX_BITS;
    raiseDense(dense, HEADER_BYTES, index, value);
    image.raise(index, value, sparseMax);
    if (i !== checkpoint) continue;
    const failure = testCheckpoint(dense, image, checkpoint, sparseMax);
    if (failure !== null) return failure;
    checkpoint *= 10;
  }
  return null;
}

function testCheckpoint(dense: Buffer, image: HllImage, elements: number, sparseMax: number): string | null {
  if (elements < sparseMax / 2 && image.dense) return 'ERR TESTFAILED sparse encoding not used';
  const count = countValue(dense, 0, DENSE_BYTES);
  if (countValue(image.bytes, 0, image.length) !== count) return 'ERR TESTFAILED dense/sparse disagree';
  // Ten elements collide now and then, so one off is allowed there.
  const limit = elements === 10 ? 1 : Math.ceil((1.04 / Math.sqrt(REGISTERS)) * 6 * elements);
  const error = Math.abs(elements - count);
  return error > limit ? `ERR TESTFAILED Too big error. card:${elements} abserr:${error}` : null;
}
