// What is sent to the supervisor's slow log for a command that took long.

import type { CommandContext } from '../commands/context.ts';
import { type Command, CommandFlag } from '../commands/table.ts';
import { redactedArguments } from './redact.ts';

const ARGS_MAX = 32;
const ARG_BYTES_MAX = 128;

export interface SlowEntry {
  /** Unix time in seconds. */
  readonly time: number;
  readonly usec: number;
  /** Arguments, latin1, cut as Redis cuts them. */
  readonly args: readonly string[];
  readonly address: string;
  readonly name: string;
}

/** What the latency monitor files a command under. */
export function latencyEvent(command: Command): string {
  return (command.flags & CommandFlag.Fast) !== 0 ? 'fast-command' : 'command';
}

export function slowEntry(cx: CommandContext, usec: number): SlowEntry {
  const hidden = redactedArguments(cx);
  const shown = Math.min(cx.argc, ARGS_MAX);
  const args: string[] = [];
  for (let i = 0; i < shown; i++) {
    if (cx.argc > ARGS_MAX && i === ARGS_MAX - 1) args.push(`... (${cx.argc - shown + 1} more arguments)`);
    else if (hidden.has(i)) args.push('(redacted)');
    else args.push(cut(cx, i));
  }
  return {
    time: Math.floor(cx.now / 1000),
    usec: Math.floor(usec),
    args,
    address: cx.session.address,
    name: cx.session.name,
  };
}

function cut(cx: CommandContext, arg: number): string {
  const len = cx.argLen[arg]!;
  if (len <= ARG_BYTES_MAX) return cx.argLatin1(arg);
  const off = cx.argOff[arg]!;
  return `${cx.input.toString('latin1', off, off + ARG_BYTES_MAX)}... (${len - ARG_BYTES_MAX} more bytes)`;
}
