// Commands in rows, for tests of effects: words, 'with blanks' in single quotes, and how to run them on both sides.

import { DIRECTIVES } from '../../src/config/directives.ts';
import { type AofOracle, compareTold } from '../support/aof-oracle.ts';
import { formatCommand } from '../support/command-history.ts';
import type { InProcess } from '../support/in-process.ts';
import type { Argument } from '../support/raw-client.ts';
import type { Told } from '../support/told-commands.ts';

/** Longer than any time to live in the rows that is to pass. */
const SLEEP_MS = 15;

/** The words of a row. */
export function words(row: string): string[] {
  return [...row.matchAll(/'([^']*)'|(\S+)/g)].map((match) => match[1] ?? match[2]!);
}

/** What was told, as rows; the database in front where it is not 0. */
export function rows(told: readonly Told[]): string[] {
  return told.map(({ db, args }) => `${db === 0 ? '' : `${db}> `}${formatCommand([...args])}`);
}

/**
 * Runs rows on both; each must tell the same. `sleep` waits for short times to live to pass.
 * @throws with all differences
 */
export async function compareRows(local: InProcess, oracle: AofOracle, script: string): Promise<void> {
  const differences: string[] = [];
  for (const row of script.split('\n').map((line) => line.trim())) {
    if (row === '') continue;
    if (row === 'sleep') {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, SLEEP_MS);
      continue;
    }
    const difference = await compareWords(local, oracle, words(row));
    if (difference !== null) differences.push(difference);
  }
  if (differences.length > 0) throw new Error(differences.join('\n'));
}

/** Runs a command on both; CONFIG SET is one of this process's configuration. */
export async function compareWords(
  local: InProcess,
  oracle: AofOracle,
  args: readonly Argument[],
): Promise<string | null> {
  if (args[0] !== 'CONFIG') return compareTold(local, oracle, args);
  const directive = DIRECTIVES.find(({ name }) => name === args[2])!;
  local.config.assign(directive.name, String(args[3]));
  await oracle.run(...args);
  return null;
}
