/**
 * Reads the commands of an append only file, in batches.
 *
 *     bytes   │ delivered │ batch: whole commands and transactions │ begun: a command, a transaction │ room │
 *                         whole                                    next whole                        end
 *
 * MULTI and EXEC are not delivered: what stands between them is, when all of it is there. Annotations (`#TS:...`) are passed
 * over. A batch begins where the one before has ended; what was begun is parsed again when more is there, and since the
 * buffer doubles then, that costs no more than once over. Memory: a batch, or twice the longest transaction.
 *
 * How a file may end:
 *   - at the end of a command: well;
 *   - in a command, an annotation or a transaction: the server went down while it wrote. The last file may be cut back to
 *     what is whole (aof-load-truncated), in Redis's words. Unlike Redis, this also cuts back half an annotation, and never
 *     touches a file that is not the last;
 *   - with something that is no command: refused, with the offset. So is a command whose length goes past the end of the
 *     file while further commands follow in what would be its argument: that is a damaged length, and cutting the file
 *     there, as Redis does, would lose them.
 *
 * Left out: RDB preambles, which the RDB loader reads; tell the offset behind it. Whether commands exist is the caller's
 * business. Each file begins in database 0.
 */

import { strerror } from '../config/system-error.ts';
import { toUtf8 } from '../config/tokenize.ts';
import { AofParse, AofParser } from './aof-parser.ts';
import { type FilePath, type Files, OpenMode } from './files.ts';
import type { PersistenceLog } from './log.ts';

/** A batch is there; the end; the end comes early; wrong format; the disk fails. */
export const AofRead = { Batch: 0, End: 1, Truncated: 2, Bad: 3, Failed: 4 } as const;
export type AofRead = (typeof AofRead)[keyof typeof AofRead];

const CHUNK_BYTES = 1024 * 1024;
const BATCH_COMMANDS_MAX = 4096;
const BUFFER_BYTES_MAX = 0x7fffffff;
/** A larger buffer is not kept when a long command is delivered. */
const SPARE_BYTES_MAX = 16 * CHUNK_BYTES;
/** Redis's AOF_ANNOTATION_LINE_MAX_LEN. */
const ANNOTATION_BYTES_MAX = 1024;
/** How far behind a command without end others are looked for. */
const DAMAGE_BYTES_MAX = 16 * 1024 * 1024;
/** So many prove that the length is damaged; one does if the file ends with it. */
const DAMAGE_COMMANDS_MIN = 2;

const HASH = 0x23;
const STAR = 0x2a;
const CR = 0x0d;
const LF = 0x0a;

/** What the scan has met. */
const Met = { Limit: 0, Short: 1, Bad: 2 } as const;
type Met = (typeof Met)[keyof typeof Met];

export class AofReader {
  /* The batch; valid until the next call of `next`, which may put other arrays in place. */

  /** Commands in it. */
  count = 0;
  /** Command i is RESP at [starts[i], ends[i]) of `bytes`. */
  bytes = Buffer.allocUnsafeSlow(CHUNK_BYTES);
  starts = new Int32Array(BATCH_COMMANDS_MAX);
  ends = new Int32Array(BATCH_COMMANDS_MAX);
  /** Its arguments are [argFirst[i], argFirst[i] + argCount[i]) of argOff and argLen, which are offsets in `bytes`. */
  argFirst = new Int32Array(BATCH_COMMANDS_MAX);
  argCount = new Int32Array(BATCH_COMMANDS_MAX);

  /* The file. */

  size = 0;
  /** Offset of bytes[0]. */
  position = 0;
  /** Offset up to which all is whole and delivered: progress, and where a truncated file is cut. */
  wholeUpTo: number;
  /** Offset of what is wrong, after Bad. */
  badAt = -1;

  readonly #files: Files;
  readonly #log: PersistenceLog;
  readonly #path: FilePath;
  readonly #name: string;
  readonly #parser = new AofParser();
  #fd = -1;
  /** End of the bytes read. */
  #end = 0;
  /** Where the command begins that is not whole. */
  #begun = 0;
  #inTransaction = false;
  /** Bytes that are needed to go on, from bytes[0]. */
  #need = 0;

  /**
   * @param name for the log, one character per byte
   * @param offset where the commands begin: 0, or behind an RDB preamble
   */
  constructor(files: Files, log: PersistenceLog, path: FilePath, name: string, offset = 0) {
    this.#files = files;
    this.#log = log;
    this.#path = path;
    this.#name = toUtf8(name);
    this.position = offset;
    this.wholeUpTo = offset;
  }

  get argOff(): Int32Array {
    return this.#parser.argOff;
  }

  get argLen(): Int32Array {
    return this.#parser.argLen;
  }

