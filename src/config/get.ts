/**
 * CONFIG GET: which directives match a list of names and patterns.
 */

import { globMatch } from '../protocol/glob.ts';
import { findDirective, NAMES } from './directives.ts';
import type { ConfigStore } from './store.ts';
import { asciiLower } from './tokenize.ts';

const NAME_BYTES = NAMES.map(([name]) => Buffer.from(name, 'latin1'));

/**
 * The reply of CONFIG GET, each directive once, in the order first matched (a pattern's in alphabetical order).
 *
 * A name without glob characters is printed as it was given, and finds hidden directives too. Aliases are names of
 * their own: where both match, both are printed.
 *
 * @param patterns one character per byte
 * @returns pairs of name and value, one character per byte
 */
export function configGet(store: ConfigStore, patterns: readonly string[]): [name: string, text: string][] {
  const matches = new Map<string, [name: string, text: string]>();
  for (const pattern of patterns) {
    if (/[*?[]/.test(pattern)) matchPattern(store, pattern, matches);
    else matchName(store, pattern, matches);
  }
  return [...matches.values()];
}

function matchName(store: ConfigStore, name: string, matches: Map<string, [string, string]>): void {
  const lower = asciiLower(name);
  const directive = findDirective(lower);
  if (directive === undefined || matches.has(lower)) return;
  matches.set(lower, [name, store.getText(directive.name)]);
}

function matchPattern(store: ConfigStore, pattern: string, matches: Map<string, [string, string]>): void {
  const bytes = Buffer.from(pattern, 'latin1');
  for (let i = 0; i < NAMES.length; i++) {
    const [name, directive] = NAMES[i]!;
    if (directive.hidden || matches.has(name)) continue;
    const nameBytes = NAME_BYTES[i]!;
    if (!globMatch(bytes, 0, bytes.length, nameBytes, 0, nameBytes.length, true)) continue;
    matches.set(name, [name, store.getText(directive.name)]);
  }
}
