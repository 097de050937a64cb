// The line that MONITOR shows for a command: `+1339518083.107412 [0 127.0.0.1:60866] "keys" "*"`.

import type { CommandContext } from '../commands/context.ts';
import { redactedFrom } from './redact.ts';

/** @param db the database that the command ran in @returns the line as RESP, with CR LF */
export function monitorLine(cx: CommandContext, db: number): string {
  const now = performance.timeOrigin + performance.now();
  const seconds = Math.floor(now / 1000);
  const micros = String(Math.floor((now - seconds * 1000) * 1000)).padStart(6, '0');
  const hidden = redactedFrom(cx);
  let words = '';
  for (let i = 0; i < cx.argc; i++) words += i >= hidden ? ' "(redacted)"' : ` ${quoteArgument(cx, i)}`;
  return `+${seconds}.${micros} [${db} ${cx.session.address}]${words}\r\n`;
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
