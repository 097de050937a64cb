// How many nodes Redis's radix tree would have over the IDs of a stream's blocks: XINFO's radix-tree-nodes. Sabre has no
// such tree, but the number follows from the IDs alone.
//
// Each of the 16 bytes of a key is a level. A tree of keys of one length has a node
//   for each key, where it ends;
//   for each place where keys part;
//   for each run of bytes in between that no key parts in, of any length above 0.
// An empty tree has one node.

import { ID_WORDS } from './stream-id.ts';
import type { BlockTree } from './stream-tree.ts';

const KEY_BYTES = 16;

/** @param blocks the tree of blocks; its cursor is moved */
export function radixNodes(blocks: BlockTree): number {
  if (!blocks.seekFirst()) return 1;
  /** Depths at which the path to the last key parts from others, ascending. */
  const parting: number[] = [];
  const key = new Int32Array(ID_WORDS);
  let nodes = 1;
  for (let first = true, more = true; more; first = false, more = blocks.next()) {
    if (!first) nodes += 1 + addKey(parting, commonBytes(key, blocks.words, blocks.at));
    for (let i = 0; i < ID_WORDS; i++) key[i] = blocks.words[blocks.at + i]!;
  }
  const deepest = parting.length === 0 ? -1 : parting[parting.length - 1]!;
  if (deepest < KEY_BYTES - 1) nodes++;
  return nodes + close(parting, -1);
}

/**
 * Goes on to the next key.
 * @param common bytes that it has in common with the key before
 * @returns nodes of the key before that are known now: places where keys part, and runs
 */
function addKey(parting: number[], common: number): number {
  const deepest = parting.length === 0 ? -1 : parting[parting.length - 1]!;
  let nodes = Math.max(deepest, common) < KEY_BYTES - 1 ? 1 : 0;
  nodes += close(parting, common);
  if (parting.length === 0 || parting[parting.length - 1]! < common) {
    parting.push(common);
    nodes++;
  }
  return nodes;
}

/** Leaves what is deeper than `depth`. @returns runs in front of the places left */
function close(parting: number[], depth: number): number {
  let runs = 0;
  while (parting.length > 0 && parting[parting.length - 1]! > depth) {
    const place = parting.pop()!;
    const above = parting.length === 0 ? -1 : parting[parting.length - 1]!;
    if (place > Math.max(above, depth) + 1) runs++;
  }
  return runs;
}

/** Bytes from the first on in which two different IDs agree. */
function commonBytes(a: Int32Array, b: Int32Array, at: number): number {
  for (let i = 0; i < ID_WORDS; i++) {
    const difference = a[i]! ^ b[at + i]!;
    if (difference !== 0) return i * 4 + (Math.clz32(difference) >> 3);
  }
  return KEY_BYTES;
}
