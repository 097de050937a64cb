// An incremental parser for what a server sends: every type of RESP2 and RESP3.
//
// It is written for tests, on purpose with nothing shared with `src/protocol`: it keeps the exact bytes of every reply
// beside the parsed value, so that replies of two servers can be compared byte by byte. Chunks may be cut anywhere;
// the state of unfinished aggregates is kept on a stack, so a reply of a million elements costs linear time.
//
//   +simple  -error  :integer  $bulk  *array  _null  #boolean  ,double  (bignumber  !blob error  =verbatim
//   %map  ~set  >push  |attribute (belongs to the reply after it; its bytes are part of that reply's bytes)
//
// Not supported: streamed strings and aggregates (`$?`, `*?`), which Redis does not send either.

export type ReplyType =
  | 'simple'
  | 'error'
  | 'integer'
  | 'bulk'
  | 'array'
  | 'null'
  | 'boolean'
  | 'double'
  | 'bignumber'
  | 'bloberror'
  | 'verbatim'
  | 'map'
  | 'set'
  | 'push'
  | 'attribute';

const TYPE_OF_BYTE: Record<string, ReplyType> = {
  '+': 'simple',
  '-': 'error',
  ':': 'integer',
  $: 'bulk',
  '*': 'array',
  _: 'null',
  '#': 'boolean',
  ',': 'double',
  '(': 'bignumber',
  '!': 'bloberror',
  '=': 'verbatim',
  '%': 'map',
  '~': 'set',
  '>': 'push',
  '|': 'attribute',
};

/**
 * One reply or element of one.
 *
 * `bytes`: the text of scalars without type byte, length and line ends (null for `$-1`, `*-1` and `_`);
 * for verbatim strings with the three letters and colon in front.
 * `items`: the elements of aggregates; maps and attributes hold key, value, key, value.
 */
export type ReplyNode = {
  type: ReplyType;
  bytes: Buffer | null;
  items: ReplyNode[] | null;
  attributes: ReplyNode | null;
};

/** A top-level reply with the exact bytes it came as (attributes in front of it included). */
export type Reply = ReplyNode & { raw: Buffer };

/** What an error reply becomes in `toValue`: compare with `toEqual(new RespError('ERR ...'))` or by `message`. */
export class RespError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'RespError';
  }
}

export type Value =
  | string
  | number
  | bigint
  | boolean
  | null
  | Buffer
  | RespError
  | Value[]
  | Map<Value, Value>
  | Set<Value>;

/** Thrown when the server sends what is not RESP. */
export class ReplyFormatError extends Error {}

type Frame = { node: ReplyNode; remaining: number };

/** Feed it with `push`, take whole replies with `shift`. */
export class RespParser {
  #buffer: Buffer = Buffer.alloc(4096);
  #start = 0; // first byte of the reply under construction
  #position = 0; // next byte to parse
  #end = 0; // end of what was received
  #stack: Frame[] = [];
  #attributes: ReplyNode | null = null;
  #broken = false;

