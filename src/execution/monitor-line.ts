// The line that MONITOR shows for a command: `+1339518083.107412 [0 127.0.0.1:60866] "keys" "*"`, less the time, which the
// supervisor puts in front.

import type { CommandContext } from '../commands/context.ts';
import { redactedArguments } from './redact.ts';
import type { MonitorLine } from './reports.ts';

/** Of the command that has just run: a SELECT shows the database that it has chosen, as in Redis. */
export function monitorLine(cx: CommandContext): MonitorLine {
  const usec = Math.floor((performance.timeOrigin + performance.now()) * 1000);
  const { address, db } = cx.session;
  // Only the address travels with commands that are handed over; that of a unix socket ends in port 0.
  const from = address.endsWith(':0') ? `unix:${address.slice(0, -2)}` : address;
  const hidden = redactedArguments(cx);
  let words = '';
  for (let i = 0; i < cx.argc; i++) words += hidden.has(i) ? ' "(redacted)"' : ` ${quoteArgument(cx, i)}`;
  return { usec, text: ` [${db} ${from}]${words}\r\n` };
}

/** An argument as sdscatrepr prints it. */
function quoteArgument(cx: CommandContext, arg: number): string {
  let text = '"';
  for (let i = cx.argOff[arg]!; i < cx.argOff[arg]! + cx.argLen[arg]!; i++) {
    const byte = cx.input[i]!;
    if (byte === 0x22 || byte === 0x5c) text += '\\' + String.fromCharCode(byte);
    else if (byte === 0x0a) text += '\\n';
    else if (byte === 0x0d) text += '\\r';
    else if (byte === 0x09) text += '\\t';
    else if (byte === 0x07) text += '\\a';
    else if (byte === 0x08) text += '\\b';
    else if (byte >= 0x20 && byte < 0x7f) text += String.fromCharCode(byte);
    else text += '\\x' + byte.toString(16).padStart(2, '0');
  }
  return text + '"';
}
