// Users that the configuration defines by `user` lines. Each line is checked when it is read, so that the error names
// it; the users come to be when the server starts.

import { RuleError } from './rule-errors.ts';
import { hasSpaces, mergeSelectors } from './rule-text.ts';
import { AclUser } from './user.ts';
import type { Users } from './users.ts';

/**
 * Checks a line.
 * @param words name and rules
 * @param earlier names of the lines before it; gains this one's
 * @returns Redis's error for the line, or null. Unknown commands are reported by defineUsers: so Redis, for its modules
 */
export function checkUserLine(words: readonly string[], users: Users, earlier: Set<string>): string | null {
  const [name, ...rules] = words;
  // Redis means to name the word, and names another: one counted from `user`.
  const line = ['user', ...words];
  if (earlier.has(name!)) return declarationError(line[1]!, RuleError.Duplicate);
  const merging = mergeSelectors(rules);
  if ('open' in merging) return declarationError(line[merging.index]!, 'Wrong format');
  const draft = new AclUser(0, name!, users);
  for (let i = 0; i < merging.merged.length; i++) {
    const error = draft.set(merging.merged[i]!, users);
    if (error !== null && error !== RuleError.Unknown) return declarationError(line[i]!, error);
  }
  earlier.add(name!);
  return null;
}

function declarationError(word: string, error: string): string {
  return `Error in user declaration '${word}': ${error}`;
}

/**
 * Makes the users of all lines.
 * @param log lines for the server's log
 * @returns null, or why the server must not start
 */
export function defineUsers(
  lines: readonly (readonly string[])[],
  users: Users,
  log: (message: string) => void,
): string | null {
  for (const [name, ...rules] of lines) {
    if (hasSpaces(name!)) return 'Spaces not allowed in ACL usernames';
    const merging = mergeSelectors(rules);
    if ('open' in merging) return `Unmatched parenthesis in acl selector starting at '${merging.open}'.`;
    const user = users.setUser(name!, ['reset']);
    if (typeof user === 'string') return user;
    for (const rule of merging.merged) {
      const error = user.set(rule, users);
      if (error !== null) return `Error loading ACL rule '${rule}' for the user named '${name}': ${error}`;
    }
    if (!user.enabled) {
      log(
        `The user '${name}' is disabled (there is no 'on' modifier in the user description). Make sure this is not a configuration error.`,
      );
    }
  }
  return null;
}
