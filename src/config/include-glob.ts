/**
 * The files that a pattern in an `include` line names: `glob(3)` as Redis calls it.
 *
 *     conf.d/[0-9]*.conf      *, ? and [...] within one part of the path; \ takes the next character as it is
 *
 * Sorted by bytes; a name that begins with a dot needs its dot in the pattern. Not `fs.globSync`, which also knows
 * braces and `**`.
 */

import { existsSync, readdirSync } from '../file-system.ts';

/** Whether a path is a pattern. */
export function isGlob(path: string): boolean {
  return /[*?[]/.test(path);
}

/**
 * The paths that match, sorted; none if nothing does or a directory cannot be read.
 * @param pattern an absolute path, one character per byte; so are the results
 */
export function expandGlob(pattern: string): string[] {
  let found = [''];
  for (const part of pattern.split('/').filter((each) => each !== '')) {
    found = found.flatMap((base) => matchPart(base, part));
  }
  return found.filter((path) => path !== '').sort((a, b) => (a < b ? -1 : 1));
}

function matchPart(base: string, part: string): string[] {
  if (!isGlob(part)) {
    const path = `${base}/${part.replace(/\\(.)/gs, '$1')}`;
    return existsSync(Buffer.from(path, 'latin1')) ? [path] : [];
  }
  const expression = partExpression(part);
  return listDirectory(base)
    .filter((name) => (name.startsWith('.') ? part.startsWith('.') : true) && expression.test(name))
    .map((name) => `${base}/${name}`);
}

/** Names in a directory; none where it cannot be read, which glob(3) passes over too. */
function listDirectory(path: string): string[] {
  try {
    const names = readdirSync(Buffer.from(`${path}/`, 'latin1'), { encoding: 'buffer' });
    return names.map((name) => name.toString('latin1'));
  } catch {
    return [];
  }
}

/** One part of a pattern as a regular expression over bytes. */
function partExpression(part: string): RegExp {
  let source = '';
  for (let at = 0; at < part.length; at++) {
    const c = part[at]!;
    if (c === '*') source += '.*';
    else if (c === '?') source += '.';
    else if (c === '\\' && at + 1 < part.length) source += literal(part[++at]!);
    else if (c === '[') {
      const end = classEnd(part, at);
      if (end < 0) source += '\\[';
      else {
        source += classSource(part.slice(at + 1, end));
        at = end;
      }
    } else source += literal(c);
  }
  return new RegExp(`^${source}$`, 's');
}

/** Position of the ']' that ends the class at `open`, or -1. One that comes first belongs to the class. */
function classEnd(part: string, open: number): number {
  const first = part[open + 1] === '!' || part[open + 1] === '^' ? open + 2 : open + 1;
  return part.indexOf(']', first + 1);
}

function classSource(body: string): string {
  const negated = body.startsWith('!') || body.startsWith('^');
  const members = (negated ? body.slice(1) : body).replace(/[\\\]^[]/g, '\\$&');
  try {
    const source = `[${negated ? '^' : ''}${members}]`;
    new RegExp(source);
    return source;
  } catch {
    // A range turned round matches nothing, as in fnmatch(3).
    return negated ? '.' : '(?!)';
  }
}

function literal(c: string): string {
  return c.replace(/[.*+?^${}()|[\]\\/-]/, '\\$&');
}
