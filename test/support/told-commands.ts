// What is told to the change stream, read back: the entries of src/commands/effects.ts as commands.

import { RespParser, toValue } from './resp-parser.ts';

/** A command in the change stream. Arguments are strings of one character per byte. */
export interface Told {
  readonly db: number;
  readonly args: readonly string[];
}

const ENTRY_HEADER = 8;

/** The commands in the first `length` bytes of the buffer of an Effects. Throws if they are not well-formed. */
export function commandsIn(buffer: Buffer, length: number): Told[] {
  const told: Told[] = [];
  for (let at = 0; at < length; ) {
    const end = at + ENTRY_HEADER + buffer.readInt32LE(at + 4);
    const commands = parseCommands(buffer.subarray(at + ENTRY_HEADER, end));
    if (commands.length !== 1) throw new Error(`${commands.length} commands in one entry`);
    told.push({ db: buffer.readInt32LE(at), args: commands[0]! });
    at = end;
  }
  return told;
}

/** The arguments of each of the commands in RESP. */
export function parseCommands(bytes: Buffer): string[][] {
  const parser = new RespParser();
  parser.push(Buffer.from(bytes));
  const commands: string[][] = [];
  for (let reply = parser.shift(); reply !== undefined; reply = parser.shift()) {
    const value = toValue(reply, 'latin1');
    if (!Array.isArray(value) || !value.every((arg) => typeof arg === 'string')) {
      throw new Error(`not a command: ${bytes.toString('latin1')}`);
    }
    commands.push(value);
  }
  if (parser.rest().length > 0) throw new Error(`not all of it are commands: ${bytes.toString('latin1')}`);
  return commands;
}
