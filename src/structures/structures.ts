// The flyweights of one thread over all structures of values; `Keyspace.structures`.

import type { SharedMemory } from '../memory/shared-memory.ts';
import { ElementTable } from './element-table.ts';
import { Quicklist } from './quicklist.ts';
import type { RootedStructure } from './rooted.ts';
import { SortedSet } from './sorted-set.ts';
import { Stream } from './stream.ts';
import { Encoding, Type } from './types.ts';

export class Structures {
  readonly memory: SharedMemory;
  /** By type << 4 | encoding: the structure behind a rooted value. */
  readonly #rooted: (RootedStructure | null)[] = new Array(256).fill(null);

  /** Fields of hashes. */
  readonly fields: ElementTable;
  readonly stream: Stream;

  constructor(memory: SharedMemory) {
    this.memory = memory;
    this.fields = new ElementTable(memory);
    this.stream = new Stream(memory);
    this.register(Type.Hash, Encoding.Hashtable, this.fields);
    this.register(Type.Stream, Encoding.Stream, this.stream);
    this.register(Type.List, Encoding.Quicklist, new Quicklist(memory));
    this.register(Type.Set, Encoding.Hashtable, new ElementTable(memory));
    this.register(Type.ZSet, Encoding.Skiplist, new SortedSet(memory));
  }

  /** Registers what stands behind values of a type and encoding. Called by the constructor, for each of them. */
  protected register(type: number, encoding: number, structure: RootedStructure): void {
    this.#rooted[(type << 4) | encoding] = structure;
  }

  /** @returns the structure of a rooted value, null if values of this encoding are bytes in their record */
  rootedOf(type: number, encoding: number): RootedStructure | null {
    return this.#rooted[(type << 4) | encoding]!;
  }
}
