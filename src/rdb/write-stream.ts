// Writes values that are streams, as StreamListpacks2: see read-stream.ts.

import { GRANULE_SHIFT, REF_MASK, REF_REGION_SHIFT } from '../memory/layout.ts';
import type { SharedMemory } from '../memory/shared-memory.ts';
import { listpackBytes } from '../structures/listpack.ts';
import type { Stream } from '../structures/stream.ts';
import { StreamConsumer } from '../structures/stream-group.ts';
import { ID_WORDS } from '../structures/stream-id.ts';
import { type IdTree, PendingWord } from '../structures/stream-tree.ts';
import { breathe, type Pause } from './pause.ts';
import type { RdbWriter } from './rdb-writer.ts';

const ID_BYTES = 16;

export class StreamWriter {
  readonly #memory: SharedMemory;
  readonly #consumer: StreamConsumer;

  constructor(memory: SharedMemory) {
    this.#memory = memory;
    this.#consumer = new StreamConsumer(memory);
  }

  /** @param stream open on the stream */
  write(out: RdbWriter, stream: Stream, pause: Pause | null): void {
    const { words, root, groups } = stream;
    this.#writeBlocks(out, stream, pause);
    // The root's first words are the number of entries.
    out.lenWords(words[root]!, words[root + 1]!);
    writeId(out, words, stream.lastIdAt);
    writeId(out, words, stream.firstIdAt);
    writeId(out, words, stream.maxDeletedIdAt);
    out.lenWords(words[stream.entriesAddedAt]!, words[stream.entriesAddedAt + 1]!);
    out.len(groups.count);
    for (let i = 0; i < groups.count; i++) {
      stream.openGroup(i);
      this.#writeGroup(out, stream, pause);
    }
  }

  #writeBlocks(out: RdbWriter, stream: Stream, pause: Pause | null): void {
    const { blocks } = stream;
    out.len(blocks.size);
    for (let more = blocks.seekFirst(); more; more = blocks.next()) {
      const { ref } = blocks;
      const bytes = this.#memory.bytes[ref >>> REF_REGION_SHIFT]!;
      const base = (ref & REF_MASK) << GRANULE_SHIFT;
      out.len(ID_BYTES);
      writeRawId(out, blocks.words, blocks.at);
      out.string(bytes, base, listpackBytes(bytes, base));
      pause?.breathe();
    }
  }

  #writeGroup(out: RdbWriter, stream: Stream, pause: Pause | null): void {
    const { group } = stream;
    const { words, pending, consumers } = group;
    out.string(group.nameBytes, group.nameOff, group.nameLen);
    writeId(out, words, group.lastIdAt);
    out.lenWords(words[group.entriesReadAt]!, words[group.entriesReadAt + 1]!);
    out.len(pending.size);
    for (let i = 0, more = pending.seekFirst(); more; more = pending.next(), i++) {
      const { words: entry, at } = pending;
      writeRawId(out, entry, at);
      out.words(entry[at + PendingWord.TimeLow]!, entry[at + PendingWord.TimeHigh]!);
      out.lenWords(entry[at + PendingWord.CountLow]!, entry[at + PendingWord.CountHigh]!);
      breathe(pause, i);
    }
    const consumer = this.#consumer;
    out.len(consumers.count);
    for (let i = 0; i < consumers.count; i++) {
      group.openConsumer(consumer, i);
      out.string(consumer.nameBytes, consumer.nameOff, consumer.nameLen);
      out.integer64(consumer.seenAt);
      writeIds(out, consumer.pending, pause);
    }
  }
}

function writeIds(out: RdbWriter, ids: IdTree, pause: Pause | null): void {
  out.len(ids.size);
  for (let i = 0, more = ids.seekFirst(); more; more = ids.next(), i++) {
    writeRawId(out, ids.words, ids.at);
    breathe(pause, i);
  }
}

/** Writes an ID as 16 bytes, big endian. */
function writeRawId(out: RdbWriter, words: Int32Array, at: number): void {
  for (let i = 0; i < ID_WORDS; i += 2) out.wordsBigEndian(words[at + i]!, words[at + i + 1]!);
}

/** Writes an ID as two lengths. */
function writeId(out: RdbWriter, words: Int32Array, at: number): void {
  for (let i = 0; i < ID_WORDS; i += 2) out.lenWords(words[at + i + 1]!, words[at + i]!);
}
