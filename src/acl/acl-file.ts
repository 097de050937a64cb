// The file of users (aclfile): a line each, `user name rules...`, words apart by one space. No comments: ACL SAVE would
// lose them.

import { RuleError } from './rule-errors.ts';
import { cString, hasSpaces, mergeSelectors } from './rule-text.ts';
import { AclUser } from './user.ts';
import type { Users } from './users.ts';

export interface ParsedFile {
  /** Without ids of their own. */
  readonly users: readonly AclUser[];
  /** What is wrong with it, in one text; empty if nothing is. */
  readonly errors: string;
}

/**
 * Reads a file's text.
 * @param text one character per byte
 * @param path as errors name it
 */
export function parseAclFile(text: string, path: string, users: Users): ParsedFile {
  const found = new Map<string, AclUser>();
  let errors = '';
  text.split('\n').forEach((raw, index) => {
    const line = cString(raw).replace(/^[ \t\r]+|[ \t\r]+$/g, '');
    if (line !== '') errors += readLine(line, `${path}:${index + 1}`, index + 1, found, users);
  });
  if (errors !== '') {
    errors += 'WARNING: ACL errors detected, no change to the previously active ACL rules was performed';
  }
  return { users: [...found.values()], errors };
}

/** @param at file and number of the line @returns what is wrong with it, empty if nothing */
function readLine(
  line: string,
  at: string,
  number: number,
  found: Map<string, AclUser>,
  users: Users,
): string {
  const [keyword, name, ...words] = line.split(' ');
  if (keyword !== 'user' || name === undefined)
    return `${at} should start with user keyword followed by the username. `;
  if (hasSpaces(name)) return `'${at}: username '${name}' contains invalid characters. `;
  if (found.has(name)) return `WARNING: Duplicate user '${name}' found on line ${number}. `;
  const user = new AclUser(0, name, users);
  found.set(name, user);
  const merging = mergeSelectors(words);
  if ('open' in merging) return `${at}: Unmatched parenthesis in selector definition.`;
  let errors = '';
  let misread = false;
  for (const word of merging.merged) {
    const rule = word.replace(/^[\t\r\n]+|[\t\r\n]+$/g, '');
    const error = user.set(rule, users);
    if (error === null) continue;
    // Unknown commands are named, since there is nothing secret about them; of other faults only the first counts.
    if (error === RuleError.Unknown) errors += `${at}: Error in applying operation '${rule}': ${error}. `;
    else if (!misread) {
      errors += `${at}: ${error}. `;
      misread = true;
    }
  }
  return errors;
}

/** The text of a file with these users. */
export function formatAclFile(users: Users): string {
  return users
    .sorted()
    .map((user) => `${user.line()}\n`)
    .join('');
}
