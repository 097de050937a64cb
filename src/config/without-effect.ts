/**
 * Settings that were asked for and do nothing: the server says so when it starts, rather than let somebody believe
 * that, say, `syslog-enabled yes` sends the log anywhere.
 */

import { DIRECTIVES } from './directives.ts';
import { type ConfigStore, DEFAULTS } from './store.ts';

/**
 * Lines for the log, without level: one for each directive that was given a value other than its default, is not
 * merely switched off, and has no effect here (or not yet).
 */
export function settingsWithoutEffect(store: ConfigStore): string[] {
  const lines: string[] = [];
  for (const { name, inert, waits } of DIRECTIVES) {
    if (inert === undefined && waits === undefined) continue;
    const text = store.getText(name);
    if (!store.wasGiven(name) || text === '' || text === 'no' || text === DEFAULTS.get(name)!.text) continue;
    lines.push(
      inert === undefined
        ? `WARNING: ${name} has no effect in this version, which does not have ${waits} yet`
        : `WARNING: ${name} has no effect: ${inert}`,
    );
  }
  return lines;
}
