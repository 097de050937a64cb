// The texts of ACL rules: bytes in strings, one character (0 to 255) per byte.

/** What C sees of a text: up to its first NUL. */
export function cString(text: string): string {
  const nul = text.indexOf('\0');
  return nul < 0 ? text : text.slice(0, nul);
}

/** Whether a text holds blanks (the C locale's `isspace`) or NULs: neither names nor patterns may. */
export function hasSpaces(text: string): boolean {
  return /[\0\t-\r ]/.test(text);
}

/**
 * Puts selectors together whose text was split at its spaces: `(+get`, `~a*)` becomes `(+get ~a*)`.
 * @returns the rules, or the one whose parenthesis is never closed
 */
export function mergeSelectors(
  rules: readonly string[],
): { readonly merged: readonly string[] } | { readonly open: string; readonly index: number } {
  const merged: string[] = [];
  let selector: string | null = null;
  let openAt = 0;
  for (let i = 0; i < rules.length; i++) {
    const rule = rules[i]!;
    if (selector !== null) {
      selector += ` ${cString(rule)}`;
      if (!rule.endsWith(')')) continue;
      merged.push(selector);
      selector = null;
    } else if (rule.startsWith('(') && !rule.endsWith(')')) {
      selector = rule;
      openAt = i;
    } else merged.push(rule);
  }
  return selector === null ? { merged } : { open: rules[openAt]!, index: openAt };
}