  /** Adds received bytes. */
  push(chunk: Buffer): void {
    if (this.#end + chunk.length > this.#buffer.length) this.#makeRoom(chunk.length);
    chunk.copy(this.#buffer, this.#end);
    this.#end += chunk.length;
  }

  /** The bytes received that belong to no whole reply yet. */
  rest(): Buffer {
    return Buffer.from(this.#buffer.subarray(this.#start, this.#end));
  }

  /** Drops what is not parsed and forgets errors. */
  clear(): void {
    this.#start = this.#position = this.#end;
    this.#stack = [];
    this.#attributes = null;
    this.#broken = false;
  }

  /**
   * The next whole reply, or undefined when more bytes are needed.
   * @throws ReplyFormatError when the bytes are not RESP; after that the parser yields nothing until `clear`.
   */
  shift(): Reply | undefined {
    if (this.#broken) return undefined;
    for (;;) {
      const node = this.#parseHeader();
      if (node === undefined) return undefined;
      const whole = this.#attach(node);
      if (whole === undefined) continue;
      const raw = Buffer.from(this.#buffer.subarray(this.#start, this.#position));
      this.#start = this.#position;
      return { ...whole, raw };
    }
  }

  /** Puts a node where it belongs; the top-level node when that is complete. */
  #attach(node: ReplyNode): ReplyNode | undefined {
    if (node.type !== 'attribute' && this.#attributes !== null) {
      node.attributes = this.#attributes;
      this.#attributes = null;
    }
    let current = node;
    let remaining = pendingItems(node);
    for (;;) {
      if (remaining > 0) {
        this.#stack.push({ node: current, remaining });
        return undefined;
      }
      if (current.type === 'attribute') {
        this.#attributes = current;
        return undefined;
      }
      const frame = this.#stack.at(-1);
      if (frame === undefined) return current;
      frame.node.items!.push(current);
      frame.remaining--;
      if (frame.remaining > 0) return undefined;
      this.#stack.pop();
      current = frame.node;
      remaining = 0;
    }
  }

  /** A scalar with its content, or an aggregate without its elements; undefined when bytes are missing. */
  #parseHeader(): ReplyNode | undefined {
    const found = this.#buffer.subarray(this.#position, this.#end).indexOf('\r\n', 0, 'latin1');
    if (found === -1) return undefined;
    const lineEnd = this.#position + found;
    const type = TYPE_OF_BYTE[String.fromCharCode(this.#buffer[this.#position]!)];
    if (type === undefined) this.#fail('unknown type byte');
    const line = this.#buffer.subarray(this.#position + 1, lineEnd);
    switch (type) {
      case 'bulk':
      case 'bloberror':
      case 'verbatim':
        return this.#parseSized(type, line, lineEnd + 2);
      case 'array':
      case 'set':
      case 'push':
      case 'map':
      case 'attribute':
        return this.#parseAggregate(type, line, lineEnd + 2);
      default:
        this.#position = lineEnd + 2;
        return {
          type: type!,
          bytes: type === 'null' ? null : Buffer.from(line),
          items: null,
          attributes: null,
        };
    }
  }

  #parseSized(type: ReplyType, line: Buffer, dataStart: number): ReplyNode | undefined {
    const length = this.#length(line);
    if (length === -1) {
      this.#position = dataStart;
      return { type, bytes: null, items: null, attributes: null };
    }
    const dataEnd = dataStart + length;
    if (dataEnd + 2 > this.#end) return undefined;
    if (this.#buffer[dataEnd] !== 13 || this.#buffer[dataEnd + 1] !== 10) this.#fail('no CRLF after a bulk');
    this.#position = dataEnd + 2;
    const bytes = Buffer.from(this.#buffer.subarray(dataStart, dataEnd));
    return { type, bytes, items: null, attributes: null };
  }

  #parseAggregate(type: ReplyType, line: Buffer, next: number): ReplyNode {
    const length = this.#length(line);
    this.#position = next;
    const node: ReplyNode = { type, bytes: null, items: length === -1 ? null : [], attributes: null };
    if (length > 0) itemsPending.set(node, type === 'map' || type === 'attribute' ? length * 2 : length);
    return node;
  }

  #length(line: Buffer): number {
    const text = line.toString('latin1');
    if (!/^(-1|\d{1,15})$/.test(text)) this.#fail(`bad length ${JSON.stringify(text)}`);
    return Number(text);
  }

  #fail(why: string): never {
    this.#broken = true;
    const shown = this.#buffer.subarray(this.#position, Math.min(this.#end, this.#position + 80));
    throw new ReplyFormatError(`the server sent what is not RESP (${why}): ${quoteBytes(shown)}`);
  }

  #makeRoom(bytes: number): void {
    const kept = this.#end - this.#start;
    let size = this.#buffer.length;
    while (size < kept + bytes) size *= 2;
    const next = Buffer.alloc(size);
    this.#buffer.copy(next, 0, this.#start, this.#end);
    this.#position -= this.#start;
    this.#start = 0;
    this.#end = kept;
    this.#buffer = next;
  }
}

// How many elements a just parsed aggregate still waits for (nothing stored: none).
const itemsPending = new WeakMap<ReplyNode, number>();

function pendingItems(node: ReplyNode): number {
  return itemsPending.get(node) ?? 0;
}

/** Parses bytes that must hold whole replies only. */
export function parseReplies(bytes: Buffer): Reply[] {
  const parser = new RespParser();
  parser.push(bytes);
  const replies: Reply[] = [];
  for (let reply = parser.shift(); reply !== undefined; reply = parser.shift()) replies.push(reply);
  if (parser.rest().length > 0) throw new ReplyFormatError(`unfinished reply: ${quoteBytes(parser.rest())}`);
  return replies;
}

/**
 * The natural JavaScript value: strings (or Buffers with `encoding` 'buffer'), numbers (bigint over 2^53), booleans,
 * null, arrays (also for push), Map, Set; errors as RespError objects, not thrown. Verbatim strings lose `txt:`.
 */
export function toValue(node: ReplyNode, encoding: BufferEncoding | 'buffer' = 'utf8'): Value {
  const text = node.bytes?.toString('latin1') ?? '';
  switch (node.type) {
    case 'simple':
      return text;
    case 'error':
    case 'bloberror':
      return new RespError(node.bytes!.toString('utf8'));
    case 'integer':
      return Number.isSafeInteger(Number(text)) ? Number(text) : BigInt(text);
    case 'bulk':
      if (node.bytes === null) return null;
      return encoding === 'buffer' ? node.bytes : node.bytes.toString(encoding);
    case 'verbatim':
      return node.bytes!.subarray(4).toString('utf8');
    case 'null':
      return null;
    case 'boolean':
      return text === 't';
    case 'double':
      return parseDouble(text);
    case 'bignumber':
      return BigInt(text);
    default:
      return aggregateValue(node, encoding);
  }
}

function aggregateValue(node: ReplyNode, encoding: BufferEncoding | 'buffer'): Value {
  if (node.items === null) return null;
  const values = node.items.map((item) => toValue(item, encoding));
  if (node.type === 'set') return new Set(values);
  if (node.type !== 'map' && node.type !== 'attribute') return values;
  const map = new Map<Value, Value>();
  for (let i = 0; i < values.length; i += 2) map.set(values[i]!, values[i + 1]!);
  return map;
}

function parseDouble(text: string): number {
  if (text === 'inf') return Number.POSITIVE_INFINITY;
  if (text === '-inf') return Number.NEGATIVE_INFINITY;
  return Number(text);
}

/** Whether a reply is an error (of either kind). */
export function isError(node: ReplyNode): boolean {
  return node.type === 'error' || node.type === 'bloberror';
}

/** Bytes as a double-quoted string that redis-cli reads back: printable ASCII as it is, the rest escaped. */
export function quoteBytes(bytes: Buffer | string): string {
  const buffer = typeof bytes === 'string' ? Buffer.from(bytes) : bytes;
  let text = '"';
  for (const byte of buffer) {
    if (byte === 0x22 || byte === 0x5c) text += `\\${String.fromCharCode(byte)}`;
    else if (byte === 0x0d) text += '\\r';
    else if (byte === 0x0a) text += '\\n';
    else if (byte >= 0x20 && byte < 0x7f) text += String.fromCharCode(byte);
    else text += `\\x${byte.toString(16).padStart(2, '0')}`;
  }
  return `${text}"`;
}
