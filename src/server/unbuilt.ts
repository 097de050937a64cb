// Directives whose meaning is not built yet. A server that ignored them would break its word (data thought safe,
// passwords thought checked), so a configuration that asks for them is refused, at start and by CONFIG SET.

import type { DirectiveName } from '../config/directives.ts';
import type { ConfigStore } from '../config/store.ts';

const UNBUILT: readonly { readonly name: DirectiveName; readonly off: string; readonly what: string }[] = [
  { name: 'replicaof', off: '', what: 'replication' },
  { name: 'cluster-enabled', off: 'no', what: 'cluster mode' },
];

/** @returns why this configuration cannot be served, null if it can */
export function refuseUnbuilt(config: ConfigStore): string | null {
  for (const { name, off, what } of UNBUILT) {
    if (config.getText(name) !== off)
      return `'${name} ${config.getText(name)}': ${what} is not supported by this version`;
  }
  return null;
}

/** Lets CONFIG SET refuse them too. */
export function hookUnbuilt(config: ConfigStore): void {
  for (const { name, off, what } of UNBUILT) {
    config.hook(name, {
      validate: (next) => (next.text === off ? null : `${what} is not supported by this version`),
    });
  }
}
