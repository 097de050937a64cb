// What the keyspace asks of every value whose blocks hang from a root in its record, whatever the type.
//
//   record:  header | key | padding to 4 bytes | root: a few 32-bit words       (see keyspace/record.ts, rootWord)
//                                                 |
//                                                 +-> blocks of the shard's arena, reached from there only
//
// A rooted structure is a flyweight: one instance per thread, pointed at a root with open(). It is valid while the
// shard's lock is held and the record stays where it is; blocks do not move with the record.
//
// Owner rule: root and blocks belong to the holder of the shard's lock. A value that was taken out of the index belongs
// to the shard's lazy-free list until freeSome() says that nothing is left.

import type { Arena } from '../memory/arena.ts';

export interface RootedStructure {
  /** Words of the root. */
  readonly rootWords: number;

  /** Points the flyweight at a root. @param words of the root's region @param root index of its first word */
  open(arena: Arena, words: Int32Array, root: number): void;

  /** Elements: what LLEN, HLEN, ... answer (expired fields included). */
  readonly size: number;

  /** Blocks that the value owns, about: decides whether a delete frees them at once or leaves them to lazy free. */
  readonly blockCount: number;

  /**
   * Frees blocks, at most about `budget` of them. Between calls the structure is good for nothing else than another
   * call, freeBlocks and eachBlock.
   * @returns what is left of the budget: 0 or less means that there may be more to free
   */
  freeSome(budget: number): number;

  /**
   * Writes a copy of the value to another root.
   * @param arena of the copy: another shard's, maybe
   * @throws OutOfMemoryError; nothing was taken
   */
  copyTo(arena: Arena, words: Int32Array, root: number): void;

  /** Visits every block of the value once, also after freeSome() has begun. */
  eachBlock(visit: (ref: number) => void): void;

  /** Throws at the first broken invariant. */
  check(): void;

  /** Bytes of blocks, estimated from `samples` elements (0: all of them): MEMORY USAGE. */
  bytes(samples: number): number;

  /**
   * Moves blocks for which `arena.isSparse(ref, limits)` holds to new ones, at most about `budget` blocks looked at.
   * @param from 0 to begin, else what the last call returned; the value may have changed in between
   * @returns where to go on, 0 when done
   * @throws OutOfMemoryError; the structure is whole
   */
  moveSparse(limits: Int32Array, from: number, budget: number): number;

  /** Blocks that the last moveSparse() moved. */
  readonly moved: number;
}
