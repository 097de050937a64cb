/** Drives the request parser in tests as a connection does, and records what it found. */
import { ParseState, ParseStatus, RequestParser } from '../../src/protocol/request-parser.ts';

export interface Found {
  /** Commands, arguments as latin1. */
  commands: string[][];
  empties: number;
  /** Text of the protocol error. */
  error: string | null;
  /** Bytes that had been fed when the error showed. */
  errorAt: number;
  /** Bytes behind the last command, not complete. */
  rest: number;
}

export interface FeedOptions {
  authRequired?: boolean;
  fromMaster?: boolean;
  maxBulkLength?: number;
}

export function argumentsOf(parser: RequestParser): string[] {
  const args: string[] = [];
  for (let i = 0; i < parser.argc; i++) {
    const from = parser.argOff[i];
    args.push(parser.input.toString('latin1', from, from + parser.argLen[i]));
  }
  return args;
}

/**
 * Feeds `bytes` cut behind each of `cuts` (ascending). Before each piece the pending bytes are moved to another
 * place, with garbage around, since the owner may do so.
 */
export function feed(bytes: Buffer, cuts: number[], options: FeedOptions = {}): Found {
  const parser = new RequestParser();
  const state = new ParseState();
  parser.maxBulkLength = options.maxBulkLength ?? parser.maxBulkLength;
  state.authRequired = options.authRequired ?? false;
  state.fromMaster = options.fromMaster ?? false;
  const found: Found = { commands: [], empties: 0, error: null, errorAt: -1, rest: 0 };
  let pending = Buffer.alloc(0);
  let from = 0;
  for (const cut of [...cuts, bytes.length]) {
    const shift = from % 7;
    const all = Buffer.alloc(shift + pending.length + (cut - from) + 9, '\r\n$1');
    pending.copy(all, shift);
    bytes.copy(all, shift + pending.length, from, cut);
    const end = all.length - 9;
    let pos = shift;
    while (pos < end) {
      const status = parser.parse(all, pos, end, state);
      if (status === ParseStatus.Incomplete) break;
      if (status === ParseStatus.Error) {
        found.error = parser.error;
        found.errorAt = cut;
        return found;
      }
      if (status === ParseStatus.Empty) found.empties++;
      else found.commands.push(argumentsOf(parser));
      if (parser.pos <= pos || parser.pos > end)
        throw new Error('the parser stands still or runs past the end');
      pos = parser.pos;
      if (state.pending) throw new Error('the state is pending after a command');
    }
    if (state.need !== 0 && state.need <= end - pos) throw new Error('needs less than there is');
    pending = Buffer.from(all.subarray(pos, end));
    from = cut;
  }
  found.rest = pending.length;
  return found;
}

/** Every position within: byte by byte. */
export function everyByte(length: number): number[] {
  return Array.from({ length: Math.max(0, length - 1) }, (_, i) => i + 1);
}
