// What a command leaves in the change stream: the log file and replicas get its effect, not always its words. EXPIRE is
// told as PEXPIREAT, SPOP as SREM, what waits for nobody is not told at all. Redis's rules (alsoPropagate, rewriteClientCommand...).
//
// Without a word from its handler, a command that has counted a change is told as the client sent it: the executor does
// that, without a copy in here. What a handler tells instead, and the deletions of expired and evicted keys on its way, are
// gathered here as commands in RESP. All that one command tells is one unit: MULTI ... EXEC around it in the file.
//
//   entry  database (int32) | bytes (int32) | command in RESP

/** Bytes in front of a command, see above. */
export const ENTRY_HEADER = 8;
const INITIAL_BYTES = 4096;
/** A larger buffer is not kept after the command. */
const KEPT_BYTES = 1024 * 1024;
const NUMBER_BYTES = 24;
const STAR = 0x2a;
const DOLLAR = 0x24;

/** The client's command: what Effects needs of a CommandContext. */
export interface ToldCommand {
  readonly input: Buffer;
  readonly argc: number;
  readonly argOff: Int32Array;
  readonly argLen: Int32Array;
  readonly db: number;
}

export class Effects {
  /** Whether anybody wants to know. If not, handlers leave it. */
  wanted = false;
  /** Whether the handler has told what is to be told of the command itself. */
  told = false;
  /** The entries, see above. */
  buffer = Buffer.allocUnsafe(INITIAL_BYTES);
  length = 0;
  /** How many there are. */
  count = 0;
  /** Where the last one begins. */
  #entry = 0;
  /** Where what stands for the client's command begins, and what is in front of it; -1 if there is nothing yet. */
  #own = -1;
  #before = 0;
  readonly #command: ToldCommand;
  readonly #digits = Buffer.allocUnsafe(NUMBER_BYTES);

  constructor(command: ToldCommand) {
    this.#command = command;
  }

  /** Forgets what was told: before the next command. */
  reset(): void {
    this.told = false;
    this.length = 0;
    this.count = 0;
    this.#own = -1;
    if (this.buffer.length > KEPT_BYTES) this.buffer = Buffer.allocUnsafe(INITIAL_BYTES);
  }

  /** Goes on with the next command of a transaction: what was told so far stays. */
  next(): void {
    this.told = false;
    this.#own = -1;
  }

  /** Leaves nothing more to tell of this command: all has been told. */
  forget(): void {
    this.told = true;
    this.length = 0;
    this.count = 0;
  }

  /**
   * Begins a command that stands for the client's. Called again, it begins another one.
   * @param argc arguments that follow, its name included
   */
  begin(argc: number, db = this.#command.db): void {
    this.told = true;
    if (this.#own < 0) {
      this.#own = this.length;
      this.#before = this.count;
    }
    this.#begin(argc, db);
  }

  /**
   * Begins a command that is told in front of the client's, whatever that will be: what was deleted on its way.
   * @param argc arguments that follow, its name included
   */
  beginBefore(argc: number, db = this.#command.db): void {
    this.#begin(argc, db);
  }

  /** Takes back what begin() has begun, for a handler that failed and has changed nothing. */
  withdraw(): void {
    if (this.#own < 0) return;
    this.length = this.#own;
    this.count = this.#before;
    this.#own = -1;
  }

  /** Appends an argument of the client's command. */
  arg(index: number): void {
    const { input, argOff, argLen } = this.#command;
    this.bytes(input, argOff[index]!, argLen[index]!);
  }

  /** Appends bytes as an argument. */
  bytes(source: Buffer, off: number, len: number): void {
    this.#room(len + NUMBER_BYTES + 8);
    this.#number(DOLLAR, len);
    source.copy(this.buffer, this.length, off, off + len);
    this.length += len;
    this.#endLine();
    this.#close();
  }

  /** Appends an argument of ASCII. */
  text(text: string): void {
    this.#room(text.length + NUMBER_BYTES + 8);
    this.#number(DOLLAR, text.length);
    this.length += this.buffer.write(text, this.length, 'latin1');
    this.#endLine();
    this.#close();
  }

  /** Appends a whole number as an argument. */
  integer(value: number | bigint): void {
    this.text(String(value));
  }

  /** Nothing is to be told of the command itself. */
  none(): void {
    this.told = true;
  }

  /** Tells the client's command itself, among others. */
  verbatim(): void {
    const { argc, db } = this.#command;
    this.begin(argc, db);
    for (let i = 0; i < argc; i++) this.arg(i);
  }

  /**
   * Tells that a key is gone because its time had come or for want of memory. What is told of the command itself, follows.
   * @param lazy whether as UNLINK (lazyfree-lazy-expire, lazyfree-lazy-eviction)
   */
  deleted(db: number, key: Buffer, off: number, len: number, lazy: boolean): void {
    if (!this.wanted) return;
    this.#begin(2, db);
    this.text(lazy ? 'UNLINK' : 'DEL');
    this.bytes(key, off, len);
  }

  #begin(argc: number, db: number): void {
    this.#room(ENTRY_HEADER + NUMBER_BYTES);
    this.#entry = this.length;
    this.count++;
    this.buffer.writeInt32LE(db, this.length);
    this.length += ENTRY_HEADER;
    this.#number(STAR, argc);
    this.#close();
  }

  /** Writes the length of the last entry. */
  #close(): void {
    this.buffer.writeInt32LE(this.length - this.#entry - ENTRY_HEADER, this.#entry + 4);
  }

  #number(prefix: number, value: number): void {
    this.buffer[this.length++] = prefix;
    let digits = 0;
    do {
      this.#digits[digits++] = 0x30 + (value % 10);
      value = Math.floor(value / 10);
    } while (value > 0);
    while (digits > 0) this.buffer[this.length++] = this.#digits[--digits]!;
    this.#endLine();
  }

  #endLine(): void {
    this.buffer[this.length++] = 0x0d;
    this.buffer[this.length++] = 0x0a;
  }

  #room(bytes: number): void {
    const needed = this.length + bytes;
    if (needed <= this.buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(needed, this.buffer.length * 2));
    this.buffer.copy(larger, 0, 0, this.length);
    this.buffer = larger;
  }
}
