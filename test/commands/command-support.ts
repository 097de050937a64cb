/*
 * A command table in which every command is built, and requests as the key search takes them.
 */
import { allCommandFacts } from '../../src/commands/facts/command-facts.ts';
import { commandCommands } from '../../src/commands/family-command.ts';
import {
  buildCommandTable,
  type CommandTable,
  type FamilyHandlers,
  type HandlerEntry,
  Place,
} from '../../src/commands/table.ts';

/** Rows that a server, as opposed to Sentinel, has. */
export const serverFacts = allCommandFacts.filter((row) => !row.hidden_flags?.includes('only_sentinel'));

/** Handlers that do nothing for all commands that can have one, but for those that `except` declares. */
export function idleHandlers(except: FamilyHandlers = {}): FamilyHandlers {
  const idle: HandlerEntry = { run: () => {}, place: Place.InPlace };
  const names = serverFacts.filter((row) => !row.needs_subcommand && !(row.name in except));
  return Object.fromEntries(names.map((row) => [row.name, idle]));
}

/** Every command of the facts can be called; COMMAND is the real one. */
export function fullTable(): CommandTable {
  return buildCommandTable(allCommandFacts, [commandCommands, idleHandlers(commandCommands)]);
}

/** A request as its parser leaves it, with bytes around every argument. */
export class Request {
  readonly argc: number;
  readonly argOff: Int32Array;
  readonly argLen: Int32Array;
  readonly input: Buffer;

  constructor(words: readonly string[]) {
    this.argc = words.length;
    this.argOff = new Int32Array(words.length + 2);
    this.argLen = new Int32Array(words.length + 2);
    const parts: Buffer[] = [Buffer.from('Z')];
    let at = 1;
    words.forEach((text, i) => {
      const bytes = Buffer.from(text, 'latin1');
      this.argOff[i] = at;
      this.argLen[i] = bytes.length;
      parts.push(bytes, Buffer.from('z'));
      at += bytes.length + 1;
    });
    this.input = Buffer.concat(parts);
  }
}
