// What the programs in TypeScript share: running checks in order, and asking for the restart.

import { deepStrictEqual } from 'node:assert/strict';
import { createInterface } from 'node:readline';

export const PROTOCOL = Number(process.argv[2]) as 2 | 3;
export const PORT = Number(process.argv[3]);

/** Throws unless both are the same, with both in the message. */
export function expect(got: unknown, wanted: unknown): void {
  deepStrictEqual(got, wanted);
}

/** The promise must be rejected with an error of that class whose message holds the text. */
export async function expectError(
  kind: new (...args: never[]) => Error,
  text: string,
  run: () => Promise<unknown>,
): Promise<void> {
  let got: unknown;
  try {
    got = await run();
  } catch (error) {
    if (!(error instanceof kind)) throw new Error(`an error of another class: ${error}`);
    if (!error.message.includes(text)) throw new Error(`error ${error.message} without ${text}`);
    return;
  }
  throw new Error(`no error but ${String(got)}`);
}

/** Asks whoever runs this program to restart the server; resolves when that is done. */
export async function restartServer(): Promise<void> {
  const lines = createInterface({ input: process.stdin });
  console.log('restart');
  for await (const line of lines) {
    expect(line, 'restarted');
    break;
  }
  lines.close();
}

/** Runs the checks and prints what became of each. */
export async function runChecks(checks: Record<string, () => Promise<void>>): Promise<void> {
  for (const [name, check] of Object.entries(checks)) {
    try {
      await check();
      console.log(`ok ${name}`);
    } catch (error) {
      const { name: kind, message, stack } = error as Error;
      const place = stack?.match(/programs\/(?:ioredis|node-redis)\.ts:\d+/)?.[0] ?? '';
      console.log(`not ok ${name}: ${kind}: ${message.replace(/\s+/g, ' ').slice(0, 500)} ${place}`);
    }
  }
}

/** All byte values, in their order. */
export const EVERY_BYTE = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));

/** About 50 MB. */
export function largeValue(): Buffer {
  return Buffer.alloc(50_000_000, '0123456789abcdef\r\n');
}
