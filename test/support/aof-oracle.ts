// What a real redis-server appends to its log for a command, as an oracle of what ours tells to the change stream.
//
// The oracle writes all of a command's effects to the file before it sends the reply (appendfsync only says when the disk
// has them). The file is read on from where it ended; SELECT lines become the database of what follows, MULTI and EXEC are
// left out (a unit of several commands is what one command tells).

import { closeSync, openSync, readdirSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { formatCommand } from './command-history.ts';
import type { InProcess } from './in-process.ts';
import type { Argument, RawClient } from './raw-client.ts';
import { startRedis } from './redis-server.ts';
import { isError, quoteBytes } from './resp-parser.ts';
import type { ServerProcess } from './server-process.ts';
import { parseCommands, type Told } from './told-commands.ts';

const READ_BYTES = 1 << 20;
/** Unix times in ms from 2001 on: 13 digits and more. */
const MOMENT = /^[1-9]\d{12,18}$/;
/** How far apart the clocks of the two may have been when they ran a command, in ms. */
const TOLERANCE_MS = 2000;

export class AofOracle {
  readonly server: ServerProcess;
  readonly client: RawClient;
  readonly #file: number;
  readonly #chunk = Buffer.alloc(READ_BYTES);
  #at = 0;
  #db = 0;

  private constructor(server: ServerProcess, client: RawClient) {
    this.server = server;
    this.client = client;
    const folder = join(server.folder, 'appendonlydir');
    const name = readdirSync(folder).find((file) => file.endsWith('.incr.aof'));
    if (name === undefined) throw new Error(`no increment in ${folder}`);
    this.#file = openSync(join(folder, name), 'r');
  }

  static async start(...args: string[]): Promise<AofOracle> {
    const server = await startRedis({
      args: ['--appendonly', 'yes', '--appendfsync', 'no', '--auto-aof-rewrite-percentage', '0', ...args],
    });
    return new AofOracle(server, await server.connect());
  }

  /** Runs a command. @returns whether it was answered with an error, the reply, and what it has left in the log */
  async run(...args: Argument[]): Promise<{ reply: Buffer; failed: boolean; told: Told[] }> {
    const reply = await this.client.command(...args);
    return { reply: reply.raw, failed: isError(reply), told: this.take() };
  }

  /** What has come into the log since the last look. */
  take(): Told[] {
    const told: Told[] = [];
    for (const args of parseCommands(this.#readOn())) {
      const name = args[0]!.toUpperCase();
      if (name === 'SELECT') this.#db = Number(args[1]);
      else if (name !== 'MULTI' && name !== 'EXEC') told.push({ db: this.#db, args });
    }
    return told;
  }

  async stop(): Promise<void> {
    closeSync(this.#file);
    await this.server.stop();
  }

  #readOn(): Buffer {
    const parts: Buffer[] = [];
    for (;;) {
      const read = readSync(this.#file, this.#chunk, 0, READ_BYTES, this.#at);
      if (read === 0) return Buffer.concat(parts);
      this.#at += read;
      parts.push(Buffer.from(this.#chunk.subarray(0, read)));
    }
  }
}

/**
 * Runs a command on both and compares what they tell.
 * @returns null, or what differs
 */
export async function compareTold(
  local: InProcess,
  oracle: AofOracle,
  args: readonly Argument[],
): Promise<string | null> {
  const right = await oracle.run(...args);
  const reply = local.run(...args);
  if (sameTold(local.told, right.told)) return null;
  return (
    `${formatCommand(args)}\n  here:  ${quoteBytes(reply)}\n${shown(local.told)}` +
    `  redis: ${quoteBytes(right.reply)}\n${shown(right.told)}`
  );
}

/** Whether both tell the same; moments may differ by the time between the two. */
export function sameTold(left: readonly Told[], right: readonly Told[]): boolean {
  return left.length === right.length && left.every((told, i) => sameCommand(told, right[i]!));
}

function sameCommand(left: Told, right: Told): boolean {
  if (left.db !== right.db || left.args.length !== right.args.length) return false;
  return left.args.every((arg, i) => {
    const other = right.args[i]!;
    if (arg === other) return true;
    return MOMENT.test(arg) && MOMENT.test(other) && Math.abs(Number(arg) - Number(other)) <= TOLERANCE_MS;
  });
}

function shown(told: readonly Told[]): string {
  const lines = told.map(({ db, args }) => `    ${db}> ${formatCommand(args.map(latin1))}\n`);
  return lines.length === 0 ? '    nothing\n' : lines.join('');
}

function latin1(text: string): Buffer {
  return Buffer.from(text, 'latin1');
}