  /** @returns false, with the reason in the log, if it cannot be read */
  open(): boolean {
    try {
      this.#fd = this.#files.open(this.#path, OpenMode.Read);
      this.size = this.#files.fileSize(this.#fd);
      return true;
    } catch (error) {
      const reason = strerror(error);
      const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT';
      this.#log.warning(
        isMissing
          ? `The append log file ${this.#name} doesn't exist: ${reason}`
          : `Fatal error: can't open the append log file ${this.#name} for reading: ${reason}`,
      );
      this.close();
      return false;
    }
  }

  close(): void {
    if (this.#fd < 0) return;
    try {
      this.#files.close(this.#fd);
    } catch (error) {
      this.#log.verbose(`Closing ${this.#name}: ${strerror(error)}`);
    }
    this.#fd = -1;
  }

  /**
   * Reads the next batch. Bad and Failed are in the log; after Truncated, call `settleTail`.
   */
  next(): AofRead {
    this.count = 0;
    for (;;) {
      const met = this.#scan();
      // What is whole goes first; the fault is met again.
      if (this.count > 0) return AofRead.Batch;
      if (met === Met.Bad) return this.#tellBad();
      // Nothing but empty transactions.
      if (met === Met.Limit) continue;
      if (this.#position(this.#end) < this.size && this.#position(this.#need) <= this.size) {
        const read = this.#fill(this.#need);
        if (read !== null) return read;
        continue;
      }
      return this.#atEnd();
    }
  }

  /**
   * What becomes of a file that has ended early.
   * @param isLast whether no other file follows
   * @param loadTruncated the directive aof-load-truncated
   * @returns whether the log can be loaded without what is cut off; the reason is in the log
   */
  settleTail(isLast: boolean, loadTruncated: boolean): boolean {
    const name = this.#name;
    if (this.#inTransaction) {
      this.#log.warning(`Revert incomplete MULTI/EXEC transaction in AOF file ${name}`);
    }
    if (loadTruncated && !isLast) {
      this.#log.warning(`!!! Warning: short read while loading the AOF file ${name}!!!`);
      this.#log.warning('Fatal error: the truncated file is not the last file');
      return false;
    }
    if (loadTruncated) {
      this.#log.warning(`!!! Warning: short read while loading the AOF file ${name}!!!`);
      this.#log.warning(`!!! Truncating the AOF ${name} at offset ${this.wholeUpTo} !!!`);
      try {
        this.#files.truncate(this.#path, this.wholeUpTo);
        this.#log.warning(`AOF ${name} loaded anyway because aof-load-truncated is enabled`);
        return true;
      } catch (error) {
        this.#log.warning(`Error truncating the AOF file ${name}: ${strerror(error)}`);
      }
    }
    this.#log.warning(
      `Unexpected end of file reading the append only file ${name}. You can: ` +
        '1) Make a backup of your AOF file, then use ./redis-check-aof --fix <filename.manifest>. ' +
        "2) Alternatively you can set the 'aof-load-truncated' configuration option to yes and restart the server.",
    );
    return false;
  }

  #position(offset: number): number {
    return this.position + offset;
  }

  /** Parses what was not delivered; what is whole becomes the batch. */
  #scan(): Met {
    const parser = this.#parser;
    parser.reset();
    const { bytes } = this;
    const end = this.#end;
    const from = this.wholeUpTo - this.position;
    let at = from;
    let seen = 0;
    this.#inTransaction = false;
    for (;;) {
      this.#begun = at;
      if (at < end && bytes[at] === HASH) {
        const behind = this.#annotationEnd(at);
        if (behind < 0) return behind === -1 ? Met.Short : Met.Bad;
        at = behind;
        if (!this.#inTransaction) this.wholeUpTo = this.#position(at);
        continue;
      }
      const status = parser.parse(bytes, at, end);
      if (status === AofParse.Bad) {
        this.badAt = this.#position(parser.end);
        return Met.Bad;
      }
      if (status === AofParse.Short) {
        this.#need = parser.end;
        return Met.Short;
      }
      const start = at;
      at = parser.end;
      if (!this.#inTransaction && this.#isWord(MULTI)) {
        this.#inTransaction = true;
        continue;
      }
      if (this.#isWord(EXEC)) this.#inTransaction = false;
      else this.#put(seen++, start, at);
      if (this.#inTransaction) continue;
      this.count = seen;
      this.wholeUpTo = this.#position(at);
      if (seen >= BATCH_COMMANDS_MAX || at - from >= CHUNK_BYTES) return Met.Limit;
    }
  }

  #put(index: number, from: number, to: number): void {
    if (index === this.starts.length) this.#growCommands();
    const { argFirst, argEnd } = this.#parser;
    this.starts[index] = from;
    this.ends[index] = to;
    this.argFirst[index] = argFirst;
    this.argCount[index] = argEnd - argFirst;
  }

  #growCommands(): void {
    this.starts = doubled(this.starts);
    this.ends = doubled(this.ends);
    this.argFirst = doubled(this.argFirst);
    this.argCount = doubled(this.argCount);
  }

  /** Whether the command just parsed is this one word, in any case. */
  #isWord(word: string): boolean {
    const { argFirst, argEnd, argOff, argLen } = this.#parser;
    if (argEnd - argFirst !== 1 || argLen[argFirst] !== word.length) return false;
    const off = argOff[argFirst]!;
    for (let i = 0; i < word.length; i++) {
      if ((this.bytes[off + i]! | 0x20) !== word.charCodeAt(i)) return false;
    }
    return true;
  }

  /** Behind an annotation; -1 if its end is not there, -2 if it is too long to be one. */
  #annotationEnd(at: number): number {
    const lf = this.bytes.subarray(at, Math.min(this.#end, at + ANNOTATION_BYTES_MAX)).indexOf(LF);
    if (lf >= 0) return at + lf + 1;
    this.#need = this.#end + 1;
    if (this.#end - at < ANNOTATION_BYTES_MAX) return -1;
    this.badAt = this.#position(at);
    return -2;
  }

  /**
   * Reads more, at least up to `need` if the file has it.
   * @returns null, or what ends it
   */
  #fill(need: number): AofRead | null {
    const delivered = this.wholeUpTo - this.position;
    const wanted = need - delivered;
    if (wanted > BUFFER_BYTES_MAX) {
      this.#log.warning(
        `Unrecoverable error reading the append only file ${this.#name}: more than 2 GiB in one transaction at offset ${this.wholeUpTo}`,
      );
      return AofRead.Failed;
    }
    this.#makeRoom(delivered, wanted);
    // As much again as was begun, so that it is not parsed anew for every few bytes.
    const goal = Math.min(this.bytes.length, Math.max(wanted, CHUNK_BYTES, 2 * this.#end));
    try {
      while (this.#end < goal && this.#position(this.#end) < this.size) {
        const room = goal - this.#end;
        const count = this.#files.read(this.#fd, this.bytes, this.#end, room, this.#position(this.#end));
        // It was longer when it was opened: what is there is what counts.
        if (count === 0) this.size = this.#position(this.#end);
        this.#end += count;
      }
      return null;
    } catch (error) {
      this.#log.warning(`Unrecoverable error reading the append only file ${this.#name}: ${strerror(error)}`);
      return AofRead.Failed;
    }
  }

  /** Moves what is not delivered to the front, of a larger buffer if it needs one, of a smaller one if that will do. */
  #makeRoom(delivered: number, wanted: number): void {
    const kept = this.#end - delivered;
    let size = this.bytes.length;
    if (wanted > size || kept === size) size = Math.min(Math.max(wanted, size * 2), BUFFER_BYTES_MAX);
    else if (size > SPARE_BYTES_MAX && wanted <= CHUNK_BYTES) size = Math.max(CHUNK_BYTES, 2 * kept);
    if (size === this.bytes.length) {
      this.bytes.copyWithin(0, delivered, this.#end);
    } else {
      const other = Buffer.allocUnsafeSlow(size);
      this.bytes.copy(other, 0, delivered, this.#end);
      this.bytes = other;
    }
    this.#begun -= delivered;
    this.#end = kept;
    this.position = this.wholeUpTo;
  }

  /** No more bytes can make what was begun whole. */
  #atEnd(): AofRead {
    if (this.#begun === this.#end && this.#position(this.#end) === this.size) {
      return this.#inTransaction ? AofRead.Truncated : AofRead.End;
    }
    const far = Math.min(this.size - this.position, this.#begun + DAMAGE_BYTES_MAX);
    if (far > this.#end) {
      const read = this.#fill(far);
      if (read !== null) return read;
    }
    if (!this.#isDamaged(this.#begun + 1)) return AofRead.Truncated;
    this.badAt = this.#position(this.#begun);
    return this.#tellBad();
  }

  /** Whether commands follow in what would be an argument that is longer than the file. */
  #isDamaged(from: number): boolean {
    const { bytes } = this;
    const end = this.#end;
    for (let at = bytes.indexOf(STAR, from); at >= 0 && at < end; at = bytes.indexOf(STAR, at + 1)) {
      if (bytes[at - 1] === LF && bytes[at - 2] === CR && this.#commandsAt(at)) return true;
    }
    return false;
  }

  #commandsAt(from: number): boolean {
    const parser = this.#parser;
    let at = from;
    for (let count = 0; count < DAMAGE_COMMANDS_MIN; count++) {
      parser.reset();
      if (parser.parse(this.bytes, at, this.#end) !== AofParse.Whole) return false;
      at = parser.end;
      if (this.#position(at) === this.size) return true;
    }
    return true;
  }

  #tellBad(): AofRead {
    const name = this.#name;
    this.#log.warning(
      `Bad file format reading the append only file ${name}: make a backup of your AOF file, then use ./redis-check-aof --fix <filename.manifest>`,
    );
    this.#log.warning(
      `The append only file ${name} is damaged at offset ${this.badAt}; all is well before offset ${this.wholeUpTo}`,
    );
    return AofRead.Bad;
  }
}

const MULTI = 'multi';
const EXEC = 'exec';

function doubled(list: Int32Array): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(list.length * 2);
  larger.set(list);
  return larger;
}

/** Whether a file begins as an RDB file does: a base, or the preamble of a log from before Redis 7. */
export function beginsAsRdb(files: Files, path: FilePath): boolean {
  const fd = files.open(path, OpenMode.Read);
  try {
    const head = Buffer.alloc(5);
    return files.read(fd, head, 0, 5, 0) === 5 && head.toString('latin1') === 'REDIS';
  } finally {
    files.close(fd);
  }
}
